/*
 * face_read.c - face.h: what a request asks for.
 *
 * One table of what a body and the parameters of a URL may have; a parameter is
 * read as the JSON that it would be, behind the body: where both say something
 * the URL counts, as in Elasticsearch.
 */
#include <stdio.h>

#include "common/query.h"
#include "search/face.h"

#define PARSING "parsing_exception"
#define ILLEGAL "illegal_argument_exception"
#define SHOWN 64 /* bytes of what is wrong, in its error */

/* Where a member may be: of a search, of a count. */
enum { BODY = 1, URL = 2, COUNT_BODY = 4, COUNT_URL = 8 };
#define ANY_BODY (BODY | COUNT_BODY)
#define ANY_URL (URL | COUNT_URL)

struct reading {
    struct query_builder builder; /* for its error */
    const struct face_request *request;
    struct face_search *search;
    struct span text; /* of the parameter at hand; ptr NULL: in the body */
    struct span q, field;
    bool all;      /* words of q, not one of them */
    json_t *after; /* search_after, for when its sort is known */
};

struct member {
    const char *name;
    unsigned where;
    /* NULL: the answer is the same whatever it is */
    void (*read)(struct reading *r, const char *name, const json_t *node);
};

/* ---- values */

static struct span text_of(const struct reading *r, const json_t *node)
{
    if (r->text.ptr)
        return r->text;
    return (struct span){json_string_value(node), json_string_length(node)};
}

static struct span copy_of(struct reading *r, struct span text)
{
    if (text.len > FACE_TEXT_MAX)
        query_fail(&r->builder, ILLEGAL, "a name of %zu bytes is too long",
                   text.len);
    return arena_copy(r->builder.arena, text);
}

static int shown(struct span text)
{
    return (int)(text.len < SHOWN ? text.len : SHOWN);
}

/* As Jackson, which Elasticsearch reads by, calls what it comes upon. */
static const char *token_of(const json_t *node)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "START_OBJECT", [JSON_ARRAY] = "START_ARRAY",
        [JSON_STRING] = "VALUE_STRING", [JSON_INTEGER] = "VALUE_NUMBER",
        [JSON_REAL] = "VALUE_NUMBER",   [JSON_TRUE] = "VALUE_BOOLEAN",
        [JSON_FALSE] = "VALUE_BOOLEAN", [JSON_NULL] = "VALUE_NULL",
    };

    return names[json_typeof(node)];
}

static void refuse(struct reading *r, const char *name, const json_t *node)
{
    if (r->text.ptr)
        query_fail(&r->builder, ILLEGAL,
                   "Failed to parse parameter [%s] with value [%.*s]", name,
                   shown(r->text), r->text.ptr);
    else
        query_fail(&r->builder, PARSING, "Unknown key for a %s in [%.64s].",
                   token_of(node), name);
}

/* ---- members */

static void read_query(struct reading *r, const char *name, const json_t *node)
{
    (void)name;
    r->search->query =
        query_read_json(r->builder.arena, node, r->builder.error);
}

