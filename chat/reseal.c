/*
 * reseal.c - see reseal.h.
 *
 *   on_timer() -- reseal_rooms.lua --> on_rooms() -- a room: reseal_read.lua
 * --> on_texts() -- reseal_write.lua --> on_written(): the next part, or room
 *
 * Redis away: the same step again, later.
 */
#include <stdlib.h>
#include <string.h>

#include "chat/chat.h"
#include "chat/reply.h"
#include "chat/reseal.h"
#include "chat/scripts.h"
#include "common/log.h"

#define REST_MS 100 /* between two looks where nothing is to be done */
#define STEP_MS 1   /* between two parts */
#define ENTRIES "64"
#define BYTES "131072"
#define FIXED_ARGS 10
#define TRIES_MAX 5 /* of a part, between which something came */

struct reseal {
    struct chat *chat;
    struct wheel_timer timer;
    struct arena arena; /* of the rooms */
    struct span *rooms;
    size_t count, at;
    unsigned tries;
    uint32_t partition, passed; /* partitions since the circle began */
    char cursor[SPAN_U64_MAX + 1];
    uint64_t found; /* in this circle */
    bool told;
    uint64_t *texts, *left;
};

static void on_timer(struct wheel_timer *timer);

static struct wheel *wheel_of(const struct reseal *reseal)
{
    return stream_loop_wheel(app_loop(reseal->chat->app));
}

static void go_on(struct reseal *reseal, uint64_t ms)
{
    wheel_start(wheel_of(reseal), &reseal->timer, ms, on_timer);
}

struct reseal *reseal_create(struct chat *chat)
{
    struct reseal *reseal = mem_zalloc(MEM_APP, sizeof(*reseal));
    struct metrics *metrics = app_metrics(chat->app);

    reseal->chat = chat;
    reseal->partition = (uint32_t)random() % HASH_PARTITIONS;
    reseal->cursor[0] = '0';
    reseal->texts =
        metrics_cell(metrics, METRICS_COUNTER, "chat_resealed_total", "",
                     "Texts that were sealed with the current key later.");
    reseal->left =
        metrics_cell(metrics, METRICS_GAUGE, "chat_reseal_rooms", "",
                     "Rooms found with texts of other keys, last time round.");
    arena_init(&reseal->arena, MEM_JOB, 0);
    go_on(reseal, REST_MS);
    return reseal;
}

void reseal_destroy(struct reseal *reseal)
{
    if (!reseal)
        return;
    wheel_stop(wheel_of(reseal), &reseal->timer);
    arena_deinit(&reseal->arena);
    mem_free(reseal);
}

static int call(struct reseal *reseal, struct redis_script *script,
                size_t nkeys, struct span *argv, size_t argc, redis_reply_cb cb)
{
    return redis_eval(app_redis(reseal->chat->app), script, nkeys,
                      &(struct redis_call){.key = argv[0],
                                           .argv = argv,
                                           .argc = argc,
                                           .repeatable = true,
                                           .cb = cb,
                                           .arg = reseal});
}

/* ---- rooms */

/* All of them were looked at. */
static void end_circle(struct reseal *reseal)
{
    metrics_set(reseal->left, reseal->found);
    if (!reseal->found && !reseal->told)
        log_write(LOG_INFO, "all texts are sealed",
                  LOG_TEXT("key", bodies_kid(reseal->chat->bodies)));
    reseal->told = !reseal->found;
    reseal->found = 0;
    reseal->passed = 0;
}

static void next_partition(struct reseal *reseal)
{
    reseal->partition = (reseal->partition + 1) % HASH_PARTITIONS;
    if (++reseal->passed == HASH_PARTITIONS)
        end_circle(reseal);
}

