/*
 * users_load.c - all rooms of a user: see users.h.
 *
 *   start() -- the index of rooms --> on_index() -- asking_send() of each
 *   partition --> user_end_load(): who waits is told
 *
 * The index may name rooms that the user is not in: a step of joining or
 * leaving that was cut off.  It is put right when it is older than that can be.
 */
#include "chat/chat.h"
#include "chat/keys.h"
#include "chat/reply.h"
#include "chat/scripts.h"
#include "chat/users_internal.h"
#include "common/clock.h"

#define LOADS_MAX 64 /* users that are being loaded at once */

static void on_turn(struct wheel_timer *timer);

static void ignore(void *arg, int status, const struct redisReply *reply)
{
    (void)arg;
    (void)status;
    (void)reply;
}

void user_repair(struct user *user, struct span room, uint64_t added)
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

void user_end_load(struct user *user)
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
    user_unref(user);
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
            user_end_load(user);
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
    int err = asking_send(asking);
    if (err == 0)
        return;
    for (size_t i = 0; i < asking->count; i++)
        asking_settle(asking, i, err, 0);
    asking_free(asking);
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
        *asking = asking_create(user);
    (*asking)->added[(*asking)->count] = added;
    (*asking)->seats[(*asking)->count++] =
        seat ? seat : user_add_seat(user, room);
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
        user_end_load(user);
}
