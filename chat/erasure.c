/*
 * erasure.c - see erasure.h; DELETE of a user.
 *
 *   delete_user() -- user.lua: noted, and no token holds any more --> 204
 *
 *   take() -- who is due, and one of its rooms --> step()
 *   step() -- write.lua: it goes, and a piece of what it wrote --> on_stepped()
 *          -- the last owner --> find_heir(), a page of names at a time
 *          -- there is more --> keep() now and then --> step()
 *          -- no more, or no such room --> settle() --> take()
 *
 * Failure modes: who dies on the way has taken it for LEASE_MS; then another
 * one goes on where it was kept last.  Where Redis does not answer it is let
 * go, likewise.  Two that do the same do no harm.
 */
#include <stdio.h>

#include "chat/erasure.h"
#include "chat/http.h"
#include "chat/reply.h"
#include "chat/scripts.h"
#include "chat/sessions.h"

#define LOOK_MS 50   /* between two partitions: each comes every 6 s */
#define STEP_MS 5    /* between two pieces: others are to be served, too */
#define LEASE "3000" /* ms */
#define KEEP_STEPS 16
#define HEIRS "1000" /* members looked at in a call */

struct erasure {
    struct chat *chat;
    struct wheel_timer timer;
    struct arena arena; /* of what is being asked */
    uint32_t partition;
    char user[NAME_MAX_LEN + 1], room[ROOM_ID_MAX + 1];
    char heir[NAME_MAX_LEN + 1];
    char after[NAME_MAX_LEN + 1]; /* of its members: looked at */
    uint64_t number;              /* to go on behind */
    unsigned steps;
    struct write write;
    uint64_t *erased;
};

static void take(struct erasure *erasure);
static void on_taken(void *arg, int status, const struct redisReply *reply);
static void step(struct erasure *erasure);
static void on_stepped(struct write *write, int status);
static void find_heir(struct erasure *erasure);
static void on_heir(void *arg, int status, const struct redisReply *reply);
static void keep(struct erasure *erasure);
static void on_kept(void *arg, int status, const struct redisReply *reply);
static void settle(struct erasure *erasure, struct span how);
static void on_settled(void *arg, int status, const struct redisReply *reply);

static struct wheel *wheel_of(const struct erasure *erasure)
{
    return stream_loop_wheel(app_loop(erasure->chat->app));
}

static void on_look(struct wheel_timer *timer)
{
    take(LIST_ENTRY(timer, struct erasure, timer));
}

static void on_pause(struct wheel_timer *timer)
{
    step(LIST_ENTRY(timer, struct erasure, timer));
}

struct erasure *erasure_create(struct chat *chat)
{
    struct erasure *erasure = mem_zalloc(MEM_APP, sizeof(*erasure));

    erasure->chat = chat;
    erasure->partition = (uint32_t)random() % HASH_PARTITIONS;
    erasure->erased = metrics_cell(
        app_metrics(chat->app), METRICS_COUNTER, "chat_users_erased_total", "",
        "Users that were deleted, of whom nothing is left.");
    wheel_start(wheel_of(erasure), &erasure->timer, LOOK_MS, on_look);
    return erasure;
}

void erasure_destroy(struct erasure *erasure)
{
    wheel_stop(wheel_of(erasure), &erasure->timer);
    mem_free(erasure);
}

/* Nothing is to be done here now. */
static void look_on(struct erasure *erasure)
{
    erasure->partition = (erasure->partition + 1) % HASH_PARTITIONS;
    wheel_start(wheel_of(erasure), &erasure->timer, LOOK_MS, on_look);
}

/* ---- who */

/* erasure.lua, for the partition; what is asked ends with the answer. */
static void ask(struct erasure *erasure, const struct span *args, size_t count,
                redis_reply_cb cb)
{
    struct span argv[8];

    arena_init(&erasure->arena, MEM_JOB, 0);
    argv[0] = keys_erasures(&erasure->arena, erasure->partition);
    memcpy(argv + 1, args, count * sizeof(args[0]));
    int err = redis_eval(app_redis(erasure->chat->app), &script_erasure, 1,
                         &(struct redis_call){.key = argv[0],
                                              .argv = argv,
                                              .argc = count + 1,
                                              .repeatable = true,
                                              .cb = cb,
                                              .arg = erasure});
    arena_deinit(&erasure->arena);
    if (err < 0)
        look_on(erasure);
}

