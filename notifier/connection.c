/* connection.c - GET /v1/ws: see connection.h. */
#include "notifier/connection.h"
#include "notifier/notifier.h"
#include "notifier/op_internal.h"

static void put_form(struct subscriber *subscriber, struct message *message,
                     struct form *form);
static void on_live(struct subscriber *subscriber);
static void on_late(struct subscriber *subscriber);
static void on_presence(struct subscriber *subscriber, struct span event);

static const struct subscriber_events subscriber_events = {
    .on_ready = op_on_ready,
    .on_live = on_live,
    .form = put_form,
    .on_late = on_late,
    .on_presence = on_presence};

/* ---- a client's life */

static bool is_ready(void *arg)
{
    const struct notifier *app = arg;

    return app->position_key != NULL;
}

static struct ops_client *create(void *arg)
{
    struct connection *connection = mem_zalloc(MEM_CONN, sizeof(*connection));

    subscriber_init(&connection->subscriber, arg, NULL, &subscriber_events);
    return &connection->client;
}

static const char *identify(struct ops_client *client,
                            const struct auth_identity *identity)
{
    struct subscriber *subscriber = &connection_of(client)->subscriber;
    struct rights *rights = NULL;
    const char *reason = rights_create(identity, &rights);

    if (reason)
        return reason;
    rights_unref(subscriber->rights);
    subscriber->rights = rights;
    return NULL;
}

static void on_open(struct ops_client *client)
{
    subscriber_set_stream(&connection_of(client)->subscriber,
                          socket_stream(&client->socket));
}

static void on_written(struct ops_client *client)
{
    subscriber_drained(&connection_of(client)->subscriber);
}

static void on_end(struct ops_client *client)
{
    struct connection *connection = connection_of(client);

    subscriber_stop(&connection->subscriber);
    subscriber_set_stream(&connection->subscriber, NULL);
}

static void on_close(struct ops_client *client)
{
    struct connection *connection = connection_of(client);
    struct op *busy = connection->busy;

    connection->busy = NULL;
    if (busy)
        op_drop(busy);
    subscriber_deinit(&connection->subscriber);
}

static void destroy(struct ops_client *client)
{
    mem_free(connection_of(client));
}

static bool is_held_up(struct ops_client *client)
{
    const struct connection *connection = connection_of(client);

    return connection->resuming ||
           connection->publishing >= CONNECTION_PUBLISHING_MAX;
}

const struct ops_service connection_service = {.subprotocol =
                                                   "notifier.v1.json",
                                               .kinds = op_kinds,
                                               .kind_count = OP_KINDS,
                                               .is_ready = is_ready,
                                               .create = create,
                                               .identify = identify,
                                               .on_open = on_open,
                                               .on_written = on_written,
                                               .on_end = on_end,
                                               .on_close = on_close,
                                               .destroy = destroy,
                                               .is_held_up = is_held_up};

void connect_socket(struct request *req, void *arg)
{
    struct notifier *app = arg;

    ops_connect(&app->ops, req);
}

static struct ops_client *client_of(struct subscriber *subscriber)
{
    return &LIST_ENTRY(subscriber, struct connection, subscriber)->client;
}

static void on_live(struct subscriber *subscriber)
{
    struct ops_client *client = client_of(subscriber);

    connection_of(client)->resuming = false;
    ops_go_on(client);
}

static void on_late(struct subscriber *subscriber)
{
    ops_end(client_of(subscriber), OPS_CODE_LATE, "too slow a reader");
}

static void on_presence(struct subscriber *subscriber, struct span event)
{
    ops_send(client_of(subscriber), event);
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
