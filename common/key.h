/*
 * key.h - names of Redis keys: "<prefix>:<type>:{pNNN}:<id>", NNN being the
 * partition of what a script must keep together.
 */
#pragma once

#include "common/arena.h"
#include "common/span.h"

/* In arena; bytes of any value. */
struct span key_name(struct arena *arena, const char *prefix, const char *type,
                     struct span together, struct span id);

/*
 * An id of two parts, "<length of a>:<a>:<b>": no other two give the same,
 * whatever stands in them.
 */
struct span key_pair(struct arena *arena, struct span a, struct span b);
