/*
 * server_conn.c - a connection: its life, its deadlines, its answers.
 *
 *   answered, and first in line --> conn_out() -- end of the read, or of the
 *   loop's turn --> conn_send() --> one stream_write()
 *                -- the last one, of a guest --> depart(): the stream is its
 *
 * Failure modes: behind the last answer the connection lingers: what the
 * client still sends is read and dropped for a moment, so that it sees the
 * answer and not a reset.  A slow reader's answers are kept, and no further
 * request of it is read, until it takes none for the write deadline.
 */
#include "common/server_internal.h"

#define SLACK 64 /* connections past the limit that are told so at once */

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

static void refuse(struct conn *conn, int status, const char *detail)
{
    metrics_add(conn->server->shed, 1);
    conn_refuse(conn, status, "too-many-connections", detail);
}

static void check_limits(struct conn *conn)
{
    const struct server *server = conn->server;
    const struct server_options *options = &server->options;

    if (options->max_connections &&
        server->conn_count > options->max_connections)
        refuse(conn, 503, "the server holds as many connections as it may");
    else if (options->max_connections_per_address &&
             conn->address->conns > options->max_connections_per_address)
        refuse(conn, 429, "this address holds as many connections as it may");
}

/* Past the limit some are told; more than that are not even held. */
static bool is_flooded(const struct server *server)
{
    uint32_t max = server->options.max_connections;

    return max && server->conn_count >= (size_t)max + max / 8 + SLACK;
}

static void init_conn(struct conn *conn, const struct listener *listener)
{
    struct server *server = listener->server;
    char address[STREAM_ADDRESS_MAX];

    conn->server = server;
    conn->tls = listener->tls != NULL;
    stream_peer(conn->stream, address);
    conn->address = server_address_take(server, address);
    list_init(&conn->dirty);
    list_init(&conn->requests);
    buf_init(&conn->tail, MEM_CONN);
    buf_init(&conn->out, MEM_CONN);
    list_append(&server->conns, &conn->node);
    server->conn_count++;
    metrics_set(server->gauge_conns, server->conn_count);
}

void conn_accept(struct listener *listener)
{
    struct server *server = listener->server;
    struct conn *conn = mem_zalloc(MEM_CONN, sizeof(*conn));
    struct stream_options options = {.events = &events,
                                     .arg = conn,
                                     .max_kept = CONN_MAX_KEPT,
                                     .tls = listener->tls};
    bool flooded = is_flooded(server);
    int err;

    conn->stream =
        stream_accept(server->loop, &listener->stream, &options, &err);
    if (!conn->stream) {
        mem_free(conn);
        return;
    }
    init_conn(conn, listener);
    if (flooded) {
        metrics_add(server->shed, 1);
        conn_close(conn);
        return;
    }
    conn_rearm(conn);
    if (!conn->tls)
        check_limits(conn);
}

static void on_read(void *arg, struct span bytes)
{
    conn_read(arg, bytes);
}

static void on_open(void *arg)
{
    check_limits(arg);
}

static void drop_requests(struct conn *conn);

void guest_lose(struct server_guest *guest)
{
    guest->events->on_left(guest, NULL, (struct span){0});
}

void conn_close(struct conn *conn)
{
    if (conn->closing)
        return;
    conn->closing = true;
    if (conn->guest)
        guest_lose(conn->guest);
    wheel_stop(conn->server->wheel, &conn->timer);
    list_remove(&conn->dirty);
    drop_requests(conn);
    buf_deinit(&conn->tail);
    buf_deinit(&conn->out);
    stream_close(conn->stream, on_closed);
}

static void on_closed(void *arg)
{
    struct conn *conn = arg;
    struct server *server = conn->server;

    list_remove(&conn->node);
    server_address_drop(conn->address);
    mem_free(conn);
    server->conn_count--;
    metrics_set(server->gauge_conns, server->conn_count);
    server_conn_gone(server);
}

size_t conn_unsent(const struct conn *conn)
{
    return stream_kept(conn->stream) + conn->out.len;
}

