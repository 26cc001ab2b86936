/*
 * places.h - the positions of a term (list.h), a document at a time.
 *
 * They are one stream over all its documents, in packed blocks: only those that
 * a document lies in are read.
 */
#pragma once

#include "search/index/list.h"

struct places {
    const struct bits_kernel *kernel;
    const unsigned char *blocks, *numbers;
    uint32_t count, full; /* positions; packed blocks */
    uint32_t block;       /* that is here; UINT32_MAX: none */
    uint32_t steps[LIST_BLOCK + BITS_SLACK]; /* what is read together */
};

/* bytes: as list_append_positions() wrote count positions; borrowed. */
void places_init(struct places *places, const struct bits_kernel *kernel,
                 const void *bytes, uint32_t count);

/* Those of a document that has freq of them, from its first one's number on,
   and behind them what sums() of bits.h writes there: BITS_SLACK at most. */
void places_read(struct places *places, uint32_t first, uint32_t freq,
                 uint32_t *positions);
/* So many from one on as they are kept: each less the one before it. */
void places_steps(struct places *places, uint32_t first, uint32_t count,
                  uint32_t *steps);
