/*
 * op_rooms.c - the ops sync, watch and unwatch.
 *
 *   op_sync()  -- the user's rooms are known --> answer_sync()
 *   op_watch() -- its seat in the room is known --> answer_watch()
 *
 * Either waits for rooms that are behind its cursors: the client may have them
 * from another worker.  The answer comes before the events that it causes.
 */
#include <stdlib.h>

#include "chat/op_internal.h"

#define ITEMS_MAX 200 /* of one answer */

/* ---- watching */

static void put_place(struct json_writer *w, const struct room *room,
                      bool reset)
{
    json_put_key(w, "room");
    json_put_string(w, room_id(room));
    json_put_key(w, "seq");
    json_put_int(w, (int64_t)room->seq);
    json_put_key(w, "oldest_seq");
    json_put_int(w, (int64_t)room->oldest);
    json_put_key(w, "reset");
    json_put_bool(w, reset);
}

/* From `after` on, or from now on where it cannot be gone on from. */
static void begin_watch(struct client *client, struct room *room,
                        bool has_after, uint64_t after, bool roster)
{
    struct watch *before = watches_find(&client->watches, room);

    if (client->base.closed)
        return;
    room_use(room);
    if (before)
        watch_remove(before);
    watch_add(client, room,
              has_after && room_can_resume(room, after) ? after : room->seq,
              roster);
    room_leave(room);
}

/* ---- what a user is in a room */

static void on_seat(struct seat_ask *ask, int status, struct seat *seat)
{
    struct op_seat *seek = LIST_ENTRY(ask, struct op_seat, ask);
    struct op *op = seek->op;
    struct client *client = op->client ? op_client(op) : NULL;

    if (client)
        client->asking = false;
    if (!client)
        op_fail_by(op, UV_ECANCELED);
    else if (status == UV_ENOENT || status == UV_EACCES)
        op_refuse(op, status == UV_ENOENT ? SPAN("no-such-room")
                                          : SPAN("not-a-member"));
    else if (status < 0)
        op_fail_by(op, status);
    else
        seek->go(op, seat);
    if (client)
        ops_go_on(&client->base);
}

void op_seek(struct op_seat *seek)
{
    struct op *op = seek->op;
    struct client *client = op_client(op);
    struct seat *seat = user_seat(client->user, seek->room);

    if (seat && seat->role) {
        seek->go(op, seat);
        return;
    }
    seek->ask.cb = on_seat;
    int err = user_ask_seat(client->user, seek->room, &seek->ask);
    if (err < 0)
        op_fail_by(op, err);
    else
        client->asking = true;
}

/* ---- cursors that are ahead of the room, and rooms that are behind */

#define READINGS_MAX 2 /* the first may have been on its way before */

struct ahead {
    struct room_wait wait;
    struct op *op;
    struct room *room;
    unsigned readings;
    void (*go_on)(struct op *op); /* its client is there */
};

static void on_read(struct room_wait *wait, int status)
{
    struct ahead *ahead = LIST_ENTRY(wait, struct ahead, wait);
    struct op *op = ahead->op;
    struct client *client = op->client ? op_client(op) : NULL;

    room_leave(ahead->room);
    if (client)
        client->asking = false;
    if (status < 0 || !client)
        op_fail_by(op, status < 0 ? status : UV_ECANCELED);
    else
        ahead->go_on(op);
    if (client)
        ops_go_on(&client->base);
}

/* True: go_on runs when the room has been read, or the op is answered. */
static bool catches_up(struct ahead *ahead, struct op *op, struct room *room,
                       uint64_t after)
{
    if ((after <= room->seq && room->target <= room->seq) ||
        ahead->readings == READINGS_MAX)
        return false;
    ahead->readings++;
    ahead->op = op;
    ahead->room = room;
    ahead->wait.cb = on_read;
    room_use(room);
    op_client(op)->asking = true;
    room_await(room, &ahead->wait);
    return true;
}

/* ---- sync */

struct cursor {
    struct span room;
    uint64_t seq;
    const struct seat *seat; /* NULL: it is not in that room */
};

struct sync {
    struct user_wait wait;
    struct op *op;
    struct cursor *cursors;
    size_t cursor_count;
    struct span *watch;
    size_t watch_count;
    uint64_t page; /* the number of the last seat that was told */
    struct ahead ahead;
    size_t caught_up; /* cursors that are not ahead of their rooms */
};

static int by_number(const void *a, const void *b)
{
    const struct seat *one = ((const struct cursor *)a)->seat;
    const struct seat *other = ((const struct cursor *)b)->seat;
    uint32_t x = one ? one->number : UINT32_MAX;
    uint32_t y = other ? other->number : UINT32_MAX;

    return (x > y) - (x < y);
}

