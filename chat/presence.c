/*
 * presence.c - see presence.h.
 *
 *   presence_look() -- people_ask() --> on_people(): a link to each person
 *   a person -- roster_read() --> on_roster(); then on_change() of its roster;
 *   what changed while it was read is read again
 */
#include <openssl/rand.h>

#include "chat/client.h"
#include "chat/people.h"
#include "chat/presence.h"
#include "chat/reply.h"
#include "common/clock.h"

#define BUCKETS 4096
#define ID_BYTES 8
#define SEEN_MS 2592000000 /* that it is remembered who was here when: 30 d */

static const char online[] = "online";
static const char away[] = "away";
static const char offline[] = "offline";

struct presence {
    struct chat *chat;
    struct roster *roster;
    struct hash_key hash_key;
    struct list buckets[BUCKETS]; /* of persons */
    struct list views;
    struct list changed; /* persons */
    struct wheel_timer turn;
    uint32_t mark; /* of what is being told */
};

/* A room somebody here looks at. */
struct view {
    struct list node, links;
    struct presence *presence;
    struct room *room;
    unsigned lookers;
    bool asked; /* for its members */
    struct arena arena;
    struct people people;
};

/* One of the connections, of all nodes, of somebody who is looked at. */
struct connected {
    struct list node;
    bool away;
    uint8_t len;
    char id[ROSTER_ID_MAX];
};

struct person {
    struct list bucket, links, connected;
    struct list changed; /* of those to be told of, or alone */
    struct presence *presence;
    bool reading, again; /* again: something passed meanwhile */
    const char *told;    /* state, static; NULL: nothing yet */
    int64_t seen_ms;     /* when it was here last; 0: not known */
    uint8_t name_len;
    char name[];
};

/* A person in a view. */
struct link {
    struct list of_view, of_person;
    struct view *view;
    struct person *person;
};

static void on_change(void *arg, const struct roster_change *change);
static void on_swept(void *arg, const struct roster_change *change);
static void on_again(void *arg);
static void on_turn(struct wheel_timer *timer);
static void on_roster(void *arg, int status, const struct redisReply *reply);

static struct nodes *nodes_of(void *arg)
{
    struct presence *presence = arg;

    return app_nodes(presence->chat->app);
}

struct presence *presence_create(struct chat *chat)
{
    static const struct roster_events events = {
        .on_change = on_change, .on_swept = on_swept, .on_again = on_again};
    struct presence *presence = mem_zalloc(MEM_APP, sizeof(*presence));

    presence->chat = chat;
    presence->hash_key = hash_random_key();
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&presence->buckets[i]);
    list_init(&presence->views);
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
                 span_str(here->away ? away : online));
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

/* ---- persons */

static struct list *bucket_of(struct presence *presence, struct span name)
{
    return &presence->buckets[hash_bucket(&presence->hash_key, name) % BUCKETS];
}

static struct person *find(struct presence *presence, struct span name)
{
    struct list *bucket = bucket_of(presence, name);

    for (struct list *n = bucket->next; n != bucket; n = n->next) {
        struct person *person = LIST_ENTRY(n, struct person, bucket);
        if (span_eq((struct span){person->name, person->name_len}, name))
            return person;
    }
    return NULL;
}

static struct span name_of(const struct person *person)
{
    return (struct span){person->name, person->name_len};
}

static void forget_connected(struct person *person)
{
    for (struct list *node; (node = list_pop(&person->connected));)
        mem_free(LIST_ENTRY(node, struct connected, node));
}

/* One that is read stays until that is over. */
static void drop_person(struct person *person)
{
    if (!list_is_empty(&person->links) || person->reading)
        return;
    forget_connected(person);
    list_remove(&person->bucket);
    list_remove(&person->changed);
    mem_free(person);
}

static void read_roster(struct person *person)
{
    person->again = false;
    if (roster_read(person->presence->roster, name_of(person), on_roster,
                    person) == 0)
        person->reading = true;
}

static struct person *add_person(struct presence *presence, struct span name)
{
    struct person *person = mem_zalloc(MEM_CACHE, sizeof(*person) + name.len);

    list_init(&person->links);
    list_init(&person->connected);
    list_init(&person->changed);
    person->presence = presence;
    person->name_len = (uint8_t)name.len;
    memcpy(person->name, name.ptr, name.len);
    list_append(bucket_of(presence, name), &person->bucket);
    read_roster(person);
    return person;
}

static const char *state_of(const struct person *person)
{
    const char *state = offline;

    for (struct list *n = person->connected.next; n != &person->connected;
         n = n->next) {
        if (!LIST_ENTRY(n, struct connected, node)->away)
            return online;
        state = away;
    }
    return state;
}

static void has_changed(struct person *person)
{
    struct presence *presence = person->presence;

    if (list_is_empty(&person->changed))
        list_append(&presence->changed, &person->changed);
    if (!wheel_is_started(&presence->turn))
        wheel_start(wheel_of(presence), &presence->turn, 0, on_turn);
}

static void add_connected(struct person *person, struct span id,
                          struct span state)
{
    struct connected *connected = mem_zalloc(MEM_CACHE, sizeof(*connected));

    connected->away = span_eq(state, span_str(away));
    connected->len = (uint8_t)(id.len < ROSTER_ID_MAX ? id.len : ROSTER_ID_MAX);
    memcpy(connected->id, id.ptr, connected->len);
    list_append(&person->connected, &connected->node);
}

