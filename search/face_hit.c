/* face_hit.c - face.h: a document that was found, as the answer has it. */
#include <stdio.h>

#include "search/face_internal.h"

/* ---- "fields": what a document has in some, each as an array */

static void put_leaves(struct json_writer *w, const json_t *node)
{
    if (json_is_array(node)) {
        for (size_t i = 0; i < json_array_size(node); i++)
            put_leaves(w, json_array_get(node, i));
    } else if (!json_is_object(node) && !json_is_null(node)) {
        char *text = json_dumps(node, JSON_ENCODE_ANY);
        json_put_raw(w, span_str(text));
        mem_free(text);
    }
}

/* Of a member's path, dots between names; arrays are looked through. */
static void put_values(struct json_writer *w, const json_t *node,
                       struct span path)
{
    if (json_is_array(node)) {
        for (size_t i = 0; i < json_array_size(node); i++)
            put_values(w, json_array_get(node, i), path);
        return;
    }
    const json_t *whole = json_object_getn(node, path.ptr, path.len);
    if (whole)
        put_leaves(w, whole);
    for (size_t i = 0; i < path.len && !whole; i++)
        if (path.ptr[i] == '.')
            put_values(w, json_object_getn(node, path.ptr, i),
                       span_skip(path, i + 1));
}

static void put_field(struct answer *answer, const json_t *source,
                      const struct schema_field *field)
{
    const struct schema *schema = answer->searcher->schema;
    struct span path =
        field->of == SCHEMA_NONE ? field->name : schema->fields[field->of].name;
    struct json_writer *w = &answer->w;
    size_t before = w->out->len;
    bool comma = w->comma;

    json_put_name(w, field->name);
    json_put_open(w, '[');
    size_t empty = w->out->len;
    put_values(w, source, path);
    bool any = w->out->len > empty;
    json_put_close(w, ']');
    if (any)
        return;
    w->out->len = before;
    w->comma = comma;
}

static void put_fields(struct answer *answer, const json_t *source)
{
    const struct schema *schema = answer->searcher->schema;
    const struct face_patterns *patterns = &answer->search->fields;

    json_put_key(&answer->w, "fields");
    json_put_open(&answer->w, '{');
    for (size_t i = 0; i < schema->count; i++)
        for (size_t j = 0; j < patterns->count; j++)
            if (query_name_matches(patterns->at[j], schema->fields[i].name)) {
                put_field(answer, source, &schema->fields[i]);
                break;
            }
    json_put_close(&answer->w, '}');
}

/* ---- what needs the document as more than text */

static void put_parsed(struct answer *answer)
{
    struct json_errors errors;
    json_t *source = NULL;

    if (!answer->search->fields.count)
        return;
    json_errors_init(&errors);
    if (json_read(buf_span(&answer->source), &source, &errors) == 0)
        put_fields(answer, source);
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
    face_put_text(w, "_id", id);
    json_put_key(w, "_score");
    if (answer->result.has_scores)
        face_put_float(w, hit->score);
    else
        json_put_null(w);
    if (!search->source.none) {
        json_put_key(w, "_source");
        face_source_put(&search->source, buf_span(&answer->source), w->out);
        w->comma = true;
    }
    put_parsed(answer);
    if (answer->result.values)
        put_sort(answer, which);
    json_put_close(w, '}');
    return true;
}
