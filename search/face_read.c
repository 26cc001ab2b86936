/*
 * face_read.c - face.h: what a request asks for.
 *
 * Two tables: the members of a body, the parameters of a URL; where both say
 * something the URL counts, as in Elasticsearch.
 */
#include <stdio.h>

#include "common/query.h"
#include "search/face.h"
#include "search/query/query_build.h"

#define PARSING "parsing_exception"
#define ILLEGAL "illegal_argument_exception"

struct reading {
    struct query_builder builder; /* for its error */
    const struct face_request *request;
    struct face_search *search;
    struct span q, field; /* of the URL */
    struct query_syntax syntax;
};

struct body_member {
    const char *name;
    void (*read)(struct reading *r, const char *name, const json_t *node);
};

struct param {
    const char *name;
    /* NULL: the answer is the same whatever it is */
    void (*read)(struct reading *r, const char *name, struct span text);
};

static struct span text_of(const json_t *node)
{
    return (struct span){json_string_value(node), json_string_length(node)};
}

static struct span copy_of(struct reading *r, struct span text)
{
    if (text.len > FACE_TEXT_MAX)
        query_fail(&r->builder, ILLEGAL, "a name of %zu bytes is too long",
                   text.len);
    return arena_copy(r->builder.arena, text);
}

/* As Jackson, which Elasticsearch reads by, calls what it comes upon. */
static const char *token_of(const json_t *node)
{
    switch (json_typeof(node)) {
    case JSON_OBJECT:
        return "START_OBJECT";
    case JSON_ARRAY:
        return "START_ARRAY";
    case JSON_STRING:
        return "VALUE_STRING";
    case JSON_INTEGER:
    case JSON_REAL:
        return "VALUE_NUMBER";
    case JSON_TRUE:
    case JSON_FALSE:
        return "VALUE_BOOLEAN";
    case JSON_NULL:
        break;
    }
    return "VALUE_NULL";
}

static void refuse(struct reading *r, const char *name, const json_t *node)
{
    query_fail(&r->builder, PARSING, "Unknown key for a %s in [%.64s].",
               token_of(node), name);
}

/* ---- values, however they came */

static void set_number(struct reading *r, const char *name, int64_t value)
{
    bool is_from = name[0] == 'f';

    if (value < 0)
        query_fail(&r->builder, ILLEGAL,
                   "[%s] parameter cannot be negative, found [%lld]", name,
                   (long long)value);
    else if (value > UINT32_MAX)
        query_fail(&r->builder, ILLEGAL, "[%s] is too large, found [%lld]",
                   name, (long long)value);
    else
        *(is_from ? &r->search->from : &r->search->size) = (uint32_t)value;
}

static void set_total(struct reading *r, int64_t value)
{
    if (value < -1)
        query_fail(&r->builder, ILLEGAL,
                   "[track_total_hits] parameter must be positive or equals "
                   "to -1, got %lld",
                   (long long)value);
    r->search->total = value < 0 ? 0 : (uint64_t)value;
}

static void set_timeout(struct reading *r, const char *name, struct span text)
{
    static const struct {
        const char *name;
        uint64_t us;
    } units[] = {{"micros", 1},       {"ms", 1000},      {"s", 1000000},
                 {"m", 60 * 1000000}, {"h", 3600000000}, {"d", 86400000000}};
    size_t digits = 0;
    uint64_t count;

    while (digits < text.len && text.ptr[digits] >= '0' &&
           text.ptr[digits] <= '9')
        digits++;
    struct span unit = span_skip(text, digits);
    r->search->timeout_us = UINT64_MAX;
    if (span_eq(text, SPAN("-1")))
        return;
    if (span_to_u64((struct span){text.ptr, digits}, UINT32_MAX, &count))
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
            if (span_eq(unit, span_str(units[i].name))) {
                r->search->timeout_us = count * units[i].us;
                return;
            }
    query_fail(&r->builder, ILLEGAL,
               "failed to parse setting [%s] with value [%.*s] as a time "
               "value: unit is missing or unrecognized",
               name, (int)(text.len < 64 ? text.len : 64), text.ptr);
}

/* ---- the body */

