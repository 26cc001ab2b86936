/*
 * told.c - what clients hear beside the logs: counts of rooms that they do not
 * watch, who has read how far, who types.
 *
 * Counts are told once a turn, in slices, so that a busy room of many does not
 * hold up the others.
 */
#include "chat/told.h"
#include "chat/client.h"
#include "chat/sessions.h"

#define SLICE 256     /* seats in a turn */
#define LARGE_MS 5000 /* between two times that those of large rooms hear */

static struct wheel *wheel_of(const struct chat *chat)
{
    return stream_loop_wheel(app_loop(chat->app));
}

static void tell_counts(struct chat *chat, struct seat *seat)
{
    struct user *user = seat->user;

    (void)chat;
    for (struct list *n = user->clients.next, *next; n != &user->clients;
         n = next) {
        struct client *client = LIST_ENTRY(n, struct client, of_user);
        next = n->next;
        if (client->synced && client_covers(client, room_id(seat->room)) &&
            !watches_find(&client->watches, seat->room))
            client_tell_unread(client, seat);
    }
}

static void on_turn(struct wheel_timer *timer)
{
    struct chat *chat = LIST_ENTRY(timer, struct chat, turn);
    struct list *node;

    for (unsigned i = 0; i < SLICE && (node = list_pop(&chat->told)); i++)
        tell_counts(chat, LIST_ENTRY(node, struct seat, told));
    if (!list_is_empty(&chat->told))
        wheel_start(wheel_of(chat), &chat->turn, 0, on_turn);
}

void told_counts(struct chat *chat, struct seat *seat)
{
    if (seat->role == 0)
        return;
    if (list_is_empty(&seat->told))
        list_append(&chat->told, &seat->told);
    if (!wheel_is_started(&chat->turn))
        wheel_start(wheel_of(chat), &chat->turn, 0, on_turn);
}

static void on_large(struct wheel_timer *timer)
{
    struct chat *chat = LIST_ENTRY(timer, struct chat, large_timer);
    struct list *node;

    while ((node = list_pop(&chat->large))) {
        struct room *room = LIST_ENTRY(node, struct room, large);
        for (struct list *n = room->seats.next; n != &room->seats; n = n->next)
            told_counts(chat, LIST_ENTRY(n, struct seat, of_room));
    }
}

void told_large(struct chat *chat, struct room *room)
{
    if (list_is_empty(&room->large))
        list_append(&chat->large, &room->large);
    if (!wheel_is_started(&chat->large_timer))
        wheel_start(wheel_of(chat), &chat->large_timer, LARGE_MS, on_large);
}

/* The room, if somebody here is to hear of such things: in a large one nobody
   is, for each would be told to thousands. */
static struct room *find_small(const struct chat *chat, struct span id)
{
    struct room *room = rooms_find(chat->rooms, id);

    return room && room->watchers && room->members <= chat->config->large_room
               ? room
               : NULL;
}

/* "ROOM USER MEMBER" */
static void tell_state(struct chat *chat, struct span text)
{
    struct span rest = text;
    struct span id;
    struct span name;
    struct member member;
    struct buf out;
    struct json_writer w = {.out = &out};

    users_on_state(chat->users, text);
    if (!span_cut(&rest, ' ', &id) || !span_cut(&rest, ' ', &name) ||
        !rest.ptr || !member_parse(rest, &member))
        return;
    struct room *room = find_small(chat, id);
    if (!room)
        return;
    buf_init(&out, MEM_CONN);
    json_put_open(&w, '{');
    json_put_key(&w, "type");
    json_put_string(&w, SPAN("receipt"));
    json_put_key(&w, "room");
    json_put_string(&w, id);
    json_put_key(&w, "user");
    json_put_string(&w, name);
    json_put_key(&w, "read");
    json_put_int(&w, (int64_t)member.read);
    json_put_key(&w, "delivered");
    json_put_int(&w, (int64_t)member.delivered);
    json_put_close(&w, '}');
    room_signal(room, buf_span(&out), false);
    buf_deinit(&out);
}

/* "ROOM USER ON" */
static void tell_typing(struct chat *chat, struct span text)
{
    struct span id;
    struct span name;
    struct buf out;
    struct json_writer w = {.out = &out};

    if (!span_cut(&text, ' ', &id) || !span_cut(&text, ' ', &name) || !text.ptr)
        return;
    struct room *room = find_small(chat, id);
    if (!room)
        return;
    buf_init(&out, MEM_CONN);
    json_put_open(&w, '{');
    json_put_key(&w, "type");
    json_put_string(&w, SPAN("typing"));
    json_put_key(&w, "room");
    json_put_string(&w, id);
    json_put_key(&w, "user");
    json_put_string(&w, name);
    json_put_key(&w, "on");
    json_put_bool(&w, span_eq(text, SPAN("1")));
    json_put_close(&w, '}');
    room_signal(room, buf_span(&out), true);
    buf_deinit(&out);
}

void told_word(struct chat *chat, struct span word)
{
    struct span payload = word;
    struct span kind;

    if (!span_cut(&word, ' ', &kind) || !word.ptr)
        return;
    if (span_eq(kind, SPAN("@s")))
        tell_state(chat, word);
    else if (span_eq(kind, SPAN("@t")))
        tell_typing(chat, word);
    else if (span_eq(kind, SPAN("@x")))
        sessions_on_end(chat->sessions, word);
    else
        presence_hear(chat->presence, payload);
}

void told_stop(struct chat *chat)
{
    wheel_stop(wheel_of(chat), &chat->turn);
    wheel_stop(wheel_of(chat), &chat->large_timer);
}
