/*
 * bits.h - blocks of 256 numbers, each in as few bits as the largest needs, and
 * what is done to many numbers at once.
 *
 * A block of width w is 8 * w little-endian words of 32 bits.  Number i lies in
 * lane i % 8 at bit (i / 8) * w of that lane; word k of lane l is word
 * k * 8 + l of the block.  So eight numbers are read at once by the same
 * shifts (D. Lemire, L. Boytsov: "Decoding billions of integers per second
 * through vectorization", 2015).
 *
 * Kernels give the same results, to the last bit; which one is the fastest
 * depends on the processor.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define BITS_BLOCK 256
#define BITS_LANES 8
/* Numbers behind the last one that sums() may read and write. */
#define BITS_SLACK 16
/* The words of 64 of the longest set: as long as numbers of 32 bits. */
#define BITS_SET_MAX (32 * BITS_LANES / 2)

struct bits_kernel {
    const char *name;
    /* Each number, and plus; width: 0 to 32; in: bits_size(width) bytes, at any
       address. */
    void (*unpack)(const void *in, unsigned width, uint32_t plus,
                   uint32_t out[BITS_BLOCK]);
    /* Each number is how many lie between it and the one before it, the first
       one's before being base: out[i] = out[i - 1] + in[i] + 1. */
    void (*unpack_rising)(const void *in, unsigned width, uint32_t base,
                          uint32_t out[BITS_BLOCK]);
    /* The numbers of the bits that are set in count words of 64, the lowest
       first, base being the first one's; out: room for all of them and for
       BITS_LANES more, which may be written to.  How many they are. */
    size_t (*each)(const void *words, size_t count, uint32_t base,
                   uint32_t *out);
    /* Which of the rising numbers, from one up to another, are bits that are
       set in words of 64, BITS_SET_MAX at most, base being the first one's: how
       many, and of each its place in the numbers and how many set bits are
       before it.  None is before the first word or behind the last one. */
    size_t (*find)(const void *words, uint32_t base, const uint32_t *numbers,
                   size_t from, size_t to, uint16_t *which, uint8_t *at);
    /* The same of those that are among rising numbers, the largest of which is
       not below any of them; UINT32_MAX where these are fewer.  at: where. */
    size_t (*search)(const uint32_t rising[BITS_BLOCK], const uint32_t *numbers,
                     size_t from, size_t to, uint16_t *which, uint8_t *at);
    /* Sums of base and the first number, and the second, and so on; then
       UINT32_MAX, BITS_LANES times at least. */
    void (*sums)(const uint32_t *in, size_t count, uint32_t base,
                 uint32_t *out);
    /* What score.h's score_of() is of each frequency, below 2^31, and factor,
       in the factors' place: weight - weight / (1 + freq * factor).  Both are
       read up to the next multiple of BITS_LANES, and factors written. */
    void (*saturate)(const uint32_t *freqs, size_t count, float weight,
                     float *factors);
    /* Keeps those of rising numbers that are, offset added, among others, which
       rise and end as sums() has it; how many. */
    size_t (*common)(uint32_t *numbers, size_t count, uint32_t offset,
                     const uint32_t *others);
};

extern const struct bits_kernel bits_avx2; /* needs a processor that has it */

/* Those that this processor has, the fastest first. */
size_t bits_kernels(const struct bits_kernel *kernels[2]);

static inline size_t bits_size(unsigned width)
{
    return (size_t)width * BITS_LANES * sizeof(uint32_t);
}

/* Of the largest: 0 to 32. */
unsigned bits_width(const uint32_t *values, size_t count);

/* Each value fits the width; out: bits_size(width) bytes. */
void bits_pack(const uint32_t values[BITS_BLOCK], unsigned width, void *out);
