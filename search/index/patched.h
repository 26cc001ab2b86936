/*
 * patched.h - blocks of 256 numbers, most of which are small: packed (bits.h)
 * in fewer bits than the largest needs.
 *
 * What the width does not hold of some follows behind the packed ones: their
 * places, a byte each, then their higher bits, each in as many as the largest
 * needs, the lowest first.  The width is the one that makes the block the
 * shortest (M. Zukowski and others: "Super-Scalar RAM-CPU Cache Compression",
 * 2006).
 */
#pragma once

#include "common/buf.h"
#include "search/index/bits.h"

struct patched {
    uint8_t width;   /* of the packed ones */
    uint8_t patches; /* numbers that need more */
    uint8_t more;    /* bits that they need more */
};

/* What is to be kept beside the block, to read it. */
struct patched patched_append(struct buf *out,
                              const uint32_t values[BITS_BLOCK]);
/* Each number, and plus.  in: sound. */
void patched_read(const struct bits_kernel *kernel, const void *in,
                  struct patched patched, uint32_t plus,
                  uint32_t out[BITS_BLOCK]);
