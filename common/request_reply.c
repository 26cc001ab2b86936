/*
 * request_reply.c - how a request is ended.
 *
 *   request_dispatch() -- route, scope, origin --> handler
 *   request_reply…() -- head and body --> the connection's way out, or
 *   req->answer while others stand before it --> conn_answered()
 *
 * Failure modes: the client is gone (the answer is dropped), the deadline
 * passed (503 is on its way; what the handler says later is dropped).
 */
#include <assert.h>
#include <string.h>

#include "common/query.h"
#include "common/server_internal.h"
#include "common/web.h"

static void on_late(struct wheel_timer *timer);

static const char *const method_names[] = {
    [REQUEST_GET] = "GET",         [REQUEST_HEAD] = "HEAD",
    [REQUEST_POST] = "POST",       [REQUEST_PUT] = "PUT",
    [REQUEST_PATCH] = "PATCH",     [REQUEST_DELETE] = "DELETE",
    [REQUEST_OPTIONS] = "OPTIONS",
};

const char *request_method_name(enum request_method method)
{
    return method_names[method];
}

const char *status_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Unknown";
}

static bool is_first(const struct request *req)
{
    return req->conn->requests.next == &req->node;
}

/* Where this answer's bytes go. */
static struct buf *out_of(struct request *req)
{
    return is_first(req) ? conn_out(req->conn) : &req->answer;
}

/* The last one on a connection that is to end says so. */
static void decide_keep_alive(struct request *req)
{
    struct conn *conn = req->conn;
    bool newest = conn->requests.prev == &req->node;

    if (!newest || !(conn->ended || (req->server->draining && !conn->more)))
        return;
    req->keep_alive = false;
    conn->last = true;
}

/* Its deadline has answered; gone with that, or with its client. */
static void end_late(struct request *req)
{
    if (req->conn)
        req->late = false; /* waits in line: goes when it is sent */
    else
        request_free(req);
}

/* May the answer be sent?  If not the request is over and gone. */
static bool begin_answer(struct request *req, int status)
{
    if (req->late) {
        end_late(req);
        return false;
    }
    assert(req->state != REQUEST_ANSWERED && !req->started);
    req->status = status;
    if (!req->conn) {
        server_count(req->server, req);
        request_free(req);
        return false;
    }
    decide_keep_alive(req);
    return true;
}

static void end_answer(struct request *req)
{
    req->state = REQUEST_ANSWERED;
    wheel_stop(req->server->wheel, &req->timer);
    server_count(req->server, req);
    if (is_first(req))
        conn_answered(req->conn);
}

static void put_line(struct buf *out, struct span name, struct span value)
{
    buf_append(out, name);
    buf_append(out, value);
    buf_append(out, SPAN("\r\n"));
}

static void put_cors(struct buf *out, struct span origin)
{
    buf_append(out, SPAN("Vary: Origin\r\n"));
    if (!origin.ptr)
        return;
    put_line(out, SPAN("Access-Control-Allow-Origin: "), origin);
    buf_append(out, SPAN("Access-Control-Allow-Credentials: true\r\n"
                         "Access-Control-Expose-Headers: X-Request-Id, "
                         "traceparent, Retry-After, Idempotent-Replayed\r\n"));
}

static char *put_span(char *at, struct span bytes)
{
    memcpy(at, bytes.ptr, bytes.len);
    return at + bytes.len;
}

/* What every answer has, and the empty line. */
static void put_common(struct request *req, struct buf *out)
{
    static const struct span trace_line = {"\r\ntraceparent: ", 15};
    struct span id = request_id(req);
    struct span trace = request_trace_parent(req);
    size_t len = SERVER_DATE_LINE + id.len + trace_line.len + trace.len + 2;
    char *at = buf_reserve(out, len);

    at = put_span(
        at, (struct span){server_date_line(req->server), SERVER_DATE_LINE});
    at = put_span(put_span(at, id), trace_line);
    put_span(put_span(at, trace), SPAN("\r\n"));
    buf_commit(out, len);
    buf_append(out, buf_span(&req->extra));
    if (!req->keep_alive)
        buf_append(out, SPAN("Connection: close\r\n"));
    else if (req->head.is_1_0)
        buf_append(out, SPAN("Connection: keep-alive\r\n"));
    if (req->server->options.cors_origins &&
        req->server->options.cors_origins[0])
        put_cors(out, request_allowed_origin(req));
    buf_append(out, SPAN("\r\n"));
}

static void put_status(struct buf *out, int status)
{
    buf_append(out, SPAN("HTTP/1.1 "));
    buf_append_u64(out, (uint64_t)status);
    put_line(out, SPAN(" "), span_str(status_phrase(status)));
}

