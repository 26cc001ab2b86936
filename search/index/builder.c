/* builder.c - see builder.h. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "search/index/analyzer.h"
#include "search/index/builder.h"
#include "search/index/date.h"
#include "search/index/document.h"
#include "search/index/field_write.h"
#include "search/index/stored.h"
#include "search/index/values.h"

/* A field, while documents come. */
struct column {
    struct field_writer *terms;   /* NULL: numbers have none */
    struct analyzer *analyzer;    /* of a text */
    struct values_writer *values; /* NULL: a text has none */
    /* Of the document: its number + 1, where the terms of its next value
       begin, where the last one was, how many it has. */
    uint32_t doc, position, last, length;
};

/* What a document has in a field. */
struct value {
    uint32_t field;
    struct span text; /* of texts and keywords */
    int64_t number;
    double real;
};

struct builder {
    struct schema *schema;
    struct builder_options options;
    struct segment_writer *out;
    struct column *columns;
    size_t column_count;
    struct stored_writer stored;
    struct ids_writer ids;
    uint32_t docs;
    /* of the document that is being read */
    struct arena arena;
    struct value *values;
    size_t value_count, value_cap;
    bool settled; /* its new fields are nobody else's */
    bool again;   /* it has one, and they may be */
    char *why;
    size_t why_size;
    struct column *writing;
};

static void put(void *arg, struct span bytes)
{
    struct builder *builder = arg;

    segment_writer_put(builder->out, bytes);
}

struct builder *builder_create(const char *path, struct schema *schema,
                               const struct builder_options *options)
{
    struct segment_writer *out = segment_writer_open(path);

    if (!out)
        return NULL;
    struct builder *builder = mem_zalloc(MEM_APP, sizeof(*builder));
    builder->schema = schema;
    builder->options = *options;
    builder->out = out;
    stored_writer_init(&builder->stored, put, builder);
    ids_writer_init(&builder->ids, hash_random_key().k0);
    segment_writer_begin(out, SEGMENT_STORED, SEGMENT_NO_FIELD);
    return builder;
}

static void drop(struct builder *builder)
{
    for (size_t i = 0; i < builder->column_count; i++) {
        struct column *column = &builder->columns[i];
        field_writer_destroy(column->terms);
        analyzer_destroy(column->analyzer);
        if (column->values)
            values_writer_deinit(column->values);
        mem_free(column->values);
    }
    stored_writer_deinit(&builder->stored);
    ids_writer_deinit(&builder->ids);
    mem_free(builder->columns);
    mem_free(builder->values);
    mem_free(builder);
}

void builder_abandon(struct builder *builder)
{
    segment_writer_abandon(builder->out);
    drop(builder);
}

uint32_t builder_docs(const struct builder *builder)
{
    return builder->docs;
}

size_t builder_size(const struct builder *builder)
{
    size_t size = 0;

    for (size_t i = 0; i < builder->column_count; i++) {
        const struct column *column = &builder->columns[i];
        if (column->terms)
            size += field_writer_size(column->terms);
        if (column->values)
            size += values_writer_size(column->values);
    }
    return size + builder->ids.bytes.len + builder->ids.offsets.len;
}

/* ---- a document is read */

static bool refuse(struct builder *builder, struct span name, const char *what)
{
    snprintf(builder->why, builder->why_size,
             "failed to parse field [%.*s]: %s", (int)name.len, name.ptr, what);
    return false;
}

static bool keep(struct builder *builder, const struct value *value)
{
    if (builder->value_count == builder->value_cap) {
        if (builder->value_cap == BUILDER_VALUES_MAX)
            return refuse(builder, builder->schema->fields[value->field].name,
                          "the document has too many values");
        builder->value_cap = builder->value_cap ? builder->value_cap * 2 : 64;
        if (builder->value_cap > BUILDER_VALUES_MAX)
            builder->value_cap = BUILDER_VALUES_MAX;
        builder->values =
            mem_realloc(MEM_APP, builder->values,
                        builder->value_cap * sizeof(builder->values[0]));
    }
    builder->values[builder->value_count++] = *value;
    return true;
}

/* As it is written; a string without its quotes. */
static struct span text_of(struct builder *builder,
                           const struct document_node *node)
{
    if (node->kind == DOCUMENT_STRING)
        return node->text;
    if (node->kind == DOCUMENT_INTEGER)
        return arena_printf(&builder->arena, "%lld", (long long)node->integer);
    if (node->kind == DOCUMENT_REAL)
        return arena_printf(&builder->arena, "%.17g", node->real);
    return node->kind == DOCUMENT_TRUE ? SPAN("true") : SPAN("false");
}