static bool take_rooms(struct reseal *reseal, const struct redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 ||
        reply_text(reply->element[0]).len >= sizeof(reseal->cursor))
        return false;
    memset(reseal->cursor, 0, sizeof(reseal->cursor));
    memcpy(reseal->cursor, reply->element[0]->str, reply->element[0]->len);
    arena_deinit(&reseal->arena);
    arena_init(&reseal->arena, MEM_JOB, 0);
    reseal->count = reply->elements - 1;
    reseal->at = 0;
    reseal->tries = 0;
    reseal->rooms =
        arena_alloc(&reseal->arena, (reseal->count + 1) * sizeof(struct span));
    for (size_t i = 0; i < reseal->count; i++)
        reseal->rooms[i] =
            arena_copy(&reseal->arena, reply_text(reply->element[i + 1]));
    reseal->found += reseal->count;
    return true;
}

static void on_rooms(void *arg, int status, const struct redisReply *reply)
{
    struct reseal *reseal = arg;

    if (status < 0 || !take_rooms(reseal, reply)) {
        go_on(reseal, REST_MS);
        return;
    }
    if (strcmp(reseal->cursor, "0") == 0)
        next_partition(reseal);
    go_on(reseal, reseal->count ? STEP_MS : REST_MS);
}

static int ask_rooms(struct reseal *reseal)
{
    struct arena arena;

    arena_init(&arena, MEM_JOB, 0);
    struct span argv[] = {keys_all(&arena, reseal->partition),
                          span_str(reseal->cursor),
                          bodies_kid(reseal->chat->bodies)};
    int err = call(reseal, &script_reseal_rooms, 1, argv, 3, on_rooms);
    arena_deinit(&arena);
    return err;
}

/* ---- a room */

static struct span room_of(const struct reseal *reseal)
{
    return reseal->rooms[reseal->at];
}

static void next_room(struct reseal *reseal)
{
    reseal->at++;
    reseal->tries = 0;
}

static void on_written(void *arg, int status, const struct redisReply *reply)
{
    struct reseal *reseal = arg;
    uint64_t done = 0;

    if (status == 0 && reply->type == REDIS_REPLY_ARRAY && reply->elements == 1)
        reply_number(reply->element[0], &done);
    if (done == 1)
        reseal->tries = 0;
    else if (done == 2 || (status == 0 && ++reseal->tries == TRIES_MAX))
        next_room(reseal);
    go_on(reseal, status < 0 ? REST_MS : STEP_MS);
}

/* kept: what stands there, whose text, as text has it, is its end.  What cannot
   be read stays as it is. */
static struct span seal_anew(struct reseal *reseal, struct arena *arena,
                             const struct entry *entry, struct span kept,
                             struct text text)
{
    struct bodies *bodies = reseal->chat->bodies;
    struct body_place place = {
        .room = room_of(reseal),
        .from = entry->from,
        .client_id = text.client_id,
        .target = entry->kind == ENTRY_EDIT ? entry->target : 0};
    size_t before = kept.len - text.plain.len;
    struct buf out;

    bodies_read(bodies, place.room, entry, &text);
    if (text.unreadable)
        return kept;
    buf_init(&out, MEM_JOB);
    buf_append(&out, (struct span){kept.ptr, before});
    bodies_seal(bodies, &place, text.plain, &out);
    struct span sealed = arena_copy(arena, buf_span(&out));
    buf_deinit(&out);
    metrics_add(reseal->texts, 1);
    return sealed;
}

/* {number, head, text} */
static size_t put_text(struct reseal *reseal, struct arena *arena,
                       const struct redisReply *reply, struct span *argv)
{
    struct span kept = reply_text(reply->element[2]);
    struct entry entry = {0};
    struct text text;

    argv[0] = reply_text(reply->element[0]);
    argv[1] = kept;
    if (entry_parse(reply_text(reply->element[1]), &entry) &&
        text_parse(kept, &text))
        argv[1] = seal_anew(reseal, arena, &entry, kept, text);
    return 2;
}

