/*
 * server_conn.c - a connection: bytes in, requests in order, bytes out.
 *
 *   on_read() -- head whole --> request_create() -- body? -->
 * request_dispatch()
 *             -- the rest is kept until more comes
 *   answered, and first in line --> conn_out() -- end of the read, or of the
 *   loop's turn --> one stream_write()
 *
 * Failure modes: a refused head or body is answered and the connection
 * lingers: what the client still sends is read and dropped for a moment, so
 * that it sees the answer and not a reset.  A slow reader's answers are kept
 * up to a bound; past it the connection is closed.
 */
#include <assert.h>
#include <string.h>

#include "common/server_internal.h"

static void on_read(void *arg, struct span bytes);
static void on_end(void *arg, int err);
static void on_drain(void *arg);
static void on_open(void *arg);
static void on_closed(void *arg);
static void on_timer(struct wheel_timer *timer);

static const struct stream_events events = {.on_read = on_read,
                                            .on_end = on_end,
                                            .on_drain = on_drain,
                                            .on_open = on_open};

static void refuse_conn(struct conn *conn, int status, const char *slug,
                        const char *detail);

/* How many connections the address has; only asked when there is a limit. */
static uint32_t count_of_address(struct server *server, const char *address)
{
    uint32_t count = 0;

    for (struct list *n = server->conns.next; n != &server->conns; n = n->next)
        count +=
            strcmp(LIST_ENTRY(n, struct conn, node)->address, address) == 0;
    return count;
}

static void check_limits(struct conn *conn)
{
    struct server *server = conn->server;
    const struct server_options *options = &server->options;

    if (options->max_connections &&
        server->conn_count > options->max_connections) {
        refuse_conn(conn, 503, "too-many-connections",
                    "the server holds as many connections as it may");
        return;
    }
    if (options->max_connections_per_address &&
        count_of_address(server, conn->address) >
            options->max_connections_per_address)
        refuse_conn(conn, 429, "too-many-connections",
                    "this address holds as many connections as it may");
}

void conn_accept(struct listener *listener)
{
    struct server *server = listener->server;
    struct conn *conn = mem_zalloc(MEM_CONN, sizeof(*conn));
    struct stream_options options = {.events = &events,
                                     .arg = conn,
                                     .max_kept = CONN_MAX_KEPT,
                                     .tls = listener->tls};
    int err;

    conn->stream =
        stream_accept(server->loop, &listener->stream, &options, &err);
    if (!conn->stream) {
        mem_free(conn);
        return;
    }
    conn->server = server;
    conn->tls = listener->tls != NULL;
    stream_peer(conn->stream, conn->address);
    list_init(&conn->dirty);
    list_init(&conn->requests);
    buf_init(&conn->tail, MEM_CONN);
    buf_init(&conn->out, MEM_CONN);
    list_append(&server->conns, &conn->node);
    server->conn_count++;
    metrics_set(server->gauge_conns, server->conn_count);
    conn_rearm(conn);
    if (!conn->tls)
        check_limits(conn);
}

static void on_open(void *arg)
{
    check_limits(arg);
}

void conn_close(struct conn *conn)
{
    if (conn->closing)
        return;
    conn->closing = true;
    wheel_stop(conn->server->wheel, &conn->timer);
    list_remove(&conn->dirty);
    for (struct list *node; (node = list_pop(&conn->requests));)
        request_detach(LIST_ENTRY(node, struct request, node));
    conn->reading = NULL;
    buf_deinit(&conn->tail);
    buf_deinit(&conn->out);
    stream_close(conn->stream, on_closed);
}

static void on_closed(void *arg)
{
    struct conn *conn = arg;
    struct server *server = conn->server;

    list_remove(&conn->node);
    mem_free(conn);
    server->conn_count--;
    metrics_set(server->gauge_conns, server->conn_count);
    server_conn_gone(server);
}

static enum conn_wait wait_of(const struct conn *conn)
{
    if (conn->lingering)
        return CONN_WAIT_LINGER;
    if (stream_kept(conn->stream))
        return CONN_WAIT_WRITE;
    if (conn->reading)
        return CONN_WAIT_BODY;
    if (conn->waiting)
        return CONN_WAIT_ANSWER;
    return conn->tail.len ? CONN_WAIT_HEAD : CONN_WAIT_IDLE;
}

/*
 * What the connection waits for decides how long it may; a byte now and then
 * does not make the wait for a head or a body any longer.
 */
