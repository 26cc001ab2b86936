/*
 * aggs_run.h - aggregations as they are counted, a window of documents after
 * the other, and the answer.
 *
 * Each has its buckets in one list, whoever they belong to: of its parent's
 * buckets (of the one that all documents are in, where it has no parent), its
 * owners.  Documents come in pairs with the owner that they are in.  Keywords
 * are counted by ordinal where that is enough, and become the same over all
 * segments by their bytes.
 */
#pragma once

#include "search/query/aggs.h"
#include "search/query/searcher.h"

struct aggs_run;

/* NULL: error says why it cannot be.  All that is given is borrowed.  Nothing
   is counted behind the deadline, of clock_mono_us(). */
struct aggs_run *aggs_create(struct searcher *searcher, const struct agg *aggs,
                             uint64_t deadline_us, struct query_error *error);
void aggs_destroy(struct aggs_run *run);

/* The windows of a segment come between these two; the arena lives as long. */
bool aggs_begin(struct aggs_run *run, size_t reader, struct arena *arena,
                struct query_error *error);
/* False: there are too many buckets. */
bool aggs_take(struct aggs_run *run, const struct window *window,
               struct query_error *error);
bool aggs_is_late(const struct aggs_run *run);
bool aggs_end(struct aggs_run *run, struct query_error *error);

/* An object of all of them.  False: there are too many buckets. */
bool aggs_write(struct aggs_run *run, struct json_writer *w,
                struct query_error *error);
