/* source_values.c - see source_values.h. */
#include "search/query/source_values.h"

struct reading {
    source_values_cb cb;
    void *arg;
};

/* As it is written; a string without its quotes. */
static struct span text_of(struct arena *arena, const json_t *node)
{
    if (json_is_string(node))
        return (struct span){json_string_value(node), json_string_length(node)};
    if (json_is_boolean(node))
        return json_is_true(node) ? SPAN("true") : SPAN("false");
    if (json_is_integer(node))
        return arena_printf(arena, "%lld", (long long)json_integer_value(node));
    return arena_printf(arena, "%.17g", json_real_value(node));
}

static bool give(const struct reading *reading, const json_t *node)
{
    struct arena arena;
    bool more = true;

    if (json_is_null(node))
        return true;
    arena_init(&arena, MEM_JOB, 0);
    more = reading->cb(reading->arg, text_of(&arena, node));
    arena_deinit(&arena);
    return more;
}

/* name: what is left of the field's, behind what the node is of.  False: no
   more. */
static bool read_node(const struct reading *reading, json_t *node,
                      struct span name)
{
    const char *key;
    json_t *inner;
    bool more = true;
    size_t i;

    if (json_is_array(node)) {
        json_array_foreach(node, i, inner) more =
            more && read_node(reading, inner, name);
        return more;
    }
    if (!json_is_object(node))
        return name.len > 0 || give(reading, node);
    json_object_foreach(node, key, inner)
    {
        struct span part = span_str(key);
        if (more && span_has_prefix(name, part) &&
            (name.len == part.len || name.ptr[part.len] == '.'))
            more = read_node(reading, inner, span_skip(name, part.len + 1));
    }
    return more;
}

void source_values(const struct schema *schema, uint32_t field, json_t *source,
                   source_values_cb cb, void *arg)
{
    while (schema->fields[field].of != SCHEMA_NONE)
        field = schema->fields[field].of;
    read_node(&(struct reading){cb, arg}, source, schema->fields[field].name);
}
