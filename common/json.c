/* json.c - see json.h: reading, and taking objects apart. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "common/json.h"

static void *count_alloc(size_t size)
{
    return mem_alloc(MEM_JSON, size);
}

void json_setup(void)
{
    json_set_alloc_funcs(count_alloc, mem_free);
}

void json_errors_add(struct json_errors *errors, const char *pointer,
                     const char *format, ...)
{
    va_list args;
    size_t i = errors->count++;
    char index[24] = "";

    if (i >= JSON_MAX_ERRORS)
        return;
    if (errors->at_pointer && errors->at_index >= 0)
        snprintf(index, sizeof(index), "/%ld", errors->at_index);
    snprintf(errors->at[i].pointer, sizeof(errors->at[i].pointer), "%s%s%s",
             errors->at_pointer ? errors->at_pointer : "", index, pointer);
    va_start(args, format);
    vsnprintf(errors->at[i].detail, sizeof(errors->at[i].detail), format, args);
    va_end(args);
}

/* jansson recurses, and allocates each value: so its shape is looked at before
   it is let in.  False: an error says what there is too much of. */
static bool has_bounds(struct span text, struct json_errors *errors)
{
    size_t depth = 0;
    size_t values = 0;
    bool in_string = false;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '[' || c == '{'))
            depth++;
        else if (!in_string && (c == ']' || c == '}') && depth > 0)
            depth--;
        values += !in_string && (c == ',' || c == '[' || c == '{');
        if (depth <= JSON_MAX_DEPTH && values <= JSON_MAX_VALUES)
            continue;
        if (depth > JSON_MAX_DEPTH)
            json_errors_add(errors, "", "nested deeper than %d levels",
                            JSON_MAX_DEPTH);
        else
            json_errors_add(errors, "", "more than %d values", JSON_MAX_VALUES);
        return false;
    }
    return true;
}

/* Why nobody here can use what is JSON all the same; NULL: it is none. */
static const char *why_unusable(enum json_error_code code)
{
    if (code == json_error_numeric_overflow)
        return "a number is too large";
    if (code == json_error_null_character)
        return "a string has a NUL (\\u0000) in it";
    if (code == json_error_null_byte_in_key)
        return "a member's name has a NUL (\\u0000) in it";
    return NULL;
}

