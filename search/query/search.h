/*
 * search.h - the best documents of an index, and how many there are.
 *
 * A query that is no more than some terms, all of them or a phrase runs by
 * union.h, intersection.h or phrase.h, which pass over what cannot be among the
 * best; any other one by node.h.  What is the best so far is shared by
 * segments.
 */
#pragma once

#include "search/query/aggs.h"
#include "search/query/searcher.h"
#include "search/query/sort.h"
#include "search/query/top.h"

#define SEARCH_HITS_MAX 10000 /* as Elasticsearch's from + size */
#define SEARCH_NO_DEADLINE UINT64_MAX

struct search_request {
    const struct query *query;
    size_t most;          /* hits */
    bool count;           /* how many match, too */
    uint64_t count_most;  /* with count: behind so many it may stop; 0: never */
    uint64_t deadline_us; /* by clock_mono_us(); or SEARCH_NO_DEADLINE */
    bool plain; /* by node.h alone, to see what the others are worth */
    const struct sort *sort; /* NULL: by score */
    bool scored;             /* with sort: hits have scores all the same */
    float min_score;         /* what scores less does not match; 0: all do */
    const struct agg *aggs;  /* of all that match; or NULL */
};

struct search_result {
    struct top_hit *hits; /* the caller's, room for most; doc: with base */
    size_t count;
    uint64_t total;  /* if it was asked for */
    bool more;       /* total is count_most, and there are more */
    bool timed_out;  /* so far */
    bool has_scores; /* and the best of all that match, 0 of none: */
    float best_score;
    /* With a sort that is not sort_is_default(): the caller's, room for most
       times its keys; texts live as long as the sort and the readers. */
    struct sort_value *values;
    struct buf *aggs; /* with aggs: the caller's; a JSON object is added */
};

/* False: error says why it cannot be, or which segment is damaged. */
bool search_run(struct searcher *searcher, const struct search_request *request,
                struct search_result *result, struct query_error *error);

/* The segment of a hit, whose document is hit.doc - base. */
struct reader *search_reader(const struct searcher *searcher, uint32_t doc);
