/*
 * live.h - which documents of a segment are not deleted.
 *
 *   docs    32 bits: of the segment
 *   count   32 bits: live ones
 *   bits    a bit a document (bitmap.h), set while it is live; 0 behind the
 *           last one
 *
 * All is little-endian.  Who deletes while others read is to delete in a copy.
 */
#pragma once

#include "common/buf.h"
#include "search/index/bitmap.h"

struct live {
    uint32_t docs, count; /* of the segment; live ones */
    unsigned char *bits;  /* its own */
};

/* All are live. */
void live_init(struct live *live, uint32_t docs);
void live_deinit(struct live *live);

/* Whether it was live. */
bool live_delete(struct live *live, uint32_t doc);

static inline bool live_has(const struct live *live, uint32_t doc)
{
    return bitmap_has(live->bits, doc);
}

/* Live ones from the one up to before the other. */
static inline uint32_t live_range(const struct live *live, uint32_t from,
                                  uint32_t to)
{
    return live->count == live->docs ? to - from
                                     : bitmap_count(live->bits, from, to);
}

void live_append(const struct live *live, struct buf *out);
/* live_deinit() it.  False, live untouched: the bytes are not of a segment that
   has so many documents, or miscount. */
bool live_read(struct live *live, struct span bytes, uint32_t docs);

/* A file of it is there, and on the disk: 0 or errno. */
int live_save(const struct live *live, const char *path);
/* As live_read(); false as well where there is no such file. */
bool live_load(struct live *live, const char *path, uint32_t docs);