static void read_query(struct reading *r, const char *name, const json_t *node)
{
    (void)name;
    r->search->query =
        query_read_json(r->builder.arena, node, r->builder.error);
}

static void read_number(struct reading *r, const char *name, const json_t *node)
{
    if (!json_is_integer(node))
        refuse(r, name, node);
    else
        set_number(r, name, json_integer_value(node));
}

static void read_total(struct reading *r, const char *name, const json_t *node)
{
    if (json_is_boolean(node))
        r->search->total = json_is_true(node) ? FACE_EXACT : 0;
    else if (json_is_integer(node))
        set_total(r, json_integer_value(node));
    else
        refuse(r, name, node);
}

static void read_timeout(struct reading *r, const char *name,
                         const json_t *node)
{
    if (!json_is_string(node))
        refuse(r, name, node);
    else
        set_timeout(r, name, text_of(node));
}

static void read_patterns(struct reading *r, const char *name,
                          const json_t *node, struct face_patterns *out)
{
    size_t count = json_is_array(node) ? json_array_size(node) : 1;
    struct span *patterns;

    if (count > FACE_PATTERNS_MAX) {
        query_fail(&r->builder, ILLEGAL, "[%s] has more than %d patterns", name,
                   FACE_PATTERNS_MAX);
        return;
    }
    patterns = arena_alloc(r->builder.arena, (count + 1) * sizeof(*patterns));
    for (size_t i = 0; i < count; i++) {
        const json_t *each =
            json_is_array(node) ? json_array_get(node, i) : node;
        if (!json_is_string(each)) {
            refuse(r, name, each);
            return;
        }
        patterns[i] = copy_of(r, text_of(each));
    }
    *out = (struct face_patterns){patterns, count};
}

static void read_source(struct reading *r, const char *name, const json_t *node)
{
    struct face_source *source = &r->search->source;
    json_t *object = (json_t *)(uintptr_t)node;
    const char *key;
    json_t *inner;

    source->none = json_is_false(node);
    if (json_is_boolean(node))
        return;
    if (!json_is_object(node)) {
        read_patterns(r, name, node, &source->in);
        return;
    }
    json_object_foreach(object, key, inner)
    {
        if (strcmp(key, "includes") == 0 || strcmp(key, "include") == 0)
            read_patterns(r, key, inner, &source->in);
        else if (strcmp(key, "excludes") == 0 || strcmp(key, "exclude") == 0)
            read_patterns(r, key, inner, &source->not_in);
        else
            refuse(r, key, inner);
    }
}

static void read_fields(struct reading *r, const char *name, const json_t *node)
{
    if (!json_is_array(node))
        refuse(r, name, node);
    else
        read_patterns(r, name, node, &r->search->fields);
}

static void read_flag(struct reading *r, const char *name, const json_t *node)
{
    if (!json_is_boolean(node))
        refuse(r, name, node);
}

/* Of what is not there: only that it is to be left out. */
static void read_off(struct reading *r, const char *name, const json_t *node)
{
    if (!json_is_false(node) && !json_is_null(node) &&
        !(json_is_integer(node) && json_integer_value(node) == 0))
        query_fail(&r->builder, ILLEGAL, "[%s] is not supported", name);
}

static const struct body_member search_members[] = {
    {"query", read_query},
    {"from", read_number},
    {"size", read_number},
    {"_source", read_source},
    {"fields", read_fields},
    {"track_total_hits", read_total},
    {"timeout", read_timeout},
    {"track_scores", read_flag},
    {"version", read_off},
    {"seq_no_primary_term", read_off},
    {"terminate_after", read_off},
    {"profile", read_off},
    {"post_filter", read_off},
    {"collapse", read_off},
    {"docvalue_fields", read_off},
    {"indices_boost", read_off},
    {"knn", read_off},
    {"pit", read_off},
    {"rescore", read_off},
    {"runtime_mappings", read_off},
    {"script_fields", read_off},
    {"slice", read_off},
    {"stats", read_off},
    {"stored_fields", read_off},
    {NULL},
};

static const struct body_member count_members[] = {
    {"query", read_query},
    {NULL},
};

