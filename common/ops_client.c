/*
 * ops_client.c - a client, from its upgrade to its end: see ops.h.
 *
 * Failure modes: no token in time (4408), a token that ends (4401), a client
 * that asks for more than it waits for (4429), or reads too slowly (4408), a
 * drain (an event, and 1001 at a random time of it).
 */
#include <stdlib.h>

#include "common/clock.h"
#include "common/ops_internal.h"
#include "common/request.h"

#define AUTH_MS 5000
#define PONG_MS 10000
#define CLOSE_MS 5000

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

_Static_assert(OPS_WAITING_MAX <= UINT8_MAX, "its count has a byte");

static const struct socket_events socket_events = {.on_open = on_open,
                                                   .on_message = on_message,
                                                   .on_drain = on_written,
                                                   .on_leave = on_leave,
                                                   .on_close = on_close};

void ops_init(struct ops *ops, const struct ops_options *options)
{
    ops->options = *options;
    socket_kind_init(
        &ops->sockets, app_loop(options->app),
        &(struct socket_options){.events = &socket_events,
                                 .subprotocol = options->service->subprotocol,
                                 .max_message = OPS_MESSAGE_MAX,
                                 .max_kept = options->max_kept,
                                 .ping_ms = options->ping_ms,
                                 .pong_ms = PONG_MS,
                                 .close_ms = CLOSE_MS,
                                 .text_only = true});
}

void ops_deinit(struct ops *ops)
{
    socket_kind_deinit(&ops->sockets);
}

static struct ops_client *client_of(struct socket *socket)
{
    return LIST_ENTRY(socket, struct ops_client, socket);
}

static const struct ops_service *service_of(const struct ops_client *client)
{
    return client->ops->options.service;
}

static uint64_t now_of(const struct ops_client *client)
{
    return stream_loop_now(app_loop(client->ops->options.app));
}

static struct wheel *wheel_of(const struct ops_client *client)
{
    return stream_loop_wheel(app_loop(client->ops->options.app));
}

/* ---- who it is, and until when */

static void end_at(struct ops_client *client, uint64_t at, uint16_t code)
{
    uint64_t now = now_of(client);

    client->end_code = code;
    if (at)
        wheel_start(wheel_of(client), &client->timer, at > now ? at - now : 1,
                    on_timer);
    else
        wheel_stop(wheel_of(client), &client->timer);
}

const char *ops_identify(struct ops_client *client,
                         const struct auth_identity *identity)
{
    int64_t left = identity->expires_at * 1000 - clock_wall_ms();
    const char *reason = service_of(client)->identify(client, identity);

    if (reason)
        return reason;
    caller_unref(client->who);
    client->who =
        caller_of_subject(client->ops->options.admission, identity->sub);
    client->is_user = !identity->all_but_admin && identity->sub.len > 0;
    if (client->draining)
        return NULL;
    if (identity->expires_at)
        end_at(client, now_of(client) + (left > 1 ? (uint64_t)left : 1),
               OPS_CODE_NO_TOKEN);
    else
        end_at(client, 0, 0);
    return NULL;
}

static struct ops_client *create(struct ops *ops)
{
    struct ops_client *client = ops->options.service->create(ops->options.arg);

    client->ops = ops;
    list_init(&client->list);
    list_init(&client->waiting);
    return client;
}

static void destroy(struct ops_client *client)
{
    wheel_stop(wheel_of(client), &client->timer);
    service_of(client)->on_close(client);
    for (struct list *node; (node = list_pop(&client->list));)
        LIST_ENTRY(node, struct op, node)->client = NULL;
    for (struct list *node; (node = list_pop(&client->waiting));)
        mem_free(LIST_ENTRY(node, struct waiting, node));
    admission_leave(client->caller);
    caller_unref(client->who);
    service_of(client)->destroy(client);
}

/* A client that is asked for, until it is let in. */
struct coming {
    struct admission_ask admission;
    struct ops_client *client;
};

static void refuse_token(struct request *req, const char *detail)
{
    request_problem(req, 401, "unauthorized", NULL, detail);
}

static void on_admitted(struct admission_ask *ask, uint64_t wait_ms)
{
    struct coming *coming = ask->arg;
    struct ops_client *client = coming->client;
    struct ops *ops = client->ops;

    if (wait_ms) {
        metrics_add(ops->options.put_off, 1);
        request_set_retry_after(ask->req, (unsigned)(wait_ms / 1000 + 1));
        request_too_many(ask->req, "accept-rate",
                         "too many come at once; come again");
        destroy(client);
    } else if (client->closed) { /* while it waited */
        refuse_token(ask->req, "the token has ended");
        destroy(client);
    } else if (!socket_accept(ask->req, &client->socket, &ops->sockets)) {
        destroy(client);
    }
}

static void admit(struct ops *ops, struct request *req,
                  struct ops_client *client)
{
    struct coming *coming = arena_zalloc(request_arena(req), sizeof(*coming));

    client->caller = admission_enter(ops->options.admission, req);
    if (!client->caller) {
        destroy(client);
        request_too_many(req, "too-many-streams",
                         "this caller has as many as it may");
        return;
    }
    coming->client = client;
    coming->admission =
        (struct admission_ask){.req = req, .cb = on_admitted, .arg = coming};
    admission_ask(ops->options.admission, &coming->admission);
}

