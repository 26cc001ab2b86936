/*
 * resp_port.c - see resp_port.h.
 *
 *   on_read() -- each command --> run(): answered at once, or a place in line
 *   -- the limiter's answer --> goes to who stands before, or out
 *
 * Failure modes: not the protocol, or past a bound (an error, then the end);
 * too many commands wait (reading stops); a client that does not read (its
 * connection ends when its answers pass MAX_KEPT).
 */
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/list.h"
#include "common/resp.h"
#include "common/resp_command.h"
#include "ratelimit/resp_port.h"
#include "ratelimit/throttle.h"

#define MAX_KEPT ((size_t)1 << 20)
#define OUT_KEPT ((size_t)16 << 10) /* of a buffer between reads */
#define MAX_WAITING 1024
#define CHUNK 2048 /* of memory, for a command */
#define CHUNKS_KEPT 64
#define MAX_CONNECTIONS 10000
#define BACKLOG 1024
#define IDLE_MS 300000
#define COMMAND_MS 10000 /* for the rest of a command that has begun */

struct conn {
    struct list node;   /* of port->conns */
    struct list places; /* in line for an answer, oldest first */
    struct resp_port *port;
    struct stream *stream;
    struct wheel_timer timer;
    struct buf tail, out;
    struct span token; /* owned; ptr NULL: none was given */
    int64_t checked_s; /* when the token was last looked at */
    size_t waiting;    /* answers that are not out, known or not */
    bool allowed, paused, reading, last, closing;
};

/* An answer that is not there yet, and those behind it that are. */
struct place {
    struct list node;
    struct conn *conn; /* NULL: it has gone */
    struct throttle throttle;
    struct buf behind;
    size_t answers; /* with its own */
};

struct resp_port {
    struct ratelimit *app;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
    };
    struct list conns;
    struct place *spare; /* for the next command, which may need none */
    struct arena_pool chunks;
    struct throttle_specs *specs;
    size_t count, places;
    bool listening, closing;
};

static void on_connection(uv_stream_t *stream, int status);
static void on_read(void *arg, struct span bytes);
static void on_end(void *arg, int err);
static void on_timer(struct wheel_timer *timer);
static void on_closed(void *arg);
static void on_throttled(struct throttle *throttle);

static const struct stream_events events = {.on_read = on_read,
                                            .on_end = on_end};

static struct wheel *wheel_of(const struct resp_port *port)
{
    return stream_loop_wheel(app_loop(port->app->app));
}

struct resp_port *resp_port_open(struct ratelimit *app)
{
    int fd = app_extra_socket(app->app);
    struct resp_port *port;

    if (fd < 0)
        return NULL;
    port = mem_zalloc(MEM_CONN, sizeof(*port));
    port->app = app;
    port->specs =
        throttle_specs_create(strcmp(app->config->resp_mode, "leased") == 0);
    port->chunks = (struct arena_pool){.size = CHUNK, .max = CHUNKS_KEPT};
    list_init(&port->conns);
    uv_tcp_init(stream_loop_uv(app_loop(app->app)), &port->tcp);
    port->handle.data = port;
    port->listening = uv_tcp_open(&port->tcp, fd) == 0 &&
                      uv_listen(&port->stream, BACKLOG, on_connection) == 0;
    return port;
}

/* ---- connections */

static void arm(struct conn *conn)
{
    wheel_start(wheel_of(conn->port), &conn->timer,
                conn->tail.len ? COMMAND_MS : IDLE_MS, on_timer);
}

static void close_conn(struct conn *conn)
{
    if (conn->closing)
        return;
    conn->closing = true;
    wheel_stop(wheel_of(conn->port), &conn->timer);
    while (!list_is_empty(&conn->places)) {
        struct place *place = LIST_ENTRY(conn->places.next, struct place, node);
        list_remove(&place->node);
        place->conn = NULL;
    }
    stream_close(conn->stream, on_closed);
}

static void free_port(struct resp_port *port)
{
    if (!port->closing || port->count || port->places || port->listening)
        return;
    throttle_specs_destroy(port->specs);
    arena_pool_deinit(&port->chunks);
    mem_free(port->spare);
    mem_free(port);
}

static void on_closed(void *arg)
{
    struct conn *conn = arg;
    struct resp_port *port = conn->port;

    list_remove(&conn->node);
    buf_deinit(&conn->tail);
    buf_deinit(&conn->out);
    mem_free((char *)(uintptr_t)conn->token.ptr);
    mem_free(conn);
    port->count--;
    free_port(port);
}

