/*
 * op_lists.c - the ops history, members and search: as over HTTP.
 */
#include "chat/history.h"
#include "chat/op_internal.h"
#include "chat/people.h"
#include "chat/search.h"

#define MEMBERS_MAX 500 /* of one answer, for its size */

/* False: it is answered, and what it asked by is gone. */
static bool is_there(struct op *op, int status, const char *refusal)
{
    if (status == 0 && !refusal[0])
        return true;
    if (status < 0)
        op_fail_by(op, status);
    else
        op_refuse(op, span_str(refusal));
    return false;
}

/* ---- history */

static void on_history(struct history *history, int status)
{
    struct op *op = history->arg;
    struct json_writer w;
    struct buf out;

    if (!is_there(op, status, history->refusal))
        return;
    op_open(op, &out, &w);
    history_put(&w, history);
    op_close(op, &out, &w);
}

static struct span own_name(struct op *op)
{
    return arena_copy(&op->arena, user_name(op_client(op)->user));
}

/* 0: it is not there. */
static uint64_t number_of(const struct json_value *value)
{
    return value->state == JSON_STATE_SET ? (uint64_t)value->number : 0;
}

void op_history(struct op *op, const struct json_value *values)
{
    enum { BEFORE = OP_ROOM + 1, AFTER, AROUND, THREAD, LIMIT };
    static const char *const hows[] = {"before", "after", "around"};
    struct history *history = arena_zalloc(&op->arena, sizeof(*history));
    const char *how = NULL;
    uint64_t number = 0;
    unsigned given = 0;

    if (!op_room(op, values, &history->room))
        return;
    for (unsigned i = 0; i < 3; i++)
        if (values[BEFORE + i].state == JSON_STATE_SET) {
            given++;
            how = hows[i];
            number = (uint64_t)values[BEFORE + i].number;
        }
    if (!history_aim(history, how, number, number_of(&values[THREAD])) ||
        given > 1) {
        op_fail(op, 422, "invalid", HISTORY_HOW);
        return;
    }
    history->limit = values[LIMIT].state == JSON_STATE_SET
                         ? (uint32_t)values[LIMIT].number
                         : 50;
    history->user = own_name(op);
    history->arena = &op->arena;
    history->cb = on_history;
    history->arg = op;
    int err = history_ask(op_client(op)->chat, history);
    if (err < 0)
        op_fail_by(op, err);
}

/* ---- members */

static void on_people(struct people *people, int status)
{
    struct op *op = people->arg;
    struct json_writer w;
    struct buf out;

    if (!is_there(op, status, people->refusal))
        return;
    op_open(op, &out, &w);
    people_put(&w, people);
    op_close(op, &out, &w);
}

void op_members(struct op *op, const struct json_value *values)
{
    enum { LIMIT = OP_ROOM + 1, CURSOR };
    struct people *people = arena_zalloc(&op->arena, sizeof(*people));

    if (!op_room(op, values, &people->room))
        return;
    if (values[CURSOR].state == JSON_STATE_SET &&
        !name_is_valid(values[CURSOR].text)) {
        op_fail(op, 422, "invalid", "/cursor: what an answer gave as next");
        return;
    }
    people->after = values[CURSOR].state == JSON_STATE_SET
                        ? arena_copy(&op->arena, values[CURSOR].text)
                        : SPAN("");
    people->limit = values[LIMIT].state == JSON_STATE_SET
                        ? (uint32_t)values[LIMIT].number
                        : 50;
    if (people->limit > MEMBERS_MAX)
        people->limit = MEMBERS_MAX;
    people->user = own_name(op);
    people->arena = &op->arena;
    people->cb = on_people;
    people->arg = op;
    int err = people_ask(op_client(op)->chat, people);
    if (err < 0)
        op_fail_by(op, err);
}

/* ---- search */

static void on_search(struct search *search, int status)
{
    struct op *op = search->arg;
    struct json_writer w;
    struct buf out;

    if (status == UV_EINVAL) {
        op_fail(op, 422, "invalid", "/cursor: what an answer gave as next");
        return;
    }
    if (!is_there(op, status, search->refusal))
        return;
    op_open(op, &out, &w);
    search_put(&w, search);
    op_close(op, &out, &w);
}

void op_search(struct op *op, const struct json_value *values)
{
    enum { QUERY = OPS_FIRST, ROOM, LIMIT, CURSOR };
    struct search *search = arena_zalloc(&op->arena, sizeof(*search));

    if (values[ROOM].state == JSON_STATE_SET &&
        !op_takes_room(op, values[ROOM].text, &search->room))
        return;
    if (!search_is_query(values[QUERY].text)) {
        op_fail(op, 422, "invalid", "/query: words, at most 256 bytes");
        return;
    }
    search->query = arena_copy(&op->arena, values[QUERY].text);
    if (values[CURSOR].state == JSON_STATE_SET)
        search->cursor = arena_copy(&op->arena, values[CURSOR].text);
    search->limit = values[LIMIT].state == JSON_STATE_SET
                        ? (uint32_t)values[LIMIT].number
                        : 20;
    search->user = own_name(op);
    if (op_client(op)->reach.ptr)
        search->reach = arena_copy(&op->arena, op_client(op)->reach);
    search->arena = &op->arena;
    search->cb = on_search;
    search->arg = op;
    int err = search_ask(op_client(op)->chat, search);
    if (err == UV_EINVAL)
        op_fail(op, 422, "invalid", "/cursor: what an answer gave as next");
    else if (err < 0)
        op_fail_by(op, err);
}
