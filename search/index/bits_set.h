/*
 * bits_set.h - what kernels of bits.h have in common, compiled for each one's
 * processors: the numbers of bits that are set, a byte at a time, which numbers
 * are among them or among others, and scores.
 */
#pragma once

#include <string.h>

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

static inline uint64_t bits_set_word(const void *words, size_t at)
{
    uint64_t word;

    memcpy(&word, (const unsigned char *)words + at * sizeof(word),
           sizeof(word));
    return word;
}

/* How many rising numbers are below one, which is not above the last of them:
   by halves, without a branch, down to so many, of which the first is told. */
static inline uint32_t bits_below(const uint32_t rising[BITS_BLOCK],
                                  uint32_t number, uint32_t many)
{
    uint32_t at = 0;

    for (uint32_t half = BITS_BLOCK / 2; half >= many; half /= 2)
        at += half & -(uint32_t)(rising[at + half - 1] < number);
    return at;
}

/* There is no branch that depends on a number. */
static inline size_t bits_find(const void *words, uint32_t base,
                               const uint32_t *numbers, size_t from, size_t to,
                               uint16_t *which, uint8_t *at)
{
    uint8_t before[BITS_SET_MAX + 1];
    size_t last = from < to ? (numbers[to - 1] - base) / 64 : 0;
    size_t found = 0;

    before[0] = 0;
    for (size_t i = 0; i < last; i++)
        before[i + 1] = (uint8_t)(before[i] + __builtin_popcountll(
                                                  bits_set_word(words, i)));
    for (size_t i = from; i < to; i++) {
        uint32_t place = numbers[i] - base;
        uint64_t word = bits_set_word(words, place / 64);
        uint64_t low = word & ((UINT64_C(1) << place % 64) - 1);
        which[found] = (uint16_t)i;
        at[found] = (uint8_t)(before[place / 64] + __builtin_popcountll(low));
        found += word >> place % 64 & 1;
    }
    return found;
}

typedef float bits_floats __attribute__((
    vector_size(BITS_LANES * sizeof(float)), aligned(4), may_alias));

static inline void bits_saturate(const uint32_t *freqs, size_t count,
                                 float weight, float *factors)
{
    typedef int32_t ints __attribute__((
        vector_size(BITS_LANES * sizeof(int32_t)), aligned(4), may_alias));
    bits_floats all = (bits_floats){0} + weight;

    for (size_t i = 0; i < count; i += BITS_LANES) {
        bits_floats *at = (bits_floats *)(factors + i);
        bits_floats often =
            __builtin_convertvector(*(const ints *)(freqs + i), bits_floats);
        *at = all - all / (1.0F + often * *at);
    }
}
