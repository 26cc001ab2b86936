/* face_hit.c - face.h: a document that was found, as the answer has it. */
#include <stdio.h>

#include "search/face_internal.h"
#include "search/query/explain.h"
#include "search/query/number.h"
#include "search/query/source_values.h"

static void put_explanation(struct answer *answer, uint32_t doc)
{
    struct query_error error = {0};
    struct arena arena;

    arena_init(&arena, MEM_JOB, 0);
    const struct explanation *explanation = explain_run(
        answer->searcher, &arena, answer->search->query, doc, &error);
    if (explanation) {
        json_put_key(&answer->w, "_explanation");
        explain_put(explanation, &answer->w);
    }
    arena_deinit(&arena);
}

/* ---- "fields": what a document has in some, each as an array */

struct field_values {
    struct json_writer *w;
    bool is_text, any;
};

static bool on_value(void *arg, struct span text)
{
    struct field_values *values = arg;

    /* "0x10" is a number for an index, not for JSON. */
    json_t *plain = values->is_text
                        ? NULL
                        : json_loadb(text.ptr, text.len, JSON_DECODE_ANY, NULL);
    (plain ? json_put_raw : json_put_string)(values->w, text);
    json_decref(plain);
    values->any = true;
    return true;
}

static void put_field(struct answer *answer, json_t *source, uint32_t number)
{
    const struct schema *schema = answer->searcher->schema;
    const struct schema_field *field = &schema->fields[number];
    struct json_writer *w = &answer->w;
    struct field_values values = {.w = w,
                                  .is_text = field->type == SCHEMA_TEXT ||
                                             field->type == SCHEMA_KEYWORD ||
                                             field->type == SCHEMA_DATE};
    size_t before = w->out->len;
    bool comma = w->comma;

    json_put_name(w, field->name);
    json_put_open(w, '[');
    source_values(schema, number, source, on_value, &values);
    json_put_close(w, ']');
    if (values.any)
        return;
    w->out->len = before;
    w->comma = comma;
}

static void put_fields(struct answer *answer, json_t *source)
{
    const struct schema *schema = answer->searcher->schema;
    const struct face_patterns *patterns = &answer->search->fields;

    json_put_key(&answer->w, "fields");
    json_put_open(&answer->w, '{');
    for (uint32_t i = 0; i < schema->count; i++)
        for (size_t j = 0; j < patterns->count; j++)
            if (!schema_is_meta(schema->fields[i].name) &&
                query_name_matches(patterns->at[j], schema->fields[i].name)) {
                put_field(answer, source, i);
                break;
            }
    json_put_close(&answer->w, '}');
}

/* ---- what needs the document as more than text */

static void put_parsed(struct answer *answer, uint32_t doc)
{
    const struct face_search *search = answer->search;
    struct json_errors errors;
    json_t *source = NULL;

    if (!search->fields.count && !answer->highlight)
        return;
    json_errors_init(&errors);
    if (json_read(buf_span(&answer->source), &source, &errors) == 0) {
        if (search->fields.count)
            put_fields(answer, source);
        if (answer->highlight)
            face_highlight_put(&search->highlights, answer->searcher->schema,
                               answer->highlight,
                               &(struct highlight_hit){doc, source},
                               &answer->w);
    }
    json_decref(source);
}

static void put_sort(struct answer *answer, size_t which)
{
    size_t count = answer->search->sort->count;
    struct json_writer *w = &answer->w;

    json_put_key(w, "sort");
    json_put_open(w, '[');
    for (size_t i = 0; i < count; i++)
        sort_put_value(&answer->result.values[which * count + i], w);
    json_put_close(w, ']');
}

/* False: the segment is damaged. */
static bool read_hit(struct answer *answer, uint32_t number, struct span *id)
{
    struct reader *reader = search_reader(answer->searcher, number);
    uint32_t doc = number - reader->base;

    answer->source.len = 0;
    *id = reader_id(reader, doc);
    if (id->ptr && reader_source(reader, doc, &answer->source) == 0)
        return true;
    answer->error->type = "search_phase_execution_exception";
    snprintf(answer->error->reason, sizeof(answer->error->reason), "%s",
             segment_damage(reader->segment));
    return false;
}

static void put_meta(struct answer *answer, const struct top_hit *hit,
                     const char *key, struct span field)
{
    struct reader *reader = search_reader(answer->searcher, hit->doc);
    uint32_t doc = hit->doc - reader->base;
    const struct values *values =
        reader_values(reader, schema_find(&reader->schema, field));

    json_put_key(&answer->w, key);
    json_put_int(&answer->w, values && values_count(values, doc)
                                 ? values_get(values, doc, 0)
                                 : 1);
}

/* Which write of the document it is. */
static void put_versions(struct answer *answer, const struct top_hit *hit)
{
    if (answer->search->version)
        put_meta(answer, hit, "_version", SCHEMA_VERSION);
    if (!answer->search->seq_no)
        return;
    put_meta(answer, hit, "_seq_no", SCHEMA_SEQ_NO);
    json_put_key(&answer->w, "_primary_term");
    json_put_int(&answer->w, 1);
}

bool face_put_hit(struct answer *answer, size_t which)
{
    const struct face_search *search = answer->search;
    const struct top_hit *hit = &answer->result.hits[which];
    struct json_writer *w = &answer->w;
    struct span id;

    if (!read_hit(answer, hit->doc, &id))
        return false;
    json_put_open(w, '{');
    face_put_text(w, "_index", answer->index);
    face_put_text(w, "_type", SPAN("_doc"));
    face_put_text(w, "_id", id);
    put_versions(answer, hit);
    json_put_key(w, "_score");
    if (answer->result.has_scores)
        number_put_float(w, hit->score);
    else
        json_put_null(w);
    if (!search->source.none) {
        json_put_key(w, "_source");
        face_source_put(&search->source, buf_span(&answer->source), w->out);
        w->comma = true;
    }
    put_parsed(answer, hit->doc);
    if (answer->result.values)
        put_sort(answer, which);
    if (search->explain)
        put_explanation(answer, hit->doc);
    json_put_close(w, '}');
    return true;
}
