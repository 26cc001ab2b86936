/*
 * intersection.h - the best documents that have all of some terms.
 *
 * The rarest term leads, a block of its documents at a time (S. Ding, T. Suel,
 * as in list.h: block-max AND): a block whose bound with those of the others is
 * not above the threshold is passed over; of the rest each document is looked
 * up with the next term only while it can still come in.
 *
 * Other terms may be optional: they add to the score of what has all the
 * others.  Where those alone do not reach the threshold in a block of the
 * lead's, it is passed over unless it has a document that has one of them;
 * where they do not in any block, the lead goes on to the next such document.
 * Or excluded: what has one of these is dropped, before the optional ones are
 * looked at.
 */
#pragma once

#include "search/query/clause.h"
#include "search/query/top.h"

#define INTERSECTION_MAX 1024 /* terms */

/* At their first documents; used up, and put in the order of how many documents
   they have.  What is required without a score has a weight of 0. */
struct intersection {
    struct clause **clauses;             /* in this order: */
    size_t required, optional, excluded; /* required: 1 at least */
};

void intersection_top(const struct intersection *of, struct top *top);
/* How many documents there are; as union_count(). */
uint32_t intersection_count(const struct intersection *of, struct top *top);
