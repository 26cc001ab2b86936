/*
 * connection.c - GET /v1/ws: see connection.h.
 *
 * Failure modes: no token in time (4408), a token that ends (4401), a client
 * that asks for more than it waits for (4429), or reads too slowly (4408), a
 * drain (an event, and 1001 at a random time of it).
 */
#include <stdlib.h>

#include "common/clock.h"
#include "notifier/connection.h"
#include "notifier/notifier.h"

#define AUTH_MS 5000

/* A message that waits behind an op. */
struct waiting {
    struct list node;
    size_t len;
    char text[];
};

static void on_open(struct socket *socket);
static void on_message(struct socket *socket, enum ws_opcode opcode,
                       struct span bytes);
static void on_written(struct socket *socket);
static void on_leave(struct socket *socket, uint64_t within_ms);
static void on_close(struct socket *socket, unsigned code);
static void on_timer(struct wheel_timer *timer);
static void put_form(struct subscriber *subscriber, struct message *message,
                     struct form *form);
static void on_live(struct subscriber *subscriber);
static void on_late(struct subscriber *subscriber);
static void on_presence(struct subscriber *subscriber, struct span event);

const struct socket_events connection_events = {.on_open = on_open,
                                                .on_message = on_message,
                                                .on_drain = on_written,
                                                .on_leave = on_leave,
                                                .on_close = on_close};

static const struct subscriber_events subscriber_events = {
    .on_ready = op_on_ready,
    .on_live = on_live,
    .form = put_form,
    .on_late = on_late,
    .on_presence = on_presence};

static struct connection *connection_of(struct socket *socket)
{
    return LIST_ENTRY(socket, struct connection, socket);
}

static uint64_t now_of(const struct connection *connection)
{
    return stream_loop_now(app_loop(connection->subscriber.app->app));
}

static struct wheel *wheel_of(const struct connection *connection)
{
    return stream_loop_wheel(app_loop(connection->subscriber.app->app));
}

/* ---- who it is, and until when */

static void end_at(struct connection *connection, uint64_t at, uint16_t code)
{
    uint64_t now = now_of(connection);

    connection->end_ms = at;
    connection->end_code = code;
    if (at)
        wheel_start(wheel_of(connection), &connection->timer,
                    at > now ? at - now : 1, on_timer);
    else
        wheel_stop(wheel_of(connection), &connection->timer);
}

bool connection_identify(struct connection *connection,
                         const struct auth_identity *identity,
                         const char **reason)
{
    struct rights *rights = NULL;
    int64_t left = identity->expires_at * 1000 - clock_wall_ms();

    *reason = rights_create(identity, &rights);
    if (*reason)
        return false;
    rights_unref(connection->subscriber.rights);
    connection->subscriber.rights = rights;
    caller_unref(connection->who);
    connection->who =
        caller_of_subject(connection->subscriber.app->admission, identity->sub);
    if (connection->draining)
        return true;
    if (identity->expires_at)
        end_at(connection, now_of(connection) + (left > 1 ? (uint64_t)left : 1),
               CODE_NO_TOKEN);
    else
        end_at(connection, 0, 0);
    return true;
}

static struct connection *create(struct notifier *app)
{
    struct connection *connection = mem_zalloc(MEM_CONN, sizeof(*connection));

    subscriber_init(&connection->subscriber, app, NULL, &subscriber_events);
    list_init(&connection->ops);
    list_init(&connection->waiting);
    return connection;
}

static void destroy(struct connection *connection)
{
    wheel_stop(wheel_of(connection), &connection->timer);
    subscriber_deinit(&connection->subscriber);
    admission_leave(connection->caller);
    caller_unref(connection->who);
    mem_free(connection);
}

/* A connection that is asked for, until it is let in. */
struct coming {
    struct admission_ask admission;
    struct connection *connection;
};

static void on_admitted(struct admission_ask *ask, uint64_t wait_ms)
{
    struct coming *coming = ask->arg;
    struct connection *connection = coming->connection;
    struct notifier *app = connection->subscriber.app;

    if (wait_ms) {
        metrics_add(app->put_off, 1);
        request_set_retry_after(ask->req, (unsigned)(wait_ms / 1000 + 1));
        request_too_many(ask->req, "accept-rate",
                         "too many come at once; come again");
        destroy(connection);
    } else if (!socket_accept(ask->req, &connection->socket, &app->sockets)) {
        destroy(connection);
    }
}

