/*
 * presence.c - see presence.h.
 *
 *   presence_look() -- people_ask() --> on_people(): a link to each person
 *   a person -- person_add(): what Redis has of it, and each change of that
 *
 * All is told in on_turn(), and there views are dropped that nobody looks at
 * any more: who is told may be ended by it, which ends what it looks at.
 */
#include <openssl/rand.h>

#include "chat/client.h"
#include "chat/people.h"
#include "chat/presence.h"
#include "chat/presence_internal.h"
#include "common/clock.h"

#define ID_BYTES 8
#define SEEN_MS 2592000000 /* that it is remembered who was here when: 30 d */

const char presence_online[] = "online";
const char presence_away[] = "away";
const char presence_offline[] = "offline";

/* A room somebody here looks at. */
struct view {
    struct list node, links;
    struct list due;       /* of those that somebody came to or went from */
    struct list newcomers; /* watches that were told nothing yet */
    struct presence *presence;
    struct room *room;
    unsigned lookers;
    bool asked;  /* for its members */
    bool failed; /* they could not be read: again later */
    struct arena arena;
    struct people people;
};

static void on_again(void *arg);
static void on_turn(struct wheel_timer *timer);
static void drop_view(struct view *view);
static void drop_unseen(struct presence *presence);
static void tell_newcomers(struct view *view);
static void ask_again(struct view *view);

static struct nodes *nodes_of(void *arg)
{
    struct presence *presence = arg;

    return app_nodes(presence->chat->app);
}

struct presence *presence_create(struct chat *chat)
{
    static const struct roster_events events = {.on_change = persons_on_change,
                                                .on_swept = persons_on_swept,
                                                .on_again = on_again};
    struct presence *presence = mem_zalloc(MEM_APP, sizeof(*presence));

    presence->chat = chat;
    presence->hash_key = hash_random_key();
    for (size_t i = 0; i < PRESENCE_BUCKETS; i++)
        list_init(&presence->buckets[i]);
    list_init(&presence->views);
    list_init(&presence->due);
    list_init(&presence->changed);
    presence->roster = roster_open(
        &(struct roster_options){.loop = app_loop(chat->app),
                                 .redis = app_redis(chat->app),
                                 .prefix = CHAT_PREFIX,
                                 .worker = app_instance_id(chat->app),
                                 .remember_ms = SEEN_MS,
                                 .nodes = nodes_of,
                                 .events = &events,
                                 .arg = presence});
    return presence;
}

static struct wheel *wheel_of(const struct presence *presence)
{
    return stream_loop_wheel(app_loop(presence->chat->app));
}

void presence_destroy(struct presence *presence)
{
    wheel_stop(wheel_of(presence), &presence->turn);
    drop_unseen(presence);
    roster_close(presence->roster);
    mem_free(presence);
}

void presence_set_live(struct presence *presence, bool live)
{
    roster_set_live(presence->roster, live);
}

void presence_hear(struct presence *presence, struct span word)
{
    roster_hear(presence->roster, word);
}

/* ---- who is here */

static void enter(struct here *here, struct span user)
{
    unsigned char bytes[ID_BYTES];
    char id[2 * ID_BYTES];

    if (RAND_bytes(bytes, ID_BYTES) != 1)
        memset(bytes, 0, ID_BYTES);
    span_hex(id, (struct span){(const char *)bytes, ID_BYTES});
    roster_enter(here->presence->roster, &here->entry, user,
                 (struct span){id, sizeof(id)}, user,
                 span_str(here->away ? presence_away : presence_online));
}

void presence_enter(struct presence *presence, struct here *here,
                    struct span user)
{
    here->presence = presence;
    here->away = false;
    enter(here, user);
}

/* The new one comes before the old one goes: it is never nobody. */
void presence_change(struct here *here, struct span user, bool is_away)
{
    struct roster_entry old = here->entry;

    if (here->away == is_away)
        return;
    list_init(&old.node); /* takes the place of the one that it is a copy of */
    list_append(&here->entry.node, &old.node);
    list_remove(&here->entry.node);
    here->away = is_away;
    enter(here, user);
    roster_leave(&old);
}

void presence_leave(struct here *here)
{
    roster_leave(&here->entry);
}

/* ---- what comes in a turn */

void presence_await_turn(struct presence *presence)
{
    if (!wheel_is_started(&presence->turn))
        wheel_start(wheel_of(presence), &presence->turn, 0, on_turn);
}

