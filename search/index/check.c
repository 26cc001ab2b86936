/*
 * check.c - see check.h.
 *
 *   check_segment() -- sums, the table --> check_schema() --> ids and documents
 *   --> of each field check_terms() and check_values(): first that it is sound,
 *   so that its readers can be used to look at it
 */
#include <stdarg.h>
#include <stdio.h>

#include "search/index/check.h"
#include "search/index/norm.h"
#include "search/index/sound.h"
#include "search/query/places.h"
#include "search/query/postings.h"

struct check {
    struct reader *reader;
    const struct bits_kernel *kernel;
    struct check_counts *counts;
    char *why;
    size_t why_size;
    /* of the field */
    uint32_t number;
    const struct schema_field *schema;
    const struct field *field;
    const struct values *values; /* NULL: it has none */
    uint32_t *lengths;           /* terms of each document */
    uint64_t tokens;
    /* of the term */
    struct dict_cursor cursor;
    struct postings postings;
    struct places places;
    struct buf positions;
};

static bool wrong(struct check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool wrong(struct check *check, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(check->why, check->why_size, format, args);
    va_end(args);
    return false;
}

static bool wrong_field(struct check *check, const char *section,
                        const char *what)
{
    struct span name = check->schema->name;

    return wrong(check, "%s of [%.*s]: %s", section, (int)name.len, name.ptr,
                 what);
}

static bool wrong_term(struct check *check, const char *section,
                       const char *what)
{
    struct span name = check->schema->name;
    struct span term = check->cursor.term;

    return wrong(check, "%s of [%.*s]: [%.*s]: %s", section, (int)name.len,
                 name.ptr, (int)(term.len < 64 ? term.len : 64), term.ptr,
                 what);
}

static bool has(const struct check *check, enum segment_kind kind)
{
    return segment_section(check->reader->segment, kind, check->number).len > 0;
}

/* ---- the schema */

static bool check_schema(struct check *check)
{
    const struct schema *schema = &check->reader->schema;
    const struct schema_field *unknown = schema_unknown_analyzer(schema);

    if (unknown)
        return wrong(check, "schema: [%.*s] has no such analyzer",
                     (int)unknown->name.len, unknown->name.ptr);
    for (uint32_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];
        if (schema_find(schema, field->name) != i)
            return wrong(check, "schema: it has [%.*s] twice",
                         (int)field->name.len, field->name.ptr);
    }
    return true;
}

/* Of each field what its type has, all of it or nothing. */
static bool check_kinds(struct check *check)
{
    enum schema_type type = check->schema->type;
    bool terms = has(check, SEGMENT_INDEX);

    for (enum segment_kind kind = SEGMENT_TERMS; kind < SEGMENT_KINDS; kind++)
        if (has(check, kind) && !terms)
            return wrong_field(check, segment_kind_name(kind),
                               "there is no term index");
    if (terms && type > SCHEMA_KEYWORD)
        return wrong_field(check, "terms", "its type has none");
    if (has(check, SEGMENT_LENGTHS) != (terms && type == SCHEMA_TEXT))
        return wrong_field(check, "lengths", "those of another type");
    if (has(check, SEGMENT_VALUES) && type == SCHEMA_TEXT)
        return wrong_field(check, "values", "its type has none");
    return true;
}

/* ---- a term */

static bool bound(const struct list_impact *impacts, size_t count,
                  uint32_t freq, uint8_t norm)
{
    for (size_t i = 0; i < count; i++)
        if (norm_length(impacts[i].freq) >= freq && impacts[i].norm <= norm)
            return true;
    return false;
}

/* By its block, and by its group. */
static bool is_bounded(const struct check *check, uint32_t freq, uint8_t norm)
{
    const struct postings *postings = &check->postings;
    const struct list_impact *impacts;
    size_t count = postings_impacts(postings, postings->block, &impacts);

    if (!bound(impacts, count, freq, norm))
        return false;
    if (postings->group_count == 0)
        return true;
    count = postings_group_impacts(postings, postings->block / LIST_GROUP,
                                   &impacts);
    return bound(impacts, count, freq, norm);
}

static bool check_positions(struct check *check, uint32_t first, uint32_t freq)
{
    uint32_t *positions;

    check->positions.len = 0;
    positions = (uint32_t *)(void *)buf_reserve(
        &check->positions, ((size_t)freq + BITS_SLACK) * sizeof(uint32_t));
    places_read(&check->places, first, freq, positions);
    for (uint32_t i = 1; i < freq; i++)
        if (positions[i] < positions[i - 1])
            return wrong_term(check, "positions", "they fall");
    check->counts->positions += freq;
    return true;
}