static bool read_real(struct builder *builder, const struct document_node *node,
                      double *out)
{
    char *end;

    if (node->kind == DOCUMENT_INTEGER)
        *out = (double)node->integer;
    else if (node->kind == DOCUMENT_REAL)
        *out = node->real;
    if (node->kind != DOCUMENT_STRING)
        return node->kind == DOCUMENT_INTEGER || node->kind == DOCUMENT_REAL;
    struct span text = arena_copy(&builder->arena, node->text);
    *out = strtod(text.ptr, &end);
    return text.len && end == text.ptr + text.len && isfinite(*out);
}

static bool read_long(struct builder *builder, const struct document_node *node,
                      int64_t *out)
{
    double real;

    if (node->kind == DOCUMENT_INTEGER) {
        *out = node->integer;
        return true;
    }
    if (!read_real(builder, node, &real) || real < -9.2e18 || real > 9.2e18)
        return false;
    *out = (int64_t)real;
    return true;
}

static bool read_date(struct builder *builder, const struct document_node *node,
                      int64_t *out)
{
    if (node->kind != DOCUMENT_INTEGER)
        return date_parse(text_of(builder, node), out);
    *out = node->integer;
    return *out >= -DATE_LAST && *out <= DATE_LAST;
}

static bool read_boolean(const struct document_node *node, int64_t *out)
{
    bool text = node->kind == DOCUMENT_STRING;

    *out = node->kind == DOCUMENT_TRUE ||
           (text && span_eq(node->text, SPAN("true")));
    return *out || node->kind == DOCUMENT_FALSE ||
           (text &&
            (node->text.len == 0 || span_eq(node->text, SPAN("false"))));
}

static bool read_value(struct builder *builder, uint32_t number,
                       const struct document_node *node)
{
    const struct schema_field *field = &builder->schema->fields[number];
    struct value value = {.field = number};
    bool fine = true;

    switch (field->type) {
    case SCHEMA_TEXT:
    case SCHEMA_KEYWORD:
        value.text = text_of(builder, node);
        if (field->type == SCHEMA_KEYWORD &&
            value.text.len > field->ignore_above)
            return true;
        fine = field->type == SCHEMA_TEXT
                   ? value.text.len <= ANALYZER_TEXT_MAX
                   : value.text.len <= VALUES_KEYWORD_MAX;
        break;
    case SCHEMA_LONG:
        fine = read_long(builder, node, &value.number);
        break;
    case SCHEMA_DOUBLE:
        fine = read_real(builder, node, &value.real);
        break;
    case SCHEMA_DATE:
        fine = read_date(builder, node, &value.number);
        break;
    case SCHEMA_BOOLEAN:
        fine = read_boolean(node, &value.number);
        break;
    case SCHEMA_TYPES:
        break;
    }
    if (!fine)
        return refuse(builder, field->name, "it is not of its type");
    return keep(builder, &value);
}

static enum schema_type type_by_json(const struct document_node *node)
{
    int64_t ms;

    if (node->kind == DOCUMENT_INTEGER)
        return SCHEMA_LONG;
    if (node->kind == DOCUMENT_REAL)
        return SCHEMA_DOUBLE;
    if (node->kind != DOCUMENT_STRING)
        return SCHEMA_BOOLEAN;
    struct span text = node->text;
    bool is_date = text.len >= 10 && text.ptr[4] == '-' && text.ptr[7] == '-' &&
                   date_parse(text, &ms);
    return is_date ? SCHEMA_DATE : SCHEMA_TEXT;
}

static bool read_node(struct builder *builder, struct span name,
                      const struct document_node *node);

/* False: it may be, or become, one by another's document. */
static bool may_add(struct builder *builder)
{
    builder->again = !builder->settled;
    return builder->settled;
}

/* The field, and those that have its values as well. */
static bool read_leaf(struct builder *builder, struct span name,
                      const struct document_node *node)
{
    struct schema *schema = builder->schema;
    uint32_t number = schema_find(schema, name);

    if (schema_is_meta(name))
        return refuse(builder, name,
                      "it is a metadata field and cannot be added inside a "
                      "document");
    if (node->kind == DOCUMENT_NULL ||
        (number == SCHEMA_NONE && !schema->dynamic))
        return true;
    if (number == SCHEMA_NONE && schema_has_inner(schema, name))
        return refuse(builder, name, "it is an object");
    if (number == SCHEMA_NONE && !may_add(builder))
        return false;
    if (number == SCHEMA_NONE)
        number = schema_add(schema, name, type_by_json(node));
    if (number == SCHEMA_NONE)
        return refuse(builder, name, "too many fields, or too long a name");
    if (!read_value(builder, number, node))
        return false;
    for (uint32_t i = number + 1; i < schema->count; i++)
        if (schema->fields[i].of == number && !read_value(builder, i, node))
            return false;
    return true;
}

