/* sort.c - see sort.h: what was asked for. */
#include "search/query/sort.h"
#include "search/query/number.h"
#include "search/query/query_build.h"

#define PARSING "parsing_exception"
#define ILLEGAL "illegal_argument_exception"

struct reading {
    struct arena *arena;
    struct sort *sort;
    struct query_error *error;
};

static bool refuse_value(struct reading *r, const char *name,
                         const json_t *node)
{
    struct span text = span_str(json_string_value(node));

    return query_refuse(r->error, ILLEGAL, "[sort] %s is not supported: [%.*s]",
                        name, (int)text.len, text.ptr ? text.ptr : "");
}

/* ---- keys */

static struct sort_key key_of(struct span field)
{
    struct sort_key key = {.field = field, .unmapped_type = SCHEMA_TYPES};

    if (span_eq(field, SPAN("_score")))
        key.kind = SORT_SCORE;
    else if (span_eq(field, SPAN("_doc")))
        key.kind = SORT_DOC;
    key.descending = key.kind == SORT_SCORE;
    return key;
}

static bool read_order(struct reading *r, struct sort_key *key,
                       struct span order)
{
    key->descending = span_eq_nocase(order, SPAN("desc"));
    return key->descending || span_eq_nocase(order, SPAN("asc")) ||
           query_refuse(r->error, ILLEGAL, "Unknown SortOrder [%.*s]",
                        (int)order.len, order.ptr ? order.ptr : "");
}

static bool read_missing(struct reading *r, struct sort_key *key,
                         const json_t *node)
{
    if (!query_read_value(r->arena, node, &key->value))
        return refuse_value(r, "missing", node);
    key->missing = span_eq(key->value.text, SPAN("_last"))    ? SORT_LAST
                   : span_eq(key->value.text, SPAN("_first")) ? SORT_FIRST
                                                              : SORT_AS_VALUE;
    return true;
}

static bool read_member(struct reading *r, struct sort_key *key, bool *has_mode,
                        const char *name, const json_t *node)
{
    struct span text = span_str(json_string_value(node));
    struct span member = span_str(name);

    if (span_eq(member, SPAN("order")))
        return read_order(r, key, text);
    if (key->kind == SORT_FIELD && span_eq(member, SPAN("missing")))
        return read_missing(r, key, node);
    if (key->kind == SORT_FIELD && span_eq(member, SPAN("unmapped_type"))) {
        return (schema_type_of(text, &key->unmapped_type) &&
                key->unmapped_type != SCHEMA_TEXT) ||
               refuse_value(r, name, node);
    }
    if (key->kind == SORT_FIELD && span_eq(member, SPAN("mode"))) {
        *has_mode = true;
        key->greatest = span_eq_nocase(text, SPAN("max"));
        return key->greatest || span_eq_nocase(text, SPAN("min")) ||
               refuse_value(r, name, node);
    }
    return query_refuse(r->error, PARSING, "[sort] unknown field [%s]", name);
}

static bool add_key(struct reading *r, const struct sort_key *key)
{
    struct sort *sort = r->sort;

    if (key->field.len == 0 || key->field.len > SCHEMA_NAME_MAX)
        return query_refuse(r->error, ILLEGAL,
                            "[sort] the name of a field is empty or too long");
    if (sort->count == SORT_KEYS_MAX)
        return query_refuse(r->error, ILLEGAL,
                            "[sort] there are more than %d keys",
                            SORT_KEYS_MAX);
    sort->keys[sort->count++] = *key;
    return true;
}

/* {"order": …}, or an order. */
static bool read_key(struct reading *r, const char *name, const json_t *node)
{
    struct sort_key key = key_of(arena_copy(r->arena, span_str(name)));
    json_t *object = (json_t *)(uintptr_t)node; /* only read */
    bool has_mode = false;

    if (!json_is_object(node)) {
        if (!read_order(r, &key, span_str(json_string_value(node))))
            return false;
    } else {
        for (void *at = json_object_iter(object); at;
             at = json_object_iter_next(object, at))
            if (!read_member(r, &key, &has_mode, json_object_iter_key(at),
                             json_object_iter_value(at)))
                return false;
    }
    if (!has_mode)
        key.greatest = key.descending;
    return add_key(r, &key);
}