static void put_type(struct buf *out, const char *type)
{
    put_line(out, SPAN("Content-Type: "), span_str(type));
    buf_append(out, SPAN("X-Content-Type-Options: nosniff\r\n"));
}

void request_reply(struct request *req, int status, const char *type,
                   struct span body)
{
    if (!begin_answer(req, status))
        return;
    struct buf *out = out_of(req);
    put_status(out, status);
    if (type)
        put_type(out, type);
    if (status != 204 && status != 304) {
        buf_append(out, SPAN("Content-Length: "));
        buf_append_u64(out, type ? body.len : 0);
        buf_append(out, SPAN("\r\n"));
    }
    put_common(req, out);
    if (type && req->head.method != REQUEST_HEAD)
        buf_append(out, body);
    end_answer(req);
}

void request_reply_json(struct request *req, int status, struct span json)
{
    request_reply(req, status, "application/json", json);
}

void request_reply_ready(struct request *req, int status, struct span head)
{
    if (!begin_answer(req, status))
        return;
    struct buf *out = out_of(req);
    buf_append(out, head);
    put_common(req, out);
    end_answer(req);
}

void request_add_header(struct request *req, const char *name,
                        struct span value)
{
    assert(span_find(value, '\r') == value.len &&
           span_find(value, '\n') == value.len);
    buf_append(&req->extra, span_str(name));
    put_line(&req->extra, SPAN(": "), value);
}

static void put_problem(struct buf *out, struct request *req, int status,
                        const char *slug, const char *title, const char *detail,
                        const struct json_errors *errors)
{
    struct json_writer w = {.out = out};
    char type[96] = "/problems/";

    strncat(type, slug, sizeof(type) - sizeof("/problems/"));
    json_put_open(&w, '{');
    json_put_key(&w, "type");
    json_put_string(&w, span_str(type));
    json_put_key(&w, "title");
    json_put_string(&w, span_str(title ? title : status_phrase(status)));
    json_put_key(&w, "status");
    json_put_int(&w, status);
    json_put_key(&w, "detail");
    json_put_string(&w, span_str(detail ? detail : status_phrase(status)));
    json_put_key(&w, "instance");
    json_put_string(&w, request_id(req));
    if (errors) {
        json_put_key(&w, "errors");
        json_put_open(&w, '[');
        for (size_t i = 0; i < errors->count && i < JSON_MAX_ERRORS; i++) {
            json_put_open(&w, '{');
            json_put_key(&w, "pointer");
            json_put_string(&w, span_str(errors->at[i].pointer));
            json_put_key(&w, "detail");
            json_put_string(&w, span_str(errors->at[i].detail));
            json_put_close(&w, '}');
        }
        json_put_close(&w, ']');
    }
    json_put_close(&w, '}');
}

static bool wants_page(const struct request *req)
{
    return req->match.route && req->match.route->flags & ROUTE_PAGE &&
           request_prefers_html(req);
}

void request_problem(struct request *req, int status, const char *slug,
                     const char *title, const char *detail)
{
    struct buf body;

    buf_init(&body, MEM_REQUEST);
    if (wants_page(req)) {
        web_problem_page(&body, status, title ? title : status_phrase(status),
                         detail ? detail : "");
        request_add_header(req, "Content-Security-Policy", SPAN(WEB_POLICY));
        request_reply(req, status, "text/html; charset=utf-8", buf_span(&body));
    } else {
        put_problem(&body, req, status, slug, title, detail, NULL);
        request_reply(req, status, "application/problem+json", buf_span(&body));
    }
    buf_deinit(&body);
}

struct span request_problem_text(struct request *req, int status,
                                 const char *slug, const char *title,
                                 const char *detail)
{
    struct buf text;

    buf_init(&text, MEM_REQUEST);
    put_problem(&text, req, status, slug, title, detail, NULL);
    struct span copy = arena_copy(&req->arena, buf_span(&text));
    buf_deinit(&text);
    return copy;
}

void request_invalid(struct request *req, const struct json_errors *errors)
{
    struct buf body;

    buf_init(&body, MEM_REQUEST);
    put_problem(&body, req, 422, "invalid", NULL,
                errors->count ? errors->at[0].detail : NULL, errors);
    request_reply(req, 422, "application/problem+json", buf_span(&body));
    buf_deinit(&body);
}

void request_set_retry_after(struct request *req, unsigned seconds)
{
    req->retry_after_s = seconds;
}

static void add_retry_after(struct request *req)
{
    unsigned seconds = req->retry_after_s ? req->retry_after_s : 1;

    request_add_header(req, "Retry-After",
                       arena_printf(&req->arena, "%u", seconds));
}

