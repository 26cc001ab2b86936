/* bits.c - see bits.h. */
#include <pthread.h>
#include <string.h>

#include "search/index/bits_set.h"

#define WORD 32

unsigned bits_width(const uint32_t *values, size_t count)
{
    uint32_t all = 0;

    for (size_t i = 0; i < count; i++)
        all |= values[i];
    return all ? WORD - (unsigned)__builtin_clz(all) : 0;
}

static uint32_t mask_of(unsigned width)
{
    return width == WORD ? UINT32_MAX : (UINT32_C(1) << width) - 1;
}

void bits_pack(const uint32_t values[BITS_BLOCK], unsigned width, void *out)
{
    uint32_t words[WORD * BITS_LANES] = {0};

    if (width == 0)
        return;
    /* All lanes alike: the compiler takes some at once. */
    for (size_t i = 0; i < BITS_BLOCK / BITS_LANES; i++) {
        const uint32_t *in = values + i * BITS_LANES;
        uint32_t *at = words + i * width / WORD * BITS_LANES;
        unsigned shift = i * width % WORD;
        for (size_t lane = 0; lane < BITS_LANES; lane++)
            at[lane] |= in[lane] << shift;
        for (size_t lane = 0; lane < BITS_LANES && shift + width > WORD; lane++)
            at[lane + BITS_LANES] |= in[lane] >> (WORD - shift);
    }
    memcpy(out, words, bits_size(width));
}

/* ---- one number at a time */

static void unpack_scalar(const void *in, unsigned width, uint32_t plus,
                          uint32_t out[BITS_BLOCK])
{
    uint32_t words[(WORD + 1) * BITS_LANES] = {0};
    uint32_t mask = mask_of(width);

    memcpy(words, in, bits_size(width));
    for (size_t i = 0; i < BITS_BLOCK; i++) {
        size_t bit = i / BITS_LANES * width;
        size_t word = bit / WORD * BITS_LANES + i % BITS_LANES;
        uint64_t two = words[word] | (uint64_t)words[word + BITS_LANES] << WORD;
        out[i] = ((uint32_t)(two >> bit % WORD) & mask) + plus;
    }
}

static void unpack_rising_scalar(const void *in, unsigned width, uint32_t base,
                                 uint32_t out[BITS_BLOCK])
{
    unpack_scalar(in, width, 0, out);
    for (size_t i = 0; i < BITS_BLOCK; i++)
        base = out[i] += base + 1;
}

/* ---- sets */

struct bits_by_byte bits_by_byte;

static void fill_by_byte(void)
{
    struct bits_by_byte *by = &bits_by_byte;

    for (unsigned byte = 0; byte < 256; byte++)
        for (unsigned bit = 0; bit < 8; bit++)
            if (byte >> bit & 1)
                by->numbers[byte][by->count[byte]++] = bit;
}

static size_t search_scalar(const uint32_t rising[BITS_BLOCK],
                            const uint32_t *numbers, size_t from, size_t to,
                            uint16_t *which, uint8_t *at)
{
    size_t found = 0;

    for (size_t i = from; i < to; i++) {
        uint32_t below = bits_below(rising, numbers[i], 1);
        which[found] = (uint16_t)i;
        at[found] = (uint8_t)below;
        found += rising[below] == numbers[i];
    }
    return found;
}

/* ---- sums */

static void sums_scalar(const uint32_t *in, size_t count, uint32_t base,
                        uint32_t *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = base += in[i];
    for (size_t i = 0; i < BITS_LANES; i++)
        out[count + i] = UINT32_MAX;
}

static size_t common_scalar(uint32_t *numbers, size_t count, uint32_t offset,
                            const uint32_t *others)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        while (*others < numbers[i] + offset)
            others++;
        numbers[kept] = numbers[i];
        kept += *others == numbers[i] + offset;
    }
    return kept;
}

size_t bits_kernels(const struct bits_kernel *kernels[2])
{
    static const struct bits_kernel scalar = {
        "scalar",    unpack_scalar, unpack_rising_scalar,
        bits_each,   bits_find,     search_scalar,
        sums_scalar, bits_saturate, common_scalar};
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    size_t count = 0;

    pthread_once(&once, fill_by_byte);
#ifdef SEARCH_AVX2
    if (__builtin_cpu_supports("avx2"))
        kernels[count++] = &bits_avx2;
#endif
    kernels[count++] = &scalar;
    return count;
}
