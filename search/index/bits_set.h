/*
 * bits_set.h - the numbers of bits that are set, a byte at a time: for each
 * kernel of bits.h, compiled for its processors.
 */
#pragma once

#include "search/index/bits.h"

typedef uint32_t bits_lanes
    __attribute__((vector_size(BITS_LANES * sizeof(uint32_t))));
typedef uint32_t bits_unaligned __attribute__((
    vector_size(BITS_LANES * sizeof(uint32_t)), aligned(1), may_alias));

/* Of each byte, the numbers of its bits and how many they are: filled by
   bits_kernels(). */
struct bits_by_byte {
    bits_lanes numbers[256];
    uint8_t count[256];
};
extern struct bits_by_byte bits_by_byte;

static inline size_t bits_each(const void *words, size_t count, uint32_t base,
                               uint32_t *out)
{
    const unsigned char *bytes = words;
    size_t found = 0;

    for (size_t i = 0; i < count * sizeof(uint64_t); i++) {
        *(bits_unaligned *)(out + found) =
            bits_by_byte.numbers[bytes[i]] + base;
        found += bits_by_byte.count[bytes[i]];
        base += 8;
    }
    return found;
}
