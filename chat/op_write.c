/*
 * op_write.c - the ops that change a room.
 *
 *   op_send() and the like -- allowed --> write_send() --> on_written(): the
 *   answer
 */
#include "chat/membership.h"
#include "chat/op_internal.h"
#include "chat/reach.h"

enum { OP_CLIENT_ID = OP_ROOM + 1, OP_TEXT, OP_REPLY_TO };
enum {
    OP_TARGET = OP_CLIENT_ID + 1,
    OP_NEW_TEXT,
    OP_EMOJI = OP_NEW_TEXT,
    OP_ON
};

void op_refuse(struct op *op, struct span type)
{
    const struct refusal *refusal = refusal_of(type);

    op_fail(op, refusal->status, refusal->type, refusal->detail);
}

bool op_takes_room(struct op *op, struct span id, struct span *room)
{
    if (!room_id_is_valid(id)) {
        op_refuse(op, SPAN("no-such-room"));
        return false;
    }
    if (!client_covers(op_client(op), id)) {
        op_fail(op, 403, "forbidden", REACH_DETAIL);
        return false;
    }
    *room = arena_copy(&op->arena, id);
    return true;
}

bool op_room(struct op *op, const struct json_value *values, struct span *room)
{
    return op_takes_room(op, values[OP_ROOM].text, room);
}

/* ---- the answer */

static void answer(struct op *op, const struct write *write)
{
    struct json_writer w;
    struct buf out;

    op_open(op, &out, &w);
    json_put_key(&w, "room");
    json_put_string(&w, write->room);
    json_put_key(&w, "seq");
    json_put_int(&w, (int64_t)write->seq);
    json_put_key(&w, "ts");
    json_put_int(&w, (int64_t)write->ts);
    if (write->replayed) {
        json_put_key(&w, "replayed");
        json_put_bool(&w, true);
    }
    op_close(op, &out, &w);
}

static void finish(struct op *op, const struct write *write, int status)
{
    if (op->client)
        op_client(op)->writing--;
    if (status < 0)
        op_fail_by(op, status);
    else if (write->refusal[0])
        op_refuse(op, span_str(write->refusal));
    else
        answer(op, write);
}

static void on_written(struct write *write, int status)
{
    finish(write->arg, write, status);
}

/* ---- send, edit, delete, react */

static void go(struct op *op)
{
    struct client *client = op_client(op);
    int err = write_send(client->chat, op->data);

    if (err < 0)
        op_fail_by(op, err);
    else
        client->writing++;
}

/* Who sends is ready: what it types from here on is something else. */
static void go_send(struct op *op)
{
    const struct write *write = op->data;

    client_stop_typing(op_client(op), write->room);
    go(op);
}

/* NULL: answered. */
static struct write *make(struct op *op, const char *what,
                          const struct json_value *values)
{
    struct write *write = arena_zalloc(&op->arena, sizeof(*write));

    if (!op_room(op, values, &write->room))
        return NULL;
    if (!client_id_is_valid(values[OP_CLIENT_ID].text)) {
        op_fail(op, 422, "invalid",
                "/client_id: 1 to 64 printable characters of ASCII, no blank");
        return NULL;
    }
    write->what = what;
    write->user = arena_copy(&op->arena, user_name(op_client(op)->user));
    write->client_id = arena_copy(&op->arena, values[OP_CLIENT_ID].text);
    write->arena = &op->arena;
    write->cb = on_written;
    write->arg = op;
    write->args[write->arg_count++] = write->client_id;
    op->data = write;
    return write;
}

static void add_arg(struct write *write, struct span value)
{
    write->args[write->arg_count++] = arena_copy(write->arena, value);
}

static void add_number(struct write *write, const struct json_value *value)
{
    char room[SPAN_U64_MAX];

    add_arg(write, value->state == JSON_STATE_SET
                       ? span_from_u64(room, (uint64_t)value->number)
                       : SPAN(""));
}

void op_send(struct op *op, const struct json_value *values)
{
    struct write *write = make(op, "message", values);

    if (!write)
        return;
    add_arg(write, values[OP_TEXT].text);
    add_number(write, &values[OP_REPLY_TO]);
    write->args[write->arg_count++] =
        names_mentioned(&op->arena, values[OP_TEXT].text, write->user);
    op_when_allowed(op, go_send);
}

void op_edit(struct op *op, const struct json_value *values)
{
    struct write *write = make(op, "edit", values);

    if (!write)
        return;
    add_arg(write, values[OP_NEW_TEXT].text);
    add_number(write, &values[OP_TARGET]);
    op_when_allowed(op, go);
}

void op_delete(struct op *op, const struct json_value *values)
{
    struct write *write = make(op, "delete", values);

    if (!write)
        return;
    add_number(write, &values[OP_TARGET]);
    op_when_allowed(op, go);
}

void op_react(struct op *op, const struct json_value *values)
{
    struct write *write = make(op, "react", values);

    if (!write)
        return;
    if (!emoji_is_valid(values[OP_EMOJI].text)) {
        op_fail(op, 422, "invalid", "/emoji: no blanks, no control characters");
        return;
    }
    add_number(write, &values[OP_TARGET]);
    add_arg(write, values[OP_EMOJI].text);
    add_arg(write, values[OP_ON].flag ? SPAN("1") : SPAN("0"));
    op_when_allowed(op, go);
}

/* ---- join, leave */

/* What this worker knows of its members is to be right for what comes next. */
static void pass_on(struct chat *chat, const struct write *write)
{
    struct room *room = rooms_find(chat->rooms, write->room);

    if (room && !write->refusal[0])
        room_hear_of(room, write->seq);
}

static void on_moved(struct membership *membership, int status)
{
    struct op *op = membership->arg;

    if (status == 0)
        pass_on(membership->chat, &membership->write);
    if (op->client)
        op_client(op)->asking = false;
    finish(op, &membership->write, status);
}

static struct membership *move(struct op *op, const char *what,
                               const struct json_value *values)
{
    struct membership *membership =
        arena_zalloc(&op->arena, sizeof(*membership));
    struct write *write = &membership->write;

    if (!op_room(op, values, &write->room))
        return NULL;
    write->what = what;
    write->user = arena_copy(&op->arena, user_name(op_client(op)->user));
    write->arena = &op->arena;
    membership->about = write->user;
    membership->cb = on_moved;
    membership->arg = op;
    op->data = membership;
    return membership;
}

static void moving(struct op *op, int err)
{
    if (err < 0) {
        op_fail_by(op, err);
        return;
    }
    op_client(op)->writing++;
    op_client(op)->asking = true; /* who writes behind it is to be in, or out */
}

static void go_in(struct op *op)
{
    moving(op, membership_enter(op_client(op)->chat, op->data));
}

static void go_out(struct op *op)
{
    moving(op, membership_depart(op_client(op)->chat, op->data));
}

void op_join(struct op *op, const struct json_value *values)
{
    struct membership *membership = move(op, "join", values);
    char room[SPAN_U64_MAX];

    if (!membership)
        return;
    add_arg(&membership->write,
            span_from_u64(room,
                          (uint64_t)op_client(op)->chat->config->max_members));
    op_when_allowed_by(op, op_client(op)->chat->joins, go_in);
}

void op_leave(struct op *op, const struct json_value *values)
{
    if (move(op, "leave", values))
        op_when_allowed(op, go_out);
}
