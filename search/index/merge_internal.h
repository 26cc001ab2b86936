/*
 * merge_internal.h - what the files of a merge share.
 *
 *   merge.c        one stream after the other, of all segments
 *   merge_moved.c  of a segment whose documents change places
 */
#pragma once

#include <uv.h>

#include "search/index/field_put.h"
#include "search/index/merge.h"
#include "search/query/places.h"
#include "search/query/postings.h"

#define GONE UINT32_MAX

/* A segment that is merged. */
struct part {
    struct reader *reader;
    uint32_t *numbers; /* of each document its new one, or GONE */
    uint32_t *order;   /* those that are not gone, by new number; count */
    uint32_t count;
    bool whole; /* none is gone, or has another place */
    /* of the field that is being merged */
    const struct field *field;  /* NULL: it has none */
    struct dict_cursor *cursor; /* NULL: it has no more */
    uint64_t key; /* the first bytes of its term, the first one the highest */
};

struct merge {
    const struct schema *schema;
    const atomic_bool *cancelled;
    bool reorders;
    const struct bits_kernel *kernel;
    struct segment_writer *out;
    struct part *parts;
    size_t count;
    uint32_t docs;
    uint64_t seed;
    int err;
    /* of the field */
    struct buf norms;
    unsigned char *having; /* a bit for each document that has it (bitmap.h) */
    struct field_totals totals;
    /* of the term */
    struct buf docs_of, freqs, steps; /* of uint32_t */
    uint64_t total;                   /* how often all have it */
    struct buf source;
    /* of one of its segments, whose documents change places */
    struct buf moved_keys;                             /* of uint64_t */
    struct buf moved_freqs, moved_firsts, moved_steps; /* of uint32_t */
    struct postings postings;
    struct places places;
};

static inline void merge_look_for_cancel(struct merge *merge)
{
    if (merge->cancelled && atomic_load(merge->cancelled))
        merge->err = UV_ECANCELED;
}

static inline uint32_t *merge_reserve(struct buf *buf, uint32_t count)
{
    uint32_t *room = (void *)buf_reserve(buf, count * sizeof(*room));

    buf_commit(buf, count * sizeof(*room));
    return room;
}

/* Sources by new number; bytes: of all, about.  0 or as merge_segments(). */
int merge_move_sources(struct merge *merge, struct stored_writer *writer,
                       const struct part *part, uint64_t bytes);
/* The term's documents that are not gone, by new number, behind those of the
   parts before; the cursors are at its first ones. */
void merge_add_moved(struct merge *merge, const struct part *part,
                     struct places *places);