/* {number, FROM, "EDITED REACTED CLIENT_ID TEXT"} */
static size_t put_change(struct reseal *reseal, struct arena *arena,
                         const struct redisReply *reply, struct span *argv)
{
    struct span kept = reply_text(reply->element[2]);
    struct entry entry = {.kind = ENTRY_EDIT,
                          .from = reply_text(reply->element[1])};
    struct span rest = kept;
    struct span word;
    struct text text;

    argv[0] = reply_text(reply->element[0]);
    argv[1] = argv[2] = kept;
    if (span_to_u64(argv[0], UINT64_MAX, &entry.target) &&
        span_cut(&rest, ' ', &word) && span_cut(&rest, ' ', &word) &&
        text_parse(rest, &text))
        argv[2] = seal_anew(reseal, arena, &entry, kept, text);
    return 3;
}

static bool is_list_of_threes(const struct redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY)
        return false;
    for (size_t i = 0; i < reply->elements; i++)
        if (reply->element[i]->type != REDIS_REPLY_ARRAY ||
            reply->element[i]->elements != 3)
            return false;
    return true;
}

static int write_part(struct reseal *reseal, const struct redisReply *reply)
{
    const struct redisReply *texts = reply->element[3];
    const struct redisReply *changes = reply->element[4];
    char first[SPAN_U64_MAX];
    char count[SPAN_U64_MAX];
    struct arena arena;

    arena_init(&arena, MEM_JOB, 0);
    struct room_keys keys = keys_of_room(&arena, room_of(reseal));
    struct span *argv = arena_alloc(
        &arena, (FIXED_ARGS + 2 * texts->elements + 3 * changes->elements) *
                    sizeof(struct span));
    size_t argc = 0;
    argv[argc++] = keys.room;
    argv[argc++] = keys.members;
    argv[argc++] = keys.log;
    argv[argc++] = keys.changes;
    argv[argc++] = keys_relog(&arena, room_of(reseal));
    argv[argc++] = bodies_kid(reseal->chat->bodies);
    argv[argc++] = reply_text(reply->element[0]);
    argv[argc++] = reply_text(reply->element[1]);
    argv[argc++] = span_from_u64(first, (uint64_t)reply->element[2]->integer);
    argv[argc++] = span_from_u64(count, texts->elements);
    for (size_t i = 0; i < texts->elements; i++)
        argc += put_text(reseal, &arena, texts->element[i], argv + argc);
    for (size_t i = 0; i < changes->elements; i++)
        argc += put_change(reseal, &arena, changes->element[i], argv + argc);
    int err = call(reseal, &script_reseal_write, 5, argv, argc, on_written);
    arena_deinit(&arena);
    return err;
}

static void on_texts(void *arg, int status, const struct redisReply *reply)
{
    struct reseal *reseal = arg;
    bool good = status == 0 && reply->type == REDIS_REPLY_ARRAY &&
                reply->elements == 5 && is_list_of_threes(reply->element[3]) &&
                is_list_of_threes(reply->element[4]);

    if (status == 0 && !good)
        next_room(reseal); /* it is gone */
    if (!good || write_part(reseal, reply) < 0)
        go_on(reseal, REST_MS);
}

static int read_part(struct reseal *reseal)
{
    struct arena arena;

    arena_init(&arena, MEM_JOB, 0);
    struct room_keys keys = keys_of_room(&arena, room_of(reseal));
    struct span argv[] = {keys.room,
                          keys.members,
                          keys.log,
                          keys.changes,
                          bodies_kid(reseal->chat->bodies),
                          SPAN(ENTRIES),
                          SPAN(BYTES)};
    int err = call(reseal, &script_reseal_read, 4, argv, 7, on_texts);
    arena_deinit(&arena);
    return err;
}

static void on_timer(struct wheel_timer *timer)
{
    struct reseal *reseal = LIST_ENTRY(timer, struct reseal, timer);
    int err =
        reseal->at < reseal->count ? read_part(reseal) : ask_rooms(reseal);

    if (err < 0)
        go_on(reseal, REST_MS);
}
