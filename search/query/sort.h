/*
 * sort.h - what hits are sorted by, as it was asked for, and the values that
 * they have then.
 *
 * Of several values of a document the least counts where they rise, the
 * greatest where they fall, unless mode says otherwise; what is the same by all
 * keys is by the documents' order.  Missing numbers are the greatest or the
 * least there are, as Elasticsearch has it, missing keywords are null.
 */
#pragma once

#include "search/index/schema.h"
#include "search/query/query.h"

#define SORT_KEYS_MAX 16

enum sort_kind { SORT_FIELD, SORT_SCORE, SORT_DOC };
enum sort_missing { SORT_LAST, SORT_FIRST, SORT_AS_VALUE };

struct sort_key {
    enum sort_kind kind;
    struct span field;
    bool descending;
    bool greatest;                  /* of several values: else the least */
    enum schema_type unmapped_type; /* if there is no such field, all miss it;
                                       SCHEMA_TYPES: that is an error */
    enum sort_missing missing;
    struct query_value value; /* AS_VALUE */
};

struct sort {
    struct sort_key keys[SORT_KEYS_MAX];
    size_t count;
    /* search_after: what all hits come behind, a value for each key; NO_VALUE:
       of one that misses it.  after_count 0: it was not asked for. */
    struct query_value after[SORT_KEYS_MAX];
    size_t after_count;
};

/*
 * All in the arena, with copies of what was read.  NULL: *error says why.
 * JSON: "f", {"f": "desc"}, {"f": {"order", "mode": min or max, "missing",
 * "unmapped_type"}}, or an array of these; _score falls unless it is said, and
 * _doc is the documents' order.  Text: f, f:asc, f:desc, with commas between.
 */
struct sort *sort_read_json(struct arena *arena, const json_t *json,
                            struct query_error *error);
struct sort *sort_read_text(struct arena *arena, struct span text,
                            struct query_error *error);
/* An array as sort_put_value() wrote it.  False: it does not fit. */
bool sort_read_after(struct sort *sort, struct arena *arena, const json_t *json,
                     struct query_error *error);

/* By score alone: as without; hits have no values then. */
bool sort_is_default(const struct sort *sort);
/* A key is the score. */
bool sort_needs_score(const struct sort *sort);

/* Of a hit, by a key. */
struct sort_value {
    enum sort_value_kind {
        SORT_NONE,
        SORT_INTEGER, /* a long, a date, 0 or 1, a document */
        SORT_REAL,    /* infinite: it is missing */
        SORT_FLOAT,   /* a score, in real */
        SORT_TEXT,    /* the segment's, or the sort's */
    } kind;
    int64_t integer;
    double real;
    struct span text;
};

void sort_put_value(const struct sort_value *value, struct json_writer *w);