void request_fail(struct request *req, int err)
{
    static const struct {
        int err, status;
        const char *slug, *detail;
    } kinds[] = {
        {UV_ETIMEDOUT, 503, "timeout", "the store did not answer in time"},
        {UV_ENOTCONN, 503, "store-away", "the store cannot be reached"},
        {UV_ECONNRESET, 503, "store-away",
         "the store went away; what was asked may have been done"},
        {UV_ECANCELED, 503, "shutting-down", "this server is ending"},
        {UV_ENOBUFS, 503, "overload", "too much is waiting for the store"},
        {UV_EAGAIN, 503, "overload", "try again"},
        {UV_EACCES, 403, "forbidden", "this is not yours to do"},
        {UV_ENOENT, 404, "not-found", "there is no such thing"},
    };
    size_t i = 0;

    while (i < sizeof(kinds) / sizeof(kinds[0]) && kinds[i].err != err)
        i++;
    if (i == sizeof(kinds) / sizeof(kinds[0])) {
        add_retry_after(req);
        request_problem(req, 503, "store-error", NULL,
                        "the store answered with an error");
        return;
    }
    if (kinds[i].status == 503)
        add_retry_after(req);
    request_problem(req, kinds[i].status, kinds[i].slug, NULL, kinds[i].detail);
}

void request_refuse(struct request *req, int status, const char *slug,
                    const char *detail)
{
    struct conn *conn = req->conn;

    if (conn->reading == req)
        conn->reading = NULL;
    conn->last = true;
    req->state = REQUEST_HANDLED;
    req->keep_alive = false;
    if (status == 429 || status == 503)
        add_retry_after(req);
    request_problem(req, status, slug, NULL, detail);
}

void request_begin(struct request *req, int status, const char *type)
{
    if (req->late)
        return;
    assert(req->state == REQUEST_HANDLED && !req->started);
    req->started = true;
    wheel_stop(req->server->wheel, &req->timer);
    req->status = status;
    if (!req->conn)
        return;
    struct buf *out = out_of(req);
    req->chunked = !req->head.is_1_0;
    if (!req->chunked)
        req->keep_alive = false;
    decide_keep_alive(req);
    put_status(out, status);
    put_type(out, type);
    if (req->chunked)
        buf_append(out, SPAN("Transfer-Encoding: chunked\r\n"));
    put_common(req, out);
    conn_mark_dirty(req->conn);
}

/* What is unsent is bounded, however large a single piece is. */
static bool is_too_much(const struct request *req, const struct buf *out,
                        size_t len)
{
    size_t unsent = out->len;

    if (is_first(req))
        unsent += stream_kept(req->conn->stream);
    return unsent && unsent + len > CONN_MAX_KEPT / 2;
}

int request_write(struct request *req, struct span bytes)
{
    if (!req->conn || req->late)
        return UV_ECANCELED;
    struct buf *out = out_of(req);
    if (req->head.method == REQUEST_HEAD || bytes.len == 0)
        return 0;
    if (is_too_much(req, out, bytes.len))
        return UV_ENOBUFS;
    if (req->chunked)
        buf_printf(out, "%zx\r\n", bytes.len);
    buf_append(out, bytes);
    if (req->chunked)
        buf_append(out, SPAN("\r\n"));
    conn_mark_dirty(req->conn);
    return 0;
}

void request_on_drain(struct request *req, void (*cb)(void *arg), void *arg)
{
    req->on_drain = cb;
    req->drain_arg = arg;
}

void request_end(struct request *req)
{
    if (req->late) {
        end_late(req);
        return;
    }
    assert(req->started);
    if (!req->conn) {
        server_count(req->server, req);
        request_free(req);
        return;
    }
    if (req->chunked && req->head.method != REQUEST_HEAD)
        buf_append(out_of(req), SPAN("0\r\n\r\n"));
    end_answer(req);
}

/* The handler has had its time: answer for it, and drop what it says later. */
static void on_late(struct wheel_timer *timer)
{
    struct request *req = LIST_ENTRY(timer, struct request, timer);
    struct buf body;
    struct buf *out = out_of(req);

    req->status = 503;
    decide_keep_alive(req);
    buf_init(&body, MEM_REQUEST);
    put_problem(&body, req, 503, "timeout", NULL,
                "the answer was not ready in time", NULL);
    put_status(out, 503);
    put_type(out, "application/problem+json");
    buf_printf(out, "Retry-After: 1\r\nContent-Length: %zu\r\n", body.len);
    put_common(req, out);
    if (req->head.method != REQUEST_HEAD)
        buf_append(out, buf_span(&body));
    buf_deinit(&body);
    req->late = true;
    end_answer(req);
}

