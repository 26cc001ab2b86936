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
#include "search/index/merge_internal.h"
#include "search/index/reorder.h"

static void put(void *arg, struct span bytes)
{
    struct merge *merge = arg;

    segment_writer_put(merge->out, bytes);
}

/* ---- documents */

/* Of all that the segment has, in the order that it is to have. */
static void order(struct merge *merge, struct part *part)
{
    uint32_t docs = part->reader->docs;

    part->order = mem_alloc(MEM_JOB, (docs + 1) * sizeof(uint32_t));
    for (uint32_t i = 0; i < docs; i++)
        part->order[i] = i;
    if (merge->reorders && !merge->err)
        merge->err =
            reorder_documents(part->reader, merge->cancelled, part->order);
}

static void number(struct merge *merge, struct part *part)
{
    const struct reader *reader = part->reader;
    bool all = reader->live->count == reader->docs;

    part->numbers = mem_alloc(MEM_JOB, (reader->docs + 1) * sizeof(uint32_t));
    part->whole = all && !merge->reorders;
    for (uint32_t i = 0; i < reader->docs; i++) {
        uint32_t doc = part->order[i];
        part->numbers[doc] = GONE;
        if (!all && !live_has(reader->live, doc))
            continue;
        part->numbers[doc] = merge->docs++;
        part->order[part->count++] = doc;
    }
}

static int put_sources(struct merge *merge, struct stored_writer *writer,
                       struct part *part)
{
    struct stored *stored = reader_stored(part->reader);

    if (!stored)
        return UV_EIO;
    if (merge->reorders)
        return merge_move_sources(merge, writer, part, stored_bytes(stored));
    return stored_copy(writer, stored, part->reader->live);
}

