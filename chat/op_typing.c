/*
 * op_typing.c - who types: told to who looks, and that it is over.
 *
 *   op_typing() -- op_seek() --> type(): told, but for what was told just now
 *   TYPING_MS without a word, a message, another room, the end of the socket
 *   -- client_stop_typing() --> told
 *
 * Nothing is kept of it: who hears it hears it now.
 */
#include "chat/op_internal.h"

#define TYPING_MS 6000
#define AGAIN_MS 2000 /* in which it is not told again */

struct typing {
    struct wheel_timer timer;
    struct client *client;
    uint64_t told_ms;
    size_t len;
    char room[ROOM_ID_MAX];
};

static struct span room_of(const struct typing *typing)
{
    return (struct span){typing->room, typing->len};
}

static struct wheel *wheel_of(const struct client *client)
{
    return stream_loop_wheel(app_loop(client->chat->app));
}

static void ignore(void *arg, int status, const struct redisReply *reply)
{
    (void)arg;
    (void)status;
    (void)reply;
}

static void tell(const struct client *client, struct span room, bool on)
{
    struct span name = user_name(client->user);
    struct arena arena;

    arena_init(&arena, MEM_JOB, 0);
    struct span argv[] = {SPAN("SPUBLISH"),
                          keys_wake(&arena, hash_partition(room)),
                          arena_printf(&arena, "@t %.*s %.*s %d", (int)room.len,
                                       room.ptr, (int)name.len, name.ptr, on)};
    redis_send(app_redis(client->chat->app),
               &(struct redis_call){
                   .key = room, .argv = argv, .argc = 3, .cb = ignore});
    arena_deinit(&arena);
}

void client_stop_typing(struct client *client, struct span room)
{
    struct typing *typing = client->typing;

    if (!typing || (room.ptr && !span_eq(room, room_of(typing))))
        return;
    client->typing = NULL;
    wheel_stop(wheel_of(client), &typing->timer);
    tell(client, room_of(typing), false);
    mem_free(typing);
}

static void on_silence(struct wheel_timer *timer)
{
    struct typing *typing = LIST_ENTRY(timer, struct typing, timer);

    client_stop_typing(typing->client, (struct span){NULL, 0});
}

/* One room at a time. */
static struct typing *typing_in(struct client *client, struct span room)
{
    struct typing *typing = client->typing;

    if (typing && span_eq(room, room_of(typing)))
        return typing;
    client_stop_typing(client, (struct span){NULL, 0});
    typing = mem_zalloc(MEM_CONN, sizeof(*typing));
    typing->client = client;
    typing->len = room.len;
    memcpy(typing->room, room.ptr, room.len);
    client->typing = typing;
    return typing;
}

static void keep_on(struct client *client, struct span room)
{
    struct typing *typing = typing_in(client, room);
    uint64_t now = stream_loop_now(app_loop(client->chat->app));

    wheel_start(wheel_of(client), &typing->timer, TYPING_MS, on_silence);
    if (typing->told_ms && now - typing->told_ms < AGAIN_MS)
        return;
    typing->told_ms = now;
    tell(client, room, true);
}

/* ---- the op */

struct asked {
    struct op_seat seat;
    bool on;
};

static void type(struct op *op, struct seat *seat)
{
    const struct asked *asked = op->data;
    struct json_writer w;
    struct buf out;

    if (seat->role == 'r') {
        op_refuse(op, SPAN("not-allowed"));
        return;
    }
    if (asked->on)
        keep_on(op_client(op), asked->seat.room);
    else
        client_stop_typing(op_client(op), asked->seat.room);
    op_open(op, &out, &w);
    op_close(op, &out, &w);
}

static void go(struct op *op)
{
    struct asked *asked = op->data;

    op_seek(&asked->seat);
}

void op_typing(struct op *op, const struct json_value *values)
{
    enum { ON = OP_ROOM + 1 };
    struct asked *asked = arena_zalloc(&op->arena, sizeof(*asked));

    if (!op_room(op, values, &asked->seat.room))
        return;
    asked->seat.op = op;
    asked->seat.go = type;
    asked->on = values[ON].flag;
    op->data = asked;
    op_when_allowed(op, go);
}
