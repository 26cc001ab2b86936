/* face_analyze.c - see face_analyze.h. */
#include "search/face_analyze.h"
#include "search/query/code_point.h"
#include "search/query/query_build.h"

#define ILLEGAL "illegal_argument_exception"
#define GAP 100 /* positions between texts, as between values of a field */

struct analyzing {
    struct json_writer w;
    struct span text;
    size_t at, units; /* a byte of the text, and how many of UTF-16 it is */
    size_t before;    /* units of the texts before it, one between each */
    uint32_t position, last;
    size_t tokens;
};

size_t face_utf16_length(struct span text)
{
    size_t length = 0;

    while (text.len) {
        size_t bytes;
        uint32_t code = code_point_read(text, &bytes);
        length += code > 0xffff && code < CODE_POINT_BAD ? 2 : 1;
        text = span_skip(text, bytes);
    }
    return length;
}

/* Starts rise, but for what takes the place of a phrase: so a text is read
   about once. */
static size_t units_to(struct analyzing *a, size_t start)
{
    if (start < a->at)
        a->at = a->units = 0;
    a->units +=
        face_utf16_length((struct span){a->text.ptr + a->at, start - a->at});
    a->at = start;
    return a->before + a->units;
}

static struct span type_of(struct span term)
{
    for (size_t i = 0; i < term.len; i++)
        if (term.ptr[i] < '0' || term.ptr[i] > '9')
            return SPAN("<ALPHANUM>");
    return SPAN("<NUM>");
}

static void on_token(void *arg, const struct token *token)
{
    struct analyzing *a = arg;

    if (a->tokens++ >= FACE_TOKENS_MAX)
        return;
    size_t start = units_to(a, token->start);
    size_t units = face_utf16_length(
        (struct span){a->text.ptr + token->start, token->end - token->start});
    a->last = a->position + token->position;
    json_put_open(&a->w, '{');
    json_put_key(&a->w, "token");
    json_put_string(&a->w, token->term);
    json_put_key(&a->w, "start_offset");
    json_put_int(&a->w, (int64_t)start);
    json_put_key(&a->w, "end_offset");
    json_put_int(&a->w, (int64_t)(start + units));
    json_put_key(&a->w, "type");
    json_put_string(&a->w, type_of(token->term));
    json_put_key(&a->w, "position");
    json_put_int(&a->w, a->last);
    json_put_close(&a->w, '}');
}

static void run_text(struct analyzing *a, struct analyzer *analyzer,
                     const json_t *node)
{
    a->text = (struct span){json_string_value(node), json_string_length(node)};
    a->at = a->units = 0;
    analyzer_run(analyzer, a->text, on_token, a);
    a->before += face_utf16_length(a->text) + 1;
    a->position = a->last + 1 + GAP;
}

static bool put_tokens(struct analyzer *analyzer, const json_t *text,
                       struct buf *out, struct query_builder *builder)
{
    struct analyzing a = {.w = {.out = out}};
    size_t before = out->len;

    json_put_open(&a.w, '{');
    json_put_key(&a.w, "tokens");
    json_put_open(&a.w, '[');
    if (json_is_string(text))
        run_text(&a, analyzer, text);
    for (size_t i = 0; i < json_array_size(text); i++)
        run_text(&a, analyzer, json_array_get(text, i));
    json_put_close(&a.w, ']');
    json_put_close(&a.w, '}');
    if (a.tokens <= FACE_TOKENS_MAX)
        return true;
    out->len = before;
    query_fail(builder, ILLEGAL,
               "The number of tokens produced by calling _analyze has "
               "exceeded the allowed maximum of [%d].",
               FACE_TOKENS_MAX);
    return false;
}

/* NULL: error says why. */
static struct analyzer *analyzer_of(const struct schema *schema,
                                    const struct json_value *values,
                                    struct query_builder *builder)
{
    struct span name = values[0].node ? values[0].text : SPAN("standard");
    struct span field = values[1].text;
    uint32_t number;

    if (values[0].node || !values[1].node) {
        struct analyzer *analyzer = analyzer_of_name(name);
        if (!analyzer)
            query_fail(builder, ILLEGAL,
                       "failed to find global analyzer [%.*s]",
                       (int)(name.len < 64 ? name.len : 64), name.ptr);
        return analyzer;
    }
    number = schema ? schema_find(schema, field) : SCHEMA_NONE;
    if (number == SCHEMA_NONE) {
        query_fail(builder, ILLEGAL, "there is no field [%.*s]%s",
                   (int)(field.len < 64 ? field.len : 64), field.ptr,
                   schema ? "" : ": it needs an index");
        return NULL;
    }
    return schema->fields[number].type == SCHEMA_TEXT
               ? schema_analyzer(&schema->fields[number])
               : analyzer_of_name(SPAN("keyword"));
}

static bool analyze(const struct schema *schema, const json_t *json,
                    struct buf *out, struct query_builder *builder)
{
    bool is_one = json_is_string(json_object_get(json, "text"));
    const struct json_field fields[] = {
        {.name = "analyzer", .kind = JSON_KIND_STRING},
        {.name = "field", .kind = JSON_KIND_STRING},
        {.name = "text",
         .kind = is_one ? JSON_KIND_STRING : JSON_KIND_STRINGS,
         .required = true},
    };
    struct json_value values[3];
    struct json_errors errors;

    json_errors_init(&errors);
    if (!json_bind(json, fields, 3, values, &errors)) {
        query_fail(builder, ILLEGAL, "[%s] %s",
                   errors.at[0].pointer + (errors.at[0].pointer[0] == '/'),
                   errors.at[0].detail);
        return false;
    }
    struct analyzer *analyzer = analyzer_of(schema, values, builder);
    bool fine = analyzer && put_tokens(analyzer, values[2].node, out, builder);
    analyzer_destroy(analyzer);
    return fine;
}

bool face_analyze(const struct schema *schema, struct span body,
                  struct buf *out, struct query_error *error)
{
    struct query_builder builder = {.error = error};
    struct json_errors errors;
    json_t *json = NULL;
    bool fine = false;

    *error = (struct query_error){0};
    json_errors_init(&errors);
    if (body.len > FACE_ANALYZE_MAX)
        query_fail(&builder, ILLEGAL, "the text is longer than %d bytes",
                   FACE_ANALYZE_MAX);
    else if (json_read(body, &json, &errors) < 0)
        query_fail(&builder, "json_parse_exception", "%s", errors.at[0].detail);
    else
        fine = analyze(schema, json, out, &builder);
    json_decref(json);
    return fine;
}
