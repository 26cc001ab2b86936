/*
 * postings.h - a cursor over a posting list (list.h), a block at a time.
 *
 * Documents of a block are read when the cursor comes into it, those of a set
 * when they are needed, frequencies when they are asked for, and blocks that it
 * passes over not at all.
 */
#pragma once

#include "search/index/list.h"

#define POSTINGS_END UINT32_MAX /* behind the last document */
#define POSTINGS_STEP 8         /* documents that are passed over at once */

struct postings {
    const struct bits_kernel *kernel;
    const void *list; /* NULL: of a single document */
    const unsigned char *blocks, *groups, *impacts, *bits;
    uint32_t count, impact_count;
    uint32_t block_count; /* 0: a short list, all of which is here */
    uint32_t group_count; /* 0: they have no bounds of their own */
    uint32_t block;       /* whose documents are here */
    uint32_t at, len;
    bool has_docs; /* else only the first and the last one of the block */
    bool has_freqs;
    const unsigned char *set; /* without has_docs: see find() of bits.h */
    uint32_t set_base;
    /* And POSTINGS_END behind the last one, as often as a step is long. */
    uint32_t docs[LIST_BLOCK + POSTINGS_STEP];
    uint32_t freqs[LIST_BLOCK + BITS_SLACK]; /* what is read together */
};

/* list: as list_write() wrote it, of count documents; borrowed. */
void postings_init(struct postings *postings, const struct bits_kernel *kernel,
                   const void *list, uint32_t count);
/* The only document of a term, which has no list. */
void postings_init_single(struct postings *postings,
                          const struct bits_kernel *kernel, uint32_t doc,
                          uint32_t freq);

/* Where the cursor is; POSTINGS_END: past the last one. */
static inline uint32_t postings_doc(const struct postings *postings)
{
    return postings->docs[postings->at];
}

/* To the first document that is not before target; not backwards. */
uint32_t postings_seek(struct postings *postings, uint32_t target);
/* To the block that target is in, or would be: the cursor may be before target,
   and has_docs may be false until postings_seek().  False: it is past the last
   one. */
bool postings_enter(struct postings *postings, uint32_t target);
/* Where the first document of the block that is not before target is, which is
   not past the last one; they are read. */
uint32_t postings_before(const struct postings *postings, uint32_t target);
uint32_t postings_next(struct postings *postings);
/* How many documents of the block, from the cursor on, are before end. */
uint32_t postings_run(const struct postings *postings, uint32_t end);
/* To the first one again. */
void postings_rewind(struct postings *postings);
/* Past so many documents of the block. */
void postings_pass(struct postings *postings, uint32_t count);

/*
 * The bit of each document from the cursor on that is before end, in words of
 * 64, whose first bit is from's, which is a multiple of 64 and not behind the
 * cursor; the cursor goes behind them.
 */
void postings_set(struct postings *postings, uint32_t from, uint32_t end,
                  uint64_t *words);

/* The number of the first position of the block's first document. */
uint32_t postings_block_places(const struct postings *postings);

/* How often the document at the cursor has it. */
uint32_t postings_freq(struct postings *postings);
/* Of all of the block. */
const uint32_t *postings_freqs(struct postings *postings);

/* The block that a document would be in, which is not before one that is not
   before the cursor's; block_count: none. */
uint32_t postings_block_of(const struct postings *postings, uint32_t from,
                           uint32_t target);
uint32_t postings_block_last(const struct postings *postings, uint32_t block);
/* Its impacts, by norm; their number. */
size_t postings_impacts(const struct postings *postings, uint32_t block,
                        const struct list_impact **impacts);
/* The same of a group's: one bounds any of its blocks. */
size_t postings_group_impacts(const struct postings *postings, uint32_t group,
                              const struct list_impact **impacts);