/* first: terms of the documents before. */
static bool check_document(struct check *check, uint64_t first)
{
    struct postings *postings = &check->postings;
    uint32_t doc = postings_doc(postings);
    uint32_t freq = postings_freq(postings);
    const uint8_t *norms = check->field->norms;

    if (freq == 0 || freq > check->cursor.entry.total - first)
        return wrong_term(check, "lists", "more or fewer than its terms say");
    if (postings->block_count &&
        !is_bounded(check, freq, norms ? norms[doc] : 0))
        return wrong_term(check, "lists", "an impact that is no bound");
    if (postings->block_count && postings->at == 0 &&
        postings_block_places(postings) != (uint32_t)first)
        return wrong_term(check, "lists", "a block of other positions");
    check->lengths[doc] += freq;
    return !norms || check_positions(check, (uint32_t)first, freq);
}

static bool open_list(struct check *check)
{
    const struct dict_entry *entry = &check->cursor.entry;

    if (entry->count == 1) {
        postings_init_single(&check->postings, check->kernel, entry->doc,
                             entry->freq);
        return true;
    }
    const void *list = field_list(check->field, entry);
    const char *what = list ? sound_list((struct span){list, entry->list_size},
                                         entry->count, check->reader->docs)
                            : "it is not there";
    if (what)
        return wrong_term(check, "lists", what);
    postings_init(&check->postings, check->kernel, list, entry->count);
    return true;
}

static bool open_places(struct check *check)
{
    const struct dict_entry *entry = &check->cursor.entry;
    uint32_t total = (uint32_t)entry->total;

    if (!check->field->norms)
        return true;
    const void *bytes = field_places(check->field, entry);
    const char *what =
        bytes ? sound_places((struct span){bytes, entry->places_size}, total)
              : "they are not there";
    if (what)
        return wrong_term(check, "positions", what);
    places_init(&check->places, check->kernel, bytes, total);
    return true;
}

static bool check_term(struct check *check)
{
    struct postings *postings = &check->postings;
    uint64_t total = 0;

    if (!open_list(check) || !open_places(check))
        return false;
    for (; postings_doc(postings) != POSTINGS_END; postings_next(postings)) {
        if (!check_document(check, total))
            return false;
        total += postings_freq(postings);
        check->counts->postings++;
    }
    if (total != check->cursor.entry.total)
        return wrong_term(check, "lists", "more or fewer than its terms say");
    check->tokens += total;
    check->counts->terms++;
    return true;
}

/* ---- the terms of a field */

static bool check_lengths(struct check *check)
{
    const struct field_totals *totals = &check->field->totals;
    const uint8_t *norms = check->field->norms;
    uint32_t docs = 0;

    for (uint32_t doc = 0; doc < check->reader->docs; doc++) {
        uint32_t length = check->lengths[doc];
        docs += length > 0;
        if (norms && norms[doc] != norm_of(length))
            return wrong_field(check, "lengths", "they are others");
    }
    if (docs != totals->docs || check->tokens != totals->tokens)
        return wrong_field(check, "totals", "they are others");
    return true;
}

/* A keyword's are its values, but for an empty one. */
static bool is_value(const struct check *check)
{
    const struct values *values = check->values;
    uint32_t i = check->cursor.ordinal;

    if (!values)
        return true;
    i += values_keywords(values) && values_keyword(values, 0).len == 0;
    return i < values_keywords(values) &&
           span_eq(values_keyword(values, i), check->cursor.term);
}

static bool check_next(struct check *check, struct buf *before)
{
    struct span term = check->cursor.term;

    if (check->cursor.ordinal > 0 && span_compare(buf_span(before), term) >= 0)
        return wrong_term(check, "terms", "they do not rise");
    if (check->cursor.ordinal > 0 &&
        check->cursor.shared != dict_shared(buf_span(before), term))
        return wrong_term(check, "terms", "it shares more than it says");
    if (!is_value(check))
        return wrong_term(check, "values", "it is none of them");
    before->len = 0;
    buf_append(before, term);
    return check_term(check);
}

static bool check_all_terms(struct check *check)
{
    struct buf before;
    bool fine = true;

    buf_init(&before, MEM_JOB);
    for (bool more =
             dict_cursor_seek(&check->cursor, &check->field->dict, SPAN(""));
         more && fine; more = fine && dict_cursor_next(&check->cursor))
        fine = check_next(check, &before);
    buf_deinit(&before);
    return fine;
}

static bool check_terms(struct check *check)
{
    struct segment *segment = check->reader->segment;

    check->field = reader_terms(check->reader, check->number);
    if (!check->field)
        return !has(check, SEGMENT_INDEX) ||
               wrong_field(check, "terms", "they do not fit the documents");
    check->tokens = 0;
    memset(check->lengths, 0, check->reader->docs * sizeof(check->lengths[0]));
    const char *what =
        sound_dict(&check->field->dict, check->reader->docs,
                   segment_section(segment, SEGMENT_LISTS, check->number).len,
                   segment_section(segment, SEGMENT_PLACES, check->number).len);
    return what ? wrong_field(check, "terms", what)
                : check_all_terms(check) && check_lengths(check);
}