int json_read(struct span text, json_t **out, struct json_errors *errors)
{
    json_error_t error;
    json_t *document;

    if (!has_bounds(text, errors))
        return UV_EINVAL;
    document = json_loadb(text.ptr ? text.ptr : "", text.len,
                          JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    const char *why = document ? NULL : why_unusable(json_error_code(&error));
    if (why) {
        json_errors_add(errors, "", "%s (line %d, column %d)", why, error.line,
                        error.column);
        return UV_ERANGE;
    }
    if (!document) {
        json_errors_add(errors, "", "not JSON: %s (line %d, column %d)",
                        error.text, error.line, error.column);
        return UV_EINVAL;
    }
    *out = document;
    return 0;
}

/* "/name", with ~ and / escaped as RFC 6901 says. */
static void write_pointer(char *out, size_t size, const char *name)
{
    size_t len = 0;

    out[len++] = '/';
    for (; *name && len + 3 < size; name++) {
        if (*name == '~' || *name == '/') {
            out[len++] = '~';
            out[len++] = *name == '~' ? '0' : '1';
        } else {
            out[len++] = *name;
        }
    }
    out[len] = '\0';
}

static const char *kind_name(enum json_kind kind)
{
    static const char *const names[] = {
        [JSON_KIND_STRING] = "a string",
        [JSON_KIND_INTEGER] = "an integer",
        [JSON_KIND_BOOLEAN] = "true or false",
        [JSON_KIND_STRINGS] = "an array of strings",
        [JSON_KIND_OBJECT] = "an object",
        [JSON_KIND_ARRAY] = "an array",
    };

    return names[kind];
}

static bool is_kind(const json_t *node, enum json_kind kind)
{
    switch (kind) {
    case JSON_KIND_STRING:
        return json_is_string(node);
    case JSON_KIND_INTEGER:
        return json_is_integer(node);
    case JSON_KIND_BOOLEAN:
        return json_is_boolean(node);
    case JSON_KIND_OBJECT:
        return json_is_object(node);
    case JSON_KIND_STRINGS:
    case JSON_KIND_ARRAY:
        return json_is_array(node);
    }
    return false;
}

/* An error of the member name, or (item not -1) of an item of it. */
static void add_error(struct json_errors *errors, const char *name, long item,
                      const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void add_error(struct json_errors *errors, const char *name, long item,
                      const char *format, ...)
{
    char pointer[128];
    char detail[160];
    va_list args;

    write_pointer(pointer, sizeof(pointer) - 24, name);
    if (item >= 0) {
        size_t len = strlen(pointer);
        snprintf(pointer + len, sizeof(pointer) - len, "/%ld", item);
    }
    va_start(args, format);
    vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    json_errors_add(errors, pointer, "%s", detail);
}

void json_errors_add_name(struct json_errors *errors, const char *name,
                          const char *detail)
{
    add_error(errors, name, -1, "%s", detail);
}

static void check_size(const struct json_field *field, int64_t size,
                       const char *unit, long item, struct json_errors *errors)
{
    if ((field->min || field->max) && (size < field->min || size > field->max))
        add_error(errors, field->name, item,
                  "must be %" PRId64 " to %" PRId64 "%s", field->min,
                  field->max, unit);
}

static void check_array(const struct json_field *field, const json_t *node,
                        struct json_errors *errors)
{
    if (field->max_items && json_array_size(node) > field->max_items)
        add_error(errors, field->name, -1, "at most %zu items",
                  field->max_items);
    if (field->kind != JSON_KIND_STRINGS)
        return;
    for (size_t i = 0; i < json_array_size(node); i++) {
        const json_t *text = json_array_get(node, i);
        if (!json_is_string(text))
            add_error(errors, field->name, (long)i, "must be a string");
        else
            check_size(field, (int64_t)json_string_length(text), " bytes",
                       (long)i, errors);
    }
}

static void bind_value(const struct json_field *field, const json_t *node,
                       struct json_value *value, struct json_errors *errors)
{
    size_t before = errors->count;

    if (json_is_null(node) && field->nullable) {
        value->state = JSON_STATE_NULL;
        return;
    }
    value->state = JSON_STATE_WRONG;
    if (!is_kind(node, field->kind)) {
        add_error(errors, field->name, -1, "must be %s",
                  kind_name(field->kind));
        return;
    }
    value->node = node;
    if (field->kind == JSON_KIND_STRING) {
        value->text =
            (struct span){json_string_value(node), json_string_length(node)};
        check_size(field, (int64_t)value->text.len, " bytes", -1, errors);
    } else if (field->kind == JSON_KIND_INTEGER) {
        value->number = json_integer_value(node);
        check_size(field, value->number, "", -1, errors);
    } else if (field->kind == JSON_KIND_BOOLEAN) {
        value->flag = json_is_true(node);
    } else {
        check_array(field, node, errors);
    }
    if (errors->count == before)
        value->state = JSON_STATE_SET;
}

static void refuse_unknown(const json_t *object,
                           const struct json_field *fields, size_t count,
                           struct json_errors *errors)
{
    const char *name;
    json_t *node;

    json_object_foreach((json_t *)(uintptr_t)object, name, node)
    {
        size_t i = 0;
        while (i < count && strcmp(fields[i].name, name) != 0)
            i++;
        if (i < count)
            continue;
        add_error(errors, name, -1, "unknown member");
    }
}

bool json_bind(const json_t *object, const struct json_field *fields,
               size_t count, struct json_value *values,
               struct json_errors *errors)
{
    size_t before = errors->count;

    if (count)
        memset(values, 0, count * sizeof(values[0]));
    if (!json_is_object(object)) {
        json_errors_add(errors, "", "must be an object");
        return false;
    }
    refuse_unknown(object, fields, count, errors);
    for (size_t i = 0; i < count; i++) {
        const json_t *node = json_object_get(object, fields[i].name);
        if (node) {
            bind_value(&fields[i], node, &values[i], errors);
        } else if (fields[i].required) {
            add_error(errors, fields[i].name, -1, "is missing");
            values[i].state = JSON_STATE_WRONG;
        }
    }
    return errors->count == before;
}
