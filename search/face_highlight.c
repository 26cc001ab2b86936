/* face_highlight.c - see face_highlight.h. */
#include "search/face_highlight.h"

#define PARSING "parsing_exception"
#define SIZE_MOST 1000000
#define TAG_MOST 1024 /* bytes */

struct reading {
    struct query_builder *builder;
    struct face_highlight *list;
    size_t count;
};

struct option {
    const char *name;
    /* False: it cannot be that.  NULL: the passages are the same anyway. */
    bool (*read)(struct reading *r, void *out, const json_t *node);
    size_t at; /* in struct highlight_options: out */
};

static struct span text_of(const json_t *node)
{
    return (struct span){json_string_value(node), json_string_length(node)};
}

static bool read_size(struct reading *r, void *out, const json_t *node)
{
    json_int_t value = json_integer_value(node);

    (void)r;
    *(size_t *)out = (size_t)value;
    return json_is_integer(node) && value >= 0 && value <= SIZE_MOST;
}

/* Of several the first is for all. */
static bool read_tag(struct reading *r, void *out, const json_t *node)
{
    const json_t *tag = json_is_array(node) ? json_array_get(node, 0) : node;
    bool good = json_is_string(tag) && json_string_length(tag) <= TAG_MOST;

    if (good)
        *(struct span *)out = arena_copy(r->builder->arena, text_of(tag));
    return good;
}

static bool read_choice(bool *out, const json_t *node, const char *yes,
                        const char *no)
{
    *out = span_eq(text_of(node), span_str(yes));
    return *out || span_eq(text_of(node), span_str(no));
}

static bool read_order(struct reading *r, void *out, const json_t *node)
{
    (void)r;
    return read_choice(out, node, "score", "none");
}

static bool read_encoder(struct reading *r, void *out, const json_t *node)
{
    (void)r;
    return read_choice(out, node, "html", "default");
}

static bool read_match(struct reading *r, void *out, const json_t *node)
{
    (void)r;
    *(bool *)out = json_is_false(node);
    return json_is_boolean(node);
}

#define AT(member) offsetof(struct highlight_options, member)

static const struct option options[] = {
    {"fragment_size", read_size, AT(fragment_size)},
    {"number_of_fragments", read_size, AT(fragments)},
    {"no_match_size", read_size, AT(no_match_size)},
    {"pre_tags", read_tag, AT(pre_tag)},
    {"post_tags", read_tag, AT(post_tag)},
    {"order", read_order, AT(by_score)},
    {"encoder", read_encoder, AT(html)},
    {"require_field_match", read_match, AT(any_field)},
    {"type", NULL, 0}, /* all are the unified one */
    {"fragmenter", NULL, 0},
    {"force_source", NULL, 0},
    {"phrase_limit", NULL, 0},
};

static void read_option(struct reading *r, const char *key, const json_t *node,
                        struct highlight_options *out)
{
    const struct option *option = options;

    while (option < options + sizeof(options) / sizeof(options[0]) &&
           strcmp(option->name, key) != 0)
        option++;
    if (option == options + sizeof(options) / sizeof(options[0]))
        query_fail(r->builder, PARSING, "[highlight] does not support [%.64s]",
                   key);
    else if (option->read && !option->read(r, (char *)out + option->at, node))
        query_fail(r->builder, PARSING,
                   "[highlight] failed to parse field [%.64s]", key);
}

static void read_options(struct reading *r, const json_t *node,
                         struct highlight_options *out)
{
    json_t *object = (json_t *)(uintptr_t)node;
    const char *key;
    json_t *value;

    if (!json_is_object(node))
        query_fail(r->builder, PARSING, "[highlight] must be an object");
    json_object_foreach(object, key, value)
    {
        if (strcmp(key, "fields") != 0)
            read_option(r, key, value, out);
    }
}

static void read_fields(struct reading *r, const json_t *node,
                        const struct highlight_options *defaults)
{
    json_t *object = (json_t *)(uintptr_t)node;
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        struct face_highlight each = {.options = *defaults};
        if (r->count == FACE_HIGHLIGHTS_MAX) {
            query_fail(r->builder, PARSING, "[highlight] more than %d fields",
                       FACE_HIGHLIGHTS_MAX);
            return;
        }
        read_options(r, value, &each.options);
        each.field = arena_copy(r->builder->arena, span_str(key));
        r->list[r->count++] = each;
    }
}

void face_highlight_read(struct query_builder *builder, const json_t *node,
                         struct face_highlights *out)
{
    struct highlight_options defaults = highlight_defaults;
    const json_t *fields = json_object_get(node, "fields");
    struct reading r = {.builder = builder};

    r.list =
        arena_alloc(builder->arena, FACE_HIGHLIGHTS_MAX * sizeof(r.list[0]));
    read_options(&r, node, &defaults);
    if (json_is_object(fields))
        read_fields(&r, fields, &defaults);
    else if (json_is_array(fields))
        for (size_t i = 0; i < json_array_size(fields); i++)
            read_fields(&r, json_array_get(fields, i), &defaults);
    else
        query_fail(builder, PARSING, "[highlight] needs [fields]");
    *out = (struct face_highlights){r.list, r.count};
}

/* ---- of a hit */

/* The first that names a field says how. */
static const struct face_highlight *
find_options(const struct face_highlights *highlights, struct span field)
{
    for (size_t i = 0; i < highlights->count; i++)
        if (query_name_matches(highlights->at[i].field, field))
            return &highlights->at[i];
    return NULL;
}

void face_highlight_put(const struct face_highlights *highlights,
                        const struct schema *schema,
                        struct highlight *highlight,
                        const struct highlight_hit *hit, struct json_writer *w)
{
    size_t before = w->out->len;
    bool comma = w->comma;
    size_t found = 0;

    json_put_key(w, "highlight");
    json_put_open(w, '{');
    for (size_t i = 0; i < schema->count; i++) {
        const struct face_highlight *how =
            find_options(highlights, schema->fields[i].name);
        if (how)
            found += highlight_put(highlight, hit, schema->fields[i].name,
                                   &how->options, w);
    }
    json_put_close(w, '}');
    if (found)
        return;
    w->out->len = before;
    w->comma = comma;
}
