/* op_internal.h - the requests of a WebSocket. */
#pragma once

#include "chat/client.h"
#include "chat/write.h"

#define OP_KINDS 17
extern const struct op_kind op_kinds[OP_KINDS];

/* Of a table's values. */
enum { OP_ROOM = OPS_FIRST };
enum { OP_AFTER = OP_ROOM + 1, OP_ROSTER };

void op_sync(struct op *op, const struct json_value *values);
void op_watch(struct op *op, const struct json_value *values);
void op_unwatch(struct op *op, const struct json_value *values);
void op_send(struct op *op, const struct json_value *values);
void op_edit(struct op *op, const struct json_value *values);
void op_delete(struct op *op, const struct json_value *values);
void op_react(struct op *op, const struct json_value *values);
void op_join(struct op *op, const struct json_value *values);
void op_leave(struct op *op, const struct json_value *values);
void op_read(struct op *op, const struct json_value *values);
void op_delivered(struct op *op, const struct json_value *values);
void op_mute(struct op *op, const struct json_value *values);
void op_history(struct op *op, const struct json_value *values);
void op_members(struct op *op, const struct json_value *values);
void op_search(struct op *op, const struct json_value *values);
void op_presence(struct op *op, const struct json_value *values);
void op_typing(struct op *op, const struct json_value *values);

/* As write.h's refusals. */
void op_refuse(struct op *op, struct span type);

static inline struct client *op_client(const struct op *op)
{
    return client_of(op->client);
}
/* The room's id; false: it cannot be one, or the token does not cover it, and
   the op is answered. */
bool op_takes_room(struct op *op, struct span id, struct span *room);
bool op_room(struct op *op, const struct json_value *values, struct span *room);

/*
 * What its user is in a room: go runs once, inside or later, or the op is
 * answered (404, 403 and the like).  Its client is there then, and the seat has
 * a role.  In the op's arena; op, room and go are the asker's.
 */
struct op_seat {
    struct op *op;
    struct span room;
    void (*go)(struct op *op, struct seat *seat);
    struct seat_ask ask; /* op_rooms.c's */
};
void op_seek(struct op_seat *seek);
