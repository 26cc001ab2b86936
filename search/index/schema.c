/* schema.c - see schema.h. */
#include <string.h>

#include "search/index/schema.h"

#define K1 1.2F
#define B 0.75F
#define K1_MAX 1000
#define IGNORE_ABOVE 256 /* of a .keyword that comes by itself */

static const char *const type_names[SCHEMA_TYPES] = {
    [SCHEMA_TEXT] = "text", [SCHEMA_KEYWORD] = "keyword",
    [SCHEMA_LONG] = "long", [SCHEMA_DOUBLE] = "double",
    [SCHEMA_DATE] = "date", [SCHEMA_BOOLEAN] = "boolean",
};

/* Elasticsearch's names for what is kept alike. */
static const struct {
    const char *name;
    enum schema_type type;
} other_names[] = {
    {"integer", SCHEMA_LONG},      {"short", SCHEMA_LONG},
    {"byte", SCHEMA_LONG},         {"float", SCHEMA_DOUBLE},
    {"half_float", SCHEMA_DOUBLE},
};

void schema_init(struct schema *schema)
{
    *schema = (struct schema){.dynamic = true};
    arena_init(&schema->arena, MEM_APP, 0);
}

void schema_deinit(struct schema *schema)
{
    mem_free(schema->fields);
    arena_deinit(&schema->arena);
}

const char *schema_type_name(enum schema_type type)
{
    return type_names[type];
}

bool schema_type_of(struct span name, enum schema_type *type)
{
    for (enum schema_type i = 0; i < SCHEMA_TYPES; i++)
        if (span_eq(name, span_str(type_names[i]))) {
            *type = i;
            return true;
        }
    for (size_t i = 0; i < sizeof(other_names) / sizeof(other_names[0]); i++)
        if (span_eq(name, span_str(other_names[i].name))) {
            *type = other_names[i].type;
            return true;
        }
    return false;
}

bool schema_is_meta(struct span name)
{
    return span_eq(name, SCHEMA_SEQ_NO) || span_eq(name, SCHEMA_VERSION);
}

uint32_t schema_find(const struct schema *schema, struct span name)
{
    for (uint32_t i = 0; i < schema->count; i++)
        if (span_eq(schema->fields[i].name, name))
            return i;
    return SCHEMA_NONE;
}

bool schema_has_inner(const struct schema *schema, struct span name)
{
    for (size_t i = 0; i < schema->count; i++) {
        struct span inner = schema->fields[i].name;
        if (inner.len > name.len && inner.ptr[name.len] == '.' &&
            memcmp(inner.ptr, name.ptr, name.len) == 0)
            return true;
    }
    return false;
}

static uint32_t add(struct schema *schema, const struct schema_field *like)
{
    if (schema->count == SCHEMA_FIELDS_MAX || like->name.len == 0 ||
        like->name.len > SCHEMA_NAME_MAX)
        return SCHEMA_NONE;
    schema->fields =
        mem_realloc(MEM_APP, schema->fields,
                    (schema->count + 1) * sizeof(schema->fields[0]));
    struct schema_field *field = &schema->fields[schema->count];
    *field = *like;
    field->name = arena_copy(&schema->arena, like->name);
    field->analyzer = arena_copy(&schema->arena, like->analyzer);
    return (uint32_t)schema->count++;
}

static struct schema_field plain(struct span name, enum schema_type type)
{
    return (struct schema_field){.name = name,
                                 .analyzer = SPAN("standard"),
                                 .type = type,
                                 .of = SCHEMA_NONE,
                                 .ignore_above = UINT32_MAX,
                                 .k1 = K1,
                                 .b = B};
}

uint32_t schema_add(struct schema *schema, struct span name,
                    enum schema_type type)
{
    struct schema_field field = plain(name, type);
    uint32_t number = add(schema, &field);
    char text[SCHEMA_NAME_MAX + 16];

    if (number == SCHEMA_NONE || type != SCHEMA_TEXT)
        return number;
    int len =
        snprintf(text, sizeof(text), "%.*s.keyword", (int)name.len, name.ptr);
    field = plain((struct span){text, (size_t)len}, SCHEMA_KEYWORD);
    field.of = number;
    field.ignore_above = IGNORE_ABOVE;
    add(schema, &field); /* or it has none */
    return number;
}

