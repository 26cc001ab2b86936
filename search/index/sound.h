/*
 * sound.h - whether bytes are what their readers take for granted.
 *
 * Readers do not doubt what its sum says is as it was written.  Who cannot
 * trust that a file was written by segment_write.h, as its sums may have been
 * made anew, looks at it with these first: they doubt each number, and see
 * nothing outside of what they are given.
 */
#pragma once

#include "search/index/dict.h"
#include "search/index/stored.h"
#include "search/index/values.h"

/* NULL: it is sound; else what is wrong with it. */
const char *sound_stored(const struct stored *stored);
/* taken: slots that are not free. */
const char *sound_ids(const struct ids *ids, uint32_t docs, uint32_t *taken);
const char *sound_values(const struct values *values);
/* lists, places: the sections' bytes; what they are is not looked at. */
const char *sound_dict(const struct dict *dict, uint32_t docs, uint64_t lists,
                       uint64_t places);
/* Of a term that count documents have, 2 at least. */
const char *sound_list(struct span bytes, uint32_t count, uint32_t docs);
const char *sound_places(struct span bytes, uint32_t count);