static void find_seats(struct sync *sync, const struct user *user)
{
    for (size_t i = 0; i < sync->cursor_count; i++)
        sync->cursors[i].seat = user_seat(user, sync->cursors[i].room);
    if (sync->cursor_count > 1)
        qsort(sync->cursors, sync->cursor_count, sizeof(struct cursor),
              by_number);
}

static void put_seat(struct json_writer *w, const struct seat *seat, bool reset)
{
    json_put_open(w, '{');
    put_place(w, seat->room, reset);
    json_put_key(w, "read");
    json_put_int(w, (int64_t)seat->read);
    json_put_key(w, "delivered");
    json_put_int(w, (int64_t)seat->delivered);
    json_put_key(w, "unread");
    json_put_int(w, (int64_t)seat_unread(seat));
    json_put_key(w, "mentions");
    json_put_int(w, (int64_t)seat->mentions);
    json_put_close(w, '}');
}

/* Seats and cursors are both by number. */
static const struct cursor *cursor_of(const struct sync *sync, size_t *at,
                                      const struct seat *seat)
{
    while (*at < sync->cursor_count && sync->cursors[*at].seat &&
           sync->cursors[*at].seat->number < seat->number)
        ++*at;
    return *at < sync->cursor_count && sync->cursors[*at].seat == seat
               ? &sync->cursors[*at]
               : NULL;
}

/* The number of the last one, or 0 when that was all. */
static uint64_t put_seats(struct json_writer *w, const struct sync *sync,
                          const struct user *user)
{
    uint64_t last = 0;
    size_t count = 0;
    size_t at = 0;

    for (struct list *n = user->seats.next; n != &user->seats; n = n->next) {
        const struct seat *seat = LIST_ENTRY(n, struct seat, of_user);
        const struct cursor *cursor = cursor_of(sync, &at, seat);
        if (seat->role == 0 || seat->number <= sync->page ||
            !client_covers(op_client(sync->op), room_id(seat->room)) ||
            (cursor && cursor->seq == seat->room->seq))
            continue;
        if (count++ == ITEMS_MAX)
            return last;
        put_seat(w, seat, cursor && !room_can_resume(seat->room, cursor->seq));
        last = seat->number;
    }
    return 0;
}

static void watch_all(struct client *client, const struct sync *sync)
{
    for (size_t i = 0; i < sync->watch_count && !client->base.closed; i++) {
        struct seat *seat = user_seat(client->user, sync->watch[i]);
        bool has_after = false;
        uint64_t after = 0;
        if (!seat || seat->role == 0 || !client_covers(client, sync->watch[i]))
            continue;
        for (size_t j = 0; j < sync->cursor_count; j++)
            if (sync->cursors[j].seat == seat) {
                has_after = true;
                after = sync->cursors[j].seq;
            }
        begin_watch(client, seat->room, has_after, after, false);
    }
}

static bool sync_catches_up(struct sync *sync, const struct user *user)
{
    while (sync->caught_up < sync->cursor_count) {
        const struct cursor *cursor = &sync->cursors[sync->caught_up];
        const struct seat *seat = user_seat(user, cursor->room);
        if (seat && seat->role &&
            catches_up(&sync->ahead, sync->op, seat->room, cursor->seq))
            return true;
        sync->caught_up++;
        sync->ahead.readings = 0;
    }
    return false;
}

static void answer_sync(struct op *op, struct sync *sync)
{
    struct client *client = op_client(op);
    const struct user *user = client->user;
    char number[SPAN_U64_MAX];
    struct json_writer w;
    struct buf out;

    if (sync_catches_up(sync, user))
        return;
    find_seats(sync, user);
    op_open(op, &out, &w);
    json_put_key(&w, "user");
    json_put_string(&w, user_name(user));
    json_put_key(&w, "device");
    json_put_string(&w, session_device(client));
    json_put_key(&w, "rooms");
    json_put_open(&w, '[');
    uint64_t next = put_seats(&w, sync, user);
    json_put_close(&w, ']');
    json_put_key(&w, "next");
    if (next)
        json_put_string(&w, span_from_u64(number, next));
    else
        json_put_null(&w);
    client->synced = true;
    watch_all(client, sync); /* what it writes is behind the answer */
    op_close(op, &out, &w);
}