static void copy_sources(struct merge *merge)
{
    struct stored_writer writer;
    struct buf index;

    buf_init(&index, MEM_JOB);
    stored_writer_init(&writer, put, merge);
    segment_writer_begin(merge->out, SEGMENT_STORED, SEGMENT_NO_FIELD);
    for (size_t i = 0; i < merge->count && !merge->err; i++)
        merge->err = put_sources(merge, &writer, &merge->parts[i]);
    if (!merge->err) {
        stored_writer_finish(&writer, &index);
        segment_writer_section(merge->out, SEGMENT_SOURCES, SEGMENT_NO_FIELD,
                               buf_span(&index));
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
        for (uint32_t j = 0; j < part->count && !merge->err; j++) {
            struct span id = reader_id(part->reader, part->order[j]);
            if (id.ptr)
                ids_writer_add(&writer, id);
            else
                merge->err = UV_EIO;
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
    for (uint32_t i = 0; i < part->count; i++) {
        uint32_t doc = part->order[i];
        uint32_t count = values_count(values, doc);
        for (uint32_t j = 0; j < count; j++)
            add_value(writer, values, doc, j, part->numbers[doc]);
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
        const struct values *values = reader_values(
            part->reader, schema_find(&part->reader->schema, schema->name));
        if (!values)
            continue;
        any = true;
        add_values(&writer, part, values);
    }
    buf_init(&bytes, MEM_JOB);
    if (any) {
        values_writer_finish(&writer, merge->docs, &bytes);
        segment_writer_section(merge->out, SEGMENT_VALUES, field,
                               buf_span(&bytes));
    }
    buf_deinit(&bytes);
    values_writer_deinit(&writer);
}

/* ---- terms */

/* Each document that the segment has and is not gone; by places its steps. */
static void add_some(struct merge *merge, const struct part *part,
                     struct places *places)
{
    struct postings *postings = &merge->postings;
    uint32_t first = 0;

    for (; postings_doc(postings) != POSTINGS_END; postings_next(postings)) {
        uint32_t freq = postings_freq(postings);
        uint32_t doc = part->numbers[postings_doc(postings)];
        if (doc != GONE) {
            buf_append_bytes(&merge->docs_of, &doc, sizeof(doc));
            buf_append_bytes(&merge->freqs, &freq, sizeof(freq));
            merge->total += freq;
        }
        if (doc != GONE && places)
            places_steps(places, first, freq,
                         merge_reserve(&merge->steps, freq));
        first += freq;
    }
}

/* All of them, a block at a time. */
static void add_whole(struct merge *merge, const struct part *part,
                      struct places *places)
{
    uint32_t total = (uint32_t)part->cursor->entry.total;
    struct postings *postings = &merge->postings;

    while (postings_doc(postings) != POSTINGS_END) {
        uint32_t at = postings->at;
        uint32_t count = postings->len - at;
        uint32_t *docs = merge_reserve(&merge->docs_of, count);
        for (uint32_t i = 0; i < count; i++)
            docs[i] = postings->docs[at + i] + part->numbers[0];
        memcpy(merge_reserve(&merge->freqs, count),
               postings_freqs(postings) + at, count * sizeof(uint32_t));
        postings_pass(postings, count);
    }
    merge->total += total;
    if (places)
        places_steps(places, 0, total, merge_reserve(&merge->steps, total));
}

/* Of the segment's documents that have it. */
static void add_documents(struct merge *merge, const struct part *part)
{
    const struct dict_entry *entry = &part->cursor->entry;
    const struct field *field = part->field;
    const void *list = entry->count > 1 ? field_list(field, entry) : NULL;
    const void *bytes = field->norms ? field_places(field, entry) : NULL;
    struct places *places = bytes ? &merge->places : NULL;

    if ((entry->count > 1 && !list) || (field->norms && !bytes)) {
        merge->err = UV_EIO;
        return;
    }
    if (list)
        postings_init(&merge->postings, merge->kernel, list, entry->count);
    else
        postings_init_single(&merge->postings, merge->kernel, entry->doc,
                             entry->freq);
    if (places)
        places_init(places, merge->kernel, bytes, (uint32_t)entry->total);
    if (part->whole)
        add_whole(merge, part, places);
    else if (merge->reorders)
        merge_add_moved(merge, part, places);
    else
        add_some(merge, part, places);
}

/* Which documents have any: a text's by their lengths. */
static void note_documents(struct merge *merge)
{
    const uint32_t *docs = (const void *)merge->docs_of.ptr;

    for (size_t i = 0; i < merge->docs_of.len / sizeof(*docs); i++)
        bitmap_set(merge->having, docs[i]);
}

static int compare(const struct part *a, const struct part *b)
{
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return span_compare(a->cursor->term, b->cursor->term);
}

/* The first one of those whose term is the first; NULL: there are no more. */
static struct part *first_part(const struct merge *merge)
{
    struct part *first = NULL;

    for (size_t i = 0; i < merge->count; i++) {
        struct part *part = &merge->parts[i];
        if (part->cursor && (!first || compare(part, first) < 0))
            first = part;
    }
    return first;
}

static void end_cursor(struct part *part)
{
    mem_free(part->cursor);
    part->cursor = NULL;
}

/* A cursor has moved to a term, or behind the last one. */
static void note_term(struct part *part, bool there)
{
    uint64_t key = 0;

    if (!there) {
        end_cursor(part);
        return;
    }
    struct span term = part->cursor->term;
    memcpy(&key, term.ptr, term.len < sizeof(key) ? term.len : sizeof(key));
    part->key = __builtin_bswap64(key);
}

/* That of the first part, of all that have it. */
static void put_term(struct merge *merge, struct field_put *out,
                     const struct part *first, struct buf *copy)
{
    uint64_t key = first->key;

    copy->len = 0;
    buf_append(copy, first->cursor->term);
    merge->docs_of.len = merge->freqs.len = merge->steps.len = 0;
    merge->total = 0;
    for (size_t i = 0; i < merge->count; i++) {
        struct part *part = &merge->parts[i];
        if (!part->cursor || part->key != key ||
            span_compare(part->cursor->term, buf_span(copy)) != 0)
            continue;
        add_documents(merge, part);
        note_term(part, dict_cursor_next(part->cursor));
    }
    size_t count = merge->docs_of.len / sizeof(uint32_t);
    struct list_source source = {.docs = (const void *)merge->docs_of.ptr,
                                 .freqs = (const void *)merge->freqs.ptr,
                                 .count = count,
                                 .steps = (const void *)merge->steps.ptr,
                                 .step_count = merge->total};
    if (!out->full)
        note_documents(merge);
    merge->totals.tokens += merge->total;
    if (count && !merge->err)
        field_put_term(out, buf_span(copy), &source);
}

static void add_norms(struct merge *merge, const struct part *part)
{
    const uint8_t *norms = part->field ? part->field->norms : NULL;

    for (uint32_t i = 0; i < part->count; i++) {
        uint8_t norm = norms ? norms[part->order[i]] : 0;
        buf_append_char(&merge->norms, (char)norm);
        merge->totals.docs += norm > 0;
    }
}

static void begin_field(struct merge *merge, uint32_t field)
{
    const struct schema_field *schema = &merge->schema->fields[field];

    merge->totals = (struct field_totals){0};
    merge->norms.len = 0;
    memset(merge->having, 0, bitmap_size(merge->docs));
    for (size_t i = 0; i < merge->count; i++) {
        struct part *part = &merge->parts[i];
        part->field = reader_terms(
            part->reader, schema_find(&part->reader->schema, schema->name));
        add_norms(merge, part);
        if (!part->field)
            continue;
        part->cursor = mem_alloc(MEM_JOB, sizeof(*part->cursor));
        note_term(part,
                  dict_cursor_seek(part->cursor, &part->field->dict, SPAN("")));
    }
}

static void merge_terms(struct merge *merge, uint32_t field)
{
    const struct schema_field *schema = &merge->schema->fields[field];
    struct field_put out;
    const struct part *first;
    struct buf copy;

    if (schema->type > SCHEMA_KEYWORD)
        return;
    begin_field(merge, field);
    if (!first_part(merge))
        return;
    buf_init(&copy, MEM_JOB);
    field_put_begin(&out, merge->out, field, schema->type == SCHEMA_TEXT,
                    buf_span(&merge->norms));
    while (!merge->err && (first = first_part(merge))) {
        put_term(merge, &out, first, &copy);
        merge_look_for_cancel(merge);
    }
    merge->totals.docs += bitmap_count(merge->having, 0, merge->docs);
    field_put_end(&out, &merge->totals);
    buf_deinit(&copy);
    for (size_t i = 0; i < merge->count; i++)
        end_cursor(&merge->parts[i]);
}

/* ---- all of it */

/* What is damaged is no different from what is not there, to who asks for
   terms or values. */
static void look_for_damage(struct merge *merge)
{
    for (size_t i = 0; i < merge->count && !merge->err; i++)
        if (segment_damage(merge->parts[i].reader->segment))
            merge->err = UV_EIO;
}

static void put_schema(struct merge *merge)
{
    struct buf bytes;

    buf_init(&bytes, MEM_JOB);
    schema_put_list(merge->schema, &(struct json_writer){.out = &bytes});
    segment_writer_section(merge->out, SEGMENT_SCHEMA, SEGMENT_NO_FIELD,
                           buf_span(&bytes));
    buf_deinit(&bytes);
}

static void merge_all(struct merge *merge)
{
    buf_init(&merge->norms, MEM_JOB);
    buf_init(&merge->docs_of, MEM_JOB);
    buf_init(&merge->freqs, MEM_JOB);
    buf_init(&merge->steps, MEM_JOB);
    buf_init(&merge->source, MEM_JOB);
    buf_init(&merge->moved_keys, MEM_JOB);
    buf_init(&merge->moved_freqs, MEM_JOB);
    buf_init(&merge->moved_firsts, MEM_JOB);
    buf_init(&merge->moved_steps, MEM_JOB);
    merge->having = mem_alloc(MEM_JOB, bitmap_size(merge->docs));
    copy_sources(merge);
    if (!merge->err)
        copy_ids(merge);
    for (uint32_t field = 0; field < merge->schema->count && !merge->err;
         field++) {
        merge_terms(merge, field);
        copy_values(merge, field);
        look_for_damage(merge);
    }
    put_schema(merge);
    mem_free(merge->having);
    buf_deinit(&merge->norms);
    buf_deinit(&merge->docs_of);
    buf_deinit(&merge->freqs);
    buf_deinit(&merge->steps);
    buf_deinit(&merge->source);
    buf_deinit(&merge->moved_keys);
    buf_deinit(&merge->moved_freqs);
    buf_deinit(&merge->moved_firsts);
    buf_deinit(&merge->moved_steps);
}

int merge_segments(const char *path, const struct merge_source *source,
                   uint32_t *docs)
{
    const struct bits_kernel *kernels[2];
    struct merge *merge = mem_zalloc(MEM_JOB, sizeof(*merge));
    size_t count = source->count;

    bits_kernels(kernels);
    merge->seed = hash_random_key().k0;
    merge->schema = source->schema;
    merge->cancelled = source->cancelled;
    merge->reorders = source->reorders;
    merge->kernel = kernels[0];
    merge->count = count;
    merge->parts = mem_zalloc(MEM_JOB, (count + 1) * sizeof(merge->parts[0]));
    merge->out = segment_writer_open(path);
    merge->err = merge->out ? 0 : errno;
    for (size_t i = 0; i < count; i++) {
        merge->parts[i].reader = source->readers[i];
        order(merge, &merge->parts[i]);
        number(merge, &merge->parts[i]);
    }
    if (!merge->err && merge->docs > SEGMENT_DOCS_MAX)
        merge->err = EFBIG;
    if (!merge->err)
        merge_all(merge);
    if (merge->out && merge->err)
        segment_writer_abandon(merge->out);
    else if (merge->out)
        merge->err = segment_writer_finish(merge->out, merge->docs);
    *docs = merge->docs;
    for (size_t i = 0; i < count; i++) {
        mem_free(merge->parts[i].numbers);
        mem_free(merge->parts[i].order);
    }
    mem_free(merge->parts);
    int err = merge->err;
    mem_free(merge);
    return err;
}