static void take(struct erasure *erasure)
{
    ask(erasure, (struct span[]){SPAN("take"), SPAN(LEASE)}, 2, on_taken);
}

static bool copy(char *out, size_t size, const struct redisReply *reply)
{
    struct span text = reply_text(reply);

    if (text.len >= size)
        return false;
    snprintf(out, size, "%.*s", (int)text.len, text.ptr);
    return true;
}

static bool take_room(struct erasure *erasure, const struct redisReply *reply)
{
    return reply->elements == 3 &&
           copy(erasure->user, sizeof(erasure->user), reply->element[0]) &&
           copy(erasure->room, sizeof(erasure->room), reply->element[1]) &&
           reply_number(reply->element[2], &erasure->number);
}

static void on_taken(void *arg, int status, const struct redisReply *reply)
{
    struct erasure *erasure = arg;

    if (status == 0 && reply->type == REDIS_REPLY_ARRAY &&
        reply->elements == 1) {
        metrics_add(erasure->erased, 1);
        take(erasure);
    } else if (status == 0 && reply->type == REDIS_REPLY_ARRAY &&
               take_room(erasure, reply)) {
        app_crash_point(erasure->chat->app, "erasure-taken");
        erasure->heir[0] = '\0';
        step(erasure);
    } else {
        look_on(erasure);
    }
}

/* ---- one room of it */

static void step(struct erasure *erasure)
{
    struct write *write = &erasure->write;
    char number[SPAN_U64_MAX];

    arena_init(&erasure->arena, MEM_JOB, 0);
    *write = (struct write){.what = "erase",
                            .user = span_str(erasure->user),
                            .room = span_str(erasure->room),
                            .args = {span_from_u64(number, erasure->number),
                                     span_str(erasure->heir)},
                            .arg_count = 2,
                            .arena = &erasure->arena,
                            .cb = on_stepped,
                            .arg = erasure};
    int err = write_send(erasure->chat, write);
    if (err < 0) {
        arena_deinit(&erasure->arena);
        look_on(erasure);
    }
}

static void on_stepped(struct write *write, int status)
{
    struct erasure *erasure = write->arg;
    struct span refusal = span_str(write->refusal);

    arena_deinit(&erasure->arena);
    app_crash_point(erasure->chat->app, "erasure-stepped");
    if (status < 0) {
        look_on(erasure);
    } else if (span_eq(refusal, SPAN("last-owner"))) {
        erasure->heir[0] = erasure->after[0] = '\0';
        find_heir(erasure);
    } else if (refusal.len) {
        settle(erasure, SPAN("none"));
    } else if (!write->changed) {
        settle(erasure, SPAN("done"));
    } else {
        erasure->number = write->seq;
        if (++erasure->steps % KEEP_STEPS == 0)
            keep(erasure);
        else
            wheel_start(wheel_of(erasure), &erasure->timer, STEP_MS, on_pause);
    }
}

/* ---- who is to be an owner */

static void find_heir(struct erasure *erasure)
{
    arena_init(&erasure->arena, MEM_JOB, 0);
    struct span room = span_str(erasure->room);
    struct room_keys keys = keys_of_room(&erasure->arena, room);
    struct span argv[] = {keys.members,
                          keys.names,
                          span_str(erasure->user),
                          span_str(erasure->after),
                          span_str(erasure->heir),
                          SPAN(HEIRS)};
    int err = redis_eval(app_redis(erasure->chat->app), &script_heir, 2,
                         &(struct redis_call){.key = room,
                                              .argv = argv,
                                              .argc = 6,
                                              .repeatable = true,
                                              .cb = on_heir,
                                              .arg = erasure});
    arena_deinit(&erasure->arena);
    if (err < 0)
        look_on(erasure);
}

static bool take_heir(struct erasure *erasure, const struct redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
           copy(erasure->after, sizeof(erasure->after), reply->element[0]) &&
           copy(erasure->heir, sizeof(erasure->heir), reply->element[1]);
}

