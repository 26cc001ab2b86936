/* patched.c - see patched.h. */
#include "search/index/patched.h"
#include "search/index/varint.h"

#define WORD 32
#define PATCHES_MAX 255

static unsigned width_of(uint32_t value)
{
    return bits_width(&value, 1);
}

static size_t patch_size(unsigned more)
{
    return 1 + (more + 6) / 7;
}

/* So many numbers of each width: the bytes of a block, SIZE_MAX: it cannot be.
 */
static size_t size_at(const unsigned counts[WORD + 1], unsigned width)
{
    size_t size = bits_size(width);
    unsigned patches = 0;

    for (unsigned more = 1; width + more <= WORD; more++) {
        patches += counts[width + more];
        size += counts[width + more] * patch_size(more);
    }
    return patches > PATCHES_MAX ? SIZE_MAX : size;
}

static unsigned best_width(const uint32_t values[BITS_BLOCK])
{
    unsigned counts[WORD + 1] = {0};
    unsigned best = WORD;

    for (size_t i = 0; i < BITS_BLOCK; i++)
        counts[width_of(values[i])]++;
    for (unsigned width = WORD; width-- > 0;)
        if (size_at(counts, width) <= size_at(counts, best))
            best = width;
    return best;
}

struct patched patched_append(struct buf *out,
                              const uint32_t values[BITS_BLOCK])
{
    unsigned width = best_width(values);
    uint32_t mask = width == WORD ? UINT32_MAX : (UINT32_C(1) << width) - 1;
    struct patched patched = {.width = (uint8_t)width};
    uint32_t low[BITS_BLOCK];

    for (size_t i = 0; i < BITS_BLOCK; i++)
        low[i] = values[i] & mask;
    bits_pack(low, width, buf_reserve(out, bits_size(width)));
    buf_commit(out, bits_size(width));
    for (size_t i = 0; i < BITS_BLOCK; i++) {
        if (values[i] == low[i])
            continue;
        buf_append_char(out, (char)i);
        varint_append(out, values[i] >> width);
        patched.patches++;
    }
    return patched;
}

void patched_read(const struct bits_kernel *kernel, const void *in,
                  struct patched patched, uint32_t out[BITS_BLOCK])
{
    const unsigned char *at = in;

    kernel->unpack(in, patched.width, out);
    at += bits_size(patched.width);
    for (unsigned i = 0; i < patched.patches; i++) {
        uint32_t high;
        uint32_t *number = &out[*at++];
        at = varint_take(at, &high);
        *number |= high << patched.width;
    }
}
