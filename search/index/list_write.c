/* list_write.c - see list.h. */
#include <string.h>

#include "search/index/bitmap.h"
#include "search/index/list.h"
#include "search/index/norm.h"
#include "search/index/varint.h"

#define NORMS 256

static size_t block_length(size_t count, size_t from)
{
    return count - from < LIST_BLOCK ? count - from : LIST_BLOCK;
}

/* ---- impacts */

/* The most often of each norm; a smaller norm is a shorter document. */
static void append_impacts(struct buf *out, const struct list_source *source,
                           size_t from, size_t to)
{
    uint8_t most[NORMS] = {0};
    uint8_t best = 0;

    for (size_t i = from; i < to && i < source->count; i++) {
        uint8_t freq = norm_above(source->freqs[i]);
        uint8_t norm = source->norms[source->docs[i]];
        if (freq > most[norm])
            most[norm] = freq;
    }
    for (size_t norm = 0; norm < NORMS; norm++) {
        if (most[norm] <= best)
            continue;
        best = most[norm];
        buf_append_char(out, (char)best);
        buf_append_char(out, (char)norm);
    }
}

static uint32_t count_impacts(const struct buf *impacts)
{
    return (uint32_t)(impacts->len / sizeof(struct list_impact));
}

static void append_groups(struct buf *out, struct buf *impacts,
                          const struct list_source *source)
{
    size_t count = list_groups(list_blocks(source->count));
    size_t docs = (size_t)LIST_GROUP * LIST_BLOCK;

    for (size_t i = 0; i < count; i++) {
        uint32_t first = count_impacts(impacts);
        append_impacts(impacts, source, i * docs, (i + 1) * docs);
        buf_append_bytes(out, &first, sizeof(first));
    }
}

/* ---- documents */

static uint32_t gap_at(const struct list_source *source, size_t i)
{
    return i ? source->docs[i] - source->docs[i - 1] - 1 : source->docs[0];
}

static void append_short(struct buf *out, const struct list_source *source,
                         size_t from)
{
    for (size_t i = from; i < source->count; i++) {
        uint64_t gap = gap_at(source, i);
        varint_append(out, gap << 1 | (source->freqs[i] == 1));
        if (source->freqs[i] != 1)
            varint_append(out, source->freqs[i]);
    }
}

static void append_set(struct buf *out, const uint32_t *docs, uint32_t behind,
                       size_t words)
{
    size_t size = words * sizeof(uint64_t);
    char *bits = memset(buf_reserve(out, size), 0, size);

    for (size_t i = 0; i < LIST_BLOCK; i++)
        bitmap_set(bits, docs[i] - behind / 64 * 64);
    buf_commit(out, size);
}

static void append_full(struct buf *out, const struct list_source *source,
                        size_t from, struct list_block *block)
{
    uint32_t behind = from ? source->docs[from - 1] + 1 : 0;
    size_t words = list_set_words(behind, block->last);
    uint32_t gaps[LIST_BLOCK];
    uint32_t freqs[LIST_BLOCK];

    for (size_t i = 0; i < LIST_BLOCK; i++) {
        gaps[i] = gap_at(source, from + i);
        freqs[i] = source->freqs[from + i] - 1;
    }
    block->doc_width = (uint8_t)bits_width(gaps, LIST_BLOCK);
    if (words <= LIST_SET_WORDS ||
        words * sizeof(uint64_t) <= bits_size(block->doc_width)) {
        block->doc_width = LIST_SET;
        append_set(out, source->docs + from, behind, words);
    } else {
        bits_pack(gaps, block->doc_width,
                  buf_reserve(out, bits_size(block->doc_width)));
        buf_commit(out, bits_size(block->doc_width));
    }
    block->freqs = patched_append(out, freqs);
}

static uint32_t sum_of(const uint32_t *values, size_t count)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum;
}

void list_write(struct buf *out, const struct list_source *source)
{
    struct buf blocks;
    struct buf impacts;
    struct buf bits;
    uint32_t places = 0;

    if (source->count < LIST_BLOCK) {
        append_short(out, source, 0);
        return;
    }
    buf_init(&blocks, out->tag);
    buf_init(&impacts, out->tag);
    buf_init(&bits, out->tag);
    for (size_t from = 0; from < source->count; from += LIST_BLOCK) {
        size_t len = block_length(source->count, from);
        struct list_block block = {.last = source->docs[from + len - 1],
                                   .bits = (uint32_t)bits.len,
                                   .impacts = count_impacts(&impacts),
                                   .places = places};
        append_impacts(&impacts, source, from, from + LIST_BLOCK);
        if (len == LIST_BLOCK)
            append_full(&bits, source, from, &block);
        else
            append_short(&bits, source, from);
        buf_append_bytes(&blocks, &block, sizeof(block));
        places += sum_of(source->freqs + from, len);
    }
    append_groups(&blocks, &impacts, source);
    uint32_t count = count_impacts(&impacts);
    buf_append_bytes(out, &count, sizeof(count));
    buf_append(out, buf_span(&blocks));
    buf_append(out, buf_span(&impacts));
    buf_append(out, buf_span(&bits));
    buf_deinit(&blocks);
    buf_deinit(&impacts);
    buf_deinit(&bits);
}

/* ---- positions */

void list_append_positions(struct buf *out, const struct list_source *source)
{
    size_t full = source->step_count / LIST_BLOCK;
    const uint32_t *steps = source->steps;
    struct buf numbers;

    buf_init(&numbers, out->tag);
    for (size_t i = 0; i < full; i++) {
        struct list_places block = {.offset = (uint32_t)numbers.len};
        block.numbers = patched_append(&numbers, steps + i * LIST_BLOCK);
        buf_append_bytes(out, &block, sizeof(block));
    }
    if (full) {
        struct list_places rest = {.offset = (uint32_t)numbers.len};
        buf_append_bytes(out, &rest, sizeof(rest));
    }
    buf_append(out, buf_span(&numbers));
    for (size_t i = full * LIST_BLOCK; i < source->step_count; i++)
        varint_append(out, steps[i]);
    buf_deinit(&numbers);
}