void conn_rearm(struct conn *conn)
{
    const struct server_options *options = &conn->server->options;
    const uint64_t ms[] = {
        [CONN_WAIT_IDLE] = options->idle_timeout_ms,
        [CONN_WAIT_HEAD] = options->header_timeout_ms,
        [CONN_WAIT_BODY] = options->body_timeout_ms,
        [CONN_WAIT_ANSWER] = WHEEL_MAX_MS, /* requests have their own */
        [CONN_WAIT_WRITE] = options->write_timeout_ms,
        [CONN_WAIT_LINGER] = CONN_LINGER_MS,
    };
    enum conn_wait wait = wait_of(conn);

    if (wait == conn->wait && wait != CONN_WAIT_IDLE)
        return;
    conn->wait = wait;
    wheel_start(conn->server->wheel, &conn->timer, ms[wait], on_timer);
}

static void on_timer(struct wheel_timer *timer)
{
    struct conn *conn = LIST_ENTRY(timer, struct conn, timer);

    switch (conn->wait) {
    case CONN_WAIT_HEAD:
        refuse_conn(conn, 408, "header-timeout",
                    "the request's head did not come in time");
        break;
    case CONN_WAIT_BODY:
        request_refuse(conn->reading, 408, "body-timeout",
                       "the body did not come in time");
        break;
    case CONN_WAIT_IDLE:
    case CONN_WAIT_ANSWER:
    case CONN_WAIT_WRITE:
    case CONN_WAIT_LINGER:
        conn_close(conn);
        break;
    }
}

/* The last answer is on its way: let the client read it before the end. */
static void linger(struct conn *conn)
{
    if (conn->lingering)
        return;
    conn->lingering = true;
    if (conn->ended) {
        if (stream_kept(conn->stream) == 0)
            conn_close(conn);
        else
            conn_rearm(conn);
        return;
    }
    stream_end(conn->stream);
    stream_read_start(conn->stream);
    conn_rearm(conn);
}

static void send_out(struct conn *conn, struct buf *out)
{
    int err = out->len ? stream_write(conn->stream, buf_span(out)) : 0;

    out->len = 0;
    if (err < 0)
        conn_close(conn);
    else if (conn->last && conn->waiting == 0)
        linger(conn);
    else
        conn_rearm(conn);
}

struct buf *conn_out(struct conn *conn)
{
    return conn->corked ? &conn->server->out : &conn->out;
}

void conn_mark_dirty(struct conn *conn)
{
    if (!conn->corked && list_is_empty(&conn->dirty))
        list_append(&conn->server->dirty, &conn->dirty);
}

static void take_input(struct conn *conn, struct span bytes);

/* There is room for more requests: go on with what was read already. */
static void resume(struct conn *conn)
{
    conn->paused = false;
    stream_read_start(conn->stream);
    if (conn->tail.len)
        take_input(conn, buf_span(&conn->tail));
}

void conn_flush_dirty(struct server *server)
{
    for (struct list *node; (node = list_pop(&server->dirty));) {
        struct conn *conn = LIST_ENTRY(node, struct conn, dirty);
        send_out(conn, &conn->out);
        if (conn->closing)
            continue;
        buf_deinit(&conn->out);
        if (conn->paused && !conn->last &&
            conn->waiting < server->options.max_pipelined)
            resume(conn);
    }
}

/* Answers move to the way out while the first in line has its own whole. */
void conn_answered(struct conn *conn)
{
    while (!list_is_empty(&conn->requests)) {
        struct request *req =
            LIST_ENTRY(conn->requests.next, struct request, node);
        buf_append(conn_out(conn), buf_span(&req->answer));
        buf_deinit(&req->answer);
        if (req->state != REQUEST_ANSWERED || conn->reading == req)
            break;
        list_remove(&req->node);
        conn->waiting--;
        if (!req->keep_alive)
            conn->last = true;
        if (req->late)
            req->conn = NULL; /* its handler still holds it */
        else
            request_free(req);
    }
    conn_mark_dirty(conn);
}

static void refuse_conn(struct conn *conn, int status, const char *slug,
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
    int status = http_parse_body(req->parser, *bytes, &used, &done);

    if (status || req->status) {
        request_refuse(req, status ? status : req->status,
                       refusal_slug(status ? status : req->status), NULL);
        return false;
    }
    *bytes = span_skip(*bytes, used);
    conn->more = bytes->len > 0;
    if (!done)
        return false;
    conn->reading = NULL;
    if (req->state == REQUEST_READING)
        request_dispatch(req);
    else
        conn_answered(conn); /* its deadline was before its end */
    return !conn->closing;
}

static void expect_body(struct request *req)
{
    struct conn *conn = req->conn;

    if (req->head.content_length > req->server->options.max_body) {
        request_refuse(req, 413, "body-too-large", NULL);
        return;
    }
    req->parser->on_body = on_body;
    req->parser->arg = req;
    conn->reading = req;
    if (req->head.expects_continue && !req->head.is_1_0) {
        buf_append(&req->answer, SPAN("HTTP/1.1 100 Continue\r\n\r\n"));
        conn_answered(conn);
    }
}