/* A token in a header or a cookie must be good; without one it may come yet. */
void ops_connect(struct ops *ops, struct request *req)
{
    const struct auth_identity *identity = request_identity(req);

    if (!ops->options.service->is_ready(ops->options.arg)) {
        request_fail(req, UV_ENOTCONN);
        return;
    }
    if (!identity && request_header(req, "authorization").ptr) {
        refuse_token(req, "a valid bearer token is needed");
        return;
    }
    struct ops_client *client = create(ops);
    const char *reason = identity ? ops_identify(client, identity) : NULL;
    if (!reason) {
        admit(ops, req, client);
        return;
    }
    request_problem(req, 403, "forbidden", NULL, reason);
    destroy(client);
}

static void on_open(struct socket *socket)
{
    struct ops_client *client = client_of(socket);
    uint64_t *gauge = client->ops->options.clients;

    client->opened = true;
    metrics_set(gauge, *gauge + 1);
    service_of(client)->on_open(client);
    if (!client->who)
        end_at(client, now_of(client) + AUTH_MS, OPS_CODE_LATE);
}

/* ---- messages */

void ops_send(struct ops_client *client, struct span text)
{
    int err = socket_send(&client->socket, WS_TEXT, text);

    if (err == UV_ENOBUFS) {
        metrics_add(client->ops->options.late, 1);
        ops_end(client, OPS_CODE_LATE, "too slow a reader");
    }
}

void ops_end(struct ops_client *client, unsigned code, const char *reason)
{
    if (client->closed)
        return;
    client->closed = true;
    wheel_stop(wheel_of(client), &client->timer);
    service_of(client)->on_end(client);
    socket_close(&client->socket, code, span_str(reason));
}

static void keep(struct ops_client *client, struct span text)
{
    if (client->waiting_count == OPS_WAITING_MAX) {
        ops_end(client, OPS_CODE_TOO_MANY,
                "too many requests wait for an answer");
        return;
    }
    struct waiting *waiting = mem_alloc(MEM_CONN, sizeof(*waiting) + text.len);
    waiting->len = text.len;
    memcpy(waiting->text, text.ptr, text.len);
    list_append(&client->waiting, &waiting->node);
    client->waiting_count++;
}

static bool is_held_up(struct ops_client *client)
{
    return client->auth || client->limiting ||
           service_of(client)->is_held_up(client);
}

static void on_message(struct socket *socket, enum ws_opcode opcode,
                       struct span bytes)
{
    struct ops_client *client = client_of(socket);
    (void)opcode; /* text only */

    if (client->closed)
        return;
    if (is_held_up(client) || client->waiting_count)
        keep(client, bytes);
    else
        ops_take(client, bytes);
}

void ops_go_on(struct ops_client *client)
{
    struct list *node;

    client->going_on = true;
    while (!client->closed && !is_held_up(client) &&
           (node = list_pop(&client->waiting))) {
        struct waiting *waiting = LIST_ENTRY(node, struct waiting, node);
        client->waiting_count--;
        ops_take(client, (struct span){waiting->text, waiting->len});
        mem_free(waiting);
    }
    client->going_on = false;
}

static void on_written(struct socket *socket)
{
    struct ops_client *client = client_of(socket);

    service_of(client)->on_written(client);
}

/* ---- the end */

static void on_timer(struct wheel_timer *timer)
{
    struct ops_client *client = LIST_ENTRY(timer, struct ops_client, timer);

    switch (client->end_code) {
    case OPS_CODE_NO_TOKEN:
        ops_end(client, OPS_CODE_NO_TOKEN, "the token has ended");
        break;
    case OPS_CODE_LATE:
        ops_end(client, OPS_CODE_LATE, "no token came");
        break;
    default:
        ops_end(client, WS_CODE_GOING_AWAY, "the server drains");
        break;
    }
}

/* Not all at once: neither do they go, nor come to another server. */
static void on_leave(struct socket *socket, uint64_t within_ms)
{
    struct ops_client *client = client_of(socket);
    uint64_t at = within_ms ? (uint64_t)random() % within_ms : 0;
    struct buf text;
    struct json_writer w = {.out = &text};

    if (client->closed)
        return;
    if (!client->draining) {
        buf_init(&text, MEM_CONN);
        json_put_open(&w, '{');
        json_put_key(&w, "type");
        json_put_string(&w, SPAN("drain"));
        json_put_key(&w, "retry_after_ms");
        json_put_int(&w, (int64_t)at);
        json_put_close(&w, '}');
        ops_send(client, buf_span(&text));
        buf_deinit(&text);
    }
    client->draining = true;
    if (!client->closed)
        end_at(client, now_of(client) + at + 1, WS_CODE_GOING_AWAY);
}

static void on_close(struct socket *socket, unsigned code)
{
    struct ops_client *client = client_of(socket);
    uint64_t *gauge = client->ops->options.clients;
    (void)code;

    if (client->opened)
        metrics_set(gauge, *gauge - 1);
    destroy(client);
}
