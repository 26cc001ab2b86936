/* places.c - see places.h. */
#include <string.h>

#include "search/index/varint.h"
#include "search/query/places.h"

static struct list_places block_at(const struct places *places, uint32_t block)
{
    struct list_places found;

    memcpy(&found, places->blocks + (size_t)block * sizeof(found),
           sizeof(found));
    return found;
}

void places_init(struct places *places, const struct bits_kernel *kernel,
                 const void *bytes, uint32_t count)
{
    places->kernel = kernel;
    places->count = count;
    places->full = count / LIST_BLOCK;
    places->blocks = places->numbers = bytes;
    if (places->full)
        places->numbers += (places->full + 1) * sizeof(struct list_places);
    places->block = UINT32_MAX;
    /* sums() reads them, though nothing comes of it. */
    memset(places->steps + LIST_BLOCK, 0, BITS_SLACK * sizeof(uint32_t));
}

/* What is behind the last full block. */
static void read_rest(struct places *places)
{
    const unsigned char *at = places->numbers;
    uint32_t rest = places->count % LIST_BLOCK;

    if (places->full)
        at += block_at(places, places->full).offset;
    for (uint32_t i = 0; i + 1 < rest; i++)
        at = varint_take_inner(at, &places->steps[i]);
    if (rest)
        varint_take(at, &places->steps[rest - 1]);
}

static void load(struct places *places, uint32_t block)
{
    if (places->block == block)
        return;
    places->block = block;
    if (block == places->full) {
        read_rest(places);
        return;
    }
    struct list_places found = block_at(places, block);
    patched_read(places->kernel, places->numbers + found.offset, found.numbers,
                 0, places->steps);
}

void places_read(struct places *places, uint32_t first, uint32_t freq,
                 uint32_t *positions)
{
    uint32_t position = 0;
    uint32_t last = first + freq;

    while (first < last) {
        uint32_t from = first % LIST_BLOCK;
        uint32_t count = last - first;
        if (count > LIST_BLOCK - from)
            count = LIST_BLOCK - from;
        load(places, first / LIST_BLOCK);
        places->kernel->sums(places->steps + from, count, position, positions);
        positions += count;
        position = positions[-1];
        first += count;
    }
}

void places_steps(struct places *places, uint32_t first, uint32_t count,
                  uint32_t *steps)
{
    while (count) {
        uint32_t from = first % LIST_BLOCK;
        uint32_t some = count < LIST_BLOCK - from ? count : LIST_BLOCK - from;
        load(places, first / LIST_BLOCK);
        memcpy(steps, places->steps + from, some * sizeof(*steps));
        steps += some;
        first += some;
        count -= some;
    }
}
