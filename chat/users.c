/*
 * users.c - see users.h.
 *
 *   asking_send() -- heads.lua, or HMGET --> on_heads(), on_one(): a seat in
 *   each room, or none; what passed meanwhile about one is asked for again
 */
#include "chat/chat.h"
#include "chat/keys.h"
#include "chat/reply.h"
#include "chat/scripts.h"
#include "chat/told.h"
#include "chat/users_internal.h"

#define STALE_MS 60000 /* of an entry of the index that is wrong */

static void on_heads(void *arg, int status, const struct redisReply *reply);
static void on_one(void *arg, int status, const struct redisReply *reply);

struct users *users_create(struct chat *chat, const struct users_events *events,
                           void *arg)
{
    struct users *users = mem_zalloc(MEM_APP, sizeof(*users));
    struct metrics *metrics = app_metrics(chat->app);

    users->chat = chat;
    users->events = events;
    users->arg = arg;
    users->hash_key = hash_random_key();
    for (size_t i = 0; i < USERS_BUCKETS; i++)
        list_init(&users->buckets[i]);
    list_init(&users->queued);
    users->gauge = metrics_cell(metrics, METRICS_GAUGE, "chat_users", "",
                                "Users that are connected.");
    users->loaded =
        metrics_cell(metrics, METRICS_COUNTER, "chat_users_loaded_total", "",
                     "Users whose rooms were read.");
    return users;
}

void users_destroy(struct users *users)
{
    wheel_stop(stream_loop_wheel(app_loop(users->chat->app)), &users->turn);
    mem_free(users);
}

/* ---- the table */

static struct list *bucket_of(struct users *users, struct span name)
{
    return &users->buckets[hash_bucket(&users->hash_key, name) % USERS_BUCKETS];
}

void users_visit(struct users *users, unsigned bucket,
                 void (*cb)(void *arg, struct user *user), void *arg)
{
    struct list *list = &users->buckets[bucket];

    for (struct list *n = list->next; n != list; n = n->next)
        cb(arg, LIST_ENTRY(n, struct user, bucket));
}

struct user *users_find(struct users *users, struct span name)
{
    struct list *bucket = bucket_of(users, name);

    for (struct list *n = bucket->next; n != bucket; n = n->next) {
        struct user *user = LIST_ENTRY(n, struct user, bucket);
        if (span_eq(user_name(user), name))
            return user;
    }
    return NULL;
}

static struct user *add(struct users *users, struct span name)
{
    struct user *user = mem_zalloc(MEM_CACHE, sizeof(*user) + name.len);

    list_init(&user->clients);
    list_init(&user->seats);
    list_init(&user->waiting);
    list_init(&user->asks);
    list_init(&user->node);
    user->users = users;
    user->name_len = (uint8_t)name.len;
    memcpy(user->name, name.ptr, name.len);
    list_append(bucket_of(users, name), &user->bucket);
    metrics_set(users->gauge, ++users->count);
    return user;
}

void user_drop_seat(struct seat *seat)
{
    list_remove(&seat->of_room);
    list_remove(&seat->of_user);
    list_remove(&seat->told);
    seat->user->seat_count--;
    room_leave(seat->room);
    mem_free(seat);
}

void user_unref(struct user *user)
{
    if (--user->refs > 0)
        return;
    for (struct list *n = user->seats.next, *next; n != &user->seats;
         n = next) {
        next = n->next;
        user_drop_seat(LIST_ENTRY(n, struct seat, of_user));
    }
    list_remove(&user->node);
    list_remove(&user->bucket);
    metrics_set(user->users->gauge, --user->users->count);
    mem_free(user);
}

struct user *users_enter(struct users *users, struct span name,
                         struct list *client)
{
    struct user *user = users_find(users, name);

    if (!user)
        user = add(users, name);
    user->refs++;
    if (list_is_empty(&user->clients))
        presence_enter(users->chat->presence, &user->here, user_name(user));
    list_append(&user->clients, client);
    return user;
}

void user_leave(struct user *user, struct list *client)
{
    list_remove(client);
    if (list_is_empty(&user->clients))
        presence_leave(&user->here);
    user_unref(user);
}

/* By the shorter of the two lists: users have few rooms, or rooms few users. */
struct seat *user_seat_in(const struct room *room, const struct user *user)
{
    struct list *mine = user->seats.next;
    struct list *its = room->seats.next;