static void on_timer(struct wheel_timer *timer)
{
    close_conn(LIST_ENTRY(timer, struct conn, timer));
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct resp_port *port = stream->data;
    struct conn *conn;
    int err;

    if (status < 0)
        return;
    conn = mem_zalloc(MEM_CONN, sizeof(*conn));
    conn->port = port;
    conn->stream =
        stream_accept(app_loop(port->app->app), stream,
                      &(struct stream_options){
                          .events = &events, .arg = conn, .max_kept = MAX_KEPT},
                      &err);
    if (!conn->stream) {
        mem_free(conn);
        return;
    }
    list_init(&conn->places);
    buf_init(&conn->tail, MEM_CONN);
    buf_init(&conn->out, MEM_CONN);
    list_append(&port->conns, &conn->node);
    arm(conn);
    if (++port->count > MAX_CONNECTIONS) {
        stream_write(conn->stream,
                     SPAN("-ERR too many connections are open\r\n"));
        close_conn(conn);
    }
}

/* ---- answers */

/* Who stands before node in line, or before who comes next; NULL: nobody. */
static struct place *place_before(struct conn *conn, const struct list *node)
{
    return node->prev == &conn->places
               ? NULL
               : LIST_ENTRY(node->prev, struct place, node);
}

/* Where answers go that stand behind place. */
static struct buf *out_behind(struct conn *conn, struct place *place)
{
    return place ? &place->behind : &conn->out;
}

/* What is out is sent; the end of a conversation ends it. */
static void flush(struct conn *conn)
{
    if (conn->reading)
        return; /* on_read() sends it all at once */
    if (conn->out.len && stream_write(conn->stream, buf_span(&conn->out)) < 0) {
        close_conn(conn);
        return;
    }
    conn->out.len = 0;
    if (conn->last && !conn->waiting)
        close_conn(conn);
}

/* Where the answer goes that is known now; it comes behind all others. */
static struct buf *answer_begin(struct conn *conn)
{
    return out_behind(conn, place_before(conn, &conn->places));
}

static void answer_end(struct conn *conn)
{
    struct place *last = place_before(conn, &conn->places);

    if (!last)
        return;
    last->answers++;
    conn->waiting++;
}

static void answer(struct conn *conn, struct span text)
{
    buf_append(answer_begin(conn), text);
    answer_end(conn);
}

/* ---- commands */

static bool is_word(struct span arg, const char *word)
{
    return span_eq_nocase(arg, span_str(word));
}

/* The token, once a second: it may end while the connection lasts. */
static bool may_ask(struct conn *conn)
{
    struct app *app = conn->port->app->app;
    int64_t now_s = (int64_t)(stream_loop_now(app_loop(app)) / 1000) + 1;
    struct auth_identity identity;

    if (conn->checked_s == now_s)
        return conn->allowed;
    conn->checked_s = now_s;
    conn->allowed =
        app_identify(app, conn->token, &identity) == 0 &&
        auth_allows(&identity, SPAN("limits:check"), SPAN(THROTTLE_NAME));
    return conn->allowed;
}

static void ping(struct conn *conn, const struct resp_command *command)
{
    if (command->argc == 1)
        answer(conn, SPAN("+PONG\r\n"));
    else if (command->argc > 2)
        answer(conn, SPAN("-ERR wrong number of arguments for 'ping'\r\n"));
    else {
        resp_append_arg(answer_begin(conn), command->argv[1]);
        answer_end(conn);
    }
}

static void authenticate(struct conn *conn, const struct resp_command *command)
{
    struct span token = command->argv[command->argc - 1];

    if (command->argc < 2 || command->argc > 3) {
        answer(conn, SPAN("-ERR wrong number of arguments for 'auth'\r\n"));
        return;
    }
    mem_free((char *)(uintptr_t)conn->token.ptr);
    char *copy = mem_alloc(MEM_AUTH, token.len + 1);
    memcpy(copy, token.ptr, token.len);
    conn->token = (struct span){copy, token.len};
    conn->checked_s = 0;
    if (may_ask(conn))
        answer(conn, SPAN("+OK\r\n"));
    else
        answer(conn, SPAN("-WRONGPASS the token is not good for "
                          "limits:check\r\n"));
}

static struct place *take_spare(struct resp_port *port)
{
    struct place *place = port->spare;

    port->spare = NULL;
    return place ? place : mem_alloc(MEM_CONN, sizeof(*place));
}

static void throttle(struct conn *conn, const struct resp_command *command)
{
    struct resp_port *port = conn->port;

    if (!may_ask(conn)) {
        answer(conn, SPAN("-NOAUTH a token is needed: AUTH token\r\n"));
        return;
    }
    struct place *place = take_spare(port);
    place->throttle.limiter = port->app->limiter;
    place->throttle.chunks = &port->chunks;
    place->throttle.cb = on_throttled;
    place->throttle.arg = port;
    if (throttle_run(port->specs, &place->throttle, command->argv,
                     command->argc, answer_begin(conn))) {
        answer_end(conn);
        port->spare = place;
        return;
    }
    place->conn = conn;
    place->answers = 1;
    buf_init(&place->behind, MEM_CONN);
    list_init(&place->node);
    list_append(&conn->places, &place->node);
    conn->waiting++;
    port->places++;
}