static void is_due(struct view *view)
{
    if (list_is_empty(&view->due))
        list_append(&view->presence->due, &view->due);
    presence_await_turn(view->presence);
}

static void on_again(void *arg)
{
    struct presence *presence = arg;

    for (struct list *n = presence->views.next; n != &presence->views;
         n = n->next)
        ask_again(LIST_ENTRY(n, struct view, node));
    persons_read_again(presence);
}

/* ---- telling */

static void put_event(struct buf *out, const struct person *person)
{
    struct json_writer w = {.out = out};

    json_put_open(&w, '{');
    json_put_key(&w, "type");
    json_put_string(&w, SPAN("presence"));
    json_put_key(&w, "user");
    json_put_string(&w, person_name(person));
    json_put_key(&w, "state");
    json_put_string(&w, span_str(person->told));
    json_put_key(&w, "last_seen_ms");
    json_put_int(&w, person->told == presence_offline ? person->seen_ms
                                                      : clock_wall_ms());
    json_put_close(&w, '}');
}

/* To who looks at the room; once to each, whatever rooms it looks at. */
static void tell_room(struct presence *presence, struct room *room,
                      struct span event)
{
    for (struct list *n = room->seats.next; n != &room->seats; n = n->next) {
        struct user *user = LIST_ENTRY(n, struct seat, of_room)->user;
        for (struct list *c = user->clients.next; c != &user->clients;
             c = c->next) {
            struct client *client = LIST_ENTRY(c, struct client, of_user);
            const struct watch *watch = watches_find(&client->watches, room);
            if (client->base.closed || !watch || !watch->roster ||
                client->told == presence->mark)
                continue;
            client->told = presence->mark;
            ops_send(&client->base, event);
        }
    }
}

static void tell(struct person *person)
{
    struct presence *presence = person->presence;
    const char *state = person_state(person);
    struct buf out;

    if (state == person->told ||
        (!person->told && state == presence_offline && !person->seen_ms))
        return;
    person->told = state;
    if (!person->seen_ms)
        person->seen_ms = clock_wall_ms();
    presence->mark++;
    buf_init(&out, MEM_CONN);
    put_event(&out, person);
    for (struct list *n = person->links.next; n != &person->links; n = n->next)
        tell_room(presence, LIST_ENTRY(n, struct link, of_person)->view->room,
                  buf_span(&out));
    buf_deinit(&out);
}

static void on_turn(struct wheel_timer *timer)
{
    struct presence *presence = LIST_ENTRY(timer, struct presence, turn);

    for (struct list *node; (node = list_pop(&presence->due));)
        tell_newcomers(LIST_ENTRY(node, struct view, due));
    for (struct list *node; (node = list_pop(&presence->changed));)
        tell(LIST_ENTRY(node, struct person, changed));
    drop_unseen(presence);
}

/* ---- views */

static struct view *find_view(struct presence *presence,
                              const struct room *room)
{
    for (struct list *n = presence->views.next; n != &presence->views;
         n = n->next) {
        struct view *view = LIST_ENTRY(n, struct view, node);
        if (view->room == room)
            return view;
    }
    return NULL;
}

/* What is known of one who is looked at elsewhere, too. */
static void tell_view(const struct view *view, const struct person *person)
{
    struct buf out;

    if (!person->told)
        return;
    view->presence->mark++;
    buf_init(&out, MEM_CONN);
    put_event(&out, person);
    tell_room(view->presence, view->room, buf_span(&out));
    buf_deinit(&out);
}

static void add_link(struct view *view, struct span name)
{
    struct person *person = person_find(view->presence, name);
    struct link *link = mem_zalloc(MEM_CACHE, sizeof(*link));

    if (person)
        tell_view(view, person);
    else
        person = person_add(view->presence, name);
    link->view = view;
    link->person = person;
    list_append(&view->links, &link->of_view);
    list_append(&person->links, &link->of_person);
}

static void drop_link(struct link *link)
{
    struct person *person = link->person;

    list_remove(&link->of_view);
    list_remove(&link->of_person);
    mem_free(link);
    person_drop(person);
}

static struct link *find_link(const struct view *view, struct span name)
{
    for (struct list *n = view->links.next; n != &view->links; n = n->next) {
        struct link *link = LIST_ENTRY(n, struct link, of_view);
        if (span_eq(person_name(link->person), name))
            return link;
    }
    return NULL;
}