static void admit(struct notifier *app, struct request *req,
                  struct connection *connection)
{
    struct coming *coming = arena_zalloc(request_arena(req), sizeof(*coming));

    connection->caller = admission_enter(app->admission, req);
    if (!connection->caller) {
        destroy(connection);
        request_too_many(req, "too-many-streams",
                         "this caller has as many as it may");
        return;
    }
    coming->connection = connection;
    coming->admission =
        (struct admission_ask){.req = req, .cb = on_admitted, .arg = coming};
    admission_ask(app->admission, &coming->admission);
}

/* A token in a header or a cookie must be good; without one it may come yet. */
void connect_socket(struct request *req, void *arg)
{
    struct notifier *app = arg;
    const struct auth_identity *identity = request_identity(req);
    const char *reason = NULL;

    if (!app->position_key) {
        request_fail(req, UV_ENOTCONN);
        return;
    }
    if (!identity && request_header(req, "authorization").ptr) {
        request_problem(req, 401, "unauthorized", NULL,
                        "a valid bearer token is needed");
        return;
    }
    struct connection *connection = create(app);
    if (!identity || connection_identify(connection, identity, &reason)) {
        admit(app, req, connection);
        return;
    }
    request_problem(req, 403, "forbidden", NULL, reason);
    destroy(connection);
}

static void on_open(struct socket *socket)
{
    struct connection *connection = connection_of(socket);
    struct notifier *app = connection->subscriber.app;

    connection->opened = true;
    metrics_set(app->connections, *app->connections + 1);
    subscriber_set_stream(&connection->subscriber, socket_stream(socket));
    if (!connection->who)
        end_at(connection, now_of(connection) + AUTH_MS, CODE_LATE);
}

/* ---- messages */

void connection_send(struct connection *connection, struct span text)
{
    int err = socket_send(&connection->socket, WS_TEXT, text);

    if (err == UV_ENOBUFS) {
        metrics_add(connection->subscriber.app->late, 1);
        connection_end(connection, CODE_LATE, "too slow a reader");
    }
}

void connection_end(struct connection *connection, unsigned code,
                    const char *reason)
{
    connection->closed = true;
    wheel_stop(wheel_of(connection), &connection->timer);
    subscriber_stop(&connection->subscriber);
    subscriber_set_stream(&connection->subscriber, NULL);
    socket_close(&connection->socket, code, span_str(reason));
}

static void keep(struct connection *connection, struct span text)
{
    if (connection->waiting_count == CONNECTION_WAITING_MAX) {
        connection_end(connection, CODE_TOO_MANY,
                       "too many requests wait for an answer");
        return;
    }
    struct waiting *waiting = mem_alloc(MEM_CONN, sizeof(*waiting) + text.len);
    waiting->len = text.len;
    memcpy(waiting->text, text.ptr, text.len);
    list_append(&connection->waiting, &waiting->node);
    connection->waiting_count++;
}

static bool is_held_up(const struct connection *connection)
{
    return connection->resuming || connection->limiting ||
           connection->publishing >= CONNECTION_PUBLISHING_MAX;
}

static void on_message(struct socket *socket, enum ws_opcode opcode,
                       struct span bytes)
{
    struct connection *connection = connection_of(socket);
    (void)opcode; /* text only */

    if (connection->closed)
        return;
    if (is_held_up(connection) || connection->waiting_count)
        keep(connection, bytes);
    else
        op_begin(connection, bytes);
}

void connection_go_on(struct connection *connection)
{
    struct list *node;

    connection->going_on = true;
    while (!connection->closed && !is_held_up(connection) &&
           (node = list_pop(&connection->waiting))) {
        struct waiting *waiting = LIST_ENTRY(node, struct waiting, node);
        connection->waiting_count--;
        op_begin(connection, (struct span){waiting->text, waiting->len});
        mem_free(waiting);
    }
    connection->going_on = false;
}

