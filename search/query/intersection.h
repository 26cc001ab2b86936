/*
 * intersection.h - the best documents that have all of some terms.
 *
 * The rarest term leads, a block of its documents at a time (S. Ding, T. Suel,
 * as in list.h: block-max AND): a block whose bound with those of the others is
 * not above the threshold is passed over; of the rest each document is looked
 * up with the next term only while it can still come in.
 *
 * Other terms may be optional: they add to the score of what has all the
 * others, and where those alone do not reach the threshold, the lead goes on to
 * the next document that has one of them.
 */
#pragma once

#include "search/query/clause.h"
#include "search/query/top.h"

#define INTERSECTION_MAX 1024 /* terms */

/* clauses: 1 to INTERSECTION_MAX, at their first documents; used up.  Of these
   the first so many are required (at least one), and are put in the order of
   how many documents they have. */
void intersection_top(struct clause **clauses, size_t count, size_t required,
                      struct top *top);
/* How many documents have all; as union_count(). */
uint32_t intersection_count(struct clause **clauses, size_t count,
                            struct top *top);