/* Nobody: the others are going, too, and it is looked at again in a while. */
static void on_heir(void *arg, int status, const struct redisReply *reply)
{
    struct erasure *erasure = arg;
    bool is_taken = status == 0 && take_heir(erasure, reply);

    if (is_taken && erasure->after[0]) {
        find_heir(erasure);
    } else if (is_taken && erasure->heir[0]) {
        app_crash_point(erasure->chat->app, "erasure-heir");
        wheel_start(wheel_of(erasure), &erasure->timer, STEP_MS, on_pause);
    } else {
        look_on(erasure);
    }
}

/* ---- how far it is */

static void keep(struct erasure *erasure)
{
    char number[SPAN_U64_MAX];

    ask(erasure,
        (struct span[]){SPAN("keep"), span_str(erasure->user),
                        span_str(erasure->room),
                        span_from_u64(number, erasure->number), SPAN(LEASE)},
        5, on_kept);
}

static void on_kept(void *arg, int status, const struct redisReply *reply)
{
    struct erasure *erasure = arg;

    (void)reply;
    app_crash_point(erasure->chat->app, "erasure-kept");
    if (status < 0)
        look_on(erasure);
    else
        wheel_start(wheel_of(erasure), &erasure->timer, STEP_MS, on_pause);
}

static void settle(struct erasure *erasure, struct span how)
{
    ask(erasure,
        (struct span[]){how, span_str(erasure->user), span_str(erasure->room)},
        3, on_settled);
}

static void on_settled(void *arg, int status, const struct redisReply *reply)
{
    struct erasure *erasure = arg;

    (void)reply;
    app_crash_point(erasure->chat->app, "erasure-settled");
    if (status < 0)
        look_on(erasure);
    else
        wheel_start(wheel_of(erasure), &erasure->timer, STEP_MS, on_look);
}

/* ---- it begins */

struct deletion {
    struct request *req;
    struct chat *chat;
    uint32_t partition;
};

/* Not only in its turn; who is busy has others. */
static void look_now(struct erasure *erasure, uint32_t partition)
{
    if (!wheel_is_started(&erasure->timer) || erasure->timer.cb != on_look)
        return;
    erasure->partition = partition;
    wheel_start(wheel_of(erasure), &erasure->timer, 0, on_look);
}

static void on_deleted(void *arg, int status, const struct redisReply *reply)
{
    struct deletion *deletion = arg;

    (void)reply;
    if (status < 0) {
        request_fail(deletion->req, status);
        return;
    }
    app_crash_point(deletion->chat->app, "erasure-noted");
    look_now(deletion->chat->erasure, deletion->partition);
    sessions_on_deleted(deletion->chat->sessions,
                        request_identity(deletion->req));
    request_reply(deletion->req, 204, NULL, (struct span){NULL, 0});
}

static void note(struct deletion *deletion, struct span user)
{
    struct arena *arena = request_arena(deletion->req);
    struct span argv[] = {keys_user(arena, user),
                          keys_sessions(arena, user),
                          keys_erasures(arena, deletion->partition),
                          SPAN("delete"),
                          user,
                          keys_wake(arena, deletion->partition)};
    int err = redis_eval(app_redis(deletion->chat->app), &script_user, 3,
                         &(struct redis_call){.key = user,
                                              .argv = argv,
                                              .argc = 6,
                                              .repeatable = true,
                                              .cb = on_deleted,
                                              .arg = deletion});
    if (err < 0)
        request_fail(deletion->req, err);
}

void delete_user(struct request *req, void *arg)
{
    struct span user = http_user(req);
    struct deletion *deletion =
        arena_alloc(request_arena(req), sizeof(*deletion));

    if (!http_is_whole(req))
        return;
    if (span_eq(user, SPAN("anonymous"))) {
        request_problem(req, 403, "forbidden", NULL,
                        "anonymous is everybody without a token");
        return;
    }
    *deletion = (struct deletion){
        .req = req, .chat = arg, .partition = hash_partition(user)};
    note(deletion, user);
}