static bool read_object(struct builder *builder, struct span name,
                        const struct document_node *node)
{
    const struct schema *schema = builder->schema;

    if (name.len && schema_find(schema, name) != SCHEMA_NONE)
        return refuse(builder, name, "it is no object");
    if (name.len && schema->dynamic && !schema_has_inner(schema, name) &&
        !may_add(builder))
        return false;
    for (const struct document_node *inner = node->first; inner;
         inner = inner->next) {
        struct span full = inner->name;
        if (name.len)
            full =
                arena_printf(&builder->arena, "%.*s.%.*s", (int)name.len,
                             name.ptr, (int)inner->name.len, inner->name.ptr);
        if (full.len > SCHEMA_NAME_MAX)
            return refuse(builder, full, "its name is too long");
        if (!read_node(builder, full, inner))
            return false;
    }
    return true;
}

static bool read_node(struct builder *builder, struct span name,
                      const struct document_node *node)
{
    if (node->kind == DOCUMENT_OBJECT)
        return read_object(builder, name, node);
    if (node->kind != DOCUMENT_ARRAY)
        return read_leaf(builder, name, node);
    for (const struct document_node *inner = node->first; inner;
         inner = inner->next)
        if (!read_node(builder, name, inner))
            return false;
    return true;
}

/* ---- and written */

static struct column *column_of(struct builder *builder, uint32_t number)
{
    const struct schema_field *field = &builder->schema->fields[number];

    if (number >= builder->column_count) {
        size_t count = builder->schema->count;
        builder->columns = mem_realloc(MEM_APP, builder->columns,
                                       count * sizeof(builder->columns[0]));
        memset(builder->columns + builder->column_count, 0,
               (count - builder->column_count) * sizeof(builder->columns[0]));
        builder->column_count = count;
    }
    struct column *column = &builder->columns[number];
    if (!column->terms && field->type <= SCHEMA_KEYWORD)
        column->terms = field_writer_create(field->type == SCHEMA_TEXT);
    return column;
}

static void on_token(void *arg, const struct token *token)
{
    struct builder *builder = arg;
    struct column *column = builder->writing;

    column->last = column->position + token->position;
    column->length++;
    field_writer_add(column->terms, token->term, builder->docs, column->last);
}

static void write_text(struct builder *builder, struct column *column,
                       const struct value *value)
{
    const struct schema_field *field = &builder->schema->fields[value->field];

    if (!column->analyzer)
        column->analyzer = schema_analyzer(field);
    builder->writing = column;
    analyzer_run(column->analyzer, value->text, on_token, builder);
    column->position = column->last + BUILDER_GAP;
}

static struct values_writer *
values_of(struct builder *builder, struct column *column, enum schema_type type)
{
    if (!column->values) {
        column->values = mem_alloc(MEM_APP, sizeof(*column->values));
        values_writer_init(column->values,
                           type == SCHEMA_KEYWORD  ? VALUES_KEYWORD
                           : type == SCHEMA_DOUBLE ? VALUES_DOUBLE
                                                   : VALUES_INT64,
                           builder->ids.seed);
    }
    return column->values;
}

static void write_value(struct builder *builder, const struct value *value)
{
    enum schema_type type = builder->schema->fields[value->field].type;
    struct column *column = column_of(builder, value->field);

    if (column->doc != builder->docs + 1) {
        column->doc = builder->docs + 1;
        column->position = column->length = 0;
    }
    if (type == SCHEMA_TEXT) {
        write_text(builder, column, value);
        return;
    }
    if (type == SCHEMA_KEYWORD && value->text.len) {
        field_writer_add(column->terms, value->text, builder->docs, 0);
        column->length++;
    }
    if (builder->options.no_values)
        return;
    struct values_writer *values = values_of(builder, column, type);
    if (type == SCHEMA_KEYWORD)
        values_writer_add_keyword(values, builder->docs, value->text);
    else if (type == SCHEMA_DOUBLE)
        values_writer_add_double(values, builder->docs, value->real);
    else
        values_writer_add_long(values, builder->docs, value->number);
}

/* Each text's length, of those that the document has. */
static void end_document(struct builder *builder)
{
    for (size_t i = 0; i < builder->column_count; i++) {
        struct column *column = &builder->columns[i];
        if (column->terms && column->doc == builder->docs + 1 &&
            column->length > 0)
            field_writer_end(column->terms, builder->docs, column->length);
    }
    builder->docs++;
}

/* As its member says. */
static struct span id_of(struct builder *builder,
                         const struct document_node *document)
{
    const char *name = builder->options.id_field;
    const struct document_node *id =
        name ? document_get(document, span_str(name)) : NULL;

    if (id && (id->kind == DOCUMENT_STRING || id->kind == DOCUMENT_INTEGER))
        return text_of(builder, id);
    if (builder->options.other_id)
        return span_str(builder->options.other_id);
    return arena_printf(&builder->arena, "%u", builder->docs);
}