static void read_member(struct reading *r, const char *key, const json_t *node)
{
    bool counting = r->request->kind == FACE_COUNT;
    const struct body_member *member =
        counting ? count_members : search_members;

    while (member->name && strcmp(member->name, key) != 0)
        member++;
    if (member->name)
        member->read(r, key, node);
    else if (counting)
        query_fail(&r->builder, PARSING, "request does not support [%.64s]",
                   key);
    else
        refuse(r, key, node);
}

static void read_body(struct reading *r, struct span body)
{
    struct json_errors errors;
    json_t *json = NULL;
    const char *key;
    json_t *node;

    json_errors_init(&errors);
    if (json_read(body, &json, &errors) < 0) {
        query_fail(&r->builder, "json_parse_exception", "%s",
                   errors.at[0].detail);
        return;
    }
    if (!json_is_object(json))
        query_fail(&r->builder, PARSING,
                   "Expected [START_OBJECT] but found [%s]", token_of(json));
    json_object_foreach(json, key, node)
    {
        if (query_failed(&r->builder))
            break;
        read_member(r, key, node);
    }
    json_decref(json);
}

/* ---- the URL */

static void take_q(struct reading *r, const char *name, struct span text)
{
    (void)name;
    r->q = copy_of(r, text);
}

static void take_field(struct reading *r, const char *name, struct span text)
{
    (void)name;
    r->field = copy_of(r, text);
}

static void take_operator(struct reading *r, const char *name, struct span text)
{
    r->syntax.all = span_eq_nocase(text, SPAN("and"));
    if (!r->syntax.all && !span_eq_nocase(text, SPAN("or")))
        query_fail(&r->builder, ILLEGAL, "[%s] must be AND or OR, found [%.*s]",
                   name, (int)(text.len < 64 ? text.len : 64), text.ptr);
}

/* "" is true, as in ?pretty */
static bool flag_of(struct reading *r, const char *name, struct span text)
{
    bool is_true = text.len == 0 || span_eq(text, SPAN("true"));

    if (!is_true && !span_eq(text, SPAN("false")))
        query_fail(&r->builder, ILLEGAL,
                   "Failed to parse value [%.*s] of [%s] as only [true] or "
                   "[false] are allowed.",
                   (int)(text.len < 64 ? text.len : 64), text.ptr, name);
    return is_true;
}

static bool integer_of(struct reading *r, const char *name, struct span text,
                       int64_t *out)
{
    bool negative = text.len && text.ptr[0] == '-';
    uint64_t value = 0;

    if (!span_to_u64(span_skip(text, negative), INT32_MAX, &value)) {
        query_fail(&r->builder, ILLEGAL,
                   "Failed to parse int parameter [%s] with value [%.*s]", name,
                   (int)(text.len < 64 ? text.len : 64), text.ptr);
        return false;
    }
    *out = negative ? -(int64_t)value : (int64_t)value;
    return true;
}

static void take_number(struct reading *r, const char *name, struct span text)
{
    int64_t value;

    if (integer_of(r, name, text, &value))
        set_number(r, name, value);
}

static void take_total(struct reading *r, const char *name, struct span text)
{
    int64_t value;

    if (text.len == 0 || text.ptr[0] > '9')
        r->search->total = flag_of(r, name, text) ? FACE_EXACT : 0;
    else if (integer_of(r, name, text, &value))
        set_total(r, value);
}

static void take_plain_total(struct reading *r, const char *name,
                             struct span text)
{
    r->search->plain_total = flag_of(r, name, text);
    if (r->search->plain_total)
        r->search->total = FACE_EXACT;
}

static void take_patterns(struct reading *r, const char *name, struct span text,
                          struct face_patterns *out)
{
    struct span rest = copy_of(r, text);
    size_t most = 1;
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        most += text.ptr[i] == ',';
    if (most > FACE_PATTERNS_MAX) {
        query_fail(&r->builder, ILLEGAL, "[%s] has more than %d patterns", name,
                   FACE_PATTERNS_MAX);
        return;
    }
    struct span *patterns =
        arena_alloc(r->builder.arena, (most + 1) * sizeof(patterns[0]));
    while (span_cut(&rest, ',', &patterns[count]))
        count++;
    *out = (struct face_patterns){patterns, count};
}

