/*
 * facts.h - documents with values of every type, in an index of some segments:
 * what sorts and aggregations are compared by.
 */
#pragma once

#include "search/query/search.h"
#include "tests/test.h"

#define FACTS_DOCS 5000 /* more than a window */
#define FACTS_SEGMENTS 8
#define FACTS_VALUES 3 /* of a document in a field, at most */

enum fact_field { FACT_K, FACT_N, FACT_D, FACT_W, FACT_B, FACT_FIELDS };

struct fact_values {
    size_t count;
    const char *texts[FACTS_VALUES];
    int64_t numbers[FACTS_VALUES]; /* longs, dates, booleans */
    double reals[FACTS_VALUES];
};

struct facts {
    struct fact_values docs[FACTS_DOCS][FACT_FIELDS];
    bool dead[FACTS_DOCS];
    size_t count;
    struct schema schema;
    struct segment *segments[FACTS_SEGMENTS];
    struct reader *readers[FACTS_SEGMENTS];
    struct live lives[FACTS_SEGMENTS];
    size_t segment_count;
    struct searcher searcher;
};

/* Random documents; some are deleted. */
struct facts *facts_open(size_t docs, size_t segments, bool deletions);
void facts_close(struct facts *facts);

/* The field's name in the index; the documents have a text, t, too. */
const char *facts_name(enum fact_field field);
/* A query that matches many, few or all of them, in JSON. */
void facts_ask(struct buf *out);
/* Which of the documents match, and their scores; how many do. */
size_t facts_match(struct facts *facts, const struct query *query,
                   bool matches[FACTS_DOCS], float scores[FACTS_DOCS]);

/* JSON that is right, to be decref'd; a query of it. */
json_t *facts_json(struct span text);
struct query *facts_query(struct arena *arena, struct span text);