void schema_follow(struct schema *schema, const struct schema *other)
{
    for (size_t i = schema->count; i < other->count; i++)
        add(schema, &other->fields[i]);
    schema->dynamic = other->dynamic;
}

struct schema_mark schema_mark(const struct schema *schema)
{
    return (struct schema_mark){schema->count, arena_mark(&schema->arena)};
}

void schema_rewind(struct schema *schema, const struct schema_mark *mark)
{
    schema->count = mark->count;
    arena_rewind(&schema->arena, mark->names);
}

struct analyzer *schema_analyzer(const struct schema_field *field)
{
    struct span name = field->analyzer;
    struct json_errors errors;
    json_t *json = NULL;
    struct analyzer *analyzer;

    if (name.len == 0 || name.ptr[0] != '{')
        return analyzer_of_name(name);
    json_errors_init(&errors);
    analyzer = json_read(name, &json, &errors) == 0
                   ? analyzer_of_json(json, &errors)
                   : NULL;
    json_decref(json);
    return analyzer;
}

const struct schema_field *schema_unknown_analyzer(const struct schema *schema)
{
    struct span known = SPAN("standard"); /* to make one takes its time */

    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];
        if (span_eq(field->analyzer, known))
            continue;
        struct analyzer *analyzer = schema_analyzer(field);
        if (!analyzer)
            return field;
        analyzer_destroy(analyzer);
        known = field->analyzer;
    }
    return NULL;
}

/* ---- mappings */

struct merge {
    struct schema *schema;
    struct json_errors *errors;
    bool dry; /* nothing is added: only looked at */
    size_t more;
};

static void wrong(const struct merge *merge, struct span name, const char *what)
{
    json_errors_add(merge->errors, "", "field [%.*s]: %s", (int)name.len,
                    name.ptr, what);
}

/* The analyzer is one; a name, or an object, written as JSON. */
static bool read_analyzer(const struct merge *merge, const json_t *node,
                          struct schema_field *field, struct buf *text)
{
    struct analyzer *analyzer = NULL;

    if (json_is_string(node)) {
        field->analyzer = span_str(json_string_value(node));
        analyzer = analyzer_of_name(field->analyzer);
    } else if (json_is_object(node)) {
        char *json = json_dumps(node, JSON_COMPACT | JSON_SORT_KEYS);
        analyzer = analyzer_of_json(node, merge->errors);
        buf_append(text, span_str(json));
        mem_free(json);
        field->analyzer = buf_span(text);
    }
    if (!analyzer) {
        wrong(merge, field->name, "no such analyzer");
        return false;
    }
    analyzer_destroy(analyzer);
    return true;
}

static bool read_number(const json_t *node, double min, double max, double *out)
{
    if (!node)
        return true;
    *out = json_number_value(node);
    return json_is_number(node) && *out >= min && *out <= max;
}