static bool read_item(struct reading *r, const json_t *node)
{
    json_t *object = (json_t *)(uintptr_t)node; /* only read */

    if (json_is_string(node)) {
        struct sort_key key =
            key_of(arena_copy(r->arena, span_str(json_string_value(node))));
        return add_key(r, &key);
    }
    if (!json_is_object(node))
        return query_refuse(
            r->error, ILLEGAL,
            "malformed sort format, within the sort array, an object, or an "
            "actual string are allowed");
    for (void *at = json_object_iter(object); at;
         at = json_object_iter_next(object, at))
        if (!read_key(r, json_object_iter_key(at), json_object_iter_value(at)))
            return false;
    return true;
}

static struct reading begin(struct arena *arena, struct query_error *error)
{
    error->type = NULL;
    return (struct reading){arena, arena_zalloc(arena, sizeof(struct sort)),
                            error};
}

struct sort *sort_read_json(struct arena *arena, const json_t *json,
                            struct query_error *error)
{
    struct reading r = begin(arena, error);
    size_t count = json_is_array(json) ? json_array_size(json) : 1;

    for (size_t i = 0; i < count; i++)
        if (!read_item(&r,
                       json_is_array(json) ? json_array_get(json, i) : json))
            return NULL;
    return r.sort;
}

struct sort *sort_read_text(struct arena *arena, struct span text,
                            struct query_error *error)
{
    struct reading r = begin(arena, error);
    struct span rest = arena_copy(arena, text);
    struct span item;

    while (span_cut(&rest, ',', &item)) {
        size_t colon = item.len;
        while (colon > 0 && item.ptr[colon - 1] != ':')
            colon--;
        struct span name = {item.ptr, colon ? colon - 1 : item.len};
        struct sort_key key = key_of(name);
        if (colon && !read_order(&r, &key, span_skip(item, colon)))
            return NULL;
        key.greatest = key.descending;
        if (!add_key(&r, &key))
            return NULL;
    }
    return r.sort;
}

bool sort_read_after(struct sort *sort, struct arena *arena, const json_t *json,
                     struct query_error *error)
{
    size_t count = json_array_size(json);

    error->type = NULL;
    if (sort->count == 0)
        return query_refuse(error, ILLEGAL,
                            "Sort must contain at least one field.");
    if (!json_is_array(json) || count != sort->count)
        return query_refuse(error, ILLEGAL,
                            "search_after has %zu value(s) but sort has %zu.",
                            count, sort->count);
    for (size_t i = 0; i < count; i++) {
        const json_t *node = json_array_get(json, i);
        sort->after[i] = (struct query_value){0};
        if (!json_is_null(node) &&
            !query_read_value(arena, node, &sort->after[i]))
            return query_refuse(
                error, ILLEGAL,
                "Can't handle [search_after] field value of key %zu", i);
    }
    sort->after_count = count;
    return true;
}

/* ---- what it asks for */

bool sort_is_default(const struct sort *sort)
{
    return sort->count == 0 ||
           (sort->count == 1 && !sort->after_count &&
            sort->keys[0].kind == SORT_SCORE && sort->keys[0].descending);
}

bool sort_needs_score(const struct sort *sort)
{
    for (size_t i = 0; i < sort->count; i++)
        if (sort->keys[i].kind == SORT_SCORE)
            return true;
    return false;
}

void sort_put_value(const struct sort_value *value, struct json_writer *w)
{
    switch (value->kind) {
    case SORT_NONE:
        json_put_null(w);
        return;
    case SORT_INTEGER:
        json_put_int(w, value->integer);
        return;
    case SORT_REAL:
        number_put_real(w, value->real);
        return;
    case SORT_FLOAT:
        number_put_float(w, (float)value->real);
        return;
    case SORT_TEXT:
        json_put_string(w, value->text);
        return;
    }
}
