/*
 * op_member.c - the ops that change what a member is to itself: what it has
 * read, whether it wants to be told.
 *
 *   op_read() and the like -- state_send() --> on_state(): the answer
 */
#include "chat/op_internal.h"
#include "chat/state.h"
#include "common/clock.h"

enum { OP_SEQ = OP_ROOM + 1, OP_BACK };
enum { OP_UNTIL = OP_ROOM + 1 };

static void on_state(struct state *state, int status)
{
    struct op *op = state->arg;
    struct json_writer w;
    struct buf out;

    if (op->client)
        op_client(op)->writing--;
    if (status < 0) {
        op_fail_by(op, status);
        return;
    }
    if (state->refusal[0]) {
        op_refuse(op, span_str(state->refusal));
        return;
    }
    op_open(op, &out, &w);
    if (state->tells) {
        json_put_key(&w, "room");
        json_put_string(&w, state->room);
        json_put_key(&w, "read");
        json_put_int(&w, (int64_t)state->member.read);
        json_put_key(&w, "delivered");
        json_put_int(&w, (int64_t)state->member.delivered);
    }
    op_close(op, &out, &w);
}

static void go(struct op *op)
{
    int err = state_send(op_client(op)->chat, op->data);

    if (err < 0)
        op_fail_by(op, err);
    else
        op_client(op)->writing++;
}

/* NULL: answered. */
static struct state *make(struct op *op, const char *what,
                          const struct json_value *values)
{
    struct state *state = arena_zalloc(&op->arena, sizeof(*state));

    if (!op_room(op, values, &state->room))
        return NULL;
    state->what = what;
    state->user = arena_copy(&op->arena, user_name(op_client(op)->user));
    state->arena = &op->arena;
    state->cb = on_state;
    state->arg = op;
    op->data = state;
    return state;
}

static bool take_seq(struct op *op, struct state *state,
                     const struct json_value *value)
{
    char number[SPAN_U64_MAX];

    if (value->state != JSON_STATE_SET) {
        op_fail(op, 422, "invalid", "/seq: is missing");
        return false;
    }
    state->tells = true;
    state->args[state->arg_count++] =
        arena_copy(&op->arena, span_from_u64(number, (uint64_t)value->number));
    return true;
}

void op_read(struct op *op, const struct json_value *values)
{
    struct state *state = make(op, "read", values);

    if (!state || !take_seq(op, state, &values[OP_SEQ]))
        return;
    state->args[state->arg_count++] =
        values[OP_BACK].state == JSON_STATE_SET && values[OP_BACK].flag
            ? SPAN("1")
            : SPAN("0");
    op_when_allowed(op, go);
}

void op_delivered(struct op *op, const struct json_value *values)
{
    struct state *state = make(op, "delivered", values);

    if (state && take_seq(op, state, &values[OP_SEQ]))
        op_when_allowed(op, go);
}

void op_mute(struct op *op, const struct json_value *values)
{
    struct state *state = make(op, "mute", values);
    char number[SPAN_U64_MAX];
    int64_t until = 0;

    if (!state)
        return;
    if (values[OP_UNTIL].state == JSON_STATE_SET &&
        !clock_parse_rfc3339(values[OP_UNTIL].text, &until)) {
        op_fail(op, 422, "invalid", "/until_at: a time (RFC 3339), or null");
        return;
    }
    state->args[state->arg_count++] =
        arena_copy(&op->arena, span_from_u64(number, (uint64_t)until));
    op_when_allowed(op, go);
}

/* ---- presence: of a device; its user is away when all of them are */

static void answer(struct op *op)
{
    struct json_writer w;
    struct buf out;

    op_open(op, &out, &w);
    op_close(op, &out, &w);
}

static void go_present(struct op *op)
{
    const bool *away = op->data;

    op_client(op)->away = *away;
    client_tell_presence(op_client(op)->user);
    answer(op);
}

void op_presence(struct op *op, const struct json_value *values)
{
    struct span state = values[OPS_FIRST].text;
    bool *away = arena_alloc(&op->arena, sizeof(*away));

    *away = span_eq(state, SPAN("away"));
    if (!*away && !span_eq(state, SPAN("online"))) {
        op_fail(op, 422, "invalid", "/state: online or away");
        return;
    }
    op->data = away;
    op_when_allowed(op, go_present);
}
