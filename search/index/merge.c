/*
 * merge.c - see merge.h.
 *
 *   sources and ids, as they are --> of each field its values; its terms, in
 *   the order of all dictionaries at once --> put_term(): the documents of all
 *   segments that have it, by their new numbers
 */
#include <errno.h>
#include <uv.h>

#include "common/hash.h"
#include "search/index/field_put.h"
#include "search/index/merge.h"
#include "search/query/places.h"
#include "search/query/postings.h"

#define GONE UINT32_MAX

/* A segment that is merged. */
struct part {
    struct reader *reader;
    uint32_t *numbers; /* of each document its new one, or GONE */
    /* of the field that is being merged */
    const struct field *field;  /* NULL: it has none */
    struct dict_cursor *cursor; /* NULL: it has no more */
};

struct merge {
    const struct schema *schema;
    const atomic_bool *cancelled;
    const struct bits_kernel *kernel;
    struct segment_writer *out;
    struct part *parts;
    size_t count;
    uint32_t docs;
    uint64_t seed;
    int err;
    /* of the field */
    struct buf norms;
    unsigned char *having; /* a bit for each document that has it */
    struct field_totals totals;
    /* of the term */
    struct buf docs_of, freqs, positions; /* of uint32_t */
    struct postings postings;
    struct places places;
};

static void add_u32(struct buf *buf, uint32_t value)
{
    buf_append(buf, (struct span){(const char *)&value, sizeof(value)});
}

static void put(void *arg, struct span bytes)
{
    struct merge *merge = arg;

    segment_writer_put(merge->out, bytes);
}

static void put_section(struct merge *merge, enum segment_kind kind,
                        uint32_t field, struct buf *bytes)
{
    segment_writer_begin(merge->out, kind, field);
    segment_writer_put(merge->out, buf_span(bytes));
    bytes->len = 0;
}

/* ---- documents */

static void number(struct merge *merge, struct part *part)
{
    const struct reader *reader = part->reader;

    part->numbers = mem_alloc(MEM_JOB, (reader->docs + 1) * sizeof(uint32_t));
    for (uint32_t doc = 0; doc < reader->docs; doc++)
        part->numbers[doc] =
            !reader->live || live_has(reader->live, doc) ? merge->docs++ : GONE;
}

static void copy_sources(struct merge *merge)
{
    struct stored_writer writer;
    struct buf index;

    buf_init(&index, MEM_JOB);
    stored_writer_init(&writer, put, merge);
    segment_writer_begin(merge->out, SEGMENT_STORED, SEGMENT_NO_FIELD);
    for (size_t i = 0; i < merge->count && !merge->err; i++) {
        struct reader *reader = merge->parts[i].reader;
        struct live all;
        if (!reader->live)
            live_init(&all, reader->docs);
        struct stored *stored = reader_stored(reader);
        merge->err = stored ? stored_copy(&writer, stored,
                                          reader->live ? reader->live : &all)
                            : UV_EIO;
        if (!reader->live)
            live_deinit(&all);
    }
    if (!merge->err) {
        stored_writer_finish(&writer, &index);
        put_section(merge, SEGMENT_SOURCES, SEGMENT_NO_FIELD, &index);
    }
    stored_writer_deinit(&writer);
    buf_deinit(&index);
}

static void copy_ids(struct merge *merge)
{
    struct ids_writer writer;

    ids_writer_init(&writer, merge->seed);
    for (size_t i = 0; i < merge->count && !merge->err; i++) {
        const struct part *part = &merge->parts[i];
        for (uint32_t doc = 0; doc < part->reader->docs; doc++) {
            struct span id = reader_id(part->reader, doc);
            if (!id.ptr)
                merge->err = UV_EIO;
            else if (part->numbers[doc] != GONE)
                ids_writer_add(&writer, id);
        }
    }
    segment_writer_begin(merge->out, SEGMENT_IDS, SEGMENT_NO_FIELD);
    if (!merge->err)
        ids_writer_finish(&writer, put, merge);
    ids_writer_deinit(&writer);
}

/* ---- values */

static void add_value(struct values_writer *writer, const struct values *values,
                      uint32_t doc, uint32_t i, uint32_t as)
{
    int64_t value = values_get(values, doc, i);

    if (values->kind == VALUES_KEYWORD)
        values_writer_add_keyword(writer, as,
                                  values_keyword(values, (uint32_t)value));
    else if (values->kind == VALUES_DOUBLE)
        values_writer_add_double(writer, as, values_double(value));
    else
        values_writer_add_long(writer, as, value);
}

static void add_values(struct values_writer *writer, const struct part *part,
                       const struct values *values)
{
    for (uint32_t doc = 0; doc < part->reader->docs; doc++) {
        uint32_t count =
            part->numbers[doc] == GONE ? 0 : values_count(values, doc);
        for (uint32_t i = 0; i < count; i++)
            add_value(writer, values, doc, i, part->numbers[doc]);
    }
}