static enum conn_wait wait_of(const struct conn *conn)
{
    if (conn_unsent(conn))
        return CONN_WAIT_WRITE;
    if (conn->lingering)
        return CONN_WAIT_LINGER;
    if (conn->reading)
        return CONN_WAIT_BODY;
    if (conn->waiting)
        return CONN_WAIT_ANSWER;
    return conn->tail.len ? CONN_WAIT_HEAD : CONN_WAIT_IDLE;
}

static uint64_t time_of(const struct server_options *options,
                        enum conn_wait wait)
{
    switch (wait) {
    case CONN_WAIT_IDLE:
        return options->idle_timeout_ms;
    case CONN_WAIT_HEAD:
        return options->header_timeout_ms;
    case CONN_WAIT_BODY:
        return options->body_timeout_ms;
    case CONN_WAIT_WRITE:
        return options->write_timeout_ms;
    case CONN_WAIT_LINGER:
        return CONN_LINGER_MS;
    case CONN_WAIT_ANSWER:
        break;
    }
    return WHEEL_MAX_MS; /* requests have their own */
}

/*
 * What the connection waits for decides how long it may; a byte now and then
 * does not make the wait for a head or a body any longer.
 */
void conn_rearm(struct conn *conn)
{
    enum conn_wait wait = wait_of(conn);

    if (wait == conn->wait && wait != CONN_WAIT_IDLE)
        return;
    conn->wait = wait;
    conn->sent = stream_sent(conn->stream);
    wheel_start(conn->server->wheel, &conn->timer,
                time_of(&conn->server->options, wait), on_timer);
}

/* A client that takes its answers, however slowly, may go on. */
static void check_progress(struct conn *conn)
{
    if (stream_sent(conn->stream) == conn->sent) {
        conn_close(conn);
        return;
    }
    conn->wait = CONN_WAIT_IDLE;
    conn_rearm(conn);
}

static void on_timer(struct wheel_timer *timer)
{
    struct conn *conn = LIST_ENTRY(timer, struct conn, timer);

    switch (conn->wait) {
    case CONN_WAIT_HEAD:
        conn_refuse(conn, 408, "header-timeout",
                    "the request's head did not come in time");
        break;
    case CONN_WAIT_BODY:
        request_refuse(conn->reading, 408, "body-timeout",
                       "the body did not come in time");
        break;
    case CONN_WAIT_WRITE:
        check_progress(conn);
        break;
    case CONN_WAIT_IDLE:
    case CONN_WAIT_ANSWER:
    case CONN_WAIT_LINGER:
        conn_close(conn);
        break;
    }
}

/*
 * The last answer is on its way: let the client read it before the end.  The
 * time for that begins when the socket has taken all of it.
 */
static void linger(struct conn *conn)
{
    if (conn->ended && conn_unsent(conn) == 0) {
        conn_close(conn);
        return;
    }
    if (!conn->lingering) {
        conn->lingering = true;
        conn->lingered = 0;
        stream_end(conn->stream);
        stream_read_start(conn->stream);
    }
    conn_rearm(conn);
}

/* A handler that waits to write more may. */
static void tell_drained(struct conn *conn)
{
    struct request *req;

    if (list_is_empty(&conn->requests) || conn_unsent(conn))
        return;
    req = LIST_ENTRY(conn->requests.next, struct request, node);
    if (!req->on_drain)
        return;
    void (*cb)(void *arg) = req->on_drain;
    req->on_drain = NULL;
    cb(req->drain_arg);
}

/* The stream keeps too much already: wait until that has gone. */
static void hold_back(struct conn *conn, struct buf *out)
{
    if (out != &conn->out) {
        buf_append(&conn->out, buf_span(out));
        out->len = 0;
    }
    conn_rearm(conn);
}

