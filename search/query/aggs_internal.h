/* aggs_internal.h - what counting and writing aggregations share. */
#pragma once

#include "search/query/aggs_run.h"

#define AGGS_NONE UINT32_MAX /* no bucket */

/* By number; what belongs to whom is found by a table of open addresses. */
struct aggs_buckets {
    uint32_t *owners, *counts;
    int64_t *keys; /* as values.h keeps numbers; of a keyword its number */
    size_t count, cap, last; /* last: that was found */
    uint32_t *slots;
    unsigned slot_bits; /* 0: no table */
    uint64_t seed;
};

/* Of an owner. */
struct aggs_numbers {
    uint64_t count;
    double min, max, sum, lost; /* lost: what the sum is too much by */
};

struct aggs_range {
    const struct agg_range *asked;
    int64_t from, to; /* as values.h keeps them; to: has_to */
    bool has_to;
    double low, high; /* as they were asked for; open: infinite */
};

struct aggs_state {
    const struct agg *agg;
    struct aggs_run *run;
    struct aggs_state *next, *subs;
    bool is_root; /* one owner */
    enum schema_type type;
    uint32_t field; /* SCHEMA_NONE: there is none of the name */
    bool has_missing;
    int64_t missing;
    struct aggs_range *ranges; /* as they are answered */
    /* of the segment */
    const struct values *values;
    uint32_t *numbers; /* of ordinals: a number, or a root's bucket, and 1 */
    uint32_t *tally;   /* of ordinals: how many; a root without subs */
    struct compiled *filters;
    uint64_t (*filter_bits)[WINDOW_WORDS]; /* of the window from there on: */
    uint32_t filtered_from;
    int64_t begin, end; /* DATE_HISTOGRAM: of the last key */
    /* of all */
    struct ids_writer keywords; /* by number */
    struct aggs_buckets buckets;
    struct aggs_numbers *of_owners;
    size_t owner_cap;
    /* what is left to be given to subs */
    uint32_t *pair_docs, *pair_owners;
    size_t pairs;
    /* at the end: buckets by owner */
    uint32_t *sorted, *firsts;
};

/* A keyword as a key: its number among those of all segments. */
uint32_t aggs_number_keyword(struct aggs_state *state, struct span text);
/* What is of the segment goes. */
void aggs_close_segment(struct aggs_state *state);

struct aggs_run {
    struct searcher *searcher;
    struct aggs_state *states;
    const struct window *window; /* at hand */
    size_t held;                 /* buckets */
    uint64_t answered;
    bool too_many, late; /* nothing more is counted */
    uint64_t deadline_us;
    struct window scratch;
    struct node_room *room;
    uint32_t docs[WINDOW_DOCS], owners[WINDOW_DOCS];
};