static void copy_values(struct merge *merge, uint32_t field)
{
    static const enum values_kind kinds[SCHEMA_TYPES] = {
        [SCHEMA_KEYWORD] = VALUES_KEYWORD, [SCHEMA_LONG] = VALUES_INT64,
        [SCHEMA_DOUBLE] = VALUES_DOUBLE,   [SCHEMA_DATE] = VALUES_INT64,
        [SCHEMA_BOOLEAN] = VALUES_INT64,
    };
    const struct schema_field *schema = &merge->schema->fields[field];
    struct values_writer writer;
    struct buf bytes;
    bool any = false;

    if (schema->type == SCHEMA_TEXT)
        return;
    values_writer_init(&writer, kinds[schema->type], merge->seed);
    for (size_t i = 0; i < merge->count; i++) {
        const struct part *part = &merge->parts[i];
        uint32_t its = schema_find(&part->reader->schema, schema->name);
        const struct values *values =
            its == SCHEMA_NONE ? NULL : reader_values(part->reader, its);
        if (!values)
            continue;
        any = true;
        add_values(&writer, part, values);
    }
    buf_init(&bytes, MEM_JOB);
    if (any) {
        values_writer_finish(&writer, merge->docs, &bytes);
        put_section(merge, SEGMENT_VALUES, field, &bytes);
    }
    buf_deinit(&bytes);
    values_writer_deinit(&writer);
}

/* ---- terms */

/* Of the segment's documents that have it. */
static void add_documents(struct merge *merge, const struct part *part)
{
    const struct dict_entry *entry = &part->cursor->entry;
    struct postings *postings = &merge->postings;
    const struct field *field = part->field;
    const void *list = entry->count > 1 ? field_list(field, entry) : NULL;
    const void *bytes = field->norms ? field_places(field, entry) : NULL;
    uint32_t first = 0;

    if ((entry->count > 1 && !list) || (field->norms && !bytes)) {
        merge->err = UV_EIO;
        return;
    }
    if (list)
        postings_init(postings, merge->kernel, list, entry->count);
    else
        postings_init_single(postings, entry->doc, entry->freq);
    if (bytes)
        places_init(&merge->places, merge->kernel, bytes,
                    (uint32_t)entry->total);
    for (; postings_doc(postings) != POSTINGS_END; postings_next(postings)) {
        uint32_t freq = postings_freq(postings);
        uint32_t doc = part->numbers[postings_doc(postings)];
        if (doc != GONE) {
            add_u32(&merge->docs_of, doc);
            add_u32(&merge->freqs, freq);
            merge->having[doc / 8] =
                (unsigned char)(merge->having[doc / 8] | 1U << doc % 8);
            merge->totals.tokens += freq;
        }
        if (doc != GONE && bytes) {
            places_read(&merge->places, first, freq,
                        (uint32_t *)(void *)buf_reserve(
                            &merge->positions, freq * sizeof(uint32_t)));
            buf_commit(&merge->positions, freq * sizeof(uint32_t));
        }
        first += freq;
    }
}

/* The first of the terms that the cursors are at; ptr NULL: there are none. */
static struct span first_term(const struct merge *merge)
{
    struct span first = {NULL, 0};

    for (size_t i = 0; i < merge->count; i++) {
        const struct dict_cursor *cursor = merge->parts[i].cursor;
        if (cursor && (!first.ptr || span_compare(cursor->term, first) < 0))
            first = cursor->term;
    }
    return first;
}

static void end_cursor(struct part *part)
{
    mem_free(part->cursor);
    part->cursor = NULL;
}

static void look_for_cancel(struct merge *merge)
{
    if (merge->cancelled && atomic_load(merge->cancelled))
        merge->err = UV_ECANCELED;
}

static void put_term(struct merge *merge, struct field_put *out,
                     struct span term, struct buf *copy)
{
    copy->len = 0;
    buf_append(copy, term);
    merge->docs_of.len = merge->freqs.len = merge->positions.len = 0;
    for (size_t i = 0; i < merge->count; i++) {
        struct part *part = &merge->parts[i];
        if (!part->cursor ||
            span_compare(part->cursor->term, buf_span(copy)) != 0)
            continue;
        add_documents(merge, part);
        if (!dict_cursor_next(part->cursor))
            end_cursor(part);
    }
    size_t count = merge->docs_of.len / sizeof(uint32_t);
    struct list_source source = {
        .docs = (const uint32_t *)(void *)merge->docs_of.ptr,
        .freqs = (const uint32_t *)(void *)merge->freqs.ptr,
        .count = count,
        .positions = (const uint32_t *)(void *)merge->positions.ptr,
        .position_count = merge->positions.len / sizeof(uint32_t)};
    if (!out->full) /* how often all have it */
        for (size_t i = 0; i < count; i++)
            source.position_count += source.freqs[i];
    if (count && !merge->err)
        field_put_term(out, buf_span(copy), &source);
}

