/*
 * server_input.c - what a connection's client sends.
 *
 *   conn_read() -- head whole --> request_create() -- body? --> its pieces
 *                  -- whole --> request_dispatch()
 *               -- an incomplete head is kept in conn->tail
 *
 * Failure modes: what is refused is answered in its turn, and nothing behind
 * it is read.  Reading stops, so that TCP holds the client back, while too
 * many requests wait or too many bytes of answers are unsent.
 */
#include <string.h>

#include "common/server_internal.h"

void conn_refuse(struct conn *conn, int status, const char *slug,
                 const char *detail)
{
    struct request *req = request_create(conn, (struct span){0}, 0);

    buf_deinit(&conn->tail);
    request_refuse(req, status, slug, detail);
}

static const char *refusal_slug(int status)
{
    switch (status) {
    case 413:
        return "body-too-large";
    case 414:
        return "request-line-too-long";
    case 417:
        return "expectation-failed";
    case 431:
        return "head-too-large";
    case 501:
        return "method-not-implemented";
    case 505:
        return "version-not-supported";
    default:
        return "bad-request";
    }
}

static void on_body(void *arg, struct span bytes)
{
    struct request *req = arg;

    if (req->body.len + bytes.len <= req->server->options.max_body)
        buf_append(&req->body, bytes);
    else
        req->status = 413;
}

/* Read on at the body of conn->reading; false: wait for more, or refused. */
static bool read_body(struct conn *conn, struct span *bytes)
{
    struct request *req = conn->reading;
    size_t used;
    bool done;
    int status = http_parse_body(req->reader, *bytes, &used, &done);

    if (status || req->status) {
        status = status ? status : req->status;
        request_refuse(req, status, refusal_slug(status), NULL);
        return false;
    }
    *bytes = span_skip(*bytes, used);
    conn->more = bytes->len > 0;
    if (!done)
        return false;
    conn->reading = NULL;
    request_dispatch(req);
    return !conn->closing;
}

/*
 * Nobody's body is gathered who will be refused: that is said before it comes,
 * and since it may come all the same the connection ends.
 */
static bool admit_early(struct request *req)
{
    struct conn *conn = req->conn;
    bool keep_alive = req->keep_alive;

    req->keep_alive = false;
    conn->last = true;
    if (!request_admit(req))
        return false;
    req->keep_alive = keep_alive;
    conn->last = !keep_alive;
    return true;
}

/* Who waits for a word before sending a body gets it. */
static void invite_body(struct request *req)
{
    if (!req->head.expects_continue || req->head.is_1_0 || req->conn->more)
        return;
    buf_append(&req->answer, SPAN("HTTP/1.1 100 Continue\r\n\r\n"));
    conn_answered(req->conn);
}

/* behind: bytes that have come behind the head. */
static void expect_body(struct request *req, size_t behind)
{
    if (req->head.content_length > req->server->options.max_body) {
        request_refuse(req, 413, "body-too-large", NULL);
        return;
    }
    bool whole = !req->head.chunked && req->head.content_length <= behind;
    if (!whole && !admit_early(req))
        return;
    invite_body(req);
    req->reader = arena_alloc(&req->arena, sizeof(*req->reader));
    http_body_init(req->reader, &req->head, on_body, req);
    req->conn->reading = req;
}

/*
 * Does it not say how long its body is, where most have one?  A client may
 * send one all the same: nothing behind the head is read as a request.
 */
static bool lacks_length(const struct http_head *head)
{
    bool has_body = head->method == REQUEST_POST ||
                    head->method == REQUEST_PUT ||
                    head->method == REQUEST_PATCH;

    return has_body && !head->chunked && head->content_length == 0 &&
           !http_header(head, "content-length").ptr;
}

/* A whole head: its request begins. */
static void begin_request(struct conn *conn, struct span head, size_t behind)
{
    struct http_header headers[HTTP_MAX_HEADERS];
    struct request *req = request_create(conn, head, conn->server->read_us);
    int status = http_parse_head(req->head.bytes, headers,
                                 conn->server->limits.max_headers, &req->head);
    size_t size = req->head.header_count * sizeof(headers[0]);

    req->head.headers = memcpy(arena_alloc(&req->arena, size), headers, size);
    if (status) {
        request_refuse(req, status, refusal_slug(status), NULL);
        return;
    }
    req->keep_alive = req->head.keep_alive && !lacks_length(&req->head);
    conn->last = !req->keep_alive;
    conn->upgrading = http_header(&req->head, "upgrade").ptr != NULL;
    if (req->head.chunked || req->head.content_length)
        expect_body(req, behind);
    else
        request_dispatch(req);
}

