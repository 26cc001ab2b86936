/* reader.c - see reader.h. */
#include <uv.h>

#include "search/index/reader.h"

struct reader_field {
    struct field terms;
    struct values values;
    bool looked_for_terms, has_terms, looked_for_values, has_values;
};

static bool section(const struct reader *reader, enum segment_kind kind,
                    uint32_t field, struct span *out)
{
    *out = segment_section(reader->segment, kind, field);
    return segment_check(reader->segment, *out);
}

static struct reader *create(struct segment *segment, const struct live *live,
                             uint32_t base)
{
    struct reader *reader = mem_zalloc(MEM_APP, sizeof(*reader));

    reader->segment = segment;
    reader->live = live;
    reader->docs = segment_docs(segment);
    reader->base = base;
    schema_init(&reader->schema);
    return reader;
}

/* Its schema is there. */
static struct reader *with_fields(struct reader *reader)
{
    reader->fields = mem_zalloc(MEM_APP, (reader->schema.count + 1) *
                                             sizeof(reader->fields[0]));
    return reader;
}

struct reader *reader_open(struct segment *segment, const struct live *live,
                           uint32_t base)
{
    struct reader *reader = create(segment, live, base);
    struct span schema;

    if (section(reader, SEGMENT_SCHEMA, SEGMENT_NO_FIELD, &schema) &&
        schema_read_list(&reader->schema, schema))
        return with_fields(reader);
    reader_close(reader);
    return NULL;
}

struct reader *reader_like(const struct reader *other, const struct live *live,
                           uint32_t base)
{
    struct reader *reader = create(other->segment, live, base);

    schema_follow(&reader->schema, &other->schema);
    return with_fields(reader);
}

void reader_close(struct reader *reader)
{
    if (!reader)
        return;
    if (reader->has_stored)
        stored_deinit(&reader->stored);
    schema_deinit(&reader->schema);
    mem_free(reader->fields);
    mem_free(reader);
}

const struct field *reader_terms(struct reader *reader, uint32_t number)
{
    if (number == SCHEMA_NONE)
        return NULL;
    struct reader_field *field = &reader->fields[number];
    if (!field->looked_for_terms) {
        field->looked_for_terms = true;
        field->has_terms = field_open(&field->terms, reader->segment, number);
    }
    return field->has_terms ? &field->terms : NULL;
}

const struct values *reader_values(struct reader *reader, uint32_t number)
{
    struct span bytes;

    if (number == SCHEMA_NONE)
        return NULL;
    struct reader_field *field = &reader->fields[number];
    if (!field->looked_for_values) {
        field->looked_for_values = true;
        field->has_values = section(reader, SEGMENT_VALUES, number, &bytes) &&
                            bytes.len &&
                            values_init(&field->values, bytes, reader->docs);
    }
    return field->has_values ? &field->values : NULL;
}

static bool open_ids(struct reader *reader)
{
    struct span bytes;

    if (!reader->has_ids)
        reader->has_ids =
            section(reader, SEGMENT_IDS, SEGMENT_NO_FIELD, &bytes) &&
            ids_init(&reader->ids, bytes, reader->docs);
    return reader->has_ids;
}

uint32_t reader_find(struct reader *reader, struct span id)
{
    uint32_t doc = open_ids(reader) ? ids_find(&reader->ids, id) : UINT32_MAX;

    if (doc != UINT32_MAX && reader->live && !live_has(reader->live, doc))
        return UINT32_MAX;
    return doc;
}

struct span reader_id(struct reader *reader, uint32_t doc)
{
    return open_ids(reader) ? ids_of(&reader->ids, doc)
                            : (struct span){NULL, 0};
}

/* Blocks are not checked ahead: a document needs one of them. */
static bool open_stored(struct reader *reader)
{
    struct span index;
    struct span blocks =
        segment_section(reader->segment, SEGMENT_STORED, SEGMENT_NO_FIELD);

    if (!reader->has_stored)
        reader->has_stored =
            section(reader, SEGMENT_SOURCES, SEGMENT_NO_FIELD, &index) &&
            stored_init(&reader->stored, blocks, index, reader->docs);
    return reader->has_stored;
}

struct stored *reader_stored(struct reader *reader)
{
    return open_stored(reader) &&
                   segment_check(reader->segment, reader->stored.blocks)
               ? &reader->stored
               : NULL;
}

int reader_source(struct reader *reader, uint32_t doc, struct buf *out)
{
    if (!open_stored(reader) ||
        !segment_check(reader->segment, stored_frame(&reader->stored, doc)))
        return UV_EIO;
    return stored_read(&reader->stored, doc, out);
}