/* Members that say nothing that is not so anyway are passed over. */
static bool is_known(const char *key)
{
    static const char *const keys[] = {
        "type",   "analyzer", "ignore_above", "k1",         "b",
        "fields", "index",    "store",        "doc_values", "format"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

static bool read_options(const struct merge *merge, json_t *node,
                         struct schema_field *field, struct buf *text)
{
    const char *key;
    json_t *value;
    double k1 = (double)field->k1;
    double b = (double)field->b;
    double above = UINT32_MAX;

    json_object_foreach(node, key, value)
    {
        if (!is_known(key)) {
            wrong(merge, field->name, key);
            return false;
        }
    }
    const json_t *analyzer = json_object_get(node, "analyzer");
    if (analyzer && !read_analyzer(merge, analyzer, field, text))
        return false;
    if (!read_number(json_object_get(node, "k1"), 0, K1_MAX, &k1) ||
        !read_number(json_object_get(node, "b"), 0, 1, &b) ||
        !read_number(json_object_get(node, "ignore_above"), 1, UINT32_MAX,
                     &above)) {
        wrong(merge, field->name, "k1, b or ignore_above is out of bounds");
        return false;
    }
    field->k1 = (float)k1;
    field->b = (float)b;
    field->ignore_above = (uint32_t)above;
    return true;
}

static bool is_same(const struct schema_field *a, const struct schema_field *b)
{
    return a->type == b->type && span_eq(a->analyzer, b->analyzer);
}

/* Its number, or SCHEMA_NONE: it is wrong; in a dry run a new one is 0. */
static uint32_t take_field(struct merge *merge, struct span name, json_t *node,
                           uint32_t of)
{
    struct schema *schema = merge->schema;
    const char *type = json_string_value(json_object_get(node, "type"));
    struct schema_field field = plain(name, SCHEMA_TEXT);
    uint32_t number = schema_find(schema, name);
    struct buf text;

    if (!type || !schema_type_of(span_str(type), &field.type)) {
        wrong(merge, name, "no handler for type");
        return SCHEMA_NONE;
    }
    buf_init(&text, MEM_APP);
    field.of = of;
    bool fine = read_options(merge, node, &field, &text);
    if (fine && number != SCHEMA_NONE &&
        !is_same(&schema->fields[number], &field)) {
        wrong(merge, name, "it is another already, and cannot change");
        fine = false;
    }
    if (fine && number == SCHEMA_NONE) {
        bool fits = name.len <= SCHEMA_NAME_MAX && name.len > 0 &&
                    schema->count + ++merge->more <= SCHEMA_FIELDS_MAX;
        if (!fits)
            wrong(merge, name, "too many fields, or too long a name");
        fine = fits;
        number = fits && !merge->dry ? add(schema, &field) : 0;
    }
    buf_deinit(&text);
    return fine ? number : SCHEMA_NONE;
}

static bool take_all(struct merge *merge, json_t *properties,
                     struct span prefix, uint32_t of)
{
    char name[2 * SCHEMA_NAME_MAX + 2];
    const char *key;
    json_t *node;

    if (!json_is_object(properties)) {
        json_errors_add(merge->errors, "", "properties must be an object");
        return false;
    }
    json_object_foreach(properties, key, node)
    {
        int len = snprintf(name, sizeof(name), "%.*s%s%s", (int)prefix.len,
                           prefix.ptr, prefix.len ? "." : "", key);
        struct span full = {name, (size_t)len};
        if (len > SCHEMA_NAME_MAX || !json_is_object(node) ||
            schema_is_meta(full)) {
            wrong(merge, span_str(key),
                  schema_is_meta(full) ? "it is a metadata field"
                                       : "too long, or no object");
            return false;
        }
        json_t *inner = json_object_get(node, "properties");
        if (inner) {
            if (!take_all(merge, inner, full, SCHEMA_NONE))
                return false;
            continue;
        }
        uint32_t number = take_field(merge, full, node, of);
        json_t *more = json_object_get(node, "fields");
        if (number == SCHEMA_NONE ||
            (more &&
             (of != SCHEMA_NONE || !take_all(merge, more, full, number))))
            return false;
    }
    return true;
}

bool schema_merge(struct schema *schema, const json_t *mapping,
                  struct json_errors *errors)
{
    json_t *properties = json_object_get(mapping, "properties");
    const json_t *dynamic = json_object_get(mapping, "dynamic");
    struct merge merge = {.schema = schema, .errors = errors, .dry = true};

    if (dynamic && !json_is_boolean(dynamic)) {
        json_errors_add(errors, "", "dynamic must be true or false");
        return false;
    }
    if (properties && !take_all(&merge, properties, SPAN(""), SCHEMA_NONE))
        return false;
    merge.dry = false;
    merge.more = 0;
    if (properties)
        take_all(&merge, properties, SPAN(""), SCHEMA_NONE);
    if (dynamic)
        schema->dynamic = json_is_true(dynamic);
    return true;
}

/* ---- out */

static void put_field(const struct schema *schema, uint32_t number,
                      struct json_writer *w)
{
    const struct schema_field *field = &schema->fields[number];
    bool more = false;

    json_put_open(w, '{');
    json_put_key(w, "type");
    json_put_string(w, span_str(type_names[field->type]));
    if (field->analyzer.len && field->analyzer.ptr[0] == '{') {
        json_put_key(w, "analyzer");
        json_put_raw(w, field->analyzer);
    } else if (!span_eq(field->analyzer, SPAN("standard"))) {
        json_put_key(w, "analyzer");
        json_put_string(w, field->analyzer);
    }
    if (field->ignore_above != UINT32_MAX) {
        json_put_key(w, "ignore_above");
        json_put_int(w, field->ignore_above);
    }
    if (field->k1 != K1 || field->b != B) {
        json_put_key(w, "k1");
        json_put_real(w, (double)field->k1);
        json_put_key(w, "b");
        json_put_real(w, (double)field->b);
    }
    for (uint32_t i = 0; i < schema->count; i++) {
        if (schema->fields[i].of != number)
            continue;
        if (!more) {
            json_put_key(w, "fields");
            json_put_open(w, '{');
        }
        more = true;
        json_put_name(w,
                      span_skip(schema->fields[i].name, field->name.len + 1));
        put_field(schema, i, w);
    }
    if (more)
        json_put_close(w, '}');
    json_put_close(w, '}');
}

void schema_put(const struct schema *schema, struct json_writer *w)
{
    json_put_open(w, '{');
    if (!schema->dynamic) {
        json_put_key(w, "dynamic");
        json_put_bool(w, false);
    }
    json_put_key(w, "properties");
    json_put_open(w, '{');
    for (uint32_t i = 0; i < schema->count; i++) {
        if (schema->fields[i].of != SCHEMA_NONE ||
            schema_is_meta(schema->fields[i].name))
            continue;
        json_put_name(w, schema->fields[i].name);
        put_field(schema, i, w);
    }
    json_put_close(w, '}');
    json_put_close(w, '}');
}

/* ---- as segments have it */

void schema_put_list(const struct schema *schema, struct json_writer *w)
{
    json_put_open(w, '[');
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];
        json_put_open(w, '{');
        json_put_key(w, "name");
        json_put_string(w, field->name);
        json_put_key(w, "type");
        json_put_string(w, span_str(type_names[field->type]));
        json_put_key(w, "analyzer");
        json_put_string(w, field->analyzer);
        json_put_key(w, "of");
        json_put_int(w, field->of);
        json_put_key(w, "ignore_above");
        json_put_int(w, field->ignore_above);
        json_put_key(w, "k1");
        json_put_real(w, (double)field->k1);
        json_put_key(w, "b");
        json_put_real(w, (double)field->b);
        json_put_close(w, '}');
    }
    json_put_close(w, ']');
}

