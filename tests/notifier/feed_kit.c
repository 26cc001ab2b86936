/* feed_kit.c - see feed_kit.h. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/notifier/feed_kit.h"

struct redis_script script_references = {.name = "references.lua"};

/* ---- feed.c's neighbours */

struct stream_loop *app_loop(const struct app *app)
{
    return app->loop;
}

struct metrics *app_metrics(const struct app *app)
{
    return app->metrics;
}

struct redis *app_redis(const struct app *app)
{
    return (struct redis *)(uintptr_t)&app->redis;
}

struct pubsub *app_pubsub(const struct app *app)
{
    return (struct pubsub *)(uintptr_t)&app->pubsub;
}

int pubsub_subscribe(struct pubsub *pubsub, struct span channel,
                     pubsub_message_cb cb, void *arg)
{
    size_t i = pubsub->count++;

    assert_in_range(i, 0, HASH_PARTITIONS - 1);
    pubsub->cb[i] = cb;
    pubsub->arg[i] = arg;
    snprintf(pubsub->channels[i], sizeof(pubsub->channels[i]), "%.*s",
             (int)channel.len, channel.ptr);
    return 0;
}

__attribute__((format(printf, 2, 3))) static void tell(struct topics *topics,
                                                       const char *format, ...)
{
    size_t at = strlen(topics->told);
    va_list args;

    va_start(args, format);
    int len =
        vsnprintf(topics->told + at, sizeof(topics->told) - at, format, args);
    va_end(args);
    assert_in_range(at + (size_t)len, 0, sizeof(topics->told) - 1);
}

void topics_hear(struct topics *topics, struct message *message)
{
    tell(topics, " %.*s:%llu-%llu", (int)message->record.topics[0].len,
         message->record.topics[0].ptr, (unsigned long long)message->id.epoch,
         (unsigned long long)message->id.offset);
}

void topics_hear_lost(struct topics *topics, struct span name, struct log_id id)
{
    tell(topics, " lost:%.*s:%llu-%llu", (int)name.len, name.ptr,
         (unsigned long long)id.epoch, (unsigned long long)id.offset);
}

void topics_distrust(struct topics *topics, uint32_t partition)
{
    tell(topics, " distrust:%u", partition);
}

const struct topic_setting *topics_setting(const struct topics *topics,
                                           struct span name)
{
    static const struct topic_setting log_setting = {.max_count = 1000};
    static const struct topic_setting state_setting = {.is_state = true};
    (void)topics;

    return span_has_prefix(name, SPAN("state/")) ? &state_setting
                                                 : &log_setting;
}

struct topic *topics_find(struct topics *topics, struct span name)
{
    static struct topic topic;

    return topics->has_t && span_eq(name, SPAN("t")) ? &topic : NULL;
}

/* ---- the bench */

static void on_other(void *arg, struct span payload)
{
    struct bench *bench = arg;

    snprintf(bench->other, sizeof(bench->other), "%.*s", (int)payload.len,
             payload.ptr);
}

static void on_known(struct feed_wait *wait)
{
    LIST_ENTRY(wait, struct bench, wait)->known++;
}

struct pattern *use(struct bench *bench, const char *text)
{
    struct selector *selector;

    assert_int_equal(selector_create(span_str(text), &selector), SELECTOR_OK);
    struct pattern *pattern = feed_use(bench->feed, selector);
    selector_unref(selector);
    return pattern;
}

int setup(void **state)
{
    static const unsigned char secret[POSITION_SECRET] = "secret";
    struct bench *bench = calloc(1, sizeof(*bench));

    bench->before = mem_live(MEM_CACHE);
    uv_loop_init(&bench->uv);
    bench->app.loop = stream_loop_open(&bench->uv);
    bench->fd = metrics_make(1);
    bench->app.metrics = metrics_open(bench->fd, false);
    bench->fanout = fanout_open(bench->app.loop, SIZE_MAX);
    bench->key = position_key_create(secret);
    bench->feed = feed_create(&(struct feed_options){.app = &bench->app,
                                                     .fanout = bench->fanout,
                                                     .topics = &bench->topics,
                                                     .on_other = on_other,
                                                     .arg = bench});
    feed_set_key(bench->feed, bench->key);
    bench->wait.cb = on_known;
    bench->topics.has_t = true;
    *state = bench;
    return 0;
}

int teardown(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(bench->app.redis.waiting, 0);
    if (bench->followed)
        pattern_leave(bench->followed);
    feed_destroy(bench->feed);
    position_key_destroy(bench->key);
    fanout_close(bench->fanout);
    stream_loop_close(bench->app.loop);
    uv_run(&bench->uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&bench->uv), 0);
    metrics_close(bench->app.metrics);
    close(bench->fd);
    assert_int_equal(mem_live(MEM_CACHE), bench->before);
    free(bench);
    return 0;
}

void pass(struct bench *bench, uint64_t ms)
{
    bench->uv.time += ms;
    wheel_turn(stream_loop_wheel(bench->app.loop), bench->uv.time);
}

void wake_of(struct bench *bench, size_t partition, uint64_t epoch,
             uint64_t offset)
{
    char text[128];
    int len =
        snprintf(text, sizeof(text), "%llu-%llu %llu-%llu 1 i\n\n\n\nt\n\nd",
                 (unsigned long long)epoch, (unsigned long long)offset,
                 (unsigned long long)epoch, (unsigned long long)offset);

    bench->app.pubsub.cb[partition](bench->app.pubsub.arg[partition],
                                    SPAN("no:wake"),
                                    (struct span){text, (size_t)len});
}

void wake(struct bench *bench, uint64_t epoch, uint64_t offset)
{
    wake_of(bench, P, epoch, offset);
}

void answer(struct bench *bench, struct redisReply *reply)
{
    fake_redis_answer(&bench->app.redis, 0, reply);
}

void assert_told(struct bench *bench, const char *told)
{
    assert_string_equal(bench->topics.told, told);
    bench->topics.told[0] = '\0';
}

void assert_asked(struct bench *bench, const char *words)
{
    char wire[256];

    snprintf(wire, sizeof(wire),
             "references.lua no:refs:{p003} %s 1048576 no:log:{p003}:", words);
    assert_int_equal(bench->app.redis.waiting, 1);
    assert_string_equal(fake_redis_oldest(&bench->app.redis)->wire, wire);
}

void assert_place(const struct bench *bench, uint64_t epoch, uint64_t offset)
{
    assert_true(
        log_id_eq(feed_place(bench->feed, P), (struct log_id){epoch, offset}));
    assert_true(
        log_id_eq(feed_places(bench->feed)[P], (struct log_id){epoch, offset}));
}

void go_live(struct bench *bench, uint64_t epoch, uint64_t offset)
{
    feed_set_live(bench->feed, true);
    assert_int_equal(bench->app.redis.waiting, HASH_PARTITIONS);
    while (bench->app.redis.waiting)
        answer(bench,
               epoch ? kit_references((struct log_id){epoch, offset}, "t", 1, 0)
                     : fake_empty());
    assert_true(feed_is_known(bench->feed));
    assert_told(bench, "");
}

void follow(struct bench *bench)
{
    bench->followed = use(bench, "t");
    assert_non_null(bench->followed);
}

void assert_ring(const struct bench *bench, const char *text)
{
    assert_string_equal(kit_ring(&bench->followed->ring), text);
}
