/* shelf.c - see shelf.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/search/shelf.h"

#define WHY 300

struct span shelf_quoted(struct shelf *shelf, const char *text)
{
    struct span copy = arena_copy(&shelf->arena, span_str(text));
    char *at = (char *)(uintptr_t)copy.ptr;

    for (size_t i = 0; i < copy.len; i++)
        if (at[i] == '\'')
            at[i] = '"';
    return copy;
}

json_t *shelf_json(struct shelf *shelf, const char *text)
{
    struct json_errors errors;
    json_t *json = NULL;

    json_errors_init(&errors);
    if (json_read(shelf_quoted(shelf, text), &json, &errors) < 0)
        fail_msg("%s: %s", text, errors.at[0].detail);
    return json;
}

struct query *shelf_query(struct shelf *shelf, const char *text)
{
    json_t *json = shelf_json(shelf, text);
    struct query *query = query_read_json(&shelf->arena, json, &shelf->error);

    if (!query)
        fail_msg("%s: %s", text, shelf->error.reason);
    json_decref(json);
    return query;
}

void shelf_init(struct shelf *shelf, const char *mapping)
{
    struct json_errors errors;

    *shelf = (struct shelf){.count = 0};
    arena_init(&shelf->arena, MEM_JOB, 0);
    schema_init(&shelf->schema);
    if (!mapping)
        return;
    json_t *json = shelf_json(shelf, mapping);
    json_errors_init(&errors);
    if (!schema_merge(&shelf->schema, json, &errors))
        fail_msg("%s", errors.at[0].detail);
    json_decref(json);
}

void shelf_add(struct shelf *shelf, const char *const *docs, size_t count)
{
    char path[] = "/tmp/shelf-XXXXXX";
    char why[WHY];
    char id[24];
    size_t i = shelf->count++;

    assert_true(i < SHELF_SEGMENTS);
    close(mkstemp(path));
    struct builder *builder =
        builder_create(path, &shelf->schema, &(struct builder_options){0});
    for (size_t doc = 0; doc < count; doc++) {
        snprintf(id, sizeof(id), "%zu", shelf->docs + doc);
        if (!builder_add(builder, span_str(id), shelf_quoted(shelf, docs[doc]),
                         why, sizeof(why)))
            fail_msg("%s: %.200s", why, docs[doc]);
    }
    assert_int_equal(builder_finish(builder), 0);
    shelf->segments[i] = segment_open(path, why, sizeof(why));
    assert_non_null(shelf->segments[i]);
    unlink(path);
    live_init(&shelf->lives[i], (uint32_t)count);
    shelf->readers[i] =
        reader_open(shelf->segments[i], &shelf->lives[i], shelf->docs);
    assert_non_null(shelf->readers[i]);
    shelf->docs += (uint32_t)count;
}

void shelf_delete(struct shelf *shelf, uint32_t doc)
{
    size_t i = shelf->count - 1;

    while (shelf->readers[i]->base > doc)
        i--;
    assert_true(live_delete(&shelf->lives[i], doc - shelf->readers[i]->base));
}

void shelf_open(struct shelf *shelf)
{
    searcher_init(&shelf->searcher, &shelf->schema, shelf->readers,
                  shelf->count);
}

void shelf_deinit(struct shelf *shelf)
{
    searcher_deinit(&shelf->searcher);
    for (size_t i = 0; i < shelf->count; i++) {
        reader_close(shelf->readers[i]);
        segment_close(shelf->segments[i]);
        live_deinit(&shelf->lives[i]);
    }
    schema_deinit(&shelf->schema);
    arena_deinit(&shelf->arena);
}