    for (;; mine = mine->next, its = its->next) {
        if (mine == &user->seats || its == &room->seats)
            return NULL;
        struct seat *seat = LIST_ENTRY(mine, struct seat, of_user);
        if (seat->room == room)
            return seat;
        seat = LIST_ENTRY(its, struct seat, of_room);
        if (seat->user == user)
            return seat;
    }
}

struct seat *user_seat(const struct user *user, struct span id)
{
    struct room *room = rooms_find(user->users->chat->rooms, id);

    return room ? user_seat_in(room, user) : NULL;
}

struct seat *user_add_seat(struct user *user, struct span id)
{
    struct seat *seat = mem_zalloc(MEM_CACHE, sizeof(*seat));

    seat->room = rooms_use(user->users->chat->rooms, id);
    seat->user = user;
    seat->number = ++user->last_number;
    list_init(&seat->told);
    list_append(&seat->room->seats, &seat->of_room);
    list_append(&user->seats, &seat->of_user);
    user->seat_count++;
    return seat;
}

/* ---- asking for seats */

static void tell_asks(struct user *user, struct seat *seat, int status)
{
    for (struct list *n = user->asks.next, *next; n != &user->asks; n = next) {
        struct seat_ask *ask = LIST_ENTRY(n, struct seat_ask, node);
        next = n->next;
        if (ask->seat != seat)
            continue;
        list_remove(&ask->node);
        ask->cb(ask, status, status == 0 ? seat : NULL);
        next = user->asks.next; /* it may have ended others */
    }
}

void user_forget(struct seat_ask *ask)
{
    list_remove(&ask->node);
}

/* Most users have one room in most partitions: for one a plain command is a
   fifth of the script, which is needed for the time, where it is not in it. */
static int send_one(struct asking *asking)
{
    struct user *user = asking->user;
    struct seat *seat = asking->seats[0];
    struct arena arena;

    arena_init(&arena, MEM_CACHE, 0);
    struct span argv[] = {SPAN("HMGET"),
                          keys_of_room(&arena, room_id(seat->room)).members,
                          SPAN("#"), user_name(user)};
    seat->asked = true;
    seat->touched = false;
    int err = redis_send(app_redis(user->users->chat->app),
                         &(struct redis_call){.key = argv[1],
                                              .argv = argv,
                                              .argc = 4,
                                              .repeatable = true,
                                              .cb = on_one,
                                              .arg = asking});
    arena_deinit(&arena);
    return err;
}

int asking_send(struct asking *asking)
{
    struct user *user = asking->user;
    struct span argv[ROOMS_OF_CALL + 1];
    struct arena arena;
    size_t argc = 0;

    if (asking->count == 1 && !asking->timed)
        return send_one(asking);
    arena_init(&arena, MEM_CACHE, 0);
    for (size_t i = 0; i < asking->count; i++) {
        argv[argc++] =
            keys_of_room(&arena, room_id(asking->seats[i]->room)).members;
        asking->seats[i]->asked = true;
        asking->seats[i]->touched = false;
    }
    argv[argc++] = user_name(user);
    int err =
        redis_eval(app_redis(user->users->chat->app), &script_heads, argc - 1,
                   &(struct redis_call){.key = argv[0],
                                        .argv = argv,
                                        .argc = argc,
                                        .repeatable = true,
                                        .cb = on_heads,
                                        .arg = asking});
    arena_deinit(&arena);
    return err;
}

void seat_take_member(struct seat *seat, const struct member *member,
                      uint64_t seq)
{
    seat->role = member->role;
    seat->read = member->read;
    seat->read_n = (uint32_t)member->read_n;
    seat->delivered = member->delivered;
    seat->mentions = (uint32_t)member->mentions;
    seat->muted = member->muted;
    seat->since = seq;
}

/* 0, or why it is none: UV_ENOENT, UV_EACCES, UV_EPROTO. */
static int take_seat(struct seat *seat, struct span room, struct span said)
{
    struct room_head head;
    struct member member;

    if (room.len == 0)
        return UV_ENOENT;
    if (!room_head_parse(room, &head))
        return UV_EPROTO;
    if (said.len == 0)
        return head.kind == ROOM_PUBLIC ? UV_EACCES : UV_ENOENT;
    if (!member_parse(said, &member))
        return UV_EPROTO;
    seat_take_member(seat, &member, head.seq);
    room_learn(seat->room, &head);
    return 0;
}

