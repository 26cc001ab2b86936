/*
 * socket.c - see socket.h.
 *
 *   OPENING -- its stream has come --> OPEN
 *     -- socket_close(), or something is late --> CLOSING, its close frame is
 *        out: what comes is read, for the peer's close frame, and dropped
 *     -- the peer's close frame, or a fault of it --> ENDING, nothing is
 *        written any more, what comes is not looked at
 *   any -- the peer's end, a deadline, the server's close --> GONE
 *
 * ENDING waits for the peer's end so that it reads our close frame and not a
 * reset.  CLOSING and ENDING have one deadline together.
 *
 * What a socket sends while its own read is handled gathers in its kind's out
 * (it is corked then) and leaves in one write.
 */
#include <assert.h>

#include "common/socket_internal.h"

#define CORK_MAX ((size_t)32 * 1024) /* bytes that gather for one write */

enum socket_state { OPENING, OPEN, CLOSING, ENDING, GONE };

static void on_left(struct server_guest *guest, struct stream *stream,
                    struct span behind);
static void on_leave(struct server_guest *guest, uint64_t within_ms);
static void on_read(void *arg, struct span bytes);
static void on_end(void *arg, int err);
static void on_drain(void *arg);
static bool on_message(void *arg, enum ws_opcode opcode, struct span bytes);
static bool on_ping(void *arg, struct span bytes);
static bool on_pong(void *arg, struct span bytes);
static void on_peer_close(void *arg, unsigned code, struct span reason);
static void on_ping_due(struct wheel_timer *timer);
static void on_pong_late(struct wheel_timer *timer);
static void on_close_late(struct wheel_timer *timer);
static void on_gone(void *arg);

static const struct server_guest_events guest_events = {.on_left = on_left,
                                                        .on_drain = on_leave};

static const struct stream_events stream_events = {
    .on_read = on_read, .on_end = on_end, .on_drain = on_drain};

void socket_kind_init(struct socket_kind *kind, struct stream_loop *loop,
                      const struct socket_options *options)
{
    *kind = (struct socket_kind){.options = *options, .loop = loop};
    kind->ws = (struct ws_options){.on_message = on_message,
                                   .on_ping = on_ping,
                                   .on_pong = on_pong,
                                   .on_close = on_peer_close,
                                   .max_message = options->max_message,
                                   .scratch = &kind->scratch};
    buf_init(&kind->scratch, MEM_APP);
    buf_init(&kind->out, MEM_APP);
}

void socket_kind_deinit(struct socket_kind *kind)
{
    buf_deinit(&kind->scratch);
    buf_deinit(&kind->out);
}

bool socket_accept(struct request *req, struct socket *socket,
                   struct socket_kind *kind)
{
    if (!socket_shake_hands(req, kind->options.subprotocol))
        return false;
    *socket = (struct socket){.guest.events = &guest_events, .kind = kind};
    ws_init(&socket->ws, &kind->ws, socket);
    return request_leave(req, 101, NULL, &socket->guest) == 0;
}

static const struct socket_events *events_of(const struct socket *socket)
{
    return socket->kind->options.events;
}

static void start_timer(struct socket *socket, uint32_t ms, wheel_timer_cb cb)
{
    wheel_start(stream_loop_wheel(socket->kind->loop), &socket->timer, ms, cb);
}

/* ---- The end */

static void drop(struct socket *socket)
{
    if (socket->state == GONE)
        return;
    socket->state = GONE;
    wheel_stop(stream_loop_wheel(socket->kind->loop), &socket->timer);
    ws_deinit(&socket->ws);
    stream_close(socket->stream, on_gone);
}

static void tell_close(struct socket *socket)
{
    unsigned code = socket->code ? socket->code : WS_CODE_ABNORMAL;

    events_of(socket)->on_close(socket, code);
}

/* The server may end with its last guest, so its owner is told first. */
static void on_gone(void *arg)
{
    struct socket *socket = arg;
    struct server_guest guest;

    list_remove(&socket->guest.node);
    guest = socket->guest;
    list_init(&guest.node);
    tell_close(socket);
    server_guest_gone(&guest);
}

static void on_close_late(struct wheel_timer *timer)
{
    drop(LIST_ENTRY(timer, struct socket, timer));
}

/* ---- Bytes out */