/* ---- values */

static bool is_within(int64_t value, const struct values_range *range)
{
    return value >= range->min && value <= range->max;
}

static bool check_document_values(struct check *check, uint32_t doc)
{
    const struct values *values = check->values;
    uint32_t count = values_count(values, doc);
    struct values_range range;
    int64_t before = 0;

    values_block_range(values, doc / VALUES_BLOCK, &range);
    for (uint32_t i = 0; i < count; i++) {
        int64_t value = values_get(values, doc, i);
        if (!is_within(value, &range) || !is_within(value, &values->range))
            return wrong_field(check, "values", "a range that is no bound");
        if (i && (value < before ||
                  (value == before && values->kind == VALUES_KEYWORD)))
            return wrong_field(check, "values", "those of a document fall");
        before = value;
    }
    check->counts->values += count;
    return true;
}

static bool check_keywords(struct check *check)
{
    const struct values *values = check->values;

    for (uint32_t i = 1; i < values_keywords(values); i++)
        if (span_compare(values_keyword(values, i - 1),
                         values_keyword(values, i)) >= 0)
            return wrong_field(check, "values", "keywords that do not rise");
    return true;
}

static bool check_values(struct check *check)
{
    static const enum values_kind kinds[SCHEMA_TYPES] = {
        [SCHEMA_KEYWORD] = VALUES_KEYWORD,
        [SCHEMA_DOUBLE] = VALUES_DOUBLE,
    };
    const struct values *values = check->values =
        reader_values(check->reader, check->number);

    if (!values)
        return !has(check, SEGMENT_VALUES) ||
               wrong_field(check, "values", "they do not fit the documents");
    if (values->kind != kinds[check->schema->type])
        return wrong_field(check, "values", "they are of another kind");
    const char *what = sound_values(values);
    if (what)
        return wrong_field(check, "values", what);
    for (uint32_t doc = 0; doc < values->docs; doc++)
        if (!check_document_values(check, doc))
            return false;
    return values->kind != VALUES_KEYWORD || check_keywords(check);
}

/* ---- documents */

static bool check_ids(struct check *check)
{
    struct reader *reader = check->reader;
    const char *what = "they do not fit the documents";
    uint32_t taken = 0;

    if (reader_id(reader, 0).ptr)
        what = sound_ids(&reader->ids, reader->docs, &taken);
    if (what)
        return wrong(check, "ids: %s", what);
    for (uint32_t doc = 0; doc < reader->docs; doc++) {
        uint32_t found = ids_find(&reader->ids, reader_id(reader, doc));
        if (found == UINT32_MAX || found < doc)
            return wrong(check, "ids: document %u is not found", doc);
        taken -= found == doc;
    }
    return taken == 0 || wrong(check, "ids: a slot of another id");
}

static bool check_documents(struct check *check)
{
    struct reader *reader = check->reader;
    struct stored *stored = reader_stored(reader);
    const char *what =
        stored ? sound_stored(stored) : "it does not fit the documents";
    struct buf source;
    bool fine = !what;

    if (what)
        wrong(check, "document index: %s", what);
    buf_init(&source, MEM_JOB);
    for (uint32_t doc = 0; doc < reader->docs && fine; doc++) {
        source.len = 0;
        if (reader_source(reader, doc, &source) < 0)
            fine = wrong(check, "documents: %u cannot be read", doc);
    }
    buf_deinit(&source);
    return fine;
}

static bool check_all(struct check *check)
{
    struct reader *reader = check->reader;
    const char *what =
        segment_check_all(reader->segment, (uint32_t)reader->schema.count);
    bool fine = what ? wrong(check, "%s", what)
                     : check_schema(check) && check_ids(check) &&
                           check_documents(check);

    if (fine) /* now that documents are there */
        check->lengths =
            mem_alloc(MEM_JOB, (reader->docs + 1) * sizeof(check->lengths[0]));
    for (uint32_t i = 0; i < reader->schema.count && fine; i++) {
        check->number = i;
        check->schema = &reader->schema.fields[i];
        fine = check_kinds(check) && check_values(check) && check_terms(check);
    }
    return fine;
}

bool check_segment(struct reader *reader, struct check_counts *counts,
                   char *why, size_t why_size)
{
    const struct bits_kernel *kernels[2];
    struct check *check = mem_zalloc(MEM_JOB, sizeof(*check));

    bits_kernels(kernels);
    *counts = (struct check_counts){0};
    check->reader = reader;
    check->kernel = kernels[0];
    check->counts = counts;
    check->why = why;
    check->why_size = why_size;
    buf_init(&check->positions, MEM_JOB);
    bool fine = check_all(check);
    buf_deinit(&check->positions);
    mem_free(check->lengths);
    mem_free(check);
    return fine;
}
