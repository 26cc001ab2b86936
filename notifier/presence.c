/*
 * presence.c - see presence.h.
 *
 *   presence_watch() -- load() --> on_roster(): who is there
 *   presence_change() -- note() -- due --> on_turn(): tell()
 *
 * What is heard while a roster is read is kept and done behind it, unless the
 * answer has it: versions count a roster's changes.
 */
#include <hiredis/hiredis.h>

#include "common/app.h"
#include "notifier/presence.h"

#define RETRY_MS 500
#define KEPT_MAX 1024 /* changes heard while a roster is read */
#define EVENT_NAMES 500

/* A change that was heard. */
struct kept {
    struct list node;
    uint64_t version;
    bool entered;
    char *subscriber, *user;
};

struct room {
    struct list node;
    struct presence *presence;
    struct list watches;
    struct list kept;
    struct wheel_timer timer; /* to tell, or to read again */
    json_t *members;          /* subscriber: user */
    json_t *users;            /* user: how many subscriptions */
    json_t *joined, *left;    /* since it was told; user: true */
    size_t kept_count;
    bool loaded, loading, again, telling;
    size_t len;
    char selector[];
};

struct presence {
    struct app *app;
    struct roster *roster;
    struct list rooms;
};

static void load(struct room *room);
static void on_roster(void *arg, int status, const struct redisReply *reply);
static void on_turn(struct wheel_timer *timer);

struct presence *presence_create(struct app *app, struct roster *roster)
{
    struct presence *presence = mem_zalloc(MEM_APP, sizeof(*presence));

    presence->app = app;
    presence->roster = roster;
    list_init(&presence->rooms);
    return presence;
}

void presence_destroy(struct presence *presence)
{
    mem_free(presence);
}

static struct wheel *wheel_of(const struct room *room)
{
    return stream_loop_wheel(app_loop(room->presence->app));
}

static struct span selector_of(const struct room *room)
{
    return (struct span){room->selector, room->len};
}

/* ---- rooms */

static struct room *find(struct presence *presence, struct span selector)
{
    for (struct list *n = presence->rooms.next; n != &presence->rooms;
         n = n->next) {
        struct room *room = LIST_ENTRY(n, struct room, node);
        if (span_eq(selector_of(room), selector))
            return room;
    }
    return NULL;
}

static struct room *create(struct presence *presence, struct span selector)
{
    struct room *room = mem_zalloc(MEM_CACHE, sizeof(*room) + selector.len);

    room->presence = presence;
    list_init(&room->watches);
    list_init(&room->kept);
    room->members = json_object();
    room->users = json_object();
    room->joined = json_object();
    room->left = json_object();
    room->len = selector.len;
    memcpy(room->selector, selector.ptr, selector.len);
    list_append(&presence->rooms, &room->node);
    return room;
}

static void drop_kept(struct room *room)
{
    for (struct list *node; (node = list_pop(&room->kept));) {
        struct kept *kept = LIST_ENTRY(node, struct kept, node);
        mem_free(kept->subscriber);
        mem_free(kept);
    }
    room->kept_count = 0;
}

/* Nobody watches, and nothing is read for it. */
static void drop_unused(struct room *room)
{
    if (room->loading || room->telling || !list_is_empty(&room->watches))
        return;
    drop_kept(room);
    wheel_stop(wheel_of(room), &room->timer);
    json_decref(room->members);
    json_decref(room->users);
    json_decref(room->joined);
    json_decref(room->left);
    list_remove(&room->node);
    mem_free(room);
}

static void set_due(struct room *room)
{
    wheel_start(wheel_of(room), &room->timer, 0, on_turn);
}

void presence_watch(struct presence *presence, struct presence_watch *watch,
                    struct span selector)
{
    struct room *room = find(presence, selector);

    if (!room)
        room = create(presence, selector);
    watch->room = room;
    watch->told = false;
    list_append(&room->watches, &watch->node);
    if (room->loaded)
        set_due(room);
    else if (!room->loading)
        load(room);
}

void presence_unwatch(struct presence_watch *watch)
{
    struct room *room = watch->room;

    if (!room)
        return;
    watch->room = NULL;
    list_remove(&watch->node);
    drop_unused(room);
}

/* ---- who is there */

/* A change of one takes back the opposite that was not told yet. */
static void note(json_t *now, json_t *opposite, const char *user)
{
    if (json_object_del(opposite, user) < 0)
        json_object_set_new(now, user, json_true());
}

