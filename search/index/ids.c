/* ids.c - see ids.h. */
#include <assert.h>
#include <xxhash.h>

#include "search/index/ids.h"

#define FREE UINT32_MAX

static bool has_slots(unsigned slot_bits, uint32_t docs)
{
    return UINT64_C(2) << slot_bits >= UINT64_C(3) * docs;
}

static size_t table_size(unsigned slot_bits)
{
    return sizeof(uint32_t) << slot_bits;
}

bool ids_init(struct ids *ids, struct span section, uint32_t docs)
{
    struct ids read = {.slot_bits = 1};
    struct span rest = span_skip(section, sizeof(read.seed));

    if (docs > IDS_DOCS_MAX || !packed_take(&rest, &read.offsets))
        return false;
    while (!has_slots(read.slot_bits, docs))
        read.slot_bits++;
    read.slots = rest.ptr;
    read.bytes = span_skip(rest, table_size(read.slot_bits));
    if (rest.len < table_size(read.slot_bits) ||
        !packed_covers(&read.offsets, docs, read.bytes))
        return false;
    memcpy(&read.seed, section.ptr, sizeof(read.seed));
    *ids = read;
    return true;
}

/* ---- slots */

static uint32_t slot_at(const struct ids *ids, uint32_t slot)
{
    uint32_t value;

    memcpy(&value, ids->slots + (size_t)slot * sizeof(value), sizeof(value));
    return value;
}

static uint32_t low_bits(const struct ids *ids)
{
    return (UINT32_C(1) << ids->slot_bits) - 1;
}

/* The one that has the id, or the free one where it would be; high: what it
   has of the hash. */
static uint32_t find_slot(const struct ids *ids, struct span id, uint32_t *high)
{
    uint64_t hash = XXH3_64bits_withSeed(id.ptr, id.len, ids->seed);
    uint32_t low = low_bits(ids);
    uint32_t slot = (uint32_t)hash & low;

    *high = (uint32_t)(hash >> 32) & ~low;
    for (;; slot = (slot + 1) & low) {
        uint32_t value = slot_at(ids, slot);
        if (value == FREE ||
            ((value & ~low) == *high && span_eq(ids_of(ids, value & low), id)))
            return slot;
    }
}

uint32_t ids_find(const struct ids *ids, struct span id)
{
    uint32_t high;
    uint32_t value = slot_at(ids, find_slot(ids, id, &high));

    return value == FREE ? UINT32_MAX : value & low_bits(ids);
}

/* ---- writing */

static void clear_slots(struct ids_writer *writer, unsigned slot_bits)
{
    size_t size = table_size(slot_bits);

    mem_free(writer->slots);
    writer->slots = memset(mem_alloc(MEM_APP, size), UINT8_MAX, size);
    writer->slot_bits = slot_bits;
}

void ids_writer_init(struct ids_writer *writer, uint64_t seed)
{
    *writer = (struct ids_writer){.seed = seed};
    buf_init(&writer->offsets, MEM_APP);
    buf_init(&writer->bytes, MEM_APP);
    buf_reserve(&writer->bytes, 1); /* it is somewhere, if all are empty */
    packed_add(&writer->offsets, 0);
    clear_slots(writer, 1);
}

void ids_writer_deinit(struct ids_writer *writer)
{
    buf_deinit(&writer->offsets);
    buf_deinit(&writer->bytes);
    mem_free(writer->slots);
    writer->slots = NULL;
}

struct ids ids_writer_view(const struct ids_writer *writer)
{
    return (struct ids){.seed = writer->seed,
                        .offsets = packed_view(&writer->offsets),
                        .slots = (const char *)writer->slots,
                        .slot_bits = writer->slot_bits,
                        .bytes = buf_span(&writer->bytes)};
}

static void place(struct ids_writer *writer, uint32_t doc)
{
    struct ids view = ids_writer_view(writer);
    uint32_t high;
    uint32_t slot = find_slot(&view, ids_of(&view, doc), &high);

    writer->slots[slot] = high | doc;
}

void ids_writer_add(struct ids_writer *writer, struct span id)
{
    uint32_t doc = writer->count++;

    assert(doc < IDS_DOCS_MAX);
    buf_append(&writer->bytes, id);
    packed_add(&writer->offsets, (int64_t)writer->bytes.len);
    if (has_slots(writer->slot_bits, writer->count)) {
        place(writer, doc);
        return;
    }
    clear_slots(writer, writer->slot_bits + 1);
    for (uint32_t i = 0; i <= doc; i++)
        place(writer, i);
}

void ids_writer_finish(const struct ids_writer *writer, section_put put,
                       void *arg)
{
    struct buf head;

    buf_init(&head, MEM_APP);
    packed_add(&head, (int64_t)writer->seed);
    packed_append(&head, &writer->offsets);
    put(arg, buf_span(&head));
    put(arg, (struct span){(const char *)writer->slots,
                           table_size(writer->slot_bits)});
    put(arg, buf_span(&writer->bytes));
    buf_deinit(&head);
}