/* Past max_kept too: callers have bounds of their own. */
static void write_anyway(struct socket *socket, struct span bytes)
{
    size_t max_kept = socket->kind->options.max_kept;

    stream_hand_over(socket->stream, &stream_events, socket, SIZE_MAX);
    stream_write(socket->stream, bytes); /* broken: on_end will say so */
    stream_hand_over(socket->stream, &stream_events, socket, max_kept);
}

static bool is_corked(const struct socket *socket)
{
    return socket->kind->corked == socket;
}

static void write_gathered(struct socket *socket)
{
    struct buf *out = &socket->kind->out;

    write_anyway(socket, buf_span(out));
    out->len = 0;
}

static void cork(struct socket *socket)
{
    assert(!socket->kind->corked);
    socket->kind->corked = socket;
}

static void uncork(struct socket *socket)
{
    if (!is_corked(socket))
        return;
    socket->kind->corked = NULL;
    write_gathered(socket);
}

static void gather(struct socket *socket, enum ws_opcode opcode,
                   struct span bytes)
{
    struct buf *out = &socket->kind->out;

    ws_append(out, opcode, bytes);
    if (out->len >= CORK_MAX)
        write_gathered(socket);
}

static void send_control(struct socket *socket, enum ws_opcode opcode,
                         struct span bytes)
{
    char frame[WS_HEADER_MAX + WS_CONTROL_MAX];

    if (is_corked(socket)) {
        gather(socket, opcode, bytes);
        return;
    }
    size_t head = ws_put_header(frame, opcode, bytes.len);
    if (bytes.len)
        memcpy(frame + head, bytes.ptr, bytes.len);
    write_anyway(socket, (struct span){frame, head + bytes.len});
}

static bool has_room(const struct socket *socket, size_t len)
{
    size_t unsent = stream_kept(socket->stream);

    if (is_corked(socket))
        unsent += socket->kind->out.len;
    return unsent == 0 || unsent + len <= socket->kind->options.max_kept;
}

int socket_send(struct socket *socket, enum ws_opcode opcode, struct span bytes)
{
    char head[WS_HEADER_MAX];

    if (socket->state != OPEN)
        return UV_ENOTCONN;
    size_t head_len = ws_put_header(head, opcode, bytes.len);
    if (!has_room(socket, head_len + bytes.len))
        return UV_ENOBUFS;
    if (is_corked(socket) && bytes.len < CORK_MAX) {
        gather(socket, opcode, bytes);
        return 0;
    }
    if (is_corked(socket))
        write_gathered(socket);
    const struct span parts[] = {{head, head_len}, bytes};
    return stream_write_parts(socket->stream, parts, 2);
}

struct stream *socket_stream(struct socket *socket)
{
    return socket->stream;
}

/* A peer that does not read is not read. */
static void hold_back(struct socket *socket)
{
    size_t kept = stream_kept(socket->stream);

    if (socket->state >= ENDING || kept == 0 ||
        kept < socket->kind->options.max_kept / 2)
        return;
    socket->paused = true;
    stream_read_stop(socket->stream);
}

static void go_on(struct socket *socket)
{
    if (!socket->paused)
        return;
    socket->paused = false;
    stream_read_start(socket->stream);
}

static void on_drain(void *arg)
{
    struct socket *socket = arg;

    if (socket->state == ENDING && socket->peer_ended) {
        drop(socket);
        return;
    }
    go_on(socket);
    if (socket->state == OPEN && events_of(socket)->on_drain)
        events_of(socket)->on_drain(socket);
}

/* ---- Closing */

static void send_close(struct socket *socket, unsigned code, struct span reason)
{
    char room[WS_CONTROL_MAX];

    socket->code = (uint16_t)code;
    send_control(socket, WS_CLOSE, ws_close_payload(room, code, reason));
    uncork(socket);
    stream_seal(socket->stream);
    start_timer(socket, socket->kind->options.close_ms, on_close_late);
}

/* Theirs is awaited. */
static void begin_close(struct socket *socket, unsigned code,
                        struct span reason)
{
    socket->state = CLOSING;
    send_close(socket, code, reason);
}

void socket_close(struct socket *socket, unsigned code, struct span reason)
{
    if (socket->state == OPEN)
        begin_close(socket, code, reason);
    else if (socket->state == OPENING && !socket->code)
        socket->code = (uint16_t)code; /* as soon as it is open */
}

/* Both close frames are out, or theirs would not be looked at. */
static void begin_end(struct socket *socket, unsigned code)
{
    if (socket->state == OPEN)
        send_close(socket, code, (struct span){0});
    socket->state = ENDING;
    ws_deinit(&socket->ws);
    stream_end(socket->stream);
}

