/* client.c - see client.h. */
#include "chat/client.h"
#include "chat/op_internal.h"
#include "chat/reach.h"
#include "chat/sessions.h"

static bool is_ready(void *arg)
{
    const struct chat *chat = arg;

    return chat->secret != NULL;
}

static struct ops_client *create(void *arg)
{
    struct client *client = mem_zalloc(MEM_CONN, sizeof(*client));

    client->chat = arg;
    list_init(&client->of_user);
    watches_init(&client->watches);
    return &client->base;
}

void client_tell_presence(struct user *user)
{
    bool away = true;

    for (struct list *n = user->clients.next; n != &user->clients; n = n->next)
        away = away && LIST_ENTRY(n, struct client, of_user)->away;
    presence_change(&user->here, user_name(user), away);
}

static void leave(struct client *client)
{
    struct user *user = client->user;
    bool is_last = user->clients.next->next == &user->clients;

    client_stop_typing(client, (struct span){NULL, 0});
    client->user = NULL;
    user_leave(user, &client->of_user);
    if (!is_last)
        client_tell_presence(user);
}

/* Who is nobody yet may become somebody, as long as it has asked for nothing.
 */
static bool may_change(const struct client *client)
{
    return span_eq(user_name(client->user), SPAN("anonymous")) &&
           client->watches.count == 0 && !client->synced;
}

bool client_covers(const struct client *client, struct span room)
{
    return reach_covers(client->reach, room);
}

/* What it watches it may go on watching. */
static bool covers_watched(const struct client *client, struct span reach)
{
    const struct list *all = &client->watches.all;

    for (struct list *n = all->next; n != all; n = n->next)
        if (!reach_covers(
                reach, room_id(LIST_ENTRY(n, struct watch, of_client)->room)))
            return false;
    return true;
}

static void set_reach(struct client *client, struct span reach)
{
    char *copy = NULL;

    if (reach.ptr) {
        copy = mem_alloc(MEM_CONN, reach.len);
        memcpy(copy, reach.ptr, reach.len);
    }
    mem_free((char *)(uintptr_t)client->reach.ptr);
    client->reach = (struct span){copy, reach.len};
}

static const char *identify(struct ops_client *base,
                            const struct auth_identity *identity)
{
    struct client *client = client_of(base);

    if (!auth_allows(identity, REACH_SCOPE, (struct span){NULL, 0}))
        return "the token does not cover chat:use";
    if (!name_is_valid(identity->sub))
        return "the token's sub is no user's name";
    uint64_t mark = session_mark(client->chat->sessions, identity);
    if (client->user && !span_eq(user_name(client->user), identity->sub) &&
        !may_change(client))
        return "the token is another user's";
    if (!covers_watched(client, reach_of(identity)))
        return "the token does not cover a room that is watched";
    if (client->base.auth && client->session != mark &&
        !session_is_known(client->chat->sessions, identity)) {
        session_ask_client(client, identity);
        return ops_later;
    }
    session_enter(client, identity);
    set_reach(client, reach_of(identity));
    if (client->user && span_eq(user_name(client->user), identity->sub))
        return NULL;
    if (client->user)
        leave(client);
    client->user =
        users_enter(client->chat->users, identity->sub, &client->of_user);
    client_tell_presence(client->user);
    return NULL;
}

static void on_open(struct ops_client *base)
{
    watches_set_stream(&client_of(base)->watches, socket_stream(&base->socket));
}

static void on_written(struct ops_client *base)
{
    watches_drained(&client_of(base)->watches);
}

static void on_end(struct ops_client *base)
{
    struct client *client = client_of(base);

    watches_stop(&client->watches);
    watches_set_stream(&client->watches, NULL);
    client_stop_typing(client, (struct span){NULL, 0});
}

static void on_close(struct ops_client *base)
{
    struct client *client = client_of(base);

    watches_stop(&client->watches);
    if (client->user)
        leave(client);
}

static void destroy(struct ops_client *base)
{
    struct client *client = client_of(base);

    set_reach(client, (struct span){NULL, 0});
    session_leave(client);
    mem_free(client);
}

static bool is_held_up(struct ops_client *base)
{
    const struct client *client = client_of(base);

    return client->asking || client->writing >= CLIENT_WRITING_MAX;
}

const struct ops_service client_service = {.subprotocol = "chat.v1.json",
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

/* ---- what it is told */

void client_end(struct client *client, unsigned code, const char *reason)
{
    if (!client->base.closed)
        ops_end(&client->base, code, reason);
}

void client_is_late(struct client *client)
{
    metrics_add(client->chat->late, 1);
    client_end(client, OPS_CODE_LATE, "too slow a reader");
}

static void begin_event(struct json_writer *w, const char *type,
                        const struct room *room)
{
    json_put_open(w, '{');
    json_put_key(w, "type");
    json_put_string(w, span_str(type));
    json_put_key(w, "room");
    json_put_string(w, room_id(room));
}

static void end_event(struct client *client, struct json_writer *w)
{
    json_put_close(w, '}');
    if (!client->base.closed)
        ops_send(&client->base, buf_span(w->out));
    buf_deinit(w->out);
}

void client_tell_gone(struct client *client, const struct room *room,
                      const char *reason)
{
    struct buf out;
    struct json_writer w = {.out = &out};

    buf_init(&out, MEM_CONN);
    begin_event(&w, "gone", room);
    json_put_key(&w, "reason");
    json_put_string(&w, span_str(reason));
    metrics_add(client->chat->gone, 1);
    end_event(client, &w);
}

void client_tell_unread(struct client *client, const struct seat *seat)
{
    struct buf out;
    struct json_writer w = {.out = &out};

    buf_init(&out, MEM_CONN);
    begin_event(&w, "unread", seat->room);
    json_put_key(&w, "seq");
    json_put_int(&w, (int64_t)seat->room->seq);
    json_put_key(&w, "unread");
    json_put_int(&w, (int64_t)seat_unread(seat));
    json_put_key(&w, "mentions");
    json_put_int(&w, (int64_t)seat->mentions);
    end_event(client, &w);
}

void connect_socket(struct request *req, void *arg)
{
    struct chat *chat = arg;

    ops_connect(&chat->ops, req);
}
