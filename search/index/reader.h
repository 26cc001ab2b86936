/*
 * reader.h - a segment of an index, to be searched: its fields and values,
 * opened when they are first asked for.  Of one thread.
 */
#pragma once

#include "search/index/field.h"
#include "search/index/live.h"
#include "search/index/schema.h"
#include "search/index/stored.h"
#include "search/index/values.h"

struct reader {
    struct segment *segment; /* borrowed, as live is */
    const struct live *live; /* NULL: all are */
    uint32_t docs, base;     /* base: documents of the segments before it */
    struct schema schema;    /* the segment's */
    struct reader_field *fields;
    struct ids ids;
    struct stored stored;
    bool has_ids, has_stored;
};

/* NULL: the segment is damaged, and says where. */
struct reader *reader_open(struct segment *segment, const struct live *live,
                           uint32_t base);
/* Another one of an open one's segment, as open as that is. */
struct reader *reader_like(const struct reader *other, const struct live *live,
                           uint32_t base);
void reader_close(struct reader *reader);

/* By the segment's own number, or SCHEMA_NONE; NULL: it has none, or is
   damaged. */
const struct field *reader_terms(struct reader *reader, uint32_t field);
const struct values *reader_values(struct reader *reader, uint32_t field);

/* The last live document of an id; UINT32_MAX: none. */
uint32_t reader_find(struct reader *reader, struct span id);
/* ptr NULL: the segment is damaged. */
struct span reader_id(struct reader *reader, uint32_t doc);
/* All of them; NULL: the segment is damaged. */
struct stored *reader_stored(struct reader *reader);
/* Of a document, to out's end; 0 or UV_EIO. */
int reader_source(struct reader *reader, uint32_t doc, struct buf *out);
