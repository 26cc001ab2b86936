/* bitmap.h - a bit a number, the lowest first, in whole little-endian words of
 * 64 bits at any address. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes. */
static inline size_t bitmap_size(size_t count)
{
    return (count + 63) / 64 * sizeof(uint64_t);
}

static inline bool bitmap_has(const void *bits, uint32_t i)
{
    return ((const unsigned char *)bits)[i / 8] >> i % 8 & 1;
}

static inline void bitmap_set(void *bits, uint32_t i)
{
    unsigned char *byte = (unsigned char *)bits + i / 8;

    *byte = (unsigned char)(*byte | 1U << i % 8);
}

/* Bits that are set, from the one up to before the other. */
static inline uint32_t bitmap_count(const void *bits, uint32_t from,
                                    uint32_t to)
{
    uint32_t count = 0;

    for (size_t i = from / 64; i * 64 < to; i++) {
        uint64_t word;
        memcpy(&word, (const char *)bits + i * sizeof(word), sizeof(word));
        if (i == from / 64)
            word &= UINT64_MAX << from % 64;
        if (i == to / 64)
            word &= ~(UINT64_MAX << to % 64);
        count += (uint32_t)__builtin_popcountll(word);
    }
    return count;
}
