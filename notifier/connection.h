/*
 * connection.h - a WebSocket of /v1/ws: its client, and what that asks for.
 *
 *   on_message() -- op_begin() -- answered at once
 *                              -- or op_end() later; what comes behind waits
 *
 * Requests that wait for Redis hold up those behind them, so that they take
 * effect in order; only updates that are published go on their way together.
 */
#pragma once

#include "common/json.h"
#include "common/socket.h"
#include "notifier/subscriber.h"

#define CONNECTION_MESSAGE_MAX 65536 /* bytes of a client's frame */
#define CONNECTION_WAITING_MAX 128   /* messages behind one that waits */
#define CONNECTION_PUBLISHING_MAX 64 /* updates on their way */

#define CODE_NO_OBJECT 4400
#define CODE_NO_TOKEN 4401
#define CODE_LATE 4408
#define CODE_TOO_MANY 4429

struct op;

struct connection {
    struct socket socket;
    struct subscriber subscriber;
    struct list ops;     /* on their way */
    struct list waiting; /* messages behind them */
    struct wheel_timer timer;
    struct op *busy; /* the one whose topics are asked for, or NULL */
    uint32_t waiting_count, publishing;
    uint64_t end_ms;   /* of stream_loop_now(); 0: never */
    uint16_t end_code; /* why then */
    bool resuming;     /* holds up what comes behind, ... */
    bool limiting;     /* ... and so does an update whose limit is asked for */
    bool opened, draining;
    bool closed;           /* no answer any more */
    bool going_on;         /* what waited is being done */
    struct caller *who;    /* NULL: it has not said so */
    struct caller *caller; /* whose limits it counts for; NULL: not let in */
};

/* A request of a client, until it is answered. */
struct op {
    struct list node;
    struct connection *connection; /* NULL: it is gone */
    int64_t id;
    struct arena arena;    /* all that the request holds */
    struct wanted *wanted; /* of one that subscribes */
    struct span selector;  /* of one that asks who is there */
};

/* Take a message apart and do it; see ops.c. */
void op_begin(struct connection *connection, struct span text);

/* An answer is open at w: {"id":…,"ok":true, members go here. */
void op_open(struct op *op, struct buf *out, struct json_writer *w);
/* Sends it, and frees the op: what waited behind it goes on. */
void op_close(struct op *op, struct buf *out, struct json_writer *w);
void op_fail(struct op *op, int status, const char *type, const char *detail);
void op_fail_by(struct op *op, int err);
/* 429: it may come again in so many ms. */
void op_limited(struct op *op, uint64_t retry_ms, const char *detail);
void op_invalid(struct op *op, const struct json_errors *errors);
/* Its connection is gone, and so is it. */
void op_drop(struct op *op);
/* What its subscriber was asked for is ready. */
void op_on_ready(struct subscriber *subscriber, int status);

/* What waited behind an op that is over. */
void connection_go_on(struct connection *connection);
void connection_send(struct connection *connection, struct span text);
void connection_end(struct connection *connection, unsigned code,
                    const char *reason);
/* Who it is; false: the claim is wrong, *reason says how. */
bool connection_identify(struct connection *connection,
                         const struct auth_identity *identity,
                         const char **reason);
