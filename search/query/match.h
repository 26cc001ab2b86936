/*
 * match.h - which of some rising documents a cursor has, a block of its at a
 * time.
 *
 *   for (size_t from = 0; from < count;) {
 *       size_t found = match_block(&match, postings, docs, count, &from);
 *       …what is at match.at[0…found) of the cursor's block
 *   }
 *
 * A block that is a set is asked as it is, unless its documents are there.
 * Where many documents meet another block that is not sparse, each one's place
 * in it is looked up in a table that is never cleared: what is left of others
 * is seen by what it points to (P. Briggs, L. Torczon: "An Efficient
 * Representation for Sparse Sets", 1993).  So there is no branch that depends
 * on a document.
 */
#pragma once

#include "search/query/postings.h"

/* What is looked up together spans no more documents than that. */
#define MATCH_SPAN 4096

struct match {
    uint16_t which[LIST_BLOCK + 1]; /* of docs, those that were found */
    uint8_t at[LIST_BLOCK + 1];     /* and where they are in the block */
    uint8_t places[MATCH_SPAN];     /* of a block's documents */
};

/* Nothing of it is read before it is written; for checkers' sake it is 0. */
void match_init(struct match *match);

/*
 * docs: at most LIST_BLOCK.  How many of those from *from on are in the block
 * that the first of them is in, or would be; *from goes behind all that are not
 * past that block.  The cursor is in the block, whose documents
 * need not have been read.
 */
size_t match_block(struct match *match, struct postings *postings,
                   const uint32_t *docs, size_t count, size_t *from);
