/* topics_kit.c - see topics_kit.h. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/notifier/topics_kit.h"

struct redis_script script_history = {.name = "history.lua"};

struct topic_setting setting;

const struct topic_setting *settings_of(const struct settings *settings,
                                        struct span topic)
{
    (void)settings;
    (void)topic;
    return &setting;
}

void on_told(struct topic_wait *wait, int status)
{
    struct waiter *waiter = LIST_ENTRY(wait, struct waiter, wait);

    waiter->calls++;
    waiter->status = status;
    if (waiter->leave)
        topic_leave(waiter->leave);
    waiter->leave = NULL;
}

int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    bench->before = mem_live(MEM_CACHE);
    setting = (struct topic_setting){.max_count = 1000, .max_age_ms = 1000};
    uv_loop_init(&bench->uv);
    bench->loop = stream_loop_open(&bench->uv);
    bench->fanout = fanout_open(bench->loop, SIZE_MAX);
    bench->fd = metrics_make(1);
    bench->metrics = metrics_open(bench->fd, false);
    bench->topics =
        topics_create(&(struct topics_options){.loop = bench->loop,
                                               .redis = &bench->redis,
                                               .fanout = bench->fanout,
                                               .metrics = bench->metrics});
    bench->topic = topics_use(bench->topics, SPAN("t"));
    bench->waiter.wait.cb = on_told;
    list_init(&bench->waiter.wait.node);
    *state = bench;
    return 0;
}

int teardown(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(bench->redis.waiting, 0);
    if (bench->topic)
        topic_leave(bench->topic);
    topics_destroy(bench->topics);
    fanout_close(bench->fanout);
    stream_loop_close(bench->loop);
    uv_run(&bench->uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&bench->uv), 0);
    metrics_close(bench->metrics);
    close(bench->fd);
    assert_int_equal(mem_live(MEM_CACHE), bench->before);
    free(bench);
    return 0;
}

void pass(struct bench *bench, uint64_t ms)
{
    bench->uv.time += ms;
    wheel_turn(stream_loop_wheel(bench->loop), bench->uv.time);
}

void hear(struct bench *bench, uint64_t epoch, uint64_t offset)
{
    struct message *message = kit_message("t", (struct log_id){epoch, offset});

    topics_hear(bench->topics, message);
    message_unref(message);
}

void assert_asked(struct bench *bench, const char *words)
{
    char wire[256];

    snprintf(wire, sizeof(wire), "history.lua no:log:{p%03u}:t %s 1048576",
             hash_partition(SPAN("t")), words);
    assert_int_equal(bench->redis.waiting, 1);
    assert_string_equal(fake_redis_oldest(&bench->redis)->wire, wire);
    assert_true(fake_redis_oldest(&bench->redis)->call.repeatable);
}

void answer(struct bench *bench, struct redisReply *reply)
{
    fake_redis_answer(&bench->redis, 0, reply);
}

void assert_last(const struct bench *bench, uint64_t epoch, uint64_t offset)
{
    assert_true(
        log_id_eq(topic_last(bench->topic), (struct log_id){epoch, offset}));
}

void assert_ring(const struct bench *bench, const char *text)
{
    assert_string_equal(kit_ring(&bench->topic->ring), text);
}

void make_known(struct bench *bench, uint64_t epoch, uint64_t offset)
{
    topic_await(bench->topic, &bench->waiter.wait);
    answer(bench, epoch ? kit_log((struct log_id){epoch, offset}, "t", 1, 0)
                        : fake_empty());
    assert_int_equal(bench->waiter.calls, 1);
    assert_true(topic_is_live(bench->topic));
    bench->waiter.calls = 0;
}