static void begin_field(struct merge *merge, uint32_t field)
{
    const struct schema_field *schema = &merge->schema->fields[field];

    merge->totals = (struct field_totals){0};
    merge->norms.len = 0;
    memset(merge->having, 0, merge->docs / 8 + 1);
    for (size_t i = 0; i < merge->count; i++) {
        struct part *part = &merge->parts[i];
        uint32_t its = schema_find(&part->reader->schema, schema->name);
        part->field =
            its == SCHEMA_NONE ? NULL : reader_terms(part->reader, its);
        const uint8_t *norms = part->field ? part->field->norms : NULL;
        for (uint32_t doc = 0; doc < part->reader->docs; doc++) {
            uint8_t norm = norms ? norms[doc] : 0;
            if (part->numbers[doc] != GONE)
                buf_append_char(&merge->norms, (char)norm);
        }
        if (!part->field)
            continue;
        part->cursor = mem_alloc(MEM_JOB, sizeof(*part->cursor));
        if (!dict_cursor_seek(part->cursor, &part->field->dict, SPAN("")))
            end_cursor(part);
    }
}

static void merge_terms(struct merge *merge, uint32_t field)
{
    const struct schema_field *schema = &merge->schema->fields[field];
    struct field_put out;
    struct span term;
    struct buf copy;

    if (schema->type > SCHEMA_KEYWORD)
        return;
    begin_field(merge, field);
    if (!first_term(merge).ptr)
        return;
    buf_init(&copy, MEM_JOB);
    field_put_begin(&out, merge->out, field, schema->type == SCHEMA_TEXT,
                    buf_span(&merge->norms));
    while (!merge->err && (term = first_term(merge)).ptr) {
        put_term(merge, &out, term, &copy);
        look_for_cancel(merge);
    }
    for (uint32_t doc = 0; doc < merge->docs; doc++)
        merge->totals.docs += merge->having[doc / 8] >> doc % 8 & 1;
    field_put_end(&out, &merge->totals);
    buf_deinit(&copy);
    for (size_t i = 0; i < merge->count; i++)
        end_cursor(&merge->parts[i]);
}

/* ---- all of it */

static void put_schema(struct merge *merge)
{
    struct buf bytes;

    buf_init(&bytes, MEM_JOB);
    schema_put_list(merge->schema, &(struct json_writer){.out = &bytes});
    put_section(merge, SEGMENT_SCHEMA, SEGMENT_NO_FIELD, &bytes);
    buf_deinit(&bytes);
}

static void merge_all(struct merge *merge)
{
    buf_init(&merge->norms, MEM_JOB);
    buf_init(&merge->docs_of, MEM_JOB);
    buf_init(&merge->freqs, MEM_JOB);
    buf_init(&merge->positions, MEM_JOB);
    merge->having = mem_alloc(MEM_JOB, merge->docs / 8 + 1);
    copy_sources(merge);
    if (!merge->err)
        copy_ids(merge);
    for (uint32_t field = 0; field < merge->schema->count && !merge->err;
         field++) {
        merge_terms(merge, field);
        copy_values(merge, field);
    }
    put_schema(merge);
    mem_free(merge->having);
    buf_deinit(&merge->norms);
    buf_deinit(&merge->docs_of);
    buf_deinit(&merge->freqs);
    buf_deinit(&merge->positions);
}

int merge_segments(const char *path, const struct merge_source *source,
                   uint32_t *docs)
{
    const struct bits_kernel *kernels[2];
    struct hash_key key = hash_random_key();
    struct merge *merge = mem_zalloc(MEM_JOB, sizeof(*merge));
    size_t count = source->count;

    bits_kernels(kernels);
    memcpy(&merge->seed, &key, sizeof(merge->seed));
    merge->schema = source->schema;
    merge->cancelled = source->cancelled;
    merge->kernel = kernels[0];
    merge->count = count;
    merge->parts = mem_zalloc(MEM_JOB, (count + 1) * sizeof(merge->parts[0]));
    merge->out = segment_writer_open(path);
    merge->err = merge->out ? 0 : errno;
    for (size_t i = 0; i < count; i++) {
        merge->parts[i].reader = source->readers[i];
        number(merge, &merge->parts[i]);
    }
    if (merge->out)
        merge_all(merge);
    if (merge->out && merge->err)
        segment_writer_abandon(merge->out);
    else if (merge->out)
        merge->err = segment_writer_finish(merge->out, merge->docs);
    *docs = merge->docs;
    for (size_t i = 0; i < count; i++)
        mem_free(merge->parts[i].numbers);
    mem_free(merge->parts);
    int err = merge->err;
    mem_free(merge);
    return err;
}
