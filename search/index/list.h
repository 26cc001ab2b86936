/*
 * list.h - a posting list as it lies in a segment: the documents that have a
 * term, how often each has it, and where.
 *
 * A list of fewer than 256 documents is short: varints alone, as below.  One of
 * n has ⌈n / 256⌉ blocks; the last one is short where 256 does not divide n.
 *
 *   count     of impacts: 32 bits
 *   blocks    a struct list_block each
 *   groups    of LIST_GROUP blocks each, if there are several, 32 bits: the
 *             number of its first impact
 *   impacts   of each block, then of each group, those pairs of frequency and
 * norm that no other document of it beats in both: its best score is one of
 * theirs, whatever the length of the average document (S. Ding, T. Suel:
 *             "Faster Top-k Document Retrieval Using Block-Max Indexes", 2011,
 *             keep the score itself)
 *   documents of a full block: gaps, packed; or, where that is not longer or
 *             at most LIST_SET_WORDS, a set: a bit for each document in words
 *             of 64, from the word on that the document behind the block before
 *             would be in.  Then frequencies - 1, patched.
 *             Of a short one, varints: gap * 2, + 1 where the frequency is 1,
 *             else the frequency behind it.
 *             A gap is how many documents lie between two neighbours.
 *
 * Positions are a stream of their own: those of all documents one behind the
 * other, each less the one before it in its document; 256 in a block, patched,
 * the rest as varints.
 *
 *   blocks    a struct list_places each, if there are any; one more, whose
 *             offset is where the rest begins
 *   numbers   of the blocks, then varints
 *
 * All numbers are little-endian, at any address.
 */
#pragma once

#include "common/buf.h"
#include "search/index/patched.h"

#define LIST_BLOCK BITS_BLOCK
#define LIST_GROUP 16 /* blocks */
#define LIST_SET 64   /* instead of a width: its documents are a set of bits */
#define LIST_SET_WORDS 8 /* a set that is no longer is one in any case */

struct list_block {
    uint32_t last;    /* document */
    uint32_t bits;    /* where its documents are, from the end of the impacts */
    uint32_t impacts; /* the number of its first one */
    uint32_t places;  /* the number of its first position */
    uint8_t doc_width; /* or LIST_SET */
    struct patched freqs;
};
_Static_assert(sizeof(struct list_block) == 20, "as in a segment");

struct list_places {
    uint32_t offset; /* from the end of these */
    struct patched numbers;
    uint8_t unused; /* 0 */
};
_Static_assert(sizeof(struct list_places) == 8, "as in a segment");

struct list_impact {
    uint8_t freq, norm; /* freq: as norm.h has lengths, rounded up */
};

/* What is to be written: rising documents, and what they have. */
struct list_source {
    const uint32_t *docs, *freqs; /* count each */
    size_t count;
    /* Each position less the one before it in its document; NULL: none are
       kept. */
    const uint32_t *steps;
    size_t step_count;
    const uint8_t *norms; /* of all documents of the segment, by number */
};

/* The words of the set of a block: behind is the document behind the block
   before, or 0. */
static inline size_t list_set_words(uint32_t behind, uint32_t last)
{
    return last / 64 - behind / 64 + 1;
}

/* Of a short one 0. */
static inline size_t list_blocks(size_t count)
{
    return count < LIST_BLOCK ? 0 : (count + LIST_BLOCK - 1) / LIST_BLOCK;
}

/* Of so many blocks; their impacts bound what is in any of a group's. */
static inline size_t list_groups(size_t blocks)
{
    return blocks > LIST_GROUP ? (blocks + LIST_GROUP - 1) / LIST_GROUP : 0;
}

void list_write(struct buf *out, const struct list_source *source);
void list_append_positions(struct buf *out, const struct list_source *source);
