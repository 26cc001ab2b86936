/*
 * aggs.h - aggregations as they were asked for: Elasticsearch's "aggs", read.
 *
 * terms, range, date_range, histogram, date_histogram, filter, filters make
 * buckets, which may have aggregations of their own; min, max, avg, sum, stats,
 * value_count and cardinality are numbers.  All of them are exact.  What would
 * change the answer and is not done is refused by its name.
 */
#pragma once

#include "search/index/date.h"
#include "search/query/query.h"

#define AGGS_MAX 256            /* aggregations */
#define AGGS_DEPTH_MAX 16       /* of them within each other */
#define AGGS_RANGES_MAX 1024    /* of a range; filters */
#define AGGS_BUCKETS_MAX 65536  /* of an answer, as Elasticsearch's */
#define AGGS_HELD_MAX (1 << 22) /* while they are counted */
#define AGGS_SIZE 10            /* of terms, unless said */

enum agg_kind {
    AGG_TERMS,
    AGG_RANGE, /* of numbers, or, of a date, of dates */
    AGG_HISTOGRAM,
    AGG_DATE_HISTOGRAM,
    AGG_FILTERS, /* or one of them, which is a bucket by itself */
    AGG_MIN,     /* from here on: numbers */
    AGG_MAX,
    AGG_AVG,
    AGG_SUM,
    AGG_STATS,
    AGG_VALUE_COUNT,
    AGG_CARDINALITY,
};

struct agg_range {
    struct span key;             /* ptr NULL: it is made of the bounds */
    struct query_value from, to; /* to is not in it; NO_VALUE: open */
};

struct agg_filter {
    struct span key; /* ptr NULL: they have none */
    const struct query *query;
};

struct agg {
    struct agg *next, *subs; /* subs: of each bucket */
    struct span name, field;
    enum agg_kind kind;
    struct query_value missing; /* what documents without one have */
    uint64_t least;             /* min_doc_count */
    bool keyed;                 /* buckets are an object */
    bool one;                   /* FILTERS: a single one */
    bool by_count, descending;  /* the order: else by key */
    /* TERMS: or by a number of its subs, which of STATS it is; or NULL */
    const struct agg *by_sub;
    enum agg_kind by_number;
    uint64_t size;           /* TERMS */
    double interval, offset; /* HISTOGRAM */
    enum date_unit unit;     /* DATE_HISTOGRAM; of DATE_MS so many: */
    int64_t every_ms, offset_ms;
    struct agg_range *ranges; /* as they were written */
    struct agg_filter *filters;
    size_t count; /* of ranges, or filters */
};

/* {"name": {"terms": {…}, "aggs": {…}}, …}; all in the arena, with copies of
   what was read; NULL of {}.  False: *error says why. */
bool aggs_read(struct arena *arena, const json_t *json, struct agg **out,
               struct query_error *error);
