/* request.c - see request.h: what handlers read of a request. */
#include <string.h>

#include "common/query.h"
#include "common/server_internal.h"

#define ID_PREFIX ((size_t)16) /* hex digits of id_prefix */
#define ID_LEN ((size_t)24)
#define TRACE_LEN ((size_t)55)

struct request *request_create(struct conn *conn, struct span head,
                               uint64_t now_us)
{
    struct arena arena;
    struct request *req;

    arena_init_pooled(&arena, MEM_REQUEST, &conn->server->chunks);
    req = arena_alloc(&arena, sizeof(*req));
    *req = (struct request){.conn = conn,
                            .server = conn->server,
                            .started_us = now_us,
                            .keep_alive = true};
    buf_init(&req->body, MEM_REQUEST);
    buf_init(&req->extra, MEM_REQUEST);
    buf_init(&req->answer, MEM_REQUEST);
    req->head.bytes = arena_copy(&arena, head);
    req->arena = arena;
    list_append(&conn->requests, &req->node);
    conn->waiting++;
    conn->server->inflight++;
    return req;
}

void request_free(struct request *req)
{
    struct arena arena = req->arena;
    struct server *server = req->server;

    if (server->current == req)
        server->current = NULL;
    wheel_stop(server->wheel, &req->timer);
    server->inflight--;
    buf_deinit(&req->body);
    buf_deinit(&req->extra);
    buf_deinit(&req->answer);
    json_decref(req->document);
    arena_deinit(&arena);
    if (server->closing)
        server_conn_gone(server);
}

/* A handler that still holds the request will answer into nothing. */
void request_detach(struct request *req)
{
    bool held = req->state == REQUEST_HANDLED || req->late;

    list_init(&req->node);
    req->conn = NULL;
    wheel_stop(req->server->wheel, &req->timer);
    if (req->guest)
        guest_lose(req->guest);
    if (!held) {
        request_free(req);
    } else if (req->on_drain) { /* hears from request_write() that it is so */
        void (*cb)(void *arg) = req->on_drain;
        req->on_drain = NULL;
        cb(req->drain_arg);
    }
}

enum request_method request_method(const struct request *req)
{
    return req->head.method;
}

const char *request_method_name(enum request_method method)
{
    static const char *const names[] = {
        [REQUEST_GET] = "GET",         [REQUEST_HEAD] = "HEAD",
        [REQUEST_POST] = "POST",       [REQUEST_PUT] = "PUT",
        [REQUEST_PATCH] = "PATCH",     [REQUEST_DELETE] = "DELETE",
        [REQUEST_OPTIONS] = "OPTIONS",
    };

    return names[method];
}

struct arena *request_arena(struct request *req)
{
    return &req->arena;
}

struct span request_path(const struct request *req)
{
    return req->head.path;
}

struct span request_query_string(const struct request *req)
{
    return req->head.query;
}

struct span request_param(const struct request *req, const char *name)
{
    for (size_t i = 0; i < req->match.param_count; i++)
        if (span_eq(req->match.params[i].name, span_str(name)))
            return req->match.params[i].value;
    return SPAN("");
}

struct span request_query(struct request *req, const char *name)
{
    return query_find(&req->arena, req->head.query, span_str(name));
}

struct span request_header(const struct request *req, const char *name)
{
    return http_header(&req->head, name);
}

bool request_header_next(const struct request *req, const char *name,
                         uint32_t *index, struct span *value)
{
    return http_header_next(&req->head, name, index, value);
}

bool request_is_1_0(const struct request *req)
{
    return req->head.is_1_0;
}

struct span request_body(const struct request *req)
{
    return buf_span(&req->body);
}

static bool is_id(struct span id)
{
    if (id.len == 0 || id.len > REQUEST_ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
              (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.'))
            return false;
    }
    return true;
}

static char *put_hex(char *at, uint64_t number, size_t digits)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = digits; i-- > 0; number >>= 4)
        at[i] = hex[number & 15];
    return at + digits;
}

/* A number behind what is this process's own. */
static struct span make_id(struct request *req)
{
    struct server *server = req->server;
    char *text = arena_alloc(&req->arena, ID_LEN);

    memcpy(text, server->id_prefix, ID_PREFIX);
    put_hex(text + ID_PREFIX, server->next_id++, ID_LEN - ID_PREFIX);
    return (struct span){text, ID_LEN};
}

struct span request_id(const struct request *req)
{
    struct request *mine = (struct request *)(uintptr_t)req;

    if (!req->id.ptr) {
        struct span given = request_header(req, "x-request-id");
        mine->id = is_id(given) ? given : make_id(mine);
    }
    return req->id;
}

static bool is_hex(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!((text.ptr[i] >= '0' && text.ptr[i] <= '9') ||
              (text.ptr[i] >= 'a' && text.ptr[i] <= 'f')))
            return false;
    return true;
}

/* "00-<trace, 32 hex>-<parent, 16 hex>-<flags, 2 hex>" */
static bool is_trace_parent(struct span given)
{
    static const char zeros[] = "00000000000000000000000000000000";

    return given.len == TRACE_LEN && span_has_prefix(given, SPAN("00-")) &&
           given.ptr[35] == '-' && given.ptr[52] == '-' &&
           is_hex((struct span){given.ptr + 3, 32}) &&
           is_hex((struct span){given.ptr + 36, 16}) &&
           is_hex((struct span){given.ptr + 53, 2}) &&
           memcmp(given.ptr + 3, zeros, 32) != 0 &&
           memcmp(given.ptr + 36, zeros, 16) != 0;
}