/* Its answer, and those behind it, leave with those before it. */
static void leave(struct place *place)
{
    struct conn *conn = place->conn;
    struct place *before = place_before(conn, &place->node);
    struct buf *out = out_behind(conn, before);

    throttle_answer(&place->throttle, out);
    buf_append(out, buf_span(&place->behind));
    if (before)
        before->answers += place->answers;
    else
        conn->waiting -= place->answers;
    list_remove(&place->node);
}

static void on_throttled(struct throttle *throttle)
{
    struct place *place = LIST_ENTRY(throttle, struct place, throttle);
    struct conn *conn = place->conn;
    struct resp_port *port = throttle->arg;

    if (conn)
        leave(place);
    else
        throttle_answer(throttle, &place->behind); /* its client left */
    port->places--;
    buf_deinit(&place->behind);
    mem_free(place);
    if (!conn) {
        free_port(port);
        return;
    }
    flush(conn);
    if (conn->closing || !conn->paused || conn->waiting >= MAX_WAITING)
        return;
    conn->paused = false;
    stream_read_start(conn->stream);
    if (conn->tail.len)
        on_read(conn, (struct span){NULL, 0});
}

static void run(struct conn *conn, const struct resp_command *command)
{
    struct span verb = command->argv[0];
    char text[160];

    if (command->argc == 0)
        return;
    if (is_word(verb, "CL.THROTTLE"))
        throttle(conn, command);
    else if (is_word(verb, "PING"))
        ping(conn, command);
    else if (is_word(verb, "AUTH"))
        authenticate(conn, command);
    else if (is_word(verb, "QUIT")) {
        conn->last = true;
        answer(conn, SPAN("+OK\r\n"));
    } else if (is_word(verb, "SELECT"))
        answer(conn, SPAN("+OK\r\n")); /* there is one database */
    else if (is_word(verb, "COMMAND") || is_word(verb, "CONFIG"))
        answer(conn, SPAN("*0\r\n")); /* redis-cli and redis-benchmark ask */
    else {
        int len =
            snprintf(text, sizeof(text), "-ERR unknown command '%.*s'\r\n",
                     (int)(verb.len < 64 ? verb.len : 64), verb.ptr);
        for (int i = 1; i + 2 < len; i++)
            if (text[i] == '\r' || text[i] == '\n')
                text[i] = ' ';
        answer(conn, (struct span){text, (size_t)len});
    }
}

/* Commands off bytes; what is left is kept. */
static void take(struct conn *conn, struct span bytes)
{
    struct resp_command command;
    int64_t used = 1;

    while (bytes.len && used > 0 && !conn->last) {
        if (conn->waiting >= MAX_WAITING) {
            conn->paused = true;
            stream_read_stop(conn->stream);
            break;
        }
        used = resp_command_parse(bytes, &command);
        if (used <= 0)
            break;
        run(conn, &command);
        bytes = span_skip(bytes, (size_t)used);
    }
    if (used < 0) {
        answer(conn, SPAN("-ERR Protocol error\r\n"));
        conn->last = true;
    }
    if (conn->tail.len)
        buf_consume(&conn->tail, conn->tail.len - bytes.len);
    else
        buf_append(&conn->tail, bytes);
}

static void on_read(void *arg, struct span bytes)
{
    struct conn *conn = arg;

    if (conn->closing || conn->last)
        return;
    if (conn->tail.len) {
        buf_append(&conn->tail, bytes);
        bytes = buf_span(&conn->tail);
    }
    conn->reading = true;
    take(conn, bytes);
    conn->reading = false;
    flush(conn);
    if (conn->closing)
        return;
    if (conn->tail.len == 0)
        buf_deinit(&conn->tail);
    if (conn->out.cap > OUT_KEPT)
        buf_deinit(&conn->out);
    arm(conn);
}

static void on_end(void *arg, int err)
{
    struct conn *conn = arg;

    conn->last = true;
    if (err < 0 || !conn->waiting)
        close_conn(conn);
}

/* ---- the end */

static void on_port_closed(uv_handle_t *handle)
{
    struct resp_port *port = handle->data;

    port->listening = false;
    free_port(port);
}

void resp_port_stop(struct resp_port *port)
{
    struct list *next;

    if (!port || uv_is_closing(&port->handle))
        return;
    port->listening = true; /* until it is closed */
    uv_close(&port->handle, on_port_closed);
    for (struct list *n = port->conns.next; n != &port->conns; n = next) {
        struct conn *conn = LIST_ENTRY(n, struct conn, node);
        next = n->next;
        conn->last = true;
        if (!conn->waiting)
            close_conn(conn);
    }
}

void resp_port_close(struct resp_port *port)
{
    struct list *next;

    if (!port)
        return;
    resp_port_stop(port);
    port->closing = true;
    for (struct list *n = port->conns.next; n != &port->conns; n = next) {
        next = n->next;
        close_conn(LIST_ENTRY(n, struct conn, node));
    }
    free_port(port);
}