void conn_send(struct conn *conn, struct buf *out)
{
    int err = out->len ? stream_write(conn->stream, buf_span(out)) : 0;

    if (err == UV_ENOBUFS) {
        hold_back(conn, out);
        return;
    }
    out->len = 0;
    if (err < 0) {
        conn_close(conn);
    } else if (conn->guest) {
        conn_mark_dirty(conn); /* it leaves when the turn is over */
    } else if (conn->last && conn->waiting == 0) {
        linger(conn);
    } else {
        conn_rearm(conn);
        tell_drained(conn);
    }
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

/* All answers are on their way: the stream is the guest's, HTTP is over. */
static void depart(struct conn *conn)
{
    struct server_guest *guest = conn->guest;
    struct server *server = conn->server;
    struct stream *stream = conn->stream;
    struct buf behind = conn->tail;

    wheel_stop(server->wheel, &conn->timer);
    list_remove(&conn->dirty);
    list_remove(&conn->node);
    guest->server = server;
    guest->address = conn->address;
    list_append(&server->guests, &guest->node);
    buf_deinit(&conn->out);
    mem_free(conn);
    stream_read_stop(stream);
    guest->events->on_left(guest, stream, buf_span(&behind));
    buf_deinit(&behind);
    if (server->draining)
        guest->events->on_drain(guest, server->drain_idle_ms);
}

static void flush(struct conn *conn)
{
    conn_send(conn, &conn->out);
    if (conn->closing)
        return;
    if (conn->out.len == 0)
        buf_deinit(&conn->out);
    if (conn->guest && conn->out.len == 0 && conn->ended)
        conn_close(conn); /* it would not be told of the end again */
    else if (conn->guest && conn->out.len == 0)
        depart(conn);
    else
        conn_resume(conn);
}

/* Those that become dirty meanwhile wait for the next turn. */
void conn_flush_dirty(struct server *server)
{
    struct list dirty;

    list_init(&dirty);
    list_move(&server->dirty, &dirty);
    for (struct list *node; (node = list_pop(&dirty));)
        flush(LIST_ENTRY(node, struct conn, dirty));
}

static void drop_requests(struct conn *conn)
{
    conn->waiting = 0;
    conn->reading = NULL;
    for (struct list *node; (node = list_pop(&conn->requests));)
        request_detach(LIST_ENTRY(node, struct request, node));
}

/* Its answer is on its way; a handler that is late still holds it. */
static void retire(struct conn *conn, struct request *req)
{
    bool keep_alive = req->keep_alive;

    list_remove(&req->node);
    conn->waiting--;
    if (list_is_empty(&conn->requests))
        conn->upgrading = false;
    conn->guest = req->guest;
    if (req->late)
        req->conn = NULL;
    else
        request_free(req);
    if (keep_alive && !conn->guest)
        return;
    conn->last = true;
    drop_requests(conn);
    if (conn->guest)
        stream_read_stop(conn->stream);
}

void conn_answered(struct conn *conn)
{
    while (!list_is_empty(&conn->requests)) {
        struct request *req =
            LIST_ENTRY(conn->requests.next, struct request, node);
        if (req->state == REQUEST_ANSWERED)
            conn->in_line -= req->answer.len;
        buf_append(conn_out(conn), buf_span(&req->answer));
        buf_deinit(&req->answer);
        if (req->state != REQUEST_ANSWERED)
            break;
        retire(conn, req);
    }
    conn_mark_dirty(conn);
}

/* Its body does not come any more; what came before it is still answered. */
static void drop_half_request(struct conn *conn)
{
    struct request *req = conn->reading;

    if (!req)
        return;
    conn->reading = NULL;
    conn->waiting--;
    list_remove(&req->node);
    request_free(req);
}

static void on_end(void *arg, int err)
{
    struct conn *conn = arg;

    conn->ended = true;
    conn->last = true;
    drop_half_request(conn);
    if (err < 0 || conn->guest ||
        (conn->waiting == 0 && conn_unsent(conn) == 0))
        conn_close(conn);
    else
        conn_rearm(conn);
}

static void on_drain(void *arg)
{
    struct conn *conn = arg;

    if (conn->out.len == 0 && conn->ended && conn->waiting == 0)
        conn_close(conn);
    else
        flush(conn);
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
        if (conn->out.len == 0)
            linger(conn);
    }
}