/* One of them has its answer. */
static void take_answer(struct asking *asking, size_t i, int status,
                        uint64_t now)
{
    struct seat *seat = asking->seats[i];
    struct user *user = asking->user;

    bool is_none = status == UV_ENOENT || status == UV_EACCES;

    seat->asked = false;
    if (status == 0 || (!is_none && seat->role)) {
        tell_asks(user, seat, status);
        if (status == 0 && !asking->of_load && seat_unread(seat) > 0)
            user->users->events->on_counts(user->users->arg, seat);
        return;
    }
    if (!is_none)
        user->status = status;
    else if (asking->added[i] && asking->added[i] / 1000 + STALE_MS < now)
        user_repair(user, room_id(seat->room), asking->added[i]);
    tell_asks(user, seat, status);
    if (seat->role)
        user->users->events->on_gone(user->users->arg, seat, "left");
    user_drop_seat(seat);
}

/* The loading waits for one, too, that was asked for when it came to it. */
void asking_settle(struct asking *asking, size_t i, int status, uint64_t now)
{
    struct user *user = asking->user;
    bool awaited = asking->seats[i]->awaited;

    asking->seats[i]->awaited = false;
    take_answer(asking, i, status, now);
    if (awaited && --user->asked == 0)
        user_end_load(user);
}

void asking_free(struct asking *asking)
{
    struct user *user = asking->user;

    if (asking->of_load && --user->asked == 0)
        user_end_load(user);
    mem_free(asking);
    user_unref(user);
}

/* Those that something passed about meanwhile, again; true: it is on its way.
 */
static bool ask_again(struct asking *asking)
{
    size_t kept = 0;

    for (size_t i = 0; i < asking->count; i++)
        if (asking->seats[i]) {
            asking->added[kept] = asking->added[i];
            asking->seats[kept++] = asking->seats[i];
        }
    asking->count = kept;
    if (!kept)
        return false;
    int err = asking_send(asking);
    if (err == 0)
        return true;
    for (size_t i = 0; i < kept; i++)
        asking_settle(asking, i, err, 0);
    return false;
}

/* found: of each the room and the member. */
static void take_heads(struct asking *asking, int status, uint64_t now,
                       struct redisReply *const *found)
{
    for (size_t i = 0; i < asking->count; i++) {
        struct seat *seat = asking->seats[i];
        int one = status;
        if (one == 0 && seat->touched)
            continue;
        if (one == 0)
            one = take_seat(seat, reply_text(found[2 * i]),
                            reply_text(found[2 * i + 1]));
        asking_settle(asking, i, one, now);
        asking->seats[i] = NULL;
    }
    if (!ask_again(asking))
        asking_free(asking);
}

static void on_heads(void *arg, int status, const struct redisReply *reply)
{
    struct asking *asking = arg;
    uint64_t now = 0;

    if (status == 0 && (reply->type != REDIS_REPLY_ARRAY ||
                        reply->elements != 2 * asking->count + 1 ||
                        !reply_number(reply->element[0], &now)))
        status = UV_EPROTO;
    take_heads(asking, status, now, status == 0 ? reply->element + 1 : NULL);
}

static void on_one(void *arg, int status, const struct redisReply *reply)
{
    struct asking *asking = arg;

    if (status == 0 &&
        (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2))
        status = UV_EPROTO;
    if (status == 0 && !(reply_text(reply->element[0]).ptr &&
                         reply_text(reply->element[1]).ptr)) {
        asking->timed = true;
        status = asking_send(asking);
        if (status == 0)
            return;
    }
    take_heads(asking, status, 0, status == 0 ? reply->element : NULL);
}

struct asking *asking_create(struct user *user)
{
    struct asking *asking = mem_zalloc(MEM_CACHE, sizeof(*asking));

    asking->user = user;
    user->refs++;
    return asking;
}

int user_ask_seat(struct user *user, struct span room, struct seat_ask *ask)
{
    struct seat *seat = user_seat(user, room);
    struct asking *asking;

    if (!seat) {
        asking = asking_create(user);
        seat = user_add_seat(user, room);
        asking->seats[asking->count++] = seat;
        int err = asking_send(asking);
        if (err < 0) {
            user_drop_seat(seat);
            mem_free(asking);
            user_unref(user);
            return err;
        }
    }
    if (ask) {
        ask->seat = seat;
        list_append(&user->asks, &ask->node);
    }
    return 0;
}