static void read_window(struct reading *r, const char *name, const json_t *node)
{
    json_int_t value = json_integer_value(node);

    if (!json_is_integer(node))
        refuse(r, name, node);
    else if (value < 0)
        query_fail(&r->builder, ILLEGAL,
                   "[%s] parameter cannot be negative, found [%lld]", name,
                   (long long)value);
    else
        *(name[0] == 'f' ? &r->search->from : &r->search->size) =
            value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static void read_total(struct reading *r, const char *name, const json_t *node)
{
    json_int_t value = json_integer_value(node);

    if (!json_is_boolean(node) && !json_is_integer(node))
        refuse(r, name, node);
    else if (value < -1)
        query_fail(&r->builder, ILLEGAL,
                   "[%s] parameter must be positive or equals to -1, got %lld",
                   name, (long long)value);
    else if (json_is_boolean(node))
        r->search->total = json_is_true(node) ? FACE_EXACT : 0;
    else
        r->search->total = value < 0 ? 0 : (uint64_t)value;
}

static void read_timeout(struct reading *r, const char *name,
                         const json_t *node)
{
    static const struct {
        const char *name;
        uint64_t us;
    } units[] = {{"micros", 1},   {"ms", 1000},      {"s", 1000000},
                 {"m", 60000000}, {"h", 3600000000}, {"d", 86400000000}};
    struct span text = text_of(r, node);
    size_t digits = 0;
    uint64_t count;

    if (span_eq(text, SPAN("-1")))
        return;
    while (digits < text.len && text.ptr[digits] >= '0' &&
           text.ptr[digits] <= '9')
        digits++;
    if (span_to_u64((struct span){text.ptr, digits}, UINT32_MAX, &count))
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
            if (span_eq(span_skip(text, digits), span_str(units[i].name))) {
                r->search->timeout_us = count * units[i].us;
                return;
            }
    query_fail(&r->builder, ILLEGAL,
               "failed to parse setting [%s] with value [%.*s] as a time "
               "value: unit is missing or unrecognized",
               name, shown(text), text.ptr);
}

static void add_pattern(struct reading *r, struct face_patterns *out,
                        struct span *room, struct span text)
{
    if (out->count == FACE_PATTERNS_MAX)
        query_fail(&r->builder, ILLEGAL, "there are more than %d patterns",
                   FACE_PATTERNS_MAX);
    else
        room[out->count++] = copy_of(r, text);
}

/* An array of them, one, or, in a URL, some with commas between. */
static void read_patterns(struct reading *r, const char *name,
                          const json_t *node, struct face_patterns *out)
{
    struct span text = text_of(r, node);
    struct span each;
    size_t most = json_array_size(node) + 1;

    for (size_t i = 0; r->text.ptr && i < text.len; i++)
        most += text.ptr[i] == ',';
    if (most > FACE_PATTERNS_MAX)
        most = FACE_PATTERNS_MAX;
    struct span *room = arena_alloc(r->builder.arena, most * sizeof(room[0]));
    *out = (struct face_patterns){room, 0};
    if (r->text.ptr)
        while (!query_failed(&r->builder) && span_cut(&text, ',', &each))
            add_pattern(r, out, room, each);
    else if (json_is_string(node))
        add_pattern(r, out, room, text);
    else if (!json_is_array(node))
        refuse(r, name, node);
    for (size_t i = 0; i < json_array_size(node) && !query_failed(&r->builder);
         i++) {
        const json_t *item = json_array_get(node, i);
        if (json_is_string(item))
            add_pattern(r, out, room, text_of(r, item));
        else
            refuse(r, name, item);
    }
}

static void read_source(struct reading *r, const char *name, const json_t *node)
{
    struct face_source *source = &r->search->source;
    json_t *object = (json_t *)(uintptr_t)node;
    const char *key;
    json_t *inner;

    if (strcmp(name, "_source_excludes") == 0) {
        read_patterns(r, name, node, &source->not_in);
        return;
    }
    source->none = json_is_false(node);
    if (json_is_boolean(node))
        return;
    if (!json_is_object(node))
        read_patterns(r, name, node, &source->in);
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
    read_patterns(r, name, node, &r->search->fields);
}

static void read_flag(struct reading *r, const char *name, const json_t *node)
{
    struct face_search *search = r->search;
    bool is_true = json_is_true(node);

    if (!json_is_boolean(node))
        refuse(r, name, node);
    else if (name[0] == 'e')
        search->explain = is_true;
    else if (name[0] == 'v')
        search->version = is_true;
    else if (name[0] == 's')
        search->seq_no = is_true;
    else if (name[0] == 't')
        search->scored = is_true;
    else
        search->plain_total = is_true;
}

static void read_min_score(struct reading *r, const char *name,
                           const json_t *node)
{
    if (json_is_number(node))
        r->search->min_score = (float)json_number_value(node);
    else
        refuse(r, name, node);
}

static void read_sort(struct reading *r, const char *name, const json_t *node)
{
    struct arena *arena = r->builder.arena;

    (void)name;
    r->search->sort = r->text.ptr
                          ? sort_read_text(arena, r->text, r->builder.error)
                          : sort_read_json(arena, node, r->builder.error);
}

static void read_after(struct reading *r, const char *name, const json_t *node)
{
    if (json_is_array(node))
        r->after = json_incref((json_t *)(uintptr_t)node);
    else
        refuse(r, name, node);
}

static void read_highlight(struct reading *r, const char *name,
                           const json_t *node)
{
    (void)name;
    face_highlight_read(&r->builder, node, &r->search->highlights);
}

static void read_aggs(struct reading *r, const char *name, const json_t *node)
{
    struct agg *aggs = NULL;

    (void)name;
    aggs_read(r->builder.arena, node, &aggs, r->builder.error);
    r->search->aggs = aggs;
}

static void read_suggest(struct reading *r, const char *name,
                         const json_t *node)
{
    (void)name;
    r->search->suggest = face_suggest_read(&r->builder, node);
}

static void read_q(struct reading *r, const char *name, const json_t *node)
{
    (void)node;
    *(name[0] == 'q' ? &r->q : &r->field) = copy_of(r, r->text);
}

static void read_operator(struct reading *r, const char *name,
                          const json_t *node)
{
    r->all = span_eq_nocase(r->text, SPAN("and"));
    if (!r->all && !span_eq_nocase(r->text, SPAN("or")))
        refuse(r, name, node);
}

/* Of what is not there: only that it is to be left out. */
static void read_off(struct reading *r, const char *name, const json_t *node)
{
    if (!json_is_false(node) && !json_is_null(node) &&
        !(json_is_integer(node) && json_integer_value(node) == 0))
        query_fail(&r->builder, ILLEGAL, "[%s] is not supported", name);
}

static const struct member members[] = {
    {"query", ANY_BODY, read_query},
    {"min_score", ANY_BODY | COUNT_URL, read_min_score},
    {"from", BODY | URL, read_window},
    {"size", BODY | URL, read_window},
    {"sort", BODY | URL, read_sort},
    {"search_after", BODY, read_after},
    {"_source", BODY | URL, read_source},
    {"_source_includes", URL, read_source},
    {"_source_excludes", URL, read_source},
    {"fields", BODY, read_fields},
    {"track_total_hits", BODY | URL, read_total},
    {"rest_total_hits_as_int", URL, read_flag},
    {"track_scores", BODY | URL, read_flag},
    {"explain", BODY | URL, read_flag},
    {"version", BODY | URL, read_flag},
    {"seq_no_primary_term", BODY | URL, read_flag},
    {"timeout", BODY | URL, read_timeout},
    {"highlight", BODY, read_highlight},
    {"aggs", BODY, read_aggs},
    {"aggregations", BODY, read_aggs},
    {"suggest", BODY, read_suggest},
    {"q", ANY_URL, read_q},
    {"df", ANY_URL, read_q},
    {"default_operator", ANY_URL, read_operator},
    {"analyzer", ANY_URL, read_off},
    {"analyze_wildcard", ANY_URL, read_off},
    {"lenient", ANY_URL, read_off},
    {"collapse", BODY, read_off},
    {"docvalue_fields", BODY | URL, read_off},
    {"indices_boost", BODY, read_off},
    {"knn", BODY, read_off},
    {"pit", BODY, read_off},
    {"post_filter", BODY, read_off},
    {"profile", BODY, read_off},
    {"rescore", BODY, read_off},
    {"runtime_mappings", BODY, read_off},
    {"script_fields", BODY, read_off},
    {"scroll", URL, read_off},
    {"slice", BODY, read_off},
    {"stored_fields", BODY | URL, read_off},
    {"terminate_after", BODY | ANY_URL, read_off},
    {"allow_no_indices", ANY_URL, NULL},
    {"allow_partial_search_results", URL, NULL},
    {"batched_reduce_size", URL, NULL},
    {"ccs_minimize_roundtrips", URL, NULL},
    {"error_trace", ANY_URL, NULL},
    {"expand_wildcards", ANY_URL, NULL},
    {"filter_path", ANY_URL, NULL},
    {"human", ANY_URL, NULL},
    {"ignore_throttled", ANY_URL, NULL},
    {"ignore_unavailable", ANY_URL, NULL},
    {"max_concurrent_shard_requests", URL, NULL},
    {"pre_filter_shard_size", URL, NULL},
    {"preference", ANY_URL, NULL},
    {"pretty", ANY_URL, NULL},
    {"request_cache", URL, NULL},
    {"routing", ANY_URL, NULL},
    {"search_type", URL, NULL},
    {"stats", BODY | URL, NULL},
};

static const struct member *find_member(struct span name, unsigned where)
{
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        if (members[i].where & where &&
            span_eq(span_str(members[i].name), name))
            return &members[i];
    return NULL;
}

/* ---- the body */

static void read_members(struct reading *r, json_t *json, unsigned where)
{
    const char *key;
    json_t *node;

    json_object_foreach(json, key, node)
    {
        const struct member *member = find_member(span_str(key), where);
        if (query_failed(&r->builder))
            return;
        if (!member && where == COUNT_BODY)
            query_fail(&r->builder, PARSING, "request does not support [%.64s]",
                       key);
        else if (!member)
            refuse(r, key, node);
        else if (member->read)
            member->read(r, key, node);
    }
}

static void read_body(struct reading *r, struct span body, unsigned where)
{
    struct json_errors errors;
    json_t *json = NULL;

    json_errors_init(&errors);
    if (json_read(body, &json, &errors) < 0)
        query_fail(&r->builder, "json_parse_exception", "%s",
                   errors.at[0].detail);
    else if (!json_is_object(json))
        query_fail(&r->builder, PARSING,
                   "Expected [START_OBJECT] but found [%s]", token_of(json));
    else
        read_members(r, json, where);
    json_decref(json);
}

/* ---- the URL */

/* As it would be in a body; what is left empty is true, as in ?explain. */
static json_t *value_of(struct span text)
{
    json_t *value = text.len
                        ? json_loadb(text.ptr, text.len, JSON_DECODE_ANY, NULL)
                        : json_true();

    if (json_is_number(value) || json_is_boolean(value))
        return value;
    json_decref(value);
    return json_string("");
}

static void read_param(struct reading *r, struct span name, unsigned where)
{
    const struct member *member = find_member(name, where);
    struct span path = r->request->path;

    if (!member) {
        query_fail(&r->builder, ILLEGAL,
                   "request [%.*s] contains unrecognized parameter: [%.*s]",
                   shown(path), path.ptr, shown(name), name.ptr);
    } else if (member->read) {
        json_t *value = value_of(r->text);
        member->read(r, member->name, value);
        json_decref(value);
    }
}

static void read_params(struct reading *r, unsigned where)
{
    struct span rest = r->request->params;
    struct span name;

    while (!query_failed(&r->builder) &&
           query_next(r->builder.arena, &rest, &name, &r->text))
        read_param(r, name, where);
}

/* ---- all of it */

static void finish_query(struct reading *r)
{
    struct query_field field = {r->field, 1};
    struct query_syntax syntax = {
        .fields = &field, .field_count = r->field.ptr != NULL, .all = r->all};
    struct query all = query_make(QUERY_MATCH_ALL);

    if (r->q.ptr)
        r->search->query =
            query_read_text(r->builder.arena, r->q, &syntax, r->builder.error);
    else if (!r->search->query)
        r->search->query = query_add(&r->builder, &all);
}

static void finish(struct reading *r)
{
    struct face_search *search = r->search;
    uint64_t window = (uint64_t)search->from + search->size;

    finish_query(r);
    if (search->plain_total)
        search->total = FACE_EXACT;
    if (query_failed(&r->builder))
        return;
    if (window > FACE_WINDOW_MAX)
        query_fail(&r->builder, ILLEGAL,
                   "Result window is too large, from + size must be less than "
                   "or equal to: [%d] but was [%llu].",
                   FACE_WINDOW_MAX, (unsigned long long)window);
    else if (r->after && search->from)
        query_fail(&r->builder, ILLEGAL,
                   "`from` parameter must be set to 0 when `search_after` is "
                   "used.");
    else if (r->after && !search->sort)
        query_fail(&r->builder, ILLEGAL,
                   "Sort must contain at least one field.");
    else if (r->after)
        sort_read_after(search->sort, r->builder.arena, r->after,
                        r->builder.error);
}

bool face_read(struct arena *arena, const struct face_request *request,
               struct face_search *search, struct query_error *error)
{
    struct reading r = {.builder = {.arena = arena, .error = error},
                        .request = request,
                        .search = search};
    bool counting = request->kind == FACE_COUNT;

    *error = (struct query_error){0};
    *search = (struct face_search){.kind = request->kind,
                                   .size = 10,
                                   .total = FACE_TOTAL,
                                   .timeout_us = UINT64_MAX};
    if (span_trim(request->body).len)
        read_body(&r, request->body, counting ? COUNT_BODY : BODY);
    if (!query_failed(&r.builder))
        read_params(&r, counting ? COUNT_URL : URL);
    if (!query_failed(&r.builder))
        finish(&r);
    json_decref(r.after);
    return !query_failed(&r.builder);
}
