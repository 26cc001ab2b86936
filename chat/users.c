/*
 * users.c - see users.h.
 *
 *   start() -- the index of rooms --> on_index() -- heads.lua of each partition
 *   --> on_heads(): a seat in each, or none; what passed meanwhile about one is
 *   asked for again
 *
 * The index may name rooms that the user is not in: a step of joining or
 * leaving that was cut off.  It is put right when it is older than that can be.
 */
#include "chat/chat.h"
#include "chat/keys.h"
#include "chat/reply.h"
#include "chat/scripts.h"
#include "chat/told.h"
#include "chat/users_internal.h"
#include "common/clock.h"

#define ROOMS_OF_CALL 64 /* of one heads.lua */
#define LOADS_MAX 64     /* users that are being loaded at once */
#define STALE_MS 60000   /* of an entry of the index that is wrong */

/* Rooms of one user in one partition, to be asked for together. */
struct asking {
    struct user *user;
    size_t count;
    struct seat *seats[ROOMS_OF_CALL];
    uint64_t added[ROOMS_OF_CALL]; /* to the index, us; 0: unknown */
    bool of_load;
};

static void on_heads(void *arg, int status, const struct redisReply *reply);
static void on_turn(struct wheel_timer *timer);

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

static void unref(struct user *user)
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
    unref(user);
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

static struct seat *add_seat(struct user *user, struct span id)
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

static int send_heads(struct asking *asking)
{
    struct user *user = asking->user;
    struct span argv[ROOMS_OF_CALL + 1];
    struct arena arena;
    size_t argc = 0;

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

static void ignore(void *arg, int status, const struct redisReply *reply)
{
    (void)arg;
    (void)status;
    (void)reply;
}

/* Its index names a room that it is not in. */
static void repair(struct user *user, struct span room, uint64_t added)
{
    char number[SPAN_U64_MAX];
    struct arena arena;

    arena_init(&arena, MEM_CACHE, 0);
    struct span argv[] = {keys_rooms(&arena, user_name(user)),
                          keys_user(&arena, user_name(user)),
                          SPAN("remove"),
                          room,
                          span_from_u64(number, added),
                          SPAN("1")};
    redis_eval(app_redis(user->users->chat->app), &script_index, 2,
               &(struct redis_call){.key = user_name(user),
                                    .argv = argv,
                                    .argc = 6,
                                    .repeatable = true,
                                    .cb = ignore});
    arena_deinit(&arena);
}

static void end_load(struct user *user);

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
        repair(user, room_id(seat->room), asking->added[i]);
    tell_asks(user, seat, status);
    if (seat->role)
        user->users->events->on_gone(user->users->arg, seat, "left");
    user_drop_seat(seat);
}

/* The loading waits for one, too, that was asked for when it came to it. */
static void settle(struct asking *asking, size_t i, int status, uint64_t now)
{
    struct user *user = asking->user;
    bool awaited = asking->seats[i]->awaited;

    asking->seats[i]->awaited = false;
    take_answer(asking, i, status, now);
    if (awaited && --user->asked == 0)
        end_load(user);
}

static void free_asking(struct asking *asking)
{
    struct user *user = asking->user;

    if (asking->of_load && --user->asked == 0)
        end_load(user);
    mem_free(asking);
    unref(user);
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
    int err = send_heads(asking);
    if (err == 0)
        return true;
    for (size_t i = 0; i < kept; i++)
        settle(asking, i, err, 0);
    return false;
}

static void on_heads(void *arg, int status, const struct redisReply *reply)
{
    struct asking *asking = arg;
    uint64_t now = 0;

    if (status == 0 && (reply->type != REDIS_REPLY_ARRAY ||
                        reply->elements != 2 * asking->count + 1 ||
                        !reply_number(reply->element[0], &now)))
        status = UV_EPROTO;
    for (size_t i = 0; i < asking->count; i++) {
        struct seat *seat = asking->seats[i];
        int one = status;
        if (one == 0 && seat->touched)
            continue;
        if (one == 0)
            one = take_seat(seat, reply_text(reply->element[2 * i + 1]),
                            reply_text(reply->element[2 * i + 2]));
        settle(asking, i, one, now);
        asking->seats[i] = NULL;
    }
    if (!ask_again(asking))
        free_asking(asking);
}

static struct asking *make_asking(struct user *user)
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
        asking = make_asking(user);
        seat = add_seat(user, room);
        asking->seats[asking->count++] = seat;
        int err = send_heads(asking);
        if (err < 0) {
            user_drop_seat(seat);
            mem_free(asking);
            unref(user);
            return err;
        }
    }
    if (ask) {
        ask->seat = seat;
        list_append(&user->asks, &ask->node);
    }
    return 0;
}

/* ---- loading */

static void on_index(void *arg, int status, const struct redisReply *reply);

static struct wheel *wheel_of(const struct users *users)
{
    return stream_loop_wheel(app_loop(users->chat->app));
}