/* The caller's trace, or one that begins here; the request is its own part. */
struct span request_trace_parent(const struct request *req)
{
    struct request *mine = (struct request *)(uintptr_t)req;
    const struct server *server = req->server;
    struct span given;

    if (req->trace.ptr)
        return req->trace;
    char *text = arena_alloc(&mine->arena, TRACE_LEN);
    uint64_t number = mine->server->next_trace++;
    given = request_header(req, "traceparent");
    if (is_trace_parent(given)) {
        memcpy(text, given.ptr, TRACE_LEN);
    } else {
        put_hex(text, 0, 2);
        text[2] = '-';
        memcpy(text + 3, server->id_prefix, ID_PREFIX);
        put_hex(text + 3 + ID_PREFIX, number, 32 - ID_PREFIX);
        memcpy(text + 35, "-0000000000000000-01", TRACE_LEN - 35);
    }
    put_hex(text + 36, server->span_base + number, 16);
    mine->trace = (struct span){text, TRACE_LEN};
    return req->trace;
}

struct span request_trace_id(const struct request *req)
{
    return (struct span){request_trace_parent(req).ptr + 3, 32};
}

bool request_is_gone(const struct request *req)
{
    return !req->conn || req->late;
}

uint32_t request_time_left(const struct request *req)
{
    uint64_t limit = (uint64_t)req->server->options.request_timeout_ms * 1000;
    uint64_t gone = clock_mono_us() - req->started_us;

    return gone < limit ? (uint32_t)((limit - gone) / 1000) : 0;
}

/* "q=0.8" is 800; what is no q leaves it as it was. */
static int read_q(struct span parameter, int q)
{
    int unit = 100;
    int value = 0;

    if (!span_has_prefix(parameter, SPAN("q=")) || parameter.len < 3)
        return q;
    struct span text = span_skip(parameter, 2);
    if (text.ptr[0] == '1')
        return 1000;
    for (size_t i = 2; i < text.len && i < 5; i++, unit /= 10)
        if (text.ptr[i] >= '0' && text.ptr[i] <= '9')
            value += (text.ptr[i] - '0') * unit;
    return value;
}

/* The q of the best range of Accept that fits type, 0 to 1000; -1: none. */
static int quality(struct span accept, struct span type, struct span any)
{
    int best = -1;
    int rank = -1;
    struct span range;

    while (span_cut(&accept, ',', &range)) {
        struct span rest = range;
        struct span name;
        struct span parameter;
        int q = 1000;
        span_cut(&rest, ';', &name);
        name = span_trim(name);
        while (span_cut(&rest, ';', &parameter))
            q = read_q(span_trim(parameter), q);
        int fit = span_eq_nocase(name, type)   ? 2
                  : span_eq_nocase(name, any)  ? 1
                  : span_eq(name, SPAN("*/*")) ? 0
                                               : -1;
        if (fit > rank) {
            rank = fit;
            best = q;
        }
    }
    return best;
}

bool request_prefers_html(const struct request *req)
{
    struct span accept = request_header(req, "accept");

    return accept.ptr &&
           quality(accept, SPAN("text/html"), SPAN("text/*")) >
               quality(accept, SPAN("application/json"), SPAN("application/*"));
}

bool request_read_page(struct request *req, uint32_t *limit,
                       struct span *cursor)
{
    struct span text = request_query(req, "limit");
    struct json_errors errors = {0};
    uint64_t number = 50;

    if (text.ptr && (!span_to_u64(text, 1000, &number) || number == 0)) {
        json_errors_add(&errors, "/limit", "a number from 1 to 1000");
        request_invalid(req, &errors);
        return false;
    }
    *limit = (uint32_t)number;
    *cursor = request_query(req, "cursor");
    return true;
}

bool request_is_json(struct request *req)
{
    struct span type = request_header(req, "content-type");
    struct span main_type;

    if (!req->head.chunked && req->head.content_length == 0 &&
        !request_header(req, "content-length").ptr)
        request_problem(req, 411, "length-required", NULL,
                        "a body is needed, and its length");
    else if (!span_eq(type, SPAN("application/json")) &&
             (!type.ptr || !span_cut(&type, ';', &main_type) ||
              !span_eq_nocase(span_trim(main_type), SPAN("application/json"))))
        request_problem(req, 415, "not-json", NULL,
                        "the body must be application/json");
    else
        return true;
    return false;
}

const json_t *request_read_document(struct request *req)
{
    struct json_errors errors;
    json_t *document;

    if (!request_is_json(req))
        return NULL;
    json_errors_init(&errors);
    int err = json_read(request_body(req), &document, &errors);
    if (err == UV_ERANGE)
        request_invalid(req, &errors);
    else if (err < 0)
        request_problem(req, 400, "bad-json", NULL, errors.at[0].detail);
    if (err < 0)
        return NULL;
    req->document = document;
    return document;
}

bool request_read_json(struct request *req, const struct json_field *fields,
                       size_t count, struct json_value *values)
{
    struct json_errors errors;
    const json_t *document = request_read_document(req);

    if (!document)
        return false;
    json_errors_init(&errors);
    if (json_bind(document, fields, count, values, &errors))
        return true;
    request_invalid(req, &errors);
    return false;
}
