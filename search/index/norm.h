/*
 * norm.h - the length of a field in one byte: exact up to 39 words, with four
 * significant bits above (Lucene's SmallFloat, int4).  A longer field has never
 * a smaller norm.
 */
#pragma once

#include <stdint.h>

#define NORM_FREE 24               /* lengths that are their own norm */
#define NORM_LENGTH_MAX 2013265944 /* the length of norm 255 */

static inline uint8_t norm_of(uint32_t length)
{
    if (length < NORM_FREE)
        return (uint8_t)length;
    uint32_t rest = length - NORM_FREE;
    if (rest < 8)
        return (uint8_t)(NORM_FREE + rest);
    uint32_t shift = 28 - (uint32_t)__builtin_clz(rest);
    return (uint8_t)(NORM_FREE + ((rest >> shift & 7) | (shift + 1) << 3));
}

/* The shortest field that has this norm. */
static inline uint32_t norm_length(uint8_t norm)
{
    if (norm < NORM_FREE)
        return norm;
    uint32_t bits = norm - NORM_FREE;
    uint32_t shift = bits >> 3;
    return NORM_FREE + (shift ? ((bits & 7) | 8) << (shift - 1) : bits);
}

/* The least norm whose length is not below this one, of at most
   NORM_LENGTH_MAX. */
static inline uint8_t norm_above(uint32_t length)
{
    uint8_t norm = norm_of(length);

    return (uint8_t)(norm + (norm_length(norm) < length));
}