/* One whose members are being asked for stays until they are here. */
static void drop_unseen(struct presence *presence)
{
    struct list *next;

    for (struct list *n = presence->views.next; n != &presence->views;
         n = next) {
        struct view *view = LIST_ENTRY(n, struct view, node);
        next = n->next;
        if (view->lookers == 0 && !view->asked)
            drop_view(view);
    }
}

static void drop_view(struct view *view)
{
    while (!list_is_empty(&view->links))
        drop_link(LIST_ENTRY(view->links.next, struct link, of_view));
    list_remove(&view->node);
    list_remove(&view->due);
    room_leave(view->room);
    arena_deinit(&view->arena);
    mem_free(view);
}

static void on_people(struct people *people, int status)
{
    struct view *view = people->arg;
    struct span name;

    view->asked = false;
    view->failed = status < 0 || people->refusal[0];
    if (!view->failed && view->lookers)
        for (size_t i = 0; people_name(people, i, &name); i++)
            if (!find_link(view, name))
                add_link(view, name);
    is_due(view);
}

static void ask_people(struct view *view, struct span user)
{
    arena_deinit(&view->arena);
    arena_init(&view->arena, MEM_CACHE, 0);
    view->people = (struct people){.user = arena_copy(&view->arena, user),
                                   .room = room_id(view->room),
                                   .after = SPAN(""),
                                   .limit = PRESENCE_MEMBERS_MAX,
                                   .arena = &view->arena,
                                   .cb = on_people,
                                   .arg = view};
    view->asked = people_ask(view->presence->chat, &view->people) == 0;
    view->failed = !view->asked;
}

/* By somebody who looks now: who did then may have been kicked. */
static void ask_again(struct view *view)
{
    const struct list *seats = &view->room->seats;

    if (!view->failed || view->asked)
        return;
    for (struct list *n = seats->next; n != seats; n = n->next) {
        struct user *user = LIST_ENTRY(n, struct seat, of_room)->user;
        for (struct list *c = user->clients.next; c != &user->clients;
             c = c->next) {
            struct client *client = LIST_ENTRY(c, struct client, of_user);
            const struct watch *watch =
                watches_find(&client->watches, view->room);
            if (watch && watch->roster) {
                ask_people(view, user_name(user));
                return;
            }
        }
    }
}

static struct view *add_view(struct presence *presence, struct room *room)
{
    struct view *view = mem_zalloc(MEM_CACHE, sizeof(*view));

    view->presence = presence;
    view->room = room;
    list_init(&view->links);
    list_init(&view->due);
    list_init(&view->newcomers);
    arena_init(&view->arena, MEM_CACHE, 0);
    room_use(room);
    list_append(&presence->views, &view->node);
    return view;
}

/* What is known of a view, for one who looks at it, too, from now on. */
static void tell_known(struct view *view, struct client *client)
{
    struct buf out;

    for (struct list *n = view->links.next; n != &view->links; n = n->next) {
        const struct person *person =
            LIST_ENTRY(n, struct link, of_view)->person;
        if (!person->told || client->base.closed)
            continue;
        buf_init(&out, MEM_CONN);
        put_event(&out, person);
        ops_send(&client->base, buf_span(&out));
        buf_deinit(&out);
    }
}

/* Telling may end a client: its watches are none of the newcomers then. */
static void tell_newcomers(struct view *view)
{
    for (struct list *node; (node = list_pop(&view->newcomers));)
        tell_known(view, LIST_ENTRY(node, struct watch, newcomer)->client);
}

void presence_look(struct presence *presence, struct watch *watch)
{
    struct view *view = find_view(presence, watch->room);

    if (!view) {
        view = add_view(presence, watch->room);
        view->failed = true;
    }
    view->lookers++;
    list_append(&view->newcomers, &watch->newcomer);
    if (view->failed && !view->asked)
        ask_people(view, user_name(watch->client->user));
    is_due(view);
}

void presence_unlook(struct presence *presence, struct watch *watch)
{
    struct view *view = find_view(presence, watch->room);

    list_remove(&watch->newcomer);
    if (!view)
        return;
    view->lookers--;
    is_due(view);
}

void presence_member(struct presence *presence, struct room *room,
                     const struct entry *entry)
{
    struct view *view = find_view(presence, room);
    struct link *link = view ? find_link(view, entry->user) : NULL;

    if (!view || span_eq(entry->change, SPAN("role")))
        return;
    if (span_eq(entry->change, SPAN("joined"))) {
        if (!link)
            add_link(view, entry->user);
    } else if (link) {
        drop_link(link);
    }
}