enum { NAME, TYPE, ANALYZER, OF, IGNORE_ABOVE_, MEMBERS };

static bool read_listed(struct schema *schema, json_t *node)
{
    static const struct json_field members[MEMBERS] = {
        [NAME] = {.name = "name", .kind = JSON_KIND_STRING, .required = true},
        [TYPE] = {.name = "type", .kind = JSON_KIND_STRING, .required = true},
        [ANALYZER] = {.name = "analyzer",
                      .kind = JSON_KIND_STRING,
                      .required = true},
        [OF] = {.name = "of",
                .kind = JSON_KIND_INTEGER,
                .required = true,
                .max = UINT32_MAX},
        [IGNORE_ABOVE_] = {.name = "ignore_above",
                           .kind = JSON_KIND_INTEGER,
                           .required = true,
                           .max = UINT32_MAX},
    };
    struct json_value values[MEMBERS];
    struct json_errors errors;
    struct schema_field field;
    double k1 = json_number_value(json_object_get(node, "k1"));
    double b = json_number_value(json_object_get(node, "b"));

    json_errors_init(&errors);
    json_object_del(node, "k1");
    json_object_del(node, "b");
    if (!json_bind(node, members, MEMBERS, values, &errors) || k1 < 0 ||
        k1 > K1_MAX || b < 0 || b > 1 ||
        (values[OF].number >= (int64_t)schema->count &&
         values[OF].number != SCHEMA_NONE))
        return false;
    field = (struct schema_field){.name = values[NAME].text,
                                  .analyzer = values[ANALYZER].text,
                                  .of = (uint32_t)values[OF].number,
                                  .ignore_above =
                                      (uint32_t)values[IGNORE_ABOVE_].number,
                                  .k1 = (float)k1,
                                  .b = (float)b};
    return schema_type_of(values[TYPE].text, &field.type) &&
           add(schema, &field) != SCHEMA_NONE;
}

bool schema_take_list(struct schema *schema, json_t *list)
{
    json_t *node;
    size_t i;

    json_array_foreach(list, i, node)
    {
        if (!read_listed(schema, node))
            return false;
    }
    return json_is_array(list);
}

bool schema_read_list(struct schema *schema, struct span json)
{
    struct json_errors errors;
    json_t *list = NULL;

    json_errors_init(&errors);
    bool fine =
        json_read(json, &list, &errors) == 0 && schema_take_list(schema, list);
    json_decref(list);
    return fine;
}
