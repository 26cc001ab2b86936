/*
 * sorter.h - the first hits by a sort, a window of documents after the other.
 *
 * Inside a segment a hit is a row of integers that are compared as they are:
 * numbers, ordinals of keywords, turned round where they fall.  Segments are
 * merged by the keywords' bytes.
 */
#pragma once

#include "search/query/searcher.h"
#include "search/query/sort.h"
#include "search/query/top.h"

struct sorter;

/* NULL: error says why it cannot be.  The searcher and the sort are borrowed.
 */
struct sorter *sorter_create(const struct searcher *searcher,
                             const struct sort *sort, size_t most,
                             struct query_error *error);
void sorter_destroy(struct sorter *sorter);

/* The windows of a segment come between these two. */
void sorter_begin(struct sorter *sorter, size_t reader);
void sorter_end(struct sorter *sorter);

/* None of these documents, whatever matches, would be among the hits. */
bool sorter_passes(const struct sorter *sorter, uint32_t from, uint32_t end);
/* All that match; their scores are read if there are any. */
void sorter_take(struct sorter *sorter, const struct window *window,
                 bool scored);

/* How many; room for most, and for most times the keys. */
size_t sorter_give(const struct sorter *sorter, struct top_hit *hits,
                   struct sort_value *values);
