/*
 * bits_avx2.c - eight numbers at a time; compiled for processors that have
 * AVX2, and called on those alone.
 */
#include <immintrin.h>

#include "search/index/bits_set.h"

#define ROWS (BITS_BLOCK / BITS_LANES)
#define WORD 32
#define INLINE static inline __attribute__((always_inline))

typedef bits_lanes lanes;
typedef bits_unaligned unaligned_lanes;

INLINE lanes row_of(const unaligned_lanes *in, unsigned row, unsigned width)
{
    unsigned bit = row * width;
    unsigned shift = bit % WORD;
    lanes found;

    if (width == 0)
        return (lanes){0};
    found = in[bit / WORD] >> shift;
    if (shift + width > WORD)
        found |= in[bit / WORD + 1] << (WORD - shift);
    return shift + width == WORD ? found : found & ((UINT32_C(1) << width) - 1);
}

/* Each lane the sum of itself and of those before it: in halves first, as what
   goes from one to the other takes longer. */
INLINE lanes sums_of(lanes row)
{
    row += (lanes)_mm256_slli_si256((__m256i)row, 4);
    row += (lanes)_mm256_slli_si256((__m256i)row, 8);
    __m256i low = _mm256_permute2x128_si256((__m256i)row, (__m256i)row, 0x08);
    return row + (lanes)_mm256_shuffle_epi32(low, 0xff);
}

/* Unrolled for each width, so that shifts and masks are constants. */
INLINE void unpack_rows(const void *in, unsigned width, uint32_t plus,
                        uint32_t *out)
{
    unaligned_lanes *rows = (unaligned_lanes *)out;

#pragma GCC unroll 32
    for (unsigned i = 0; i < ROWS; i++)
        rows[i] = row_of(in, i, width) + plus;
}

INLINE void unpack_rising_rows(const void *in, unsigned width, uint32_t base,
                               uint32_t *out)
{
    unaligned_lanes *rows = (unaligned_lanes *)out;
    lanes before = (lanes){0} + base;

#pragma GCC unroll 32
    for (unsigned i = 0; i < ROWS; i++) {
        lanes row = sums_of(row_of(in, i, width) + 1) + before;
        rows[i] = row;
        before = __builtin_shufflevector(row, row, 7, 7, 7, 7, 7, 7, 7, 7);
    }
}

#define EACH_WIDTH(of)                                                        \
    of(0) of(1) of(2) of(3) of(4) of(5) of(6) of(7) of(8) of(9) of(10) of(11) \
        of(12) of(13) of(14) of(15) of(16) of(17) of(18) of(19) of(20) of(21) \
            of(22) of(23) of(24) of(25) of(26) of(27) of(28) of(29) of(30)    \
                of(31) of(32)
#define DEFINE(width)                                                        \
    static void unpack_##width(const void *in, uint32_t plus, uint32_t *out) \
    {                                                                        \
        unpack_rows(in, width, plus, out);                                   \
    }                                                                        \
    static void rising_##width(const void *in, uint32_t base, uint32_t *out) \
    {                                                                        \
        unpack_rising_rows(in, width, base, out);                            \
    }
#define NAME(width) {unpack_##width, rising_##width},

EACH_WIDTH(DEFINE)

static const struct {
    void (*unpack)(const void *in, uint32_t plus, uint32_t *out);
    void (*rising)(const void *in, uint32_t base, uint32_t *out);
} by_width[WORD + 1] = {EACH_WIDTH(NAME)};

static void unpack_avx2(const void *in, unsigned width, uint32_t plus,
                        uint32_t out[BITS_BLOCK])
{
    by_width[width].unpack(in, plus, out);
}

static void unpack_rising_avx2(const void *in, unsigned width, uint32_t base,
                               uint32_t out[BITS_BLOCK])
{
    by_width[width].rising(in, base, out);
}

/* ---- what is among others */

#define AT_ONCE (4 * BITS_LANES)

INLINE unsigned same_of(const uint32_t *at, uint32_t number)
{
    lanes same = (lanes)(*(const unaligned_lanes *)at == number);

    return (unsigned)_mm256_movemask_ps((__m256)same);
}

static size_t search_avx2(const uint32_t rising[BITS_BLOCK],
                          const uint32_t *numbers, size_t from, size_t to,
                          uint16_t *which, uint8_t *at)
{
    size_t found = 0;

    for (size_t i = from; i < to; i++) {
        uint32_t number = numbers[i];
        uint32_t below = bits_below(rising, number, AT_ONCE);
        unsigned same = 0;
        for (unsigned j = 0; j < AT_ONCE; j += BITS_LANES)
            same |= same_of(rising + below + j, number) << j;
        which[found] = (uint16_t)i;
        at[found] = (uint8_t)(below + (unsigned)__builtin_ctz(same | 1U << 31));
        found += same != 0;
    }
    return found;
}

/* ---- sums */

static void sums_avx2(const uint32_t *in, size_t count, uint32_t base,
                      uint32_t *out)
{
    const unaligned_lanes *rows = (const unaligned_lanes *)in;
    unaligned_lanes *sums = (unaligned_lanes *)out;
    lanes number = {0, 1, 2, 3, 4, 5, 6, 7};
    lanes before = (lanes){0} + base;

    /* What is loaded at once is stored at once: so it need not be waited for.
     */
    for (size_t i = 0; i < count; i += BITS_LANES) {
        lanes row = sums_of(*rows++) + before;
        before = __builtin_shufflevector(row, row, 7, 7, 7, 7, 7, 7, 7, 7);
        *sums++ = row | (lanes)(number >= (uint32_t)count);
        number += BITS_LANES;
    }
    *sums = (lanes){0} + UINT32_MAX;
}

static size_t common_avx2(uint32_t *numbers, size_t count, uint32_t offset,
                          const uint32_t *others)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        uint32_t number = numbers[i];
        while (others[BITS_LANES - 1] < number + offset)
            others += BITS_LANES;
        lanes same =
            (lanes)(*(const unaligned_lanes *)others == number + offset);
        numbers[kept] = number;
        kept += _mm256_movemask_ps((__m256)same) != 0;
    }
    return kept;
}

const struct bits_kernel bits_avx2 = {
    "avx2",      unpack_avx2, unpack_rising_avx2, bits_each,  bits_find,
    search_avx2, sums_avx2,   bits_saturate,      common_avx2};
