/*
 * request_reply.c - how a request is ended.
 *
 *   request_reply…() -- head and body --> the connection's way out, or
 *   req->answer while others stand before it --> conn_answered()
 *
 * Failure modes: the client is gone (the answer is dropped), the deadline
 * passed (503 is on its way; what the handler says later is dropped).
 */
#include <assert.h>
#include <string.h>

#include "common/server_internal.h"

#define HEAD_ROOM 384 /* what most heads fit into */

const char *status_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {101, "Switching Protocols"},
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
        {426, "Upgrade Required"},
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
    req->conn->in_line += req->answer.len;
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
                         "traceparent, Retry-After, Idempotent-Replayed, "
                         "Last-Event-ID, Link\r\n"));
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
    buf_append(out, span_str(req->server->options.headers));
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
    buf_reserve(out, HEAD_ROOM + req->extra.len + body.len);
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

int request_leave(struct request *req, int status, const char *type,
                  struct server_guest *guest)
{
    if (!begin_answer(req, status))
        return UV_ECANCELED;
    struct buf *out = out_of(req);
    req->guest = guest;
    req->keep_alive = status == 101;
    put_status(out, status);
    if (type)
        put_type(out, type);
    put_common(req, out);
    end_answer(req);
    return 0;
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

void request_cut(struct request *req)
{
    if (req->conn && !req->late)
        conn_close(req->conn);
    request_end(req);
}

/* The handler has had its time: answer for it, and drop what it says later. */
void request_on_late(struct wheel_timer *timer)
{
    struct request *req = LIST_ENTRY(timer, struct request, timer);
    struct span body = request_problem_text(req, 503, "timeout", NULL,
                                            "the answer was not ready in time");
    struct buf *out = out_of(req);

    req->status = 503;
    decide_keep_alive(req);
    put_status(out, 503);
    put_type(out, "application/problem+json");
    buf_printf(out, "Retry-After: 1\r\nContent-Length: %zu\r\n", body.len);
    put_common(req, out);
    if (req->head.method != REQUEST_HEAD)
        buf_append(out, body);
    req->late = true;
    end_answer(req);
}
