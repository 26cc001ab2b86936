/* values_write.c - see values.h. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "search/index/values.h"

void values_writer_init(struct values_writer *writer, enum values_kind kind,
                        uint64_t seed)
{
    *writer = (struct values_writer){.kind = kind};
    ids_writer_init(&writer->keywords, seed);
    buf_init(&writer->docs, MEM_APP);
    buf_init(&writer->numbers, MEM_APP);
    buf_init(&writer->firsts, MEM_APP);
}

void values_writer_deinit(struct values_writer *writer)
{
    ids_writer_deinit(&writer->keywords);
    buf_deinit(&writer->docs);
    buf_deinit(&writer->numbers);
    buf_deinit(&writer->firsts);
}

static void append_u32(struct buf *out, uint32_t value)
{
    buf_append_bytes(out, &value, sizeof(value));
}

static int64_t *numbers_of(const struct buf *numbers)
{
    return (int64_t *)numbers->ptr;
}

static size_t count_of(const struct buf *numbers)
{
    return numbers->len / sizeof(int64_t);
}

/* ---- adding */

static void add(struct values_writer *writer, uint32_t doc, int64_t number)
{
    assert(doc >= writer->last);
    if (writer->docs.len == 0 || doc > writer->last) {
        packed_add(&writer->firsts, (int64_t)count_of(&writer->numbers));
        append_u32(&writer->docs, doc);
        writer->last = doc;
    }
    packed_add(&writer->numbers, number);
}

void values_writer_add_long(struct values_writer *writer, uint32_t doc,
                            int64_t value)
{
    assert(writer->kind == VALUES_INT64);
    add(writer, doc, value);
}

bool values_writer_add_double(struct values_writer *writer, uint32_t doc,
                              double value)
{
    assert(writer->kind == VALUES_DOUBLE);
    if (isnan(value))
        return false;
    add(writer, doc, values_from_double(value));
    return true;
}

void values_writer_add_keyword(struct values_writer *writer, uint32_t doc,
                               struct span value)
{
    struct ids view = ids_writer_view(&writer->keywords);
    uint32_t number = ids_find(&view, value);

    assert(writer->kind == VALUES_KEYWORD);
    if (number == UINT32_MAX) {
        number = writer->keywords.count;
        ids_writer_add(&writer->keywords, value);
    }
    add(writer, doc, number);
}

/* ---- keywords */

struct keyword {
    struct span text;
    uint32_t number;
};

static int by_text(const void *a, const void *b)
{
    return span_compare(((const struct keyword *)a)->text,
                        ((const struct keyword *)b)->text);
}

/* To out; numbers become ordinals. */
static void sort_keywords(struct values_writer *writer, struct buf *out)
{
    struct ids view = ids_writer_view(&writer->keywords);
    uint32_t count = writer->keywords.count;
    struct keyword *order = mem_alloc(MEM_APP, (count + 1) * sizeof(*order));
    int64_t *ordinals = mem_alloc(MEM_APP, (count + 1) * sizeof(*ordinals));
    int64_t *numbers = numbers_of(&writer->numbers);
    struct buf offsets;
    int64_t offset = 0;

    buf_init(&offsets, MEM_APP);
    for (uint32_t i = 0; i < count; i++)
        order[i] = (struct keyword){ids_of(&view, i), i};
    qsort(order, count, sizeof(*order), by_text);
    for (uint32_t i = 0; i < count; i++) {
        ordinals[order[i].number] = i;
        packed_add(&offsets, offset);
        offset += (int64_t)order[i].text.len;
    }
    packed_add(&offsets, offset);
    packed_append(out, &offsets);
    for (uint32_t i = 0; i < count; i++)
        buf_append(out, order[i].text);
    for (size_t i = 0; i < count_of(&writer->numbers); i++)
        numbers[i] = ordinals[numbers[i]];
    buf_deinit(&offsets);
    mem_free(ordinals);
    mem_free(order);
}

/* ---- numbers */

