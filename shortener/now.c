/* now.c - see now.h. */
#include <stdlib.h>

#include "common/clock.h"
#include "common/mem.h"
#include "shortener/now.h"

struct now {
    struct stream_loop *loop;
    struct redis *redis;
    struct wheel_timer timer;
    uint64_t asked_us;
    int64_t ahead_us; /* of Redis's wall clock before ours */
    int64_t loop_ms;  /* of Redis's wall clock before the loop's clock */
    int64_t last_us;  /* that now_unique_us() gave */
};

static void on_tick(struct wheel_timer *timer);
static void on_time(void *arg, int status, const struct redisReply *reply);

static void set_ahead(struct now *now, int64_t ahead_us)
{
    now->ahead_us = ahead_us;
    now->loop_ms =
        (clock_wall_us() + ahead_us - (int64_t)clock_mono_us()) / 1000;
}

struct now *now_create(struct stream_loop *loop, struct redis *redis)
{
    struct now *now = mem_zalloc(MEM_JOB, sizeof(*now));

    now->loop = loop;
    now->redis = redis;
    set_ahead(now, 0);
    on_tick(&now->timer);
    return now;
}

void now_destroy(struct now *now)
{
    if (!now)
        return;
    wheel_stop(stream_loop_wheel(now->loop), &now->timer);
    mem_free(now);
}

int64_t now_ms(const struct now *now)
{
    return (int64_t)stream_loop_now(now->loop) + now->loop_ms;
}

int64_t now_unique_us(struct now *now)
{
    int64_t us = clock_wall_us() + now->ahead_us;

    now->last_us = us > now->last_us ? us : now->last_us + 1;
    return now->last_us;
}

static void on_tick(struct wheel_timer *timer)
{
    struct now *now = LIST_ENTRY(timer, struct now, timer);
    struct span argv[] = {SPAN("TIME")};

    now->asked_us = clock_mono_us();
    redis_send(now->redis,
               &(struct redis_call){
                   .argv = argv, .argc = 1, .cb = on_time, .arg = now});
    wheel_start(stream_loop_wheel(now->loop), timer, NOW_PERIOD_MS, on_tick);
}

/* Redis read its clock about half way between question and answer. */
static void on_time(void *arg, int status, const struct redisReply *reply)
{
    struct now *now = arg;
    uint64_t trip_us = clock_mono_us() - now->asked_us;

    if (status < 0 || reply->type != REDIS_REPLY_ARRAY ||
        reply->elements != 2 || trip_us > UINT64_C(1000) * NOW_MAX_TRIP_MS)
        return;
    int64_t redis_us = strtoll(reply->element[0]->str, NULL, 10) * 1000000 +
                       strtoll(reply->element[1]->str, NULL, 10);
    int64_t ahead_us = redis_us + (int64_t)(trip_us / 2) - clock_wall_us();
    set_ahead(now, llabs(ahead_us) <= (int64_t)trip_us ? 0 : ahead_us);
}