static void enter(struct room *room, const char *subscriber, const char *user)
{
    json_t *count = json_object_get(room->users, user);

    if (json_object_get(room->members, subscriber))
        return;
    json_object_set_new(room->members, subscriber, json_string(user));
    if (count) {
        json_integer_set(count, json_integer_value(count) + 1);
        return;
    }
    json_object_set_new(room->users, user, json_integer(1));
    note(room->joined, room->left, user);
}

static void leave(struct room *room, const char *subscriber)
{
    json_t *member = json_incref(json_object_get(room->members, subscriber));
    const char *user = json_string_value(member);
    json_t *count = user ? json_object_get(room->users, user) : NULL;

    if (count) {
        json_object_del(room->members, subscriber);
        json_integer_set(count, json_integer_value(count) - 1);
        if (json_integer_value(count) == 0) {
            json_object_del(room->users, user);
            note(room->left, room->joined, user);
        }
    }
    json_decref(member);
}

static void apply(struct room *room, const struct kept *kept)
{
    if (kept->entered)
        enter(room, kept->subscriber, kept->user);
    else
        leave(room, kept->subscriber);
}

/* Both texts in one piece of memory, each with a NUL. */
static struct kept *make_kept(const struct roster_change *change)
{
    struct span subscriber = change->subscriber;
    struct span user = change->said.user;
    struct kept *kept = mem_zalloc(MEM_CACHE, sizeof(*kept));

    kept->version = change->version;
    kept->entered = change->entered;
    kept->subscriber = mem_zalloc(MEM_CACHE, subscriber.len + user.len + 2);
    memcpy(kept->subscriber, subscriber.ptr, subscriber.len);
    kept->user = kept->subscriber + subscriber.len + 1;
    memcpy(kept->user, user.ptr, user.len);
    return kept;
}

static void keep(struct room *room, struct kept *kept)
{
    list_append(&room->kept, &kept->node);
    if (++room->kept_count <= KEPT_MAX)
        return;
    drop_kept(room);
    room->again = true;
}

void presence_change(struct presence *presence,
                     const struct roster_change *change)
{
    struct room *room = find(presence, change->selector);
    struct kept *kept;

    if (!room)
        return;
    kept = make_kept(change);
    if (room->loading) {
        keep(room, kept);
        return;
    }
    apply(room, kept);
    mem_free(kept->subscriber);
    mem_free(kept);
    if (room->loaded)
        set_due(room);
}

void presence_again(struct presence *presence)
{
    for (struct list *n = presence->rooms.next; n != &presence->rooms;
         n = n->next) {
        struct room *room = LIST_ENTRY(n, struct room, node);
        if (room->loading)
            room->again = true;
        else
            load(room);
    }
}

/* ---- reading */

static void load(struct room *room)
{
    room->again = false;
    room->loading = roster_read(room->presence->roster, selector_of(room),
                                on_roster, room) == 0;
    if (!room->loading)
        wheel_start(wheel_of(room), &room->timer, RETRY_MS, on_turn);
}

static struct span text_at(const struct redisReply *reply, size_t index)
{
    return (struct span){reply->element[index]->str,
                         reply->element[index]->len};
}

/* Who is not in the answer has left. */
static void replace(struct room *room, const struct redisReply *reply,
                    uint64_t *version)
{
    json_t *before = json_copy(room->members);
    const char *subscriber;
    json_t *value;
    struct roster_change change = {.entered = true};

    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        change.subscriber = text_at(reply, i);
        if (change.subscriber.len == 0)
            span_to_u64(text_at(reply, i + 1), UINT64_MAX, version);
        else if (roster_said_parse(text_at(reply, i + 1), &change.said)) {
            struct kept *kept = make_kept(&change);
            json_object_del(before, kept->subscriber);
            apply(room, kept);
            mem_free(kept->subscriber);
            mem_free(kept);
        }
    }
    json_object_foreach(before, subscriber, value) leave(room, subscriber);
    json_decref(before);
}

static void on_roster(void *arg, int status, const struct redisReply *reply)
{
    struct room *room = arg;
    uint64_t version = 0;

    room->loading = false;
    if (status < 0 || reply->type != REDIS_REPLY_ARRAY) {
        wheel_start(wheel_of(room), &room->timer, RETRY_MS, on_turn);
    } else {
        replace(room, reply, &version);
        room->loaded = true;
        for (struct list *n = room->kept.next; n != &room->kept; n = n->next) {
            const struct kept *kept = LIST_ENTRY(n, struct kept, node);
            if (kept->version > version)
                apply(room, kept);
        }
        drop_kept(room);
        set_due(room);
    }
    if (room->again)
        load(room);
    drop_unused(room);
}