static void put_methods(struct buf *out, unsigned allowed)
{
    for (int method = REQUEST_GET; method <= REQUEST_OPTIONS; method++)
        if (allowed & 1u << method || method == REQUEST_OPTIONS) {
            if (out->len)
                buf_append(out, SPAN(", "));
            buf_append(out, span_str(method_names[method]));
        }
}

static void add_allow(struct request *req, const char *name)
{
    struct buf methods;

    buf_init(&methods, MEM_REQUEST);
    put_methods(&methods, req->match.allowed);
    request_add_header(req, name, buf_span(&methods));
    buf_deinit(&methods);
}

/* OPTIONS, also as a browser's question whether another origin may ask. */
static void answer_options(struct request *req)
{
    add_allow(req, "Allow");
    if (request_allowed_origin(req).ptr) {
        add_allow(req, "Access-Control-Allow-Methods");
        request_add_header(req, "Access-Control-Allow-Headers",
                           SPAN("Authorization, Content-Type, "
                                "Idempotency-Key, X-Request-Id, "
                                "traceparent"));
        request_add_header(req, "Access-Control-Max-Age", SPAN("600"));
    }
    request_reply(req, 204, NULL, (struct span){0});
}

static bool find_route(struct request *req)
{
    struct route_match *match = &req->match;

    router_match(req->server->options.router, req->head.method, req->head.path,
                 match);
    if (match->route)
        return true;
    if (req->head.method == REQUEST_OPTIONS &&
        (match->allowed || span_eq(req->head.path, SPAN("*")))) {
        answer_options(req);
    } else if (match->allowed) {
        add_allow(req, "Allow");
        request_problem(req, 405, "method-not-allowed", NULL,
                        "this path does not know this method");
    } else {
        request_problem(req, 404, "not-found", NULL,
                        "there is nothing at this path");
    }
    return false;
}

static bool decode_params(struct request *req)
{
    struct route_match *match = &req->match;

    for (size_t i = 0; i < match->param_count; i++)
        if (!query_decode(&req->arena, match->params[i].value, false,
                          &match->params[i].value)) {
            request_problem(req, 400, "bad-request", NULL,
                            "a % in the path is not followed by two hex "
                            "digits");
            return false;
        }
    return true;
}

/* A page of another origin may not use what the browser adds by itself. */
static bool check_origin(struct request *req)
{
    if (!req->by_cookie || !request_is_foreign(req))
        return true;
    request_problem(req, 403, "foreign-origin", NULL,
                    "a page of another origin may not use this cookie");
    return false;
}

static bool check_local(struct request *req)
{
    if (!(req->match.route->flags & ROUTE_LOCAL) || request_is_local(req))
        return true;
    if (request_allows(req, SPAN("admin"), (struct span){0}))
        return check_origin(req);
    request_problem(req, 403, "forbidden", NULL,
                    "from this host only, or with scope admin");
    return false;
}

static bool check_scope(struct request *req)
{
    const struct route *route = req->match.route;

    if (!check_local(req))
        return false;
    if (!route->scope)
        return true;
    if (!request_identify(req)) {
        request_add_header(req, "WWW-Authenticate", SPAN("Bearer"));
        request_problem(req, 401, "unauthorized", NULL,
                        "a valid bearer token is needed");
        return false;
    }
    if (!request_allows(req, span_str(route->scope), (struct span){0})) {
        request_problem(req, 403, "forbidden", NULL,
                        "the token's scope does not cover this");
        return false;
    }
    return check_origin(req);
}

static bool is_shed(struct request *req)
{
    const struct route *route = req->match.route;

    if (route->flags & ROUTE_ALWAYS || !server_is_overloaded(req->server))
        return false;
    metrics_add(req->server->shed, 1);
    request_add_header(req, "Retry-After", SPAN("1"));
    request_problem(req, 503, "overload", NULL,
                    "the server has more to do than it can");
    return true;
}

bool request_admit(struct request *req)
{
    req->admitted = true;
    return find_route(req) && !is_shed(req) && decode_params(req) &&
           check_scope(req);
}

void request_dispatch(struct request *req)
{
    struct server *server = req->server;

    req->state = REQUEST_HANDLED;
    req->handled_us = server->read_us;
    if (!req->admitted && !request_admit(req))
        return;
    server->current = req;
    req->match.route->handler(req, server->options.arg);
    if (server->current == req && req->state == REQUEST_HANDLED) {
        req->waits_us = clock_mono_us();
        if (!req->started)
            wheel_start(server->wheel, &req->timer,
                        server->options.request_timeout_ms, on_late);
    }
    server->current = NULL;
}
