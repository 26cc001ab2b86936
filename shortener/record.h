/*
 * record.h - a link as one string.
 *
 * One SET makes a link, one GET resolves it, and neither needs a script: fields
 * stand as "<letter><length>:<bytes>".  A link's target comes first, so that
 * its first byte tells it from a tombstone, whose d comes first.
 *
 *   u URL   r status   o owner   t title   g tags   f forward the query
 *   a the code was chosen   e expiry   c made   m changed   d deleted
 *   p the operation that made it
 *
 * Letters of a newer version are skipped by record_read() and kept by
 * change.lua.
 */
#pragma once

#include "shortener/link.h"

/* Spans of *link point into text.  False: neither a link nor a tombstone. */
bool record_read(struct span text, struct link *link);

/* Empty and zero members are left out; code is the key's, not the record's. */
struct span record_write(struct arena *arena, const struct link *link);