/* ---- telling */

/* At most EVENT_NAMES of them, which are told then. */
static void put_names(struct json_writer *w, const char *key, json_t *names)
{
    json_t *some = json_array();
    const char *name;
    json_t *value;

    json_put_key(w, key);
    json_put_open(w, '[');
    json_object_foreach(names, name, value)
    {
        if (json_array_size(some) == EVENT_NAMES)
            break;
        json_put_string(w, span_str(name));
        json_array_append_new(some, json_string(name));
    }
    json_put_close(w, ']');
    for (size_t i = 0; i < json_array_size(some); i++)
        json_object_del(names, json_string_value(json_array_get(some, i)));
    json_decref(some);
}

static void put_event(struct room *room, struct buf *out, json_t *joined,
                      json_t *left)
{
    struct json_writer w = {.out = out};

    out->len = 0;
    json_put_open(&w, '{');
    json_put_key(&w, "type");
    json_put_string(&w, SPAN("presence"));
    json_put_key(&w, "topic");
    json_put_string(&w, selector_of(room));
    json_put_key(&w, "count");
    json_put_int(&w, (int64_t)json_object_size(room->users));
    put_names(&w, "joined", joined);
    put_names(&w, "left", left);
    json_put_close(&w, '}');
}

/* Those that were told how many are there hear changes; or the others that. */
static void tell(struct room *room, struct span event, bool told)
{
    struct list waiting;

    list_init(&waiting);
    list_move(&room->watches, &waiting);
    for (struct list *node; (node = list_pop(&waiting));) {
        struct presence_watch *watch =
            LIST_ENTRY(node, struct presence_watch, node);
        list_append(&room->watches, node);
        if (watch->told == told)
            watch->cb(watch, event);
    }
}

static void tell_new(struct room *room, struct buf *out)
{
    json_t *nobody = json_object();

    put_event(room, out, nobody, nobody);
    tell(room, buf_span(out), false);
    for (struct list *n = room->watches.next; n != &room->watches; n = n->next)
        LIST_ENTRY(n, struct presence_watch, node)->told = true;
    json_decref(nobody);
}

static void on_turn(struct wheel_timer *timer)
{
    struct room *room = LIST_ENTRY(timer, struct room, timer);
    struct buf out;

    if (!room->loaded) {
        if (!room->loading)
            load(room);
        return;
    }
    buf_init(&out, MEM_REQUEST);
    room->telling = true;
    while (json_object_size(room->joined) || json_object_size(room->left)) {
        put_event(room, &out, room->joined, room->left);
        tell(room, buf_span(&out), true);
    }
    tell_new(room, &out);
    room->telling = false;
    buf_deinit(&out);
    drop_unused(room);
}

/* ---- an answer */

static void add_user(void *arg, const struct roster_said *said)
{
    char name[TOKEN_SUB_MAX + 1] = "";

    if (said->user.len < sizeof(name))
        memcpy(name, said->user.ptr, said->user.len);
    json_object_set_new(arg, name, json_true());
}

static void put_users(struct json_writer *w, json_t *users)
{
    const char *user;
    json_t *value;
    size_t told = 0;

    json_put_key(w, "users");
    json_put_open(w, '[');
    json_object_foreach(users, user, value)
    {
        if (told++ == PRESENCE_NAMES_MAX)
            break;
        json_put_string(w, span_str(user));
    }
    json_put_close(w, ']');
}

void presence_put(const struct roster *roster, struct span selector,
                  const struct redisReply *reply, struct json_writer *w)
{
    json_t *users = json_object();
    struct roster_said said;

    for (size_t i = 0; i + 1 < reply->elements; i += 2)
        if (reply->element[i]->len != 0 &&
            roster_said_parse(text_at(reply, i + 1), &said) &&
            !roster_is_own(roster, &said) && roster_counts(roster, &said))
            add_user(users, &said);
    roster_each_own(roster, selector, add_user, users);
    json_put_key(w, "count");
    json_put_int(w, (int64_t)json_object_size(users));
    json_put_key(w, "exact");
    json_put_bool(w, reply->elements / 2 <= ROSTER_LISTED_MAX);
    put_users(w, users);
    json_decref(users);
}