static void remove_connected(struct person *person, struct span id)
{
    for (struct list *n = person->connected.next; n != &person->connected;
         n = n->next) {
        struct connected *connected = LIST_ENTRY(n, struct connected, node);
        if (!span_eq((struct span){connected->id, connected->len}, id))
            continue;
        list_remove(n);
        mem_free(connected);
        return;
    }
}

static void take_field(struct person *person, struct span id, struct span text)
{
    struct roster_said said;
    uint64_t emptied;

    if (span_eq(id, SPAN(ROSTER_EMPTIED))) {
        if (span_to_u64(text, INT64_MAX, &emptied))
            person->seen_ms = (int64_t)emptied;
    } else if (roster_said_parse(text, &said)) {
        if (roster_counts(person->presence->roster, &said))
            add_connected(person, id, said.payload);
    }
}

static void take_roster(struct person *person, const struct redisReply *reply)
{
    forget_connected(person);
    for (size_t i = 0; i + 1 < reply->elements; i += 2)
        take_field(person, reply_text(reply->element[i]),
                   reply_text(reply->element[i + 1]));
    has_changed(person);
}

static void on_roster(void *arg, int status, const struct redisReply *reply)
{
    struct person *person = arg;

    person->reading = false;
    if (person->again && !list_is_empty(&person->links))
        read_roster(person);
    else if (status == 0 && reply->type == REDIS_REPLY_ARRAY)
        take_roster(person, reply);
    drop_person(person);
}

static void on_change(void *arg, const struct roster_change *change)
{
    struct person *person = find(arg, change->selector);

    if (!person)
        return;
    if (person->reading) {
        person->again = true;
        return;
    }
    remove_connected(person, change->subscriber);
    person->seen_ms = clock_wall_ms();
    if (change->entered)
        add_connected(person, change->subscriber, change->said.payload);
    has_changed(person);
}

static void on_swept(void *arg, const struct roster_change *change)
{
    on_change(arg, change);
}

static void on_again(void *arg)
{
    struct presence *presence = arg;

    for (size_t i = 0; i < BUCKETS; i++)
        for (struct list *n = presence->buckets[i].next;
             n != &presence->buckets[i]; n = n->next) {
            struct person *person = LIST_ENTRY(n, struct person, bucket);
            if (person->reading)
                person->again = true;
            else
                read_roster(person);
        }
}

/* ---- telling */

static void put_event(struct buf *out, const struct person *person)
{
    struct json_writer w = {.out = out};

    json_put_open(&w, '{');
    json_put_key(&w, "type");
    json_put_string(&w, SPAN("presence"));
    json_put_key(&w, "user");
    json_put_string(&w, name_of(person));
    json_put_key(&w, "state");
    json_put_string(&w, span_str(person->told));
    json_put_key(&w, "last_seen_ms");
    json_put_int(&w,
                 person->told == offline ? person->seen_ms : clock_wall_ms());
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
    const char *state = state_of(person);
    struct buf out;

    if (state == person->told ||
        (!person->told && state == offline && !person->seen_ms))
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

    for (struct list *node; (node = list_pop(&presence->changed));)
        tell(LIST_ENTRY(node, struct person, changed));
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
    struct person *person = find(view->presence, name);
    struct link *link = mem_zalloc(MEM_CACHE, sizeof(*link));

    if (person)
        tell_view(view, person);
    else
        person = add_person(view->presence, name);
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
    drop_person(person);
}

static struct link *find_link(const struct view *view, struct span name)
{
    for (struct list *n = view->links.next; n != &view->links; n = n->next) {
        struct link *link = LIST_ENTRY(n, struct link, of_view);
        if (span_eq(name_of(link->person), name))
            return link;
    }
    return NULL;
}

/* One whose members are being asked for stays until they are here. */
static void drop_view(struct view *view)
{
    if (view->lookers || view->asked)
        return;
    while (!list_is_empty(&view->links))
        drop_link(LIST_ENTRY(view->links.next, struct link, of_view));
    list_remove(&view->node);
    room_leave(view->room);
    arena_deinit(&view->arena);
    mem_free(view);
}

static void on_people(struct people *people, int status)
{
    struct view *view = people->arg;
    struct span name;

    view->asked = false;
    if (status == 0 && !people->refusal[0] && view->lookers)
        for (size_t i = 0; people_name(people, i, &name); i++)
            if (!find_link(view, name))
                add_link(view, name);
    drop_view(view);
}

static void ask_people(struct view *view, struct span user)
{
    view->people = (struct people){.user = arena_copy(&view->arena, user),
                                   .room = room_id(view->room),
                                   .after = SPAN(""),
                                   .limit = PRESENCE_MEMBERS_MAX,
                                   .arena = &view->arena,
                                   .cb = on_people,
                                   .arg = view};
    view->asked = people_ask(view->presence->chat, &view->people) == 0;
}

static struct view *add_view(struct presence *presence, struct room *room)
{
    struct view *view = mem_zalloc(MEM_CACHE, sizeof(*view));

    view->presence = presence;
    view->room = room;
    list_init(&view->links);
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

void presence_look(struct presence *presence, struct client *client,
                   struct room *room)
{
    struct view *view = find_view(presence, room);

    if (view) {
        view->lookers++;
        tell_known(view, client);
        return;
    }
    view = add_view(presence, room);
    view->lookers++;
    ask_people(view, user_name(client->user));
}

void presence_unlook(struct presence *presence, struct room *room)
{
    struct view *view = find_view(presence, room);

    if (!view)
        return;
    view->lookers--;
    drop_view(view);
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