static void take_source(struct reading *r, const char *name, struct span text)
{
    bool is_false = span_eq(text, SPAN("false"));

    r->search->source = (struct face_source){.none = is_false};
    if (!is_false && text.len && !span_eq(text, SPAN("true")))
        take_patterns(r, name, text, &r->search->source.in);
}

static void take_in(struct reading *r, const char *name, struct span text)
{
    take_patterns(r, name, text, &r->search->source.in);
}

static void take_not_in(struct reading *r, const char *name, struct span text)
{
    take_patterns(r, name, text, &r->search->source.not_in);
}

static const struct param common_params[] = {
    {"q", take_q},
    {"df", take_field},
    {"default_operator", take_operator},
    {"allow_no_indices", NULL},
    {"error_trace", NULL},
    {"expand_wildcards", NULL},
    {"filter_path", NULL},
    {"human", NULL},
    {"ignore_throttled", NULL},
    {"ignore_unavailable", NULL},
    {"preference", NULL},
    {"pretty", NULL},
    {"routing", NULL},
    {NULL},
};

static const struct param search_params[] = {
    {"from", take_number},
    {"size", take_number},
    {"_source", take_source},
    {"_source_includes", take_in},
    {"_source_excludes", take_not_in},
    {"track_total_hits", take_total},
    {"rest_total_hits_as_int", take_plain_total},
    {"timeout", set_timeout},
    {"allow_partial_search_results", NULL},
    {"batched_reduce_size", NULL},
    {"ccs_minimize_roundtrips", NULL},
    {"max_concurrent_shard_requests", NULL},
    {"pre_filter_shard_size", NULL},
    {"request_cache", NULL},
    {"search_type", NULL},
    {"track_scores", NULL},
    {NULL},
};

static const struct param *find_param(const struct param *params,
                                      struct span name)
{
    while (params->name && !span_eq(span_str(params->name), name))
        params++;
    return params->name ? params : NULL;
}

static void read_params(struct reading *r)
{
    struct span rest = r->request->params;
    struct span name;
    struct span value;

    while (!query_failed(&r->builder) &&
           query_next(r->builder.arena, &rest, &name, &value)) {
        const struct param *param = find_param(common_params, name);
        if (!param && r->request->kind == FACE_SEARCH)
            param = find_param(search_params, name);
        if (!param)
            query_fail(
                &r->builder, ILLEGAL,
                "request [%.*s] contains unrecognized parameter: "
                "[%.*s]",
                (int)(r->request->path.len < 64 ? r->request->path.len : 64),
                r->request->path.ptr, (int)(name.len < 64 ? name.len : 64),
                name.ptr);
        else if (param->read)
            param->read(r, param->name, value);
    }
}

/* ---- all of it */

static void finish(struct reading *r)
{
    struct face_search *search = r->search;
    struct query_field field = {r->field, 1};

    if (r->q.ptr) {
        r->syntax.fields = &field;
        r->syntax.field_count = r->field.ptr != NULL;
        search->query = query_read_text(r->builder.arena, r->q, &r->syntax,
                                        r->builder.error);
    } else if (!search->query) {
        struct query all = query_make(QUERY_MATCH_ALL);
        search->query = query_add(&r->builder, &all);
    }
    if ((uint64_t)search->from + search->size > FACE_WINDOW_MAX)
        query_fail(&r->builder, ILLEGAL,
                   "Result window is too large, from + size must be less than "
                   "or equal to: [%d] but was [%llu].",
                   FACE_WINDOW_MAX,
                   (unsigned long long)search->from + search->size);
}

bool face_read(struct arena *arena, const struct face_request *request,
               struct face_search *search, struct query_error *error)
{
    struct reading r = {.builder = {.arena = arena, .error = error},
                        .request = request,
                        .search = search};

    *error = (struct query_error){0};
    *search = (struct face_search){.kind = request->kind,
                                   .size = 10,
                                   .total = FACE_TOTAL,
                                   .timeout_us = UINT64_MAX};
    if (span_trim(request->body).len)
        read_body(&r, request->body);
    if (!query_failed(&r.builder))
        read_params(&r);
    if (!query_failed(&r.builder))
        finish(&r);
    return !query_failed(&r.builder);
}