static void tell_waiting(struct user *user)
{
    struct list waiting;

    list_init(&waiting);
    list_move(&user->waiting, &waiting);
    for (struct list *node; (node = list_pop(&waiting));) {
        struct user_wait *wait = LIST_ENTRY(node, struct user_wait, node);
        wait->cb(wait, user->status);
    }
}

static void nobody(struct user_wait *wait, int status)
{
    (void)status;
    mem_free(wait);
}

void user_reload(struct user *user)
{
    struct user_wait *wait = mem_alloc(MEM_CACHE, sizeof(*wait));

    *wait = (struct user_wait){.cb = nobody};
    user_load(user, wait);
}

static void end_load(struct user *user)
{
    struct users *users = user->users;
    bool again = user->again;

    user->again = false;

    user->loading = false;
    user->loaded = user->status == 0;
    users->loads--;
    if (!list_is_empty(&users->queued))
        wheel_start(wheel_of(users), &users->turn, 0, on_turn);
    tell_waiting(user);
    if (again && user->loaded && !user->loading)
        user_reload(user);
    unref(user);
}

/* Whoever was here once is somebody who can be put into a room. */
static void make_known(struct user *user, struct arena *arena)
{
    char number[SPAN_U64_MAX];
    struct span argv[] = {SPAN("HSETNX"), keys_user(arena, user_name(user)),
                          SPAN("created"),
                          span_from_u64(number, (uint64_t)clock_wall_ms())};

    redis_send(app_redis(user->users->chat->app),
               &(struct redis_call){.key = user_name(user),
                                    .argv = argv,
                                    .argc = 4,
                                    .repeatable = true,
                                    .cb = ignore});
}

static int start(struct user *user)
{
    struct arena arena;

    arena_init(&arena, MEM_CACHE, 0);
    struct span argv[] = {SPAN("ZRANGE"), keys_rooms(&arena, user_name(user)),
                          SPAN("0"), SPAN("-1"), SPAN("WITHSCORES")};
    make_known(user, &arena);
    int err = redis_send(app_redis(user->users->chat->app),
                         &(struct redis_call){.key = user_name(user),
                                              .argv = argv,
                                              .argc = 5,
                                              .repeatable = true,
                                              .cb = on_index,
                                              .arg = user});
    arena_deinit(&arena);
    return err;
}

static void on_turn(struct wheel_timer *timer)
{
    struct users *users = LIST_ENTRY(timer, struct users, turn);

    while (users->loads < LOADS_MAX && !list_is_empty(&users->queued)) {
        struct user *user =
            LIST_ENTRY(list_pop(&users->queued), struct user, node);
        users->loads++;
        user->status = start(user);
        if (user->status < 0)
            end_load(user);
    }
}

void user_load(struct user *user, struct user_wait *wait)
{
    list_append(&user->waiting, &wait->node);
    if (user->loading)
        return;
    user->loading = true;
    user->refs++;
    list_append(&user->users->queued, &user->node);
    wheel_start(wheel_of(user->users), &user->users->turn, 0, on_turn);
}

/* Rooms of an index, gathered by partition. */
struct gathering {
    struct user *user;
    struct asking *of[HASH_PARTITIONS];
};

static void send_gathered(struct gathering *gathering, uint32_t partition)
{
    struct asking *asking = gathering->of[partition];

    gathering->of[partition] = NULL;
    if (!asking)
        return;
    gathering->user->asked++;
    asking->of_load = true;
    int err = send_heads(asking);
    if (err == 0)
        return;
    for (size_t i = 0; i < asking->count; i++)
        settle(asking, i, err, 0);
    free_asking(asking);
}

static void gather(struct gathering *gathering, struct span room,
                   uint64_t added)
{
    struct user *user = gathering->user;
    uint32_t partition = hash_partition(room);
    struct asking **asking = &gathering->of[partition];

    struct seat *seat = room_id_is_valid(room) ? user_seat(user, room) : NULL;

    if (!room_id_is_valid(room))
        return;
    if (seat && seat->asked) {
        user->asked += !seat->awaited;
        seat->awaited = true;
        return;
    }
    if (!*asking)
        *asking = make_asking(user);
    (*asking)->added[(*asking)->count] = added;
    (*asking)->seats[(*asking)->count++] = seat ? seat : add_seat(user, room);
    if ((*asking)->count == ROOMS_OF_CALL)
        send_gathered(gathering, partition);
}

static void on_index(void *arg, int status, const struct redisReply *reply)
{
    struct user *user = arg;
    struct gathering gathering = {.user = user};
    uint64_t added;

    if (status == 0 && reply->type != REDIS_REPLY_ARRAY)
        status = UV_EPROTO;
    user->status = status;
    user->asked = 1; /* this one */
    for (size_t i = 0; status == 0 && i + 1 < reply->elements; i += 2)
        if (reply_number(reply->element[i + 1], &added))
            gather(&gathering, reply_text(reply->element[i]), added);
    for (uint32_t i = 0; i < HASH_PARTITIONS; i++)
        send_gathered(&gathering, i);
    metrics_add(user->users->loaded, 1);
    if (--user->asked == 0)
        end_load(user);
}