static void on_live(struct subscriber *subscriber)
{
    struct connection *connection =
        LIST_ENTRY(subscriber, struct connection, subscriber);

    connection->resuming = false;
    connection_go_on(connection);
}

static void on_written(struct socket *socket)
{
    subscriber_drained(&connection_of(socket)->subscriber);
}

/* ---- the end */

static void on_timer(struct wheel_timer *timer)
{
    struct connection *connection = LIST_ENTRY(timer, struct connection, timer);

    switch (connection->end_code) {
    case CODE_NO_TOKEN:
        connection_end(connection, CODE_NO_TOKEN, "the token has ended");
        break;
    case CODE_LATE:
        connection_end(connection, CODE_LATE, "no token came");
        break;
    default:
        connection_end(connection, WS_CODE_GOING_AWAY, "the server drains");
        break;
    }
}

/* Not all at once: neither do they go, nor come to another server. */
static void on_leave(struct socket *socket, uint64_t within_ms)
{
    struct connection *connection = connection_of(socket);
    uint64_t at = within_ms ? (uint64_t)random() % within_ms : 0;
    struct buf text;
    struct json_writer w = {.out = &text};

    if (connection->closed)
        return;
    if (!connection->draining) {
        buf_init(&text, MEM_CONN);
        json_put_open(&w, '{');
        json_put_key(&w, "type");
        json_put_string(&w, SPAN("drain"));
        json_put_key(&w, "retry_after_ms");
        json_put_int(&w, (int64_t)at);
        json_put_close(&w, '}');
        connection_send(connection, buf_span(&text));
        buf_deinit(&text);
    }
    connection->draining = true;
    if (!connection->closed)
        end_at(connection, now_of(connection) + at + 1, WS_CODE_GOING_AWAY);
}

static void on_close(struct socket *socket, unsigned code)
{
    struct connection *connection = connection_of(socket);
    struct notifier *app = connection->subscriber.app;
    (void)code;

    if (connection->opened)
        metrics_set(app->connections, *app->connections - 1);
    if (connection->busy)
        op_drop(connection->busy);
    for (struct list *node; (node = list_pop(&connection->ops));)
        LIST_ENTRY(node, struct op, node)->connection = NULL;
    for (struct list *node; (node = list_pop(&connection->waiting));)
        mem_free(LIST_ENTRY(node, struct waiting, node));
    destroy(connection);
}

static void on_late(struct subscriber *subscriber)
{
    connection_end(LIST_ENTRY(subscriber, struct connection, subscriber),
                   CODE_LATE, "too slow a reader");
}

static void on_presence(struct subscriber *subscriber, struct span event)
{
    connection_send(LIST_ENTRY(subscriber, struct connection, subscriber),
                    event);
}

/* ---- what comes */

static bool is_alone(const struct subscriber *subscriber)
{
    return subscriber->topic_count == 1 && subscriber->pattern_count == 0;
}

/* Who follows one topic shares its position with all others of it. */
static size_t put_position(const struct subscriber *subscriber,
                           struct message *message, char *out)
{
    struct buf *named = &message->named;
    char room[POSITION_MAX];

    if (!is_alone(subscriber))
        return subscriber_position(subscriber, true, out);
    if (!named->len) {
        struct position_topic topic = {.name = message->record.topics[0],
                                       .id = message->id};
        struct position position = {.topics = &topic, .topic_count = 1};
        size_t len =
            position_seal(subscriber->app->position_key, &position, true, room);
        buf_append(named, (struct span){room, len});
    }
    memcpy(out, named->ptr, named->len);
    return named->len;
}

static void put_form(struct subscriber *subscriber, struct message *message,
                     struct form *form)
{
    char tail[POSITION_MAX + 3];
    size_t len = 1;

    tail[0] = '"';
    len += put_position(subscriber, message, tail + len);
    tail[len++] = '"';
    tail[len++] = '}';
    form->shared[0] = message_frame(message);
    form->tail_len = len;
    form->head_len =
        ws_put_header(form->own, WS_TEXT, form->shared[0].len + form->tail_len);
    memcpy(form->own + form->head_len, tail, form->tail_len);
}
