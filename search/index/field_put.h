/*
 * field_put.h - an indexed field, put into a segment term by term: by who makes
 * it of documents (field_write.h), or of other segments (merge.h).
 */
#pragma once

#include "search/index/dict.h"
#include "search/index/list.h"
#include "search/index/segment_write.h"

/* The section of totals. */
struct field_totals {
    uint64_t tokens; /* of all documents */
    uint32_t docs;   /* that have any */
    uint32_t unused; /* 0 */
};
_Static_assert(sizeof(struct field_totals) == 16, "as in a segment");

struct field_put {
    struct segment_writer *out;
    uint32_t field;
    bool full;         /* with positions and lengths */
    struct span norms; /* of all documents; borrowed */
    struct dict_writer dict;
    struct buf list, places; /* places: of all terms */
    uint64_t lists;          /* bytes of those before */
};

void field_put_begin(struct field_put *put, struct segment_writer *out,
                     uint32_t field, bool full, struct span norms);
/* Terms rise; source's norms are set. */
void field_put_term(struct field_put *put, struct span term,
                    struct list_source *source);
void field_put_end(struct field_put *put, const struct field_totals *totals);
