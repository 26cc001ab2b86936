/* patched.c - see patched.h. */
#include "search/index/patched.h"

#define WORD 32
#define PATCHES_MAX 255

static unsigned width_of(uint32_t value)
{
    return bits_width(&value, 1);
}

static size_t patches_size(size_t patches, unsigned more)
{
    return patches + (patches * more + 7) / 8;
}

/* So many numbers of each width: the bytes of a block, SIZE_MAX: it cannot be.
 */
static size_t size_at(const unsigned counts[WORD + 1], unsigned width,
                      unsigned most)
{
    size_t patches = 0;

    for (unsigned wider = width + 1; wider <= most; wider++)
        patches += counts[wider];
    return patches > PATCHES_MAX
               ? SIZE_MAX
               : bits_size(width) + patches_size(patches, most - width);
}

/* most: that the largest needs. */
static unsigned best_width(const uint32_t values[BITS_BLOCK], unsigned most)
{
    unsigned counts[WORD + 1] = {0};
    unsigned best = most;

    for (size_t i = 0; i < BITS_BLOCK; i++)
        counts[width_of(values[i])]++;
    for (unsigned width = most; width-- > 0;)
        if (size_at(counts, width, most) <= size_at(counts, best, most))
            best = width;
    return best;
}

/* The higher bits of those that have some. */
static void append_high(struct buf *out, const uint32_t values[BITS_BLOCK],
                        struct patched patched)
{
    uint64_t bits = 0;
    unsigned count = 0;

    for (size_t i = 0; i < BITS_BLOCK; i++) {
        uint64_t high = (uint64_t)values[i] >> patched.width;
        if (high == 0)
            continue;
        bits |= high << count;
        for (count += patched.more; count >= 8; count -= 8, bits >>= 8)
            buf_append_char(out, (char)bits);
    }
    if (count > 0)
        buf_append_char(out, (char)bits);
}

struct patched patched_append(struct buf *out,
                              const uint32_t values[BITS_BLOCK])
{
    unsigned most = bits_width(values, BITS_BLOCK);
    unsigned width = best_width(values, most);
    uint32_t mask = width == WORD ? UINT32_MAX : (UINT32_C(1) << width) - 1;
    struct patched patched = {.width = (uint8_t)width,
                              .more = (uint8_t)(most - width)};
    uint32_t low[BITS_BLOCK];

    for (size_t i = 0; i < BITS_BLOCK; i++)
        low[i] = values[i] & mask;
    bits_pack(low, width, buf_reserve(out, bits_size(width)));
    buf_commit(out, bits_size(width));
    for (size_t i = 0; i < BITS_BLOCK; i++) {
        if (values[i] == low[i])
            continue;
        buf_append_char(out, (char)i);
        patched.patches++;
    }
    append_high(out, values, patched);
    return patched;
}

void patched_read(const struct bits_kernel *kernel, const void *in,
                  struct patched patched, uint32_t plus,
                  uint32_t out[BITS_BLOCK])
{
    const unsigned char *places =
        (const unsigned char *)in + bits_size(patched.width);
    const unsigned char *at = places + patched.patches;
    uint64_t mask = (UINT64_C(1) << patched.more) - 1;
    uint64_t bits = 0;
    unsigned count = 0;

    kernel->unpack(in, patched.width, plus, out);
    for (unsigned i = 0; i < patched.patches; i++) {
        for (; count < patched.more; count += 8)
            bits |= (uint64_t)*at++ << count;
        out[places[i]] += (uint32_t)((bits & mask) << patched.width);
        bits >>= patched.more;
        count -= patched.more;
    }
}
