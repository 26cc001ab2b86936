/*
 * ops.h - requests over a WebSocket: objects with an id and an op, and exactly
 * one answer to each.
 *
 *   ops_connect() -- let in --> on_open() ... on_end() ... on_close()
 *   a message -- op_kind.run() -- op_open(), op_close() now, or later
 *
 * Hides who may come in, the token that may come in the first request and ends
 * some time, the table that takes requests apart, the answers' shape, the
 * drain. Requests that a client may not have answered yet hold up those behind
 * them where the service says so: they take effect in order.
 */
#pragma once

#include "common/admission.h"
#include "common/app.h"
#include "common/auth.h"
#include "common/json.h"
#include "common/socket.h"

#define OPS_MESSAGE_MAX 65536 /* bytes of a client's frame */
#define OPS_WAITING_MAX 128   /* messages behind one that holds them up */
#define OPS_FIELDS_MAX 10     /* members of a request */
#define OPS_FIRST 2           /* of its values: the first two are id and op */

#define OPS_CODE_NO_OBJECT 4400
#define OPS_CODE_NO_TOKEN 4401
#define OPS_CODE_LATE SOCKET_CODE_LATE
#define OPS_CODE_TOO_MANY 4429
#define OPS_CODE_OVERLOAD 4503

struct op;
struct ops_client;

/* The first two of a kind's fields. */
#define OPS_FIELDS_OF_ALL                                        \
    {.name = "id",                                               \
     .kind = JSON_KIND_INTEGER,                                  \
     .required = true,                                           \
     .min = 1,                                                   \
     .max = (INT64_C(1) << 53) - 1},                             \
    {                                                            \
        .name = "op", .kind = JSON_KIND_STRING, .required = true \
    }

struct op_kind {
    const char *name;
    /* values: of fields, in their order; borrowed until it returns. */
    void (*run)(struct op *op, const struct json_value *values);
    struct json_field fields[OPS_FIELDS_MAX];
};

/* What the clients of one service share.  Callbacks about a client run with
   its service as arg. */
struct ops_service {
    const char *subprotocol;
    const struct op_kind *kinds; /* beside "auth" */
    size_t kind_count;
    /* May anybody come now? */
    bool (*is_ready)(void *arg);
    /* All zero but for what is the service's own. */
    struct ops_client *(*create)(void *arg);
    /* Who it is, now or from now on.  NULL, or why it may not: static; or
       ops_later: in auth requests alone, where ops_auth_again() or
       ops_auth_refused() must follow; if client->auth, which waits, has no
       client by then, it is answered by op_fail_by(UV_ECANCELED). */
    const char *(*identify)(struct ops_client *client,
                            const struct auth_identity *identity);
    void (*on_open)(struct ops_client *client);    /* may be written to */
    void (*on_written)(struct ops_client *client); /* nothing is kept unsent */
    /* It is to be closed, once: nothing more is written. */
    void (*on_end)(struct ops_client *client);
    /* Closed, or never open; its requests are still there. */
    void (*on_close)(struct ops_client *client);
    void (*destroy)(struct ops_client *client);
    /* Do messages wait?  See ops_go_on(). */
    bool (*is_held_up)(struct ops_client *client);
};

struct ops_options {
    struct app *app;
    struct admission *admission;
    const struct ops_service *service; /* static */
    void *arg;
    size_t max_kept; /* see socket.h */
    uint32_t ping_ms;
    uint64_t *clients;        /* a gauge */
    uint64_t *late, *put_off; /* counters: too slow; told to come later */
};

struct ops {
    struct ops_options options;
    struct socket_kind sockets;
};

void ops_init(struct ops *ops, const struct ops_options *options);
/* No client is left. */
void ops_deinit(struct ops *ops);

/* A route's handler: GET, an upgrade. */
void ops_connect(struct ops *ops, struct request *req);

/* Inside its service's struct. */
struct ops_client {
    struct socket socket;
    struct ops *ops;
    struct list list;    /* its requests that are not answered */
    struct list waiting; /* messages behind them */
    struct wheel_timer timer;
    struct op *auth;    /* waits for who it is: holds up the others; or NULL */
    struct caller *who; /* NULL: it has not said so */
    struct caller *caller; /* whose sockets it is one of; NULL: not let in */
    uint16_t end_code;     /* why it ends when the timer does */
    uint8_t waiting_count;
    bool limiting; /* a limit is asked for: it holds up the others */
    bool is_user;  /* who has limits of its own: nobody and anonymous do not */
    bool opened, draining, going_on;
    bool closed; /* no answer any more */
};

extern const char ops_later[];
/* Of a client whose identity was to come later: ask again; or it is 401, or,
   with an err, cannot be asked. */
void ops_auth_again(struct ops_client *client);
void ops_auth_refused(struct ops_client *client, int err);

/* A text message; a client that is too slow to take it is closed. */
void ops_send(struct ops_client *client, struct span text);
void ops_end(struct ops_client *client, unsigned code, const char *reason);
/* It is held up no more: what waited is done. */
void ops_go_on(struct ops_client *client);

/* A request, until it is answered. */
struct op {
    struct list node;
    struct ops_client *client; /* NULL: it is gone; answer all the same */
    int64_t id;
    struct arena arena;                 /* all that the request holds */
    void *data;                         /* the service's, in the arena */
    void (*on_answered)(struct op *op); /* before it goes; may be NULL */
    void (*go)(struct op *op);          /* ops.c's */
};

/* An answer is open at w: {"id":…,"ok":true, members go here. */
void op_open(struct op *op, struct buf *out, struct json_writer *w);
/* Sends it, and frees the op: what waited behind it goes on. */
void op_close(struct op *op, struct buf *out, struct json_writer *w);
void op_fail(struct op *op, int status, const char *type, const char *detail);
void op_fail_by(struct op *op, int err);
/* 429: it may come again in so many ms. */
void op_limited(struct op *op, uint64_t retry_ms, const char *detail);
void op_invalid(struct op *op, const struct json_errors *errors);
/* It is answered by nothing: its client is being closed. */
void op_drop(struct op *op);

/*
 * When its client may write: go runs once, inside or later, or the op is
 * answered (429 and the like).  Its client is there then.
 */
void op_when_allowed(struct op *op, void (*go)(struct op *op));
/* The same, and by a limit of the service's own; NULL: there is none. */
void op_when_allowed_by(struct op *op, struct limit_spec *spec,
                        void (*go)(struct op *op));