/* False: it is refused, and has added nothing. */
static bool read_all(struct builder *builder,
                     const struct document_node *document)
{
    const struct builder_options *options = &builder->options;

    builder->settled = !options->settle;
    for (;;) {
        builder->again = false;
        builder->value_count = 0;
        struct schema_mark fields = schema_mark(builder->schema);
        if (read_node(builder, SPAN(""), document))
            return true;
        schema_rewind(builder->schema, &fields);
        if (!builder->again)
            return false;
        builder->settled = options->settle(options->arg);
    }
}

static bool take(struct builder *builder, struct span id, struct span source,
                 const struct document_node *document)
{
    if (!id.ptr)
        id = id_of(builder, document);
    if (id.len == 0 || id.len > IDS_LENGTH_MAX) {
        snprintf(builder->why, builder->why_size,
                 "its id is empty, or longer than %d bytes", IDS_LENGTH_MAX);
        return false;
    }
    if (!read_all(builder, document))
        return false;
    for (size_t i = 0; i < builder->value_count; i++)
        write_value(builder, &builder->values[i]);
    ids_writer_add(&builder->ids, id);
    stored_writer_add(&builder->stored,
                      builder->options.no_source ? SPAN("") : source);
    end_document(builder);
    return true;
}

/* Why a source is no document. */
static void say_what_is_wrong(struct builder *builder, struct span source)
{
    struct json_errors errors;
    json_t *json = NULL;

    json_errors_init(&errors);
    json_read(source, &json, &errors);
    snprintf(builder->why, builder->why_size, "failed to parse: %s",
             errors.count ? errors.at[0].detail : "it is no object");
    json_decref(json);
}

/* Of the builder's arena, which is begun; NULL: why. */
static const struct document_node *read_source(struct builder *builder,
                                               struct span source, char *why,
                                               size_t why_size)
{
    const struct document_node *document = NULL;

    builder->why = why;
    builder->why_size = why_size;
    arena_init(&builder->arena, MEM_APP, 0);
    if (source.len > BUILDER_SOURCE_MAX)
        snprintf(why, why_size, "it is longer than %d bytes",
                 BUILDER_SOURCE_MAX);
    else if (!(document = document_read(&builder->arena, source)))
        say_what_is_wrong(builder, source);
    return document;
}

bool builder_add(struct builder *builder, struct span id, struct span source,
                 char *why, size_t why_size)
{
    const struct document_node *document =
        read_source(builder, source, why, why_size);
    bool fine = document && take(builder, id, source, document);

    arena_deinit(&builder->arena);
    return fine;
}

void builder_give(struct builder *builder, uint32_t field, int64_t number)
{
    struct column *column = column_of(builder, field);

    values_writer_add_long(values_of(builder, column, SCHEMA_LONG),
                           builder->docs - 1, number);
}

bool builder_check(struct schema *schema, struct span source, char *why,
                   size_t why_size)
{
    struct builder builder = {.schema = schema};
    const struct document_node *document =
        read_source(&builder, source, why, why_size);
    bool fine = document && read_all(&builder, document);

    arena_deinit(&builder.arena);
    mem_free(builder.values);
    return fine;
}

/* ---- the end */

int builder_finish(struct builder *builder)
{
    struct segment_writer *out = builder->out;
    struct buf bytes;

    buf_init(&bytes, MEM_APP);
    stored_writer_finish(&builder->stored, &bytes);
    segment_writer_section(out, SEGMENT_SOURCES, SEGMENT_NO_FIELD,
                           buf_span(&bytes));
    segment_writer_begin(out, SEGMENT_IDS, SEGMENT_NO_FIELD);
    ids_writer_finish(&builder->ids, put, builder);
    for (uint32_t i = 0; i < builder->column_count; i++) {
        struct column *column = &builder->columns[i];
        if (column->terms)
            field_writer_put(column->terms, out, i, builder->docs);
        if (!column->values)
            continue;
        bytes.len = 0;
        values_writer_finish(column->values, builder->docs, &bytes);
        segment_writer_section(out, SEGMENT_VALUES, i, buf_span(&bytes));
    }
    bytes.len = 0;
    schema_put_list(builder->schema, &(struct json_writer){.out = &bytes});
    segment_writer_section(out, SEGMENT_SCHEMA, SEGMENT_NO_FIELD,
                           buf_span(&bytes));
    buf_deinit(&bytes);
    int err = segment_writer_finish(out, builder->docs);
    drop(builder);
    return err;
}
