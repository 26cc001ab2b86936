/*
 * phrase.h - the best documents that have some terms one behind the other.
 *
 * In two steps: documents that have all terms, and of those that can still come
 * in by how often the rarest of them is there, the positions.  A phrase scores
 * as a term would that occurs as often and weighs as all of its terms together,
 * as Lucene has it.
 */
#pragma once

#include "search/query/clause.h"
#include "search/query/places.h"
#include "search/query/top.h"

#define PHRASE_MAX 64 /* terms */

struct phrase_term {
    struct clause clause; /* its score is the phrase's: the same of all */
    struct places places;
    uint32_t offset; /* from the phrase's first term, in positions */
    const struct phrase_term *twin; /* the same term, before it; or NULL */
    /* Of the block at the cursor, the number of the position behind each
       document's last one; block: which one that is. */
    uint32_t block, ends[LIST_BLOCK + BITS_SLACK];
    /* Of each candidate: the number of its first position, and how many. */
    uint32_t found_first[LIST_BLOCK], found_freq[LIST_BLOCK];
};

struct phrase;

/*
 * terms: 1 to PHRASE_MAX, at their first documents; borrowed, used up.  slop:
 * how many places the words may be moved in all; then a document has the phrase
 * 1 / (1 + moves) times for each place that it is at (Lucene's sloppy
 * frequency).
 */
struct phrase *phrase_open(struct phrase_term *terms, size_t count,
                           uint32_t slop);
void phrase_close(struct phrase *phrase);
/* Before the first document: those that do not have this term, too, are no
   longer looked at.  Borrowed, used up; it is no part of the phrase. */
void phrase_filter(struct phrase *phrase, struct postings *filter);

struct phrase_hits {
    size_t count;
    uint32_t docs[LIST_BLOCK];
    float freqs[LIST_BLOCK];
};

/* The next of those that may score more than least; hits may be none.  False:
   there are no more. */
bool phrase_next(struct phrase *phrase, float least, struct phrase_hits *hits);

/* Documents before target are no longer looked at.  The first one that may come
   next; POSTINGS_END: none. */
uint32_t phrase_seek(struct phrase *phrase, uint32_t target);

void phrase_top(struct phrase *phrase, struct top *top);
/* How many documents have it; as union_count(). */
uint32_t phrase_count(struct phrase *phrase, struct top *top);