/* A whole head: its request begins. */
static void begin_request(struct conn *conn, struct span head)
{
    struct http_header headers[256];
    struct http_parser parser;
    struct request *req = request_create(conn, head, conn->server->read_us);
    uint32_t max = conn->server->limits.max_headers;
    int status = http_parse_head(&parser, req->head.bytes, headers,
                                 max < 256 ? max : 256, &req->head);

    if (status) {
        request_refuse(req, status, refusal_slug(status), NULL);
        return;
    }
    size_t size = req->head.header_count * sizeof(headers[0]);
    req->head.headers = memcpy(arena_alloc(&req->arena, size), headers, size);
    req->keep_alive = req->head.keep_alive;
    if (req->head.chunked || req->head.content_length) {
        req->parser = arena_alloc(&req->arena, sizeof(parser));
        *req->parser = parser;
        req->parser->llhttp.data = req->parser;
        expect_body(req);
    } else {
        request_dispatch(req);
    }
}

/* One head off bytes; false: not whole, or refused. */
static bool read_head(struct conn *conn, struct span *bytes)
{
    size_t skip = 0, length = 0;
    int status = http_scan_head(&conn->scan, &conn->server->limits, *bytes,
                                &skip, &length);

    if (status == UV_EAGAIN)
        return false;
    conn->scan = (struct http_scan){0};
    conn->wait = CONN_WAIT_IDLE; /* the next head has a time of its own */
    if (status) {
        refuse_conn(conn, status, refusal_slug(status), NULL);
        return false;
    }
    struct span head = {bytes->ptr + skip, length};
    *bytes = span_skip(*bytes, skip + length);
    conn->more = bytes->len > 0;
    begin_request(conn, head);
    return !conn->closing;
}

static bool may_read(struct conn *conn)
{
    struct request *newest =
        list_is_empty(&conn->requests)
            ? NULL
            : LIST_ENTRY(conn->requests.prev, struct request, node);

    if (conn->closing || conn->last || conn->lingering)
        return false;
    if (newest && !newest->keep_alive && newest != conn->reading)
        return false;
    if (conn->waiting < conn->server->options.max_pipelined)
        return true;
    if (conn->reading)
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

/* Take requests off bytes; what is left is kept, or dropped behind the last. */
static void take_input(struct conn *conn, struct span bytes)
{
    bool more = true;

    conn->server->read_us = clock_mono_us();
    conn->server->now_us = 0;
    conn->corked = true;
    while (more && bytes.len && may_read(conn))
        more =
            conn->reading ? read_body(conn, &bytes) : read_head(conn, &bytes);
    conn->corked = false;
    if (!conn->closing) {
        keep_tail(conn, conn->last ? (struct span){0} : bytes);
        send_out(conn, &conn->server->out);
    }
    conn->server->out.len = 0;
}

static void drop_input(struct conn *conn, struct span bytes)
{
    conn->lingered += (uint32_t)bytes.len;
    if (conn->lingered > CONN_LINGER_BYTES)
        conn_close(conn);
}

static void on_read(void *arg, struct span bytes)
{
    struct conn *conn = arg;

    if (conn->closing)
        return;
    if (conn->last || conn->lingering) {
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

static void on_end(void *arg, int err)
{
    struct conn *conn = arg;

    conn->ended = true;
    conn->last = true; /* answer what has come; a half request is dropped */
    if (err < 0 || conn->reading ||
        (conn->waiting == 0 && stream_kept(conn->stream) == 0))
        conn_close(conn);
}

static void on_drain(void *arg)
{
    struct conn *conn = arg;

    if (conn->ended && conn->waiting == 0) {
        conn_close(conn);
        return;
    }
    conn_rearm(conn);
    if (list_is_empty(&conn->requests))
        return;
    struct request *req = LIST_ENTRY(conn->requests.next, struct request, node);
    if (req->on_drain) {
        void (*cb)(void *arg) = req->on_drain;
        req->on_drain = NULL;
        cb(req->drain_arg);
    }
}

/* Connections that wait for a next request need not wait any longer. */
void conn_drain_idle(struct server *server)
{
    for (struct list *n = server->conns.next, *next; n != &server->conns;
         n = next) {
        struct conn *conn = LIST_ENTRY(n, struct conn, node);
        next = n->next;
        if (conn->closing || conn->waiting || conn->tail.len)
            continue;
        conn->last = true;
        linger(conn);
    }
}
