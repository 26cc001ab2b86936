/* check.c - see check.h. */
#include <stdarg.h>
#include <stdio.h>

#include "search/index/check.h"
#include "search/index/norm.h"
#include "search/query/places.h"
#include "search/query/postings.h"

struct check {
    struct reader *reader;
    const struct bits_kernel *kernel;
    struct check_counts *counts;
    char *why;
    size_t why_size;
    /* of the field */
    const struct schema_field *schema;
    const struct field *field;
    uint32_t *lengths; /* terms of each document */
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

static bool wrong_term(struct check *check, const char *what)
{
    struct span name = check->schema->name;
    struct span term = check->cursor.term;

    return wrong(check, "lists of [%.*s]: [%.*s]: %s", (int)name.len, name.ptr,
                 (int)(term.len < 64 ? term.len : 64), term.ptr, what);
}

/* ---- sums */

static bool check_sums(struct check *check)
{
    struct segment *segment = check->reader->segment;

    for (enum segment_kind kind = 0; kind < SEGMENT_KINDS; kind++)
        for (uint32_t field = 0; field <= check->reader->schema.count;
             field++) {
            bool all = field == check->reader->schema.count;
            struct span bytes =
                segment_section(segment, kind, all ? SEGMENT_NO_FIELD : field);
            if (!segment_check(segment, bytes))
                return wrong(check, "%s", segment_damage(segment));
        }
    return true;
}

/* ---- a term */

static bool is_bounded(const struct check *check, uint32_t freq, uint8_t norm)
{
    const struct list_impact *impacts;
    size_t count =
        postings_impacts(&check->postings, check->postings.block, &impacts);

    for (size_t i = 0; i < count; i++)
        if (norm_length(impacts[i].freq) >= freq && impacts[i].norm <= norm)
            return true;
    return false;
}

static bool check_positions(struct check *check, uint32_t first, uint32_t freq)
{
    uint32_t *positions;

    check->positions.len = 0;
    positions = (uint32_t *)(void *)buf_reserve(&check->positions,
                                                freq * sizeof(uint32_t));
    places_read(&check->places, first, freq, positions);
    for (uint32_t i = 1; i < freq; i++)
        if (positions[i] < positions[i - 1])
            return wrong_term(check, "positions that fall");
    check->counts->positions += freq;
    return true;
}

static bool check_document(struct check *check, int64_t before, uint64_t first)
{
    struct postings *postings = &check->postings;
    uint32_t doc = postings_doc(postings);
    uint32_t freq = postings_freq(postings);
    const uint8_t *norms = check->field->norms;

    if (doc >= check->reader->docs || (int64_t)doc <= before)
        return wrong_term(check,
                          "documents that do not rise, or are not there");
    if (freq == 0)
        return wrong_term(check, "a document that does not have it");
    if (postings->block_count &&
        !is_bounded(check, freq, norms ? norms[doc] : 0))
        return wrong_term(check, "an impact that is no bound");
    check->lengths[doc] += freq;
    check->tokens += freq;
    return !norms || check_positions(check, (uint32_t)first, freq);
}

static bool open_term(struct check *check)
{
    const struct dict_entry *entry = &check->cursor.entry;
    const void *list =
        entry->count > 1 ? field_list(check->field, entry) : NULL;

    if (entry->count > 1 && !list)
        return wrong_term(check, "a list that is not there");
    if (list)
        postings_init(&check->postings, check->kernel, list, entry->count);
    else
        postings_init_single(&check->postings, entry->doc, entry->freq);
    if (!check->field->norms)
        return true;
    const void *bytes = field_places(check->field, entry);
    if (!bytes)
        return wrong_term(check, "positions that are not there");
    places_init(&check->places, check->kernel, bytes, (uint32_t)entry->total);
    return true;
}

static bool check_term(struct check *check)
{
    const struct dict_entry *entry = &check->cursor.entry;
    struct postings *postings = &check->postings;
    int64_t before = -1;
    uint64_t total = 0;
    uint32_t count = 0;

    if (!open_term(check))
        return false;
    for (; postings_doc(postings) != POSTINGS_END; postings_next(postings)) {
        if (!check_document(check, before, total))
            return false;
        before = postings_doc(postings);
        total += postings_freq(postings);
        count++;
    }
    if (count != entry->count || total != entry->total)
        return wrong_term(check, "not as many as the dictionary says");
    check->counts->terms++;
    check->counts->postings += count;
    return true;
}

/* ---- a field */

static bool check_lengths(struct check *check)
{
    const struct field_totals *totals = &check->field->totals;
    struct span name = check->schema->name;
    uint32_t docs = 0;

    for (uint32_t doc = 0; doc < check->reader->docs; doc++) {
        uint32_t length = check->lengths[doc];
        docs += length > 0;
        if (check->field->norms && check->field->norms[doc] != norm_of(length))
            return wrong(check, "lengths of [%.*s]: document %u has %u terms",
                         (int)name.len, name.ptr, doc, length);
    }
    if (docs != totals->docs || check->tokens != totals->tokens)
        return wrong(check, "totals of [%.*s]: they are others", (int)name.len,
                     name.ptr);
    return true;
}

static bool check_terms(struct check *check, uint32_t field)
{
    struct buf before;
    bool fine = true;

    check->field = reader_terms(check->reader, field);
    if (!check->field)
        return true;
    check->tokens = 0;
    memset(check->lengths, 0, check->reader->docs * sizeof(check->lengths[0]));
    buf_init(&before, MEM_JOB);
    for (bool more =
             dict_cursor_seek(&check->cursor, &check->field->dict, SPAN(""));
         more && fine; more = fine && dict_cursor_next(&check->cursor)) {
        if (before.len &&
            span_compare(buf_span(&before), check->cursor.term) >= 0)
            fine = wrong_term(check, "terms that do not rise");
        before.len = 0;
        buf_append(&before, check->cursor.term);
        fine = fine && check_term(check);
    }
    buf_deinit(&before);
    return fine && check_lengths(check);
}

static bool check_values(struct check *check, uint32_t field)
{
    const struct values *values = reader_values(check->reader, field);
    struct span name = check->schema->name;

    for (uint32_t doc = 0; values && doc < check->reader->docs; doc++) {
        uint32_t count = values_count(values, doc);
        for (uint32_t i = 0; i < count; i++) {
            int64_t value = values_get(values, doc, i);
            if (value < values->range.min || value > values->range.max ||
                (i && value < values_get(values, doc, i - 1)))
                return wrong(check, "values of [%.*s]: document %u",
                             (int)name.len, name.ptr, doc);
        }
        check->counts->values += count;
    }
    return true;
}

/* ---- documents */

static bool check_documents(struct check *check)
{
    struct reader *reader = check->reader;
    struct buf source;
    bool fine = true;

    buf_init(&source, MEM_JOB);
    for (uint32_t doc = 0; doc < reader->docs && fine; doc++) {
        struct span id = reader_id(reader, doc);
        uint32_t found = id.ptr ? ids_find(&reader->ids, id) : UINT32_MAX;
        source.len = 0;
        if (found == UINT32_MAX || found < doc)
            fine = wrong(check, "ids: document %u is not found", doc);
        else if (reader_source(reader, doc, &source) < 0)
            fine = wrong(check, "documents: %u cannot be read", doc);
    }
    buf_deinit(&source);
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
    check->lengths =
        mem_alloc(MEM_JOB, (reader->docs + 1) * sizeof(check->lengths[0]));
    buf_init(&check->positions, MEM_JOB);
    bool fine = check_sums(check) && check_documents(check);
    for (uint32_t i = 0; i < reader->schema.count && fine; i++) {
        check->schema = &reader->schema.fields[i];
        fine = check_terms(check, i) && check_values(check, i);
    }
    buf_deinit(&check->positions);
    mem_free(check->lengths);
    mem_free(check);
    return fine;
}
