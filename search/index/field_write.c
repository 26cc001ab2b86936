/* field_write.c - see field_write.h. */
#include "search/index/field_write.h"
#include <string.h>

#include "search/index/dict.h"
#include "search/index/norm.h"

struct field_writer {
    struct inverter *inverter;
    struct buf lengths; /* norms, a byte for each document */
    struct field_totals totals;
    bool full;
    /* while it is put */
    struct segment_writer *out;
    struct dict_writer dict;
    struct buf list, places; /* places: of all terms */
    uint64_t lists;          /* bytes of those before */
};

struct field_writer *field_writer_create(bool full)
{
    struct field_writer *writer = mem_zalloc(MEM_APP, sizeof(*writer));

    writer->inverter = inverter_create();
    writer->full = full;
    buf_init(&writer->lengths, MEM_APP);
    buf_init(&writer->list, MEM_APP);
    buf_init(&writer->places, MEM_APP);
    return writer;
}

void field_writer_destroy(struct field_writer *writer)
{
    if (!writer)
        return;
    inverter_destroy(writer->inverter);
    buf_deinit(&writer->lengths);
    buf_deinit(&writer->list);
    buf_deinit(&writer->places);
    mem_free(writer);
}

void field_writer_add(struct field_writer *writer, struct span term,
                      uint32_t doc, uint32_t position)
{
    inverter_add(writer->inverter, term, doc, position);
}

/* Those without one are 0. */
static void have_lengths(struct field_writer *writer, uint32_t docs)
{
    size_t more = docs - writer->lengths.len;

    if (more == 0)
        return;
    memset(buf_reserve(&writer->lengths, more), 0, more);
    buf_commit(&writer->lengths, more);
}

void field_writer_end(struct field_writer *writer, uint32_t doc,
                      uint32_t length)
{
    uint8_t norm = writer->full ? norm_of(length) : 0;

    have_lengths(writer, doc);
    buf_append_char(&writer->lengths, (char)norm);
    writer->totals.tokens += length;
    writer->totals.docs += length > 0;
}

size_t field_writer_size(const struct field_writer *writer)
{
    return inverter_size(writer->inverter) + writer->lengths.len;
}

static void put_term(void *arg, struct span term, struct list_source *source)
{
    struct field_writer *writer = arg;
    struct dict_entry entry = {.count = (uint32_t)source->count,
                               .doc = source->docs[0],
                               .freq = source->freqs[0],
                               .total = source->position_count,
                               .list = writer->lists,
                               .places = writer->places.len};

    source->norms = (const uint8_t *)writer->lengths.ptr;
    if (source->count > 1) {
        writer->list.len = 0;
        list_append(&writer->list, source);
        entry.list_size = writer->list.len;
        segment_writer_put(writer->out, buf_span(&writer->list));
        writer->lists += writer->list.len;
    }
    if (writer->full) {
        list_append_positions(&writer->places, source);
        entry.places_size = writer->places.len - entry.places;
    }
    dict_writer_add(&writer->dict, term, &entry);
}

static void put_section(struct field_writer *writer, enum segment_kind kind,
                        uint32_t field, struct span bytes)
{
    segment_writer_begin(writer->out, kind, field);
    segment_writer_put(writer->out, bytes);
}

void field_writer_put(struct field_writer *writer, struct segment_writer *out,
                      uint32_t field, uint32_t docs)
{
    struct dict_writer *dict = &writer->dict;

    writer->out = out;
    have_lengths(writer, docs);
    dict_writer_init(dict, MEM_APP, writer->full);
    segment_writer_begin(out, SEGMENT_LISTS, field);
    inverter_each(writer->inverter, put_term, writer);
    dict_writer_finish(dict);
    put_section(writer, SEGMENT_TERMS, field, buf_span(&dict->blocks));
    put_section(writer, SEGMENT_INDEX, field, buf_span(&dict->index));
    put_section(writer, SEGMENT_KEYS, field, buf_span(&dict->keys));
    dict_writer_deinit(dict);
    if (writer->full) {
        put_section(writer, SEGMENT_PLACES, field, buf_span(&writer->places));
        put_section(writer, SEGMENT_LENGTHS, field, buf_span(&writer->lengths));
    }
    put_section(
        writer, SEGMENT_TOTALS, field,
        (struct span){(const char *)&writer->totals, sizeof(writer->totals)});
}
