/* answer.c - see answer.h. */
#include <stdarg.h>
#include <stdio.h>

#include "common/query.h"
#include "search/answer.h"

#define ILLEGAL "illegal_argument_exception"
#define REASON_MAX 400
#define NOT_COVERED "the token's scope does not cover this index"

void answer_json(struct request *req, int status, struct span json)
{
    static const char of_8[] =
        "application/vnd.elasticsearch+json;compatible-with=8";
    struct span accept = request_header(req, "accept");
    bool vendor = accept.ptr && memmem(accept.ptr, accept.len,
                                       "vnd.elasticsearch+json", 22) != NULL;

    if (status == 429 || status == 503)
        request_add_header(req, "Retry-After", SPAN("1"));
    request_reply(req, status,
                  vendor ? of_8 : "application/json; charset=UTF-8", json);
}

void answer_acknowledged(struct request *req, struct span more)
{
    answer_json(req, 200,
                arena_printf(request_arena(req), "{\"acknowledged\":true%.*s}",
                             (int)more.len, more.ptr));
}

static void put_cause(struct json_writer *w, const struct answer_error *error)
{
    json_put_key(w, "type");
    json_put_string(w, span_str(error->type));
    json_put_key(w, "reason");
    json_put_string(w, span_str(error->reason));
    if (!error->index)
        return;
    json_put_key(w, "index_uuid");
    json_put_string(w, SPAN("_na_"));
    json_put_key(w, "index");
    json_put_string(w, span_str(error->index));
}

void answer_put_error(struct json_writer *w, const struct answer_error *error)
{
    json_put_key(w, "error");
    json_put_open(w, '{');
    json_put_key(w, "root_cause");
    json_put_open(w, '[');
    json_put_open(w, '{');
    put_cause(w, error);
    json_put_close(w, '}');
    json_put_close(w, ']');
    put_cause(w, error);
    json_put_close(w, '}');
    json_put_key(w, "status");
    json_put_int(w, error->status);
}

void answer_error(struct request *req, const struct answer_error *error)
{
    struct buf text;
    struct json_writer w = {.out = &text};

    buf_init(&text, MEM_REQUEST);
    json_put_open(&w, '{');
    answer_put_error(&w, error);
    json_put_close(&w, '}');
    answer_json(req, error->status, buf_span(&text));
    buf_deinit(&text);
}

void answer_refuse(struct request *req, const char *type, const char *format,
                   ...)
{
    char reason[REASON_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    answer_error(req, &(struct answer_error){400, type, reason, NULL});
}

struct answer_error answer_of(struct request *req, int err, struct span index)
{
    struct arena *arena = request_arena(req);
    int len = (int)index.len;
    const char *name = arena_printf(arena, "%.*s", len, index.ptr).ptr;
    const struct request_failure *failure;

    switch (err) {
    case UV_ENOENT:
        return (struct answer_error){
            404, "index_not_found_exception",
            arena_printf(arena, "no such index [%s]", name).ptr, name};
    case UV_EEXIST:
        return (struct answer_error){
            400, "resource_already_exists_exception",
            arena_printf(arena, "index [%s] already exists", name).ptr, name};
    case UV_ENOSPC:
        return (struct answer_error){
            400, "validation_exception",
            "this action would add [1] index, but this node has as many as it "
            "may have",
            NULL};
    case UV_EACCES:
        return (struct answer_error){403, "security_exception", NOT_COVERED,
                                     NULL};
    case UV_E2BIG:
        return (struct answer_error){400, ILLEGAL,
                                     "the documents have more bytes than an "
                                     "answer may have: ask for fewer",
                                     NULL};
    case UV_EIO:
        return (struct answer_error){
            503, "no_shard_available_action_exception",
            arena_printf(arena,
                         "the files of index [%s] cannot be read, or are not "
                         "what they were",
                         name)
                .ptr,
            name};
    default:
        failure = request_failure_of(err);
        return (struct answer_error){failure->status,
                                     "unavailable_shards_exception",
                                     failure->detail, NULL};
    }
}

void answer_fail(struct request *req, int err, struct span index)
{
    struct answer_error error = answer_of(req, err, index);

    answer_error(req, &error);
}

void answer_problem(struct request *req, int status, const char *slug,
                    const char *detail)
{
    const char *type = ILLEGAL;

    (void)slug;
    if (status == 401 || status == 403)
        type = "security_exception";
    else if (status == 404)
        type = "resource_not_found_exception";
    else if (status == 413)
        type = "content_too_long_exception";
    else if (status == 429)
        type = "es_rejected_execution_exception";
    else if (status >= 500)
        type = "unavailable_shards_exception";
    answer_error(req, &(struct answer_error){status, type, detail, NULL});
}

/* ---- what was asked */

static bool is_one(const char *const *names, struct span name)
{
    for (; *names; names++)
        if (span_eq(name, span_str(*names)))
            return true;
    return false;
}

/* Elasticsearch's own, and curl's without a word of it is none of them. */
static bool type_is_known(struct span type)
{
    static const char *const known[] = {
        "application/json", "application/x-ndjson",
        "application/vnd.elasticsearch+json",
        "application/vnd.elasticsearch+x-ndjson", NULL};
    struct span name;

    span_cut(&type, ';', &name);
    return is_one(known, span_trim(name));
}

bool answer_body(struct request *req)
{
    struct span encoding = request_header(req, "content-encoding");
    struct span type = request_header(req, "content-type");

    if (encoding.len && !span_eq_nocase(encoding, SPAN("identity"))) {
        answer_error(req, &(struct answer_error){
                              415, "unsupported_media_type_exception",
                              "a body with a Content-Encoding is not taken: "
                              "send it as it is",
                              NULL});
        return false;
    }
    if (request_body(req).len == 0 || type_is_known(type))
        return true;
    answer_error(req, &(struct answer_error){
                          415, "media_type_header_exception",
                          arena_printf(request_arena(req),
                                       "Content-Type header [%.*s] is not "
                                       "supported",
                                       (int)type.len, type.len ? type.ptr : "")
                              .ptr,
                          NULL});
    return false;
}

bool answer_takes(struct request *req, const char *const *params)
{
    static const char *const any[] = {
        "pretty",  "human",   "error_trace",    "filter_path",
        "timeout", "routing", "master_timeout", "wait_for_active_shards",
        NULL};
    struct span rest = request_query_string(req);
    struct span name;
    struct span value;

    if (!answer_body(req))
        return false;
    while (query_next(request_arena(req), &rest, &name, &value)) {
        if (name.len == 0 || is_one(any, name) || is_one(params, name))
            continue;
        struct span path = request_path(req);
        answer_refuse(req, ILLEGAL,
                      "request [%.*s] contains unrecognized parameter: [%.*s]",
                      (int)path.len, path.ptr, (int)name.len, name.ptr);
        return false;
    }
    return true;
}

bool answer_allows(struct request *req, const char *scope, struct span index)
{
    if (request_allows(req, span_str(scope), index))
        return true;
    answer_fail(req, UV_EACCES, index);
    return false;
}

bool answer_number(struct request *req, const char *name, int64_t *number)
{
    struct span text = request_query(req, name);
    uint64_t value;

    if (!text.ptr)
        return true;
    if (span_to_u64(text, INT64_MAX, &value)) {
        *number = (int64_t)value;
        return true;
    }
    answer_refuse(req, ILLEGAL,
                  "Failed to parse long parameter [%s] with value [%.*s]", name,
                  (int)text.len, text.ptr);
    return false;
}
