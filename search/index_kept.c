/* index_kept.c - indexes.h: what Redis keeps of an index, and where. */
#include "common/key.h"
#include "search/indexes.h"

void index_name_keys(struct arena *arena, struct span uuid,
                     struct span keys[INDEX_KEYS])
{
    static const char *const types[INDEX_KEYS] = {"shard", "log", "recent"};

    for (size_t i = 0; i < INDEX_KEYS; i++)
        keys[i] = key_name(arena, SERVICE_PREFIX, types[i], uuid, uuid);
}

void index_schema_init(struct schema *schema)
{
    schema_init(schema);
    schema_add(schema, SCHEMA_SEQ_NO, SCHEMA_LONG);
    schema_add(schema, SCHEMA_VERSION, SCHEMA_LONG);
}

struct span index_put_mapping(struct arena *arena, const struct schema *schema)
{
    struct buf text;
    struct json_writer w = {.out = &text};

    buf_init(&text, MEM_JOB);
    json_put_open(&w, '{');
    json_put_key(&w, "dynamic");
    json_put_bool(&w, schema->dynamic);
    json_put_key(&w, "fields");
    schema_put_list(schema, &w);
    json_put_close(&w, '}');
    struct span copy = arena_copy(arena, buf_span(&text));
    buf_deinit(&text);
    return copy;
}

bool index_read_mapping(struct schema *schema, struct span json)
{
    struct json_errors errors;
    json_t *node = NULL;
    bool fine = false;

    json_errors_init(&errors);
    schema_init(schema);
    if (json_read(json, &node, &errors) == 0) {
        fine = schema_take_list(schema, json_object_get(node, "fields"));
        schema->dynamic = json_is_true(json_object_get(node, "dynamic"));
    }
    json_decref(node);
    if (!fine)
        schema_deinit(schema);
    return fine;
}