static void on_end(void *arg, int err)
{
    struct socket *socket = arg;

    socket->peer_ended = true;
    if (err < 0 || socket->state != ENDING || stream_kept(socket->stream) == 0)
        drop(socket);
}

/* ---- Bytes in */

static bool is_read_on(const struct socket *socket)
{
    return socket->state < ENDING;
}

static bool on_message(void *arg, enum ws_opcode opcode, struct span bytes)
{
    struct socket *socket = arg;

    socket->stale = false;
    if (socket->state != OPEN)
        return true;
    if (opcode == WS_BINARY && socket->kind->options.text_only)
        begin_end(socket, WS_CODE_UNSUPPORTED);
    else
        events_of(socket)->on_message(socket, opcode, bytes);
    return is_read_on(socket);
}

static bool on_ping(void *arg, struct span bytes)
{
    struct socket *socket = arg;

    if (socket->state == OPEN)
        send_control(socket, WS_PONG, bytes);
    return true;
}

/* One that nobody asked for is as good a sign of life. */
static bool on_pong(void *arg, struct span bytes)
{
    struct socket *socket = arg;

    (void)bytes;
    if (socket->state == OPEN && socket->pinged) {
        socket->pinged = false;
        start_timer(socket, socket->kind->options.ping_ms, on_ping_due);
    }
    return true;
}

static void on_peer_close(void *arg, unsigned code, struct span reason)
{
    (void)reason;
    begin_end(arg, code);
}

static void feed(struct socket *socket, struct span bytes)
{
    if (!is_read_on(socket))
        return;
    cork(socket);
    int status = ws_feed(&socket->ws, bytes);
    if (status > 0)
        begin_end(socket, (unsigned)status);
    uncork(socket);
    hold_back(socket);
}

static void on_read(void *arg, struct span bytes)
{
    feed(arg, bytes);
}

/* ---- Pings */

static void on_pong_late(struct wheel_timer *timer)
{
    begin_close(LIST_ENTRY(timer, struct socket, timer), SOCKET_CODE_LATE,
                SPAN("no pong in time"));
}

/* What has not moved since the last ping, in and out; or an empty span. */
static struct span find_stalled(struct socket *socket)
{
    bool was_stale = socket->stale;
    uint32_t had_sent = socket->sent;

    socket->stale = ws_is_partial(&socket->ws);
    socket->sent = (uint32_t)stream_sent(socket->stream);
    if (was_stale && socket->stale)
        return SPAN("the message did not come in time");
    if (stream_kept(socket->stream) && socket->sent == had_sent)
        return SPAN("what was sent is not read");
    return SPAN("");
}

static void on_ping_due(struct wheel_timer *timer)
{
    struct socket *socket = LIST_ENTRY(timer, struct socket, timer);
    struct span stalled = find_stalled(socket);

    if (stalled.len) {
        begin_close(socket, SOCKET_CODE_LATE, stalled);
        return;
    }
    socket->pinged = true;
    send_control(socket, WS_PING, (struct span){0});
    start_timer(socket, socket->kind->options.pong_ms, on_pong_late);
}

/* ---- The beginning, and the server's end */

static void begin(struct socket *socket)
{
    const struct socket_options *options = &socket->kind->options;

    stream_hand_over(socket->stream, &stream_events, socket, options->max_kept);
    socket->state = OPEN;
    if (socket->code) {
        begin_close(socket, socket->code, (struct span){0});
        return;
    }
    start_timer(socket, options->ping_ms, on_ping_due);
    options->events->on_open(socket);
}

static void on_left(struct server_guest *guest, struct stream *stream,
                    struct span behind)
{
    struct socket *socket = LIST_ENTRY(guest, struct socket, guest);

    socket->stream = stream;
    if (!stream) {
        socket->state = GONE;
        tell_close(socket);
        return;
    }
    begin(socket);
    if (behind.len)
        feed(socket, behind);
    if (socket->state != GONE && !socket->paused)
        stream_read_start(stream);
}

static void on_leave(struct server_guest *guest, uint64_t within_ms)
{
    struct socket *socket = LIST_ENTRY(guest, struct socket, guest);

    if (within_ms == 0)
        drop(socket);
    else if (socket->state == OPEN && events_of(socket)->on_leave)
        events_of(socket)->on_leave(socket, within_ms);
    else
        socket_close(socket, WS_CODE_GOING_AWAY, SPAN("the server ends"));
}
