/*
 * aging.c - see aging.h.
 *
 *   on_timer() -- age.lua of a partition --> on_aged(): the same one again
 * while there is more to do, else the next
 */
#include <stdlib.h>

#include "chat/aging.h"
#include "chat/chat.h"
#include "chat/reply.h"
#include "chat/scripts.h"

#define STEP_MS 100 /* between two partitions: each comes every 13 s */
#define ENTRIES "200"

struct aging {
    struct chat *chat;
    struct wheel_timer timer;
    uint32_t partition;
    uint64_t *aged;
};

static void on_timer(struct wheel_timer *timer);

static struct wheel *wheel_of(const struct aging *aging)
{
    return stream_loop_wheel(app_loop(aging->chat->app));
}

struct aging *aging_create(struct chat *chat)
{
    struct aging *aging = mem_zalloc(MEM_APP, sizeof(*aging));

    aging->chat = chat;
    aging->partition = (uint32_t)random() % HASH_PARTITIONS;
    aging->aged =
        metrics_cell(app_metrics(chat->app), METRICS_COUNTER, "chat_aged_total",
                     "", "Entries that went for their age.");
    wheel_start(wheel_of(aging), &aging->timer, STEP_MS, on_timer);
    return aging;
}

void aging_destroy(struct aging *aging)
{
    wheel_stop(wheel_of(aging), &aging->timer);
    mem_free(aging);
}

static void on_aged(void *arg, int status, const struct redisReply *reply)
{
    struct aging *aging = arg;
    uint64_t went = 0;
    uint64_t more = 0;

    if (status == 0 && reply->type == REDIS_REPLY_ARRAY &&
        reply->elements == 2 && reply_number(reply->element[0], &went) &&
        reply_number(reply->element[1], &more))
        metrics_add(aging->aged, went);
    if (!more)
        aging->partition = (aging->partition + 1) % HASH_PARTITIONS;
    wheel_start(wheel_of(aging), &aging->timer, more ? 1 : STEP_MS, on_timer);
}

static void on_timer(struct wheel_timer *timer)
{
    struct aging *aging = LIST_ENTRY(timer, struct aging, timer);
    struct arena arena;

    arena_init(&arena, MEM_JOB, 0);
    struct span key = keys_aging(&arena, aging->partition);
    struct span argv[] = {key, SPAN(ENTRIES)};
    int err = redis_eval(app_redis(aging->chat->app), &script_age, 1,
                         &(struct redis_call){.key = key,
                                              .argv = argv,
                                              .argc = 2,
                                              .repeatable = true,
                                              .cb = on_aged,
                                              .arg = aging});
    arena_deinit(&arena);
    if (err < 0)
        wheel_start(wheel_of(aging), &aging->timer, STEP_MS, on_timer);
}