/* Empty lines alone are no request that could be late. */
static void skip_empty_lines(struct conn *conn, struct span *bytes)
{
    if (conn->scan.skip != bytes->len || bytes->len == 0)
        return;
    *bytes = span_skip(*bytes, bytes->len);
    conn->scan = (struct http_scan){.blanks = conn->scan.blanks};
}

/* One head off bytes; false: not whole, or refused. */
static bool read_head(struct conn *conn, struct span *bytes)
{
    size_t length = 0;
    int status =
        http_scan_head(&conn->scan, &conn->server->limits, *bytes, &length);

    if (status == UV_EAGAIN) {
        skip_empty_lines(conn, bytes);
        return false;
    }
    if (status == UV_EOF) { /* it has nothing to say: no answer is due */
        conn->last = true;
        return false;
    }
    size_t skip = conn->scan.skip;
    conn->scan = (struct http_scan){0};
    if (conn->wait != CONN_WAIT_WRITE) /* which no request makes longer */
        conn->wait = CONN_WAIT_IDLE;   /* the next head has a time of its own */
    if (status) {
        conn_refuse(conn, status, refusal_slug(status), NULL);
        return false;
    }
    struct span head = {bytes->ptr + skip, length};
    *bytes = span_skip(*bytes, skip + length);
    conn->more = bytes->len > 0;
    begin_request(conn, head, bytes->len);
    return !conn->closing;
}

static bool has_room(const struct conn *conn)
{
    return !conn->upgrading &&
           conn->waiting < conn->server->options.max_pipelined &&
           conn_unsent(conn) + conn->in_line < CONN_OUT_HIGH;
}

static bool is_over(const struct conn *conn)
{
    return conn->closing || conn->lingering || (conn->last && !conn->reading);
}

static bool may_read(struct conn *conn)
{
    struct buf *out = &conn->server->out;

    if (is_over(conn) || conn->reading)
        return !is_over(conn);
    if (conn->corked && out->len >= CONN_OUT_HIGH) {
        conn_send(conn, out);
        conn->corked = conn->out.len == 0;
    }
    if (is_over(conn))
        return false;
    if (has_room(conn))
        return true;
    conn->paused = true;
    stream_read_stop(conn->stream);
    return false;
}

/* Keep what is left of bytes, which may be the end of the tail itself. */
static void keep_tail(struct conn *conn, struct span bytes)
{
    struct buf *tail = &conn->tail;

    if (bytes.len == 0) {
        buf_deinit(tail);
    } else if (tail->len) {
        buf_consume(tail, tail->len - bytes.len);
    } else {
        buf_append(tail, bytes);
    }
}

/*
 * Take requests off bytes; what is left is kept, or dropped behind the last.
 * What is answered leaves at once, unless older answers still have to.
 */
static void take_input(struct conn *conn, struct span bytes)
{
    struct buf *out = &conn->server->out;
    bool more = true;

    conn->server->read_us = clock_mono_us();
    conn->server->now_us = 0;
    conn->corked = conn->out.len == 0;
    while (more && bytes.len && may_read(conn))
        more =
            conn->reading ? read_body(conn, &bytes) : read_head(conn, &bytes);
    if (!conn->closing) {
        bool corked = conn->corked;
        conn->corked = false;
        if (is_over(conn) && !conn->guest)
            bytes = (struct span){0};
        keep_tail(conn, bytes);
        if (corked) {
            conn_send(conn, out);
        } else {
            conn_rearm(conn); /* a timer may run before the turn is over */
            conn_mark_dirty(conn);
        }
    }
    if (out->cap > (size_t)4 * CONN_OUT_HIGH)
        buf_deinit(out);
    out->len = 0;
}

void conn_resume(struct conn *conn)
{
    if (!conn->paused || is_over(conn) || !has_room(conn))
        return;
    conn->paused = false;
    stream_read_start(conn->stream);
    if (conn->tail.len)
        take_input(conn, buf_span(&conn->tail));
}

/*
 * So much is dropped; past it an answer that is still due, or has not gone out,
 * is waited for.
 */
static void drop_input(struct conn *conn, struct span bytes)
{
    conn->lingered += (uint32_t)bytes.len;
    if (conn->lingered <= CONN_LINGER_BYTES)
        return;
    if (conn->lingering && conn_unsent(conn) == 0)
        conn_close(conn);
    else
        stream_read_stop(conn->stream);
}

void conn_read(struct conn *conn, struct span bytes)
{
    if (conn->closing)
        return;
    if (conn->guest) { /* bounded by one read: reading has stopped */
        buf_append(&conn->tail, bytes);
        return;
    }
    if (is_over(conn)) {
        drop_input(conn, bytes);
        return;
    }
    if (conn->tail.len || conn->paused) {
        buf_append(&conn->tail, bytes);
        bytes = buf_span(&conn->tail);
    }
    if (!conn->paused) /* else it came after the stop; bounded by one read */
        take_input(conn, bytes);
}