static void on_loaded(struct user_wait *wait, int status)
{
    struct sync *sync = LIST_ENTRY(wait, struct sync, wait);
    struct op *op = sync->op;
    struct client *client = op->client ? op_client(op) : NULL;

    if (client)
        client->asking = false;
    if (status < 0 || !client) {
        op_fail_by(op, status < 0 ? status : UV_ECANCELED);
        return;
    }
    answer_sync(op, sync);
    ops_go_on(&client->base);
}

static void begin_sync(struct op *op)
{
    struct client *client = op_client(op);
    struct sync *sync = op->data;

    if (client->user->loaded) {
        answer_sync(op, sync);
        return;
    }
    sync->wait.cb = on_loaded;
    client->asking = true;
    user_load(client->user, &sync->wait);
}

static bool read_cursors(struct op *op, const json_t *object, struct sync *sync)
{
    const char *name;
    json_t *value;

    sync->cursors = arena_zalloc(&op->arena, (json_object_size(object) + 1) *
                                                 sizeof(struct cursor));
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            return false;
        if (!client_covers(op_client(op), span_str(name)))
            continue;
        sync->cursors[sync->cursor_count++] =
            (struct cursor){.room = arena_copy(&op->arena, span_str(name)),
                            .seq = (uint64_t)json_integer_value(value)};
    }
    return true;
}

static void read_watch(struct op *op, const json_t *array, struct sync *sync)
{
    size_t count = json_array_size(array);

    sync->watch = arena_zalloc(&op->arena, (count + 1) * sizeof(struct span));
    for (size_t i = 0; i < count; i++)
        sync->watch[sync->watch_count++] = arena_copy(
            &op->arena, span_str(json_string_value(json_array_get(array, i))));
}

void op_sync(struct op *op, const struct json_value *values)
{
    enum { CURSORS = OPS_FIRST, WATCH, PAGE };
    struct sync *sync = arena_zalloc(&op->arena, sizeof(*sync));

    sync->op = op;
    sync->ahead.go_on = begin_sync;
    op->data = sync;
    if (values[CURSORS].state == JSON_STATE_SET &&
        !read_cursors(op, values[CURSORS].node, sync)) {
        op_fail(op, 422, "invalid", "/cursors: of each room a number");
        return;
    }
    if (values[WATCH].state == JSON_STATE_SET)
        read_watch(op, values[WATCH].node, sync);
    if (values[PAGE].state == JSON_STATE_SET &&
        !span_to_u64(values[PAGE].text, UINT32_MAX, &sync->page)) {
        op_fail(op, 422, "invalid", "/page: what an answer gave as next");
        return;
    }
    session_when_device(op, begin_sync);
}

/* ---- watch, unwatch */

struct watching {
    struct op_seat seat;
    struct ahead ahead;
    bool has_after, roster;
    uint64_t after;
};

static void answer_watch(struct op *op, struct watching *watching,
                         struct room *room)
{
    struct client *client = op_client(op);
    bool has_after = watching->has_after;
    bool roster = watching->roster;
    uint64_t after = watching->after;
    struct json_writer w;
    struct buf out;

    if (catches_up(&watching->ahead, op, room, has_after ? after : 0))
        return;
    op_open(op, &out, &w);
    put_place(&w, room, has_after && !room_can_resume(room, after));
    begin_watch(client, room, has_after, after, roster);
    op_close(op, &out, &w);
}

static void on_watched(struct op *op, struct seat *seat)
{
    answer_watch(op, op->data, seat->room);
}

static void seek(struct op *op)
{
    struct watching *watching = op->data;

    op_seek(&watching->seat);
}

void op_watch(struct op *op, const struct json_value *values)
{
    struct watching *watching = arena_zalloc(&op->arena, sizeof(*watching));

    if (!op_room(op, values, &watching->seat.room))
        return;
    watching->seat.op = op;
    watching->seat.go = on_watched;
    watching->ahead.go_on = seek;
    watching->has_after = values[OP_AFTER].state == JSON_STATE_SET;
    watching->after = (uint64_t)values[OP_AFTER].number;
    watching->roster =
        values[OP_ROSTER].state == JSON_STATE_SET && values[OP_ROSTER].flag;
    op->data = watching;
    seek(op);
}

void op_unwatch(struct op *op, const struct json_value *values)
{
    struct client *client = op_client(op);
    struct json_writer w;
    struct buf out;
    struct span id;

    if (!op_room(op, values, &id))
        return;
    struct room *room = rooms_find(client->chat->rooms, id);
    struct watch *watch = room ? watches_find(&client->watches, room) : NULL;
    if (watch)
        watch_remove(watch);
    op_open(op, &out, &w);
    json_put_key(&w, "room");
    json_put_string(&w, id);
    op_close(op, &out, &w);
}