static int by_number(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a;
    int64_t two = *(const int64_t *)b;

    return (one > two) - (one < two);
}

/* A document's, to behind those that are kept: rising, of keywords each once.
   How many are kept then. */
static size_t sort_one(struct values_writer *writer, size_t from, size_t to,
                       size_t kept)
{
    int64_t *numbers = numbers_of(&writer->numbers);
    size_t first = kept;

    if (to - from > 1)
        qsort(numbers + from, to - from, sizeof(*numbers), by_number);
    for (; from < to; from++)
        if (writer->kind != VALUES_KEYWORD || kept == first ||
            numbers[kept - 1] != numbers[from])
            numbers[kept++] = numbers[from];
    return kept;
}

static void widen(struct values_range *range, int64_t min, int64_t max)
{
    range->min = min < range->min ? min : range->min;
    range->max = max > range->max ? max : range->max;
}

/* That of all first; firsts end with the count of all numbers. */
static void sort_numbers(struct values_writer *writer,
                         struct values_range *ranges)
{
    const uint32_t *docs = (const uint32_t *)writer->docs.ptr;
    size_t have = count_of(&writer->firsts);
    size_t kept = 0;

    packed_add(&writer->firsts, (int64_t)count_of(&writer->numbers));
    int64_t *firsts = numbers_of(&writer->firsts);
    const int64_t *numbers = numbers_of(&writer->numbers);
    for (size_t i = 0; i < have; i++) {
        size_t first = kept;
        kept = sort_one(writer, (size_t)firsts[i], (size_t)firsts[i + 1], kept);
        firsts[i] = (int64_t)first;
        widen(&ranges[0], numbers[first], numbers[kept - 1]);
        widen(&ranges[1 + docs[i] / VALUES_BLOCK], numbers[first],
              numbers[kept - 1]);
    }
    firsts[have] = (int64_t)kept;
    writer->numbers.len = kept * sizeof(*firsts);
}

/* ---- all of it */

static void append_ranges(struct values_writer *writer, uint32_t docs,
                          struct buf *out)
{
    size_t count = 1 + ((size_t)docs + VALUES_BLOCK - 1) / VALUES_BLOCK;
    struct values_range *ranges = mem_alloc(MEM_APP, count * sizeof(*ranges));

    for (size_t i = 0; i < count; i++)
        ranges[i] = (struct values_range){INT64_MAX, INT64_MIN};
    sort_numbers(writer, ranges);
    buf_append(out,
               (struct span){(const char *)ranges, count * sizeof(*ranges)});
    mem_free(ranges);
}

static void append_presence(const struct values_writer *writer, uint32_t docs,
                            struct buf *out)
{
    const uint32_t *have = (const uint32_t *)writer->docs.ptr;
    size_t count = writer->docs.len / sizeof(*have);
    size_t size = bitmap_size(docs);
    char *bits = memset(buf_reserve(out, size), 0, size);
    size_t before = 0;

    for (size_t i = 0; i < count; i++)
        bitmap_set(bits, have[i]);
    buf_commit(out, size);
    for (size_t from = 0; from <= docs; from += VALUES_RANK) {
        while (before < count && have[before] < from)
            before++;
        append_u32(out, (uint32_t)before);
    }
}

void values_writer_finish(struct values_writer *writer, uint32_t docs,
                          struct buf *out)
{
    uint32_t have = (uint32_t)count_of(&writer->firsts);
    struct buf keywords;

    assert(have == 0 || writer->last < docs);
    buf_init(&keywords, MEM_APP);
    if (writer->kind == VALUES_KEYWORD)
        sort_keywords(writer, &keywords);
    append_u32(out, writer->kind);
    append_u32(out, have);
    append_ranges(writer, docs, out);
    packed_append(out, &writer->numbers);
    if (count_of(&writer->numbers) > have)
        packed_append(out, &writer->firsts);
    if (have && have < docs)
        append_presence(writer, docs, out);
    buf_append(out, buf_span(&keywords));
    buf_deinit(&keywords);
}
