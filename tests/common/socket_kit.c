/* socket_kit.c - see socket_kit.h. */
#include <string.h>
#include <sys/socket.h>

#include "tests/common/socket_kit.h"

struct kit *kit;
struct socket_kind kind;
struct seat seats[SEATS];
size_t seat_count;

void (*at_open)(struct seat *seat);
void (*at_message)(struct seat *seat, struct span bytes);
void (*at_leave)(struct seat *seat);
void (*at_close)(struct seat *seat);

static struct seat *seat_of(struct socket *socket)
{
    return LIST_ENTRY(socket, struct holder, socket)->seat;
}

static void on_open(struct socket *socket)
{
    struct seat *seat = seat_of(socket);

    assert_int_equal(seat->opens++ + seat->closes, 0);
    if (at_open)
        at_open(seat);
}

static void on_message(struct socket *socket, enum ws_opcode opcode,
                       struct span bytes)
{
    struct seat *seat = seat_of(socket);

    assert_int_equal(opcode, WS_TEXT);
    assert_int_equal(seat->opens, 1);
    assert_int_equal(seat->closes, 0);
    seat->messages++;
    buf_append(&seat->got, bytes);
    if (at_message)
        at_message(seat, bytes);
}

static void on_drain(struct socket *socket)
{
    seat_of(socket)->drains++;
}

static void on_leave(struct socket *socket, uint64_t within_ms)
{
    struct seat *seat = seat_of(socket);

    seat->leaves++;
    seat->within_ms = within_ms;
    if (at_leave)
        at_leave(seat);
}

static void on_close(struct socket *socket, unsigned code)
{
    struct seat *seat = seat_of(socket);

    assert_int_equal(seat->closes++, 0);
    seat->code = code;
    seat->socket = NULL;
    mem_free(LIST_ENTRY(socket, struct holder, socket));
    if (at_close)
        at_close(seat);
}

static const struct socket_events socket_events = {.on_open = on_open,
                                                   .on_message = on_message,
                                                   .on_drain = on_drain,
                                                   .on_leave = on_leave,
                                                   .on_close = on_close};

struct seat *accept_in(struct request *req)
{
    struct seat *seat = &seats[seat_count++];
    struct holder *holder = mem_zalloc(MEM_CONN, sizeof(*holder));

    *seat = (struct seat){.socket = &holder->socket};
    buf_init(&seat->got, MEM_APP);
    holder->seat = seat;
    seat->accepted = socket_accept(req, &holder->socket, &kind);
    assert_int_equal(seat->opens + seat->closes, 0); /* not inside */
    if (!seat->accepted) {
        seat->socket = NULL;
        mem_free(holder);
    }
    return seat;
}

static void handle_ws(struct request *req, void *arg)
{
    (void)arg;
    accept_in(req);
}

static const struct route routes[] = {
    {REQUEST_GET, "/ws", NULL, handle_ws, 0},
    {0},
};

int sockets_setup(void **state)
{
    static const struct socket_options options = {.events = &socket_events,
                                                  .max_message = 1024,
                                                  .max_kept = MAX_KEPT,
                                                  .ping_ms = 60000,
                                                  .pong_ms = 60000,
                                                  .close_ms = 60000};

    memset(seats, 0, sizeof(seats));
    seat_count = 0;
    at_open = at_leave = at_close = NULL;
    at_message = NULL;
    kit_setup(state);
    kit = *state;
    kit->options.max_header = 1024;
    kit_start(kit, routes);
    socket_kind_init(&kind, kit->loop, &options);
    return 0;
}

int sockets_teardown(void **state)
{
    int err = kit_teardown(state);

    socket_kind_deinit(&kind);
    for (size_t i = 0; i < seat_count; i++) {
        assert_int_equal(seats[i].closes, seats[i].accepted);
        buf_deinit(&seats[i].got);
    }
    return err;
}

void send_frame(int client, enum ws_opcode opcode, struct span payload)
{
    struct buf frame;

    buf_init(&frame, MEM_APP);
    ws_append_masked(&frame, opcode, payload, 0x01020304);
    assert_int_equal(
        send(kit->clients[client], frame.ptr, frame.len, MSG_NOSIGNAL),
        frame.len);
    buf_deinit(&frame);
}

void send_text(int client, const char *text)
{
    send_frame(client, WS_TEXT, span_str(text));
}

struct seat *join(int *client)
{
    struct seat *seat = &seats[seat_count];

    *client = kit_client(kit);
    kit_send(kit, *client, UPGRADE("/ws"));
    UNTIL(kit, seat->opens && kit_has(kit, *client, "\r\n\r\n"));
    kit_forget(kit, *client);
    return seat;
}

struct request *hold(int *client)
{
    *client = kit_client(kit);
    kit_send(kit, *client, UPGRADE("/later/a"));
    UNTIL(kit, kit->held_count == 1);
    struct request *req = kit->held[0];
    kit->held[0] = NULL;
    return req;
}

void greet(struct seat *seat)
{
    assert_int_equal(socket_send(seat->socket, WS_TEXT, SPAN("welcome")), 0);
}
