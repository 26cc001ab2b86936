/* dict_write.c - see dict.h. */
#include <assert.h>

#include "search/index/dict.h"
#include "search/index/varint.h"

static void append_u32(struct buf *out, size_t value)
{
    uint32_t number = (uint32_t)value;

    assert(value <= UINT32_MAX);
    buf_append_bytes(out, &number, sizeof(number));
}

void dict_writer_init(struct dict_writer *writer, enum mem_tag tag,
                      bool has_places)
{
    buf_init(&writer->blocks, tag);
    buf_init(&writer->index, tag);
    buf_init(&writer->keys, tag);
    buf_init(&writer->last, tag);
    writer->count = 0;
    writer->has_places = has_places;
}

void dict_writer_deinit(struct dict_writer *writer)
{
    buf_deinit(&writer->blocks);
    buf_deinit(&writer->index);
    buf_deinit(&writer->keys);
    buf_deinit(&writer->last);
}

static void begin_block(struct dict_writer *writer, struct span term,
                        const struct dict_entry *entry)
{
    append_u32(&writer->index, writer->blocks.len);
    append_u32(&writer->index, writer->keys.len);
    buf_append(&writer->keys, term);
    varint_append(&writer->blocks, entry->list);
    if (writer->has_places)
        varint_append(&writer->blocks, entry->places);
    writer->last.len = 0;
}

void dict_writer_add(struct dict_writer *writer, struct span term,
                     const struct dict_entry *entry)
{
    if (writer->count++ % DICT_BLOCK == 0)
        begin_block(writer, term, entry);
    size_t same = dict_shared(buf_span(&writer->last), term);
    struct span rest = span_skip(term, same);
    varint_append(&writer->blocks, same);
    varint_append(&writer->blocks, rest.len);
    buf_append(&writer->blocks, rest);
    writer->last.len = same;
    buf_append(&writer->last, rest);
    varint_append(&writer->blocks, entry->count);
    if (entry->count == 1) {
        varint_append(&writer->blocks, entry->doc);
        varint_append(&writer->blocks, entry->freq);
    } else {
        varint_append(&writer->blocks, entry->total - entry->count);
        varint_append(&writer->blocks, entry->list_size);
    }
    if (writer->has_places)
        varint_append(&writer->blocks, entry->places_size);
}

void dict_writer_finish(struct dict_writer *writer)
{
    append_u32(&writer->index, writer->blocks.len);
    append_u32(&writer->index, writer->keys.len);
}
