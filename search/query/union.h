/*
 * union.h - the best documents that have any of some terms.
 *
 * Block-max MaxScore over windows (H. Turtle, J. Flood: "Query Evaluation:
 * Strategies and Optimizations", 1995; K. Chakrabarti, S. Chaudhuri, V. Ganti:
 * "Interval-Based Pruning for Top-k Processing over Compressed Lists", 2011).
 * A window is as long as no essential term's block ends in it; each term has
 * one bound in it.  The terms of the smallest bounds whose sum is not above the
 * threshold bring no document by themselves: they are looked up for those that
 * the others bring, and for no more than can still come in.
 */
#pragma once

#include "search/query/clause.h"
#include "search/query/top.h"

#define UNION_MAX 1024 /* terms, as Lucene's clauses */

/*
 * clauses: 1 to UNION_MAX, at their first documents, which are below docs; used
 * up.
 */
void union_top(struct clause *const *clauses, size_t count, uint32_t docs,
               struct top *top);
/* How many documents have any: at most as top says; late: of those looked at.
 */
uint32_t union_count(struct clause *const *clauses, size_t count, uint32_t docs,
                     struct top *top);
