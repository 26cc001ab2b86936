/*
 * explain.h - why a document has the score that it has, as a tree of numbers
 * and what they are, in Lucene's words.
 *
 * It is made of what runs (node.h), so the root's value is what search_run()
 * gives.
 */
#pragma once

#include "search/query/searcher.h"

struct explanation {
    struct explanation *next, *details; /* the first one, and so on by next */
    bool matches;
    double value; /* 0: it does not match */
    struct span description;
};

/* doc: with its base, as top_hit has it.  All of it is in the arena.  NULL:
   error says why the query cannot be, or which segment is damaged. */
const struct explanation *explain_run(struct searcher *searcher,
                                      struct arena *arena,
                                      const struct query *query, uint32_t doc,
                                      struct query_error *error);

/* {"value": …, "description": "…", "details": […]} */
void explain_put(const struct explanation *explanation, struct json_writer *w);
/* A line each, two spaces deeper for a detail. */
void explain_print(const struct explanation *explanation, struct buf *out);
