/* test_feed.c - all updates in the order of references, heard or read. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/app.h"
#include "common/metrics.h"
#include "common/pubsub.h"
#include "notifier/feed.h"
#include "notifier/scripts.h"
#include "tests/notifier/log_kit.h"
#include "tests/test.h"

struct redis_script script_references = {.name = "references.lua"};

/* ---- feed.c's neighbours */

struct pubsub {
    size_t count;
    pubsub_message_cb cb[HASH_PARTITIONS];
    void *arg[HASH_PARTITIONS];
    char channels[HASH_PARTITIONS][32];
};

/* What topics are told, a word each. */
struct topics {
    char told[1024];
    bool has_t; /* somebody follows "t" */
};

struct app {
    struct stream_loop *loop;
    struct metrics *metrics;
    struct redis redis;
    struct pubsub pubsub;
};

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

struct topic *topics_find(struct topics *topics, struct span name)
{
    static struct topic topic;

    return topics->has_t && span_eq(name, SPAN("t")) ? &topic : NULL;
}

/* ---- the bench */

#define P 3 /* the partition that tests are about */

struct bench {
    uv_loop_t uv;
    struct app app;
    struct topics topics;
    struct fanout *fanout;
    struct position_key *key;
    struct feed *feed;
    struct pattern *followed; /* "t" */
    struct feed_wait wait;
    int known; /* times that it was told */
    char other[64];
    size_t before;
    int fd;
};

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

static struct pattern *use(struct bench *bench, const char *text)
{
    struct selector *selector;

    assert_int_equal(selector_create(span_str(text), &selector), SELECTOR_OK);
    struct pattern *pattern = feed_use(bench->feed, selector);
    selector_unref(selector);
    return pattern;
}

static int setup(void **state)
{
    static const unsigned char secret[POSITION_SECRET] = "secret";
    struct bench *bench = calloc(1, sizeof(*bench));

    bench->before = mem_live(MEM_CACHE);
    uv_loop_init(&bench->uv);
    bench->app.loop = stream_loop_open(&bench->uv);
    bench->fd = metrics_make(1);
    bench->app.metrics = metrics_open(bench->fd, false);
    bench->fanout = fanout_open(bench->app.loop);
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

static int teardown(void **state)
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

static void pass(struct bench *bench, uint64_t ms)
{
    bench->uv.time += ms;
    wheel_turn(stream_loop_wheel(bench->app.loop), bench->uv.time);
}

/* A wake-up of a reference; the log's place is the same. */
static void wake_of(struct bench *bench, size_t partition, uint64_t epoch,
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

static void wake(struct bench *bench, uint64_t epoch, uint64_t offset)
{
    wake_of(bench, P, epoch, offset);
}

static void answer(struct bench *bench, struct redisReply *reply)
{
    fake_redis_answer(&bench->app.redis, 0, reply);
}

static void assert_told(struct bench *bench, const char *told)
{
    assert_string_equal(bench->topics.told, told);
    bench->topics.told[0] = '\0';
}

static void assert_asked(struct bench *bench, const char *words)
{
    char wire[256];

    snprintf(wire, sizeof(wire),
             "references.lua no:refs:{p003} %s 1048576 no:log:{p003}:", words);
    assert_int_equal(bench->app.redis.waiting, 1);
    assert_string_equal(fake_redis_oldest(&bench->app.redis)->wire, wire);
}

static void assert_place(const struct bench *bench, uint64_t epoch,
                         uint64_t offset)
{
    assert_true(
        log_id_eq(feed_place(bench->feed, P), (struct log_id){epoch, offset}));
    assert_true(
        log_id_eq(feed_places(bench->feed)[P], (struct log_id){epoch, offset}));
}

/* The link is there; all partitions stand at the place, but for nothing. */
static void go_live(struct bench *bench, uint64_t epoch, uint64_t offset)
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

static void follow(struct bench *bench)
{
    bench->followed = use(bench, "t");
    assert_non_null(bench->followed);
}

static void assert_ring(const struct bench *bench, const char *text)
{
    assert_string_equal(kit_ring(&bench->followed->ring), text);
}

/* ---- where partitions stand */

static void test_feed_listens_to_all_partitions(void **state)
{
    struct bench *bench = *state;
    char channel[32];

    assert_int_equal(bench->app.pubsub.count, HASH_PARTITIONS);
    for (int i = 0; i < HASH_PARTITIONS; i++) {
        snprintf(channel, sizeof(channel), "no:wake:{p%03d}", i);
        assert_string_equal(bench->app.pubsub.channels[i], channel);
    }
}

static void test_feed_is_known_when_all_partitions_are(void **state)
{
    struct bench *bench = *state;

    feed_await(bench->feed, &bench->wait);
    feed_set_live(bench->feed, false);
    assert_int_equal(bench->app.redis.waiting, 0);
    feed_set_live(bench->feed, true);
    assert_int_equal(bench->app.redis.waiting, HASH_PARTITIONS);
    assert_string_equal(
        bench->app.redis.calls[127].wire,
        "references.lua no:refs:{p127} 0 1 0 1048576 no:log:{p127}:");
    for (int i = 0; i < HASH_PARTITIONS; i++) {
        assert_int_equal(bench->known, 0);
        assert_false(feed_is_known(bench->feed));
        answer(bench, i == P ? kit_references((struct log_id){5, 7}, "t", 1, 0)
                             : fake_empty());
    }
    assert_int_equal(bench->known, 1);
    assert_true(feed_is_known(bench->feed));
    assert_place(bench, 5, 7);
    assert_true(log_id_eq(feed_place(bench->feed, 4), (struct log_id){0}));
}

static void test_feed_is_known_by_what_it_hears_too(void **state)
{
    struct bench *bench = *state;

    feed_set_live(bench->feed, true);
    wake(bench, 5, 8);
    while (bench->app.redis.waiting)
        answer(bench, kit_references((struct log_id){5, 7}, "t", 1, 0));
    assert_place(bench, 5, 8); /* the reading was before it */
    assert_true(feed_is_known(bench->feed));
    assert_told(bench, " t:5-8");
}

/* ---- in order */

static void test_feed_takes_what_comes_next(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    follow(bench);
    wake(bench, 5, 8);
    wake(bench, 5, 9);
    assert_told(bench, " t:5-8 t:5-9");
    assert_ring(bench, "5-8 5-9");
    assert_place(bench, 5, 9);
    assert_true(feed_is_known(bench->feed));
    assert_int_equal(bench->app.redis.waiting, 0);
}

static void test_feed_passes_over_what_is_old(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    wake(bench, 5, 7);
    wake(bench, 5, 1);
    wake(bench, 4, 8);
    assert_told(bench, "");
    assert_place(bench, 5, 7);
    assert_int_equal(bench->app.redis.waiting, 0);
}

static void test_feed_of_nothing_begins_at_the_first(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 0, 0);
    wake(bench, 5, 1);
    assert_told(bench, " t:5-1");
    assert_place(bench, 5, 1);
    assert_int_equal(bench->app.redis.waiting, 0);
}

static void test_feed_of_nothing_reads_what_was_before_a_later_one(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 0, 0);
    wake(bench, 5, 2);
    assert_asked(bench, "0 1 128");
    answer(bench, kit_references((struct log_id){5, 2}, "t", 1, 2));
    assert_told(bench, " t:5-1 t:5-2");
}

static void test_feed_reads_what_was_not_heard(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    follow(bench);
    wake(bench, 5, 10);
    assert_asked(bench, "5 8 128");
    wake(bench, 5, 11);
    assert_int_equal(bench->app.redis.waiting, 1); /* one at a time */
    answer(bench, kit_references((struct log_id){5, 10}, "t", 8, 10));
    assert_asked(bench, "5 11 128"); /* until what it heard of is there */
    answer(bench, kit_references((struct log_id){5, 13}, "t", 11, 12));
    assert_asked(bench, "5 13 128"); /* there is more */
    answer(bench, kit_references((struct log_id){5, 13}, "t", 13, 13));
    assert_told(bench, " t:5-8 t:5-9 t:5-10 t:5-11 t:5-12 t:5-13");
    assert_ring(bench, "5-8 5-9 5-10 5-11 5-12 5-13");
    assert_int_equal(bench->app.redis.waiting, 0);
}

static void test_feed_hears_while_it_reads(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    wake(bench, 5, 9);
    wake(bench, 5, 8);
    answer(bench, kit_references((struct log_id){5, 9}, "t", 8, 9));
    assert_told(bench, " t:5-8 t:5-9"); /* once */
}

static void test_feed_forgets_what_it_heard_of_and_is_not_there(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    wake(bench, 5, 20);
    answer(bench, kit_references((struct log_id){5, 7}, "t", 1, 0));
    assert_int_equal(bench->app.redis.waiting, 0);
    assert_place(bench, 5, 7);
}

static void test_feed_tells_only_what_somebody_follows(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    bench->topics.has_t = false;
    wake(bench, 5, 8);
    assert_told(bench, "");
    assert_place(bench, 5, 8);
    follow(bench);
    wake(bench, 5, 9);
    assert_ring(bench, "5-9");
}

static void test_feed_passes_on_what_is_no_update(void **state)
{
    struct bench *bench = *state;
    const struct span wrong[] = {
        SPAN(""),
        SPAN("x"),
        SPAN("5-8"),
        SPAN("5-8 5-8 1"),
        SPAN("5-8 5-8 1 no record"),
        SPAN("5-8 x 1 i\n\n\n\nt\n\nd"),
        SPAN("x 5-8 1 i\n\n\n\nt\n\nd"),
        SPAN("5-8 5-8 x i\n\n\n\nt\n\nd"),
    };

    go_live(bench, 5, 7);
    for (size_t i = 0; i < COUNT(wrong); i++)
        bench->app.pubsub.cb[P](bench->app.pubsub.arg[P], SPAN("c"), wrong[i]);
    assert_told(bench, "");
    assert_place(bench, 5, 7);
    assert_string_equal(bench->other, "");
    bench->app.pubsub.cb[P](bench->app.pubsub.arg[P], SPAN("c"),
                            SPAN("@1 + x"));
    assert_string_equal(bench->other, "@1 + x");
}

/* ---- what is lost */

static void test_feed_reads_all_when_the_link_is_there_again(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    feed_set_live(bench->feed, false);
    feed_set_live(bench->feed, true);
    for (int i = 0; i < HASH_PARTITIONS; i++)
        answer(bench, i == P
                          ? kit_references((struct log_id){5, 8}, "t", 8, 8)
                          : kit_references((struct log_id){5, 7}, "t", 1, 0));
    assert_told(bench, " t:5-8");
    assert_int_equal(bench->app.redis.waiting, 0);
}

/* A reading that began before may not have what came before the link did. */
static void test_feed_that_reads_as_the_link_comes_reads_again(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    wake(bench, 5, 9);
    feed_set_live(bench->feed, false);
    feed_set_live(bench->feed, true);
    assert_int_equal(bench->app.redis.waiting, HASH_PARTITIONS);
    answer(bench, kit_references((struct log_id){5, 9}, "t", 8, 9));
    while (bench->app.redis.waiting > 1)
        answer(bench, kit_references((struct log_id){5, 7}, "t", 1, 0));
    assert_asked(bench, "5 10 128");
    answer(bench, kit_references((struct log_id){5, 10}, "t", 10, 10));
    assert_told(bench, " t:5-8 t:5-9 t:5-10");
    assert_int_equal(bench->app.redis.waiting, 0); /* not once more */
}

static void test_feed_remembers_what_it_heard_of_while_it_read(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    feed_set_live(bench->feed, true);
    wake(bench, 5, 9);
    for (int i = 0; i < HASH_PARTITIONS; i++)
        answer(bench, kit_references((struct log_id){5, 7}, "t", 1, 0));
    assert_asked(bench, "5 8 128");
    answer(bench, kit_references((struct log_id){5, 9}, "t", 8, 9));
    assert_told(bench, " t:5-8 t:5-9");
    assert_int_equal(bench->app.redis.waiting, 0);
}

static void test_feed_tells_what_was_trimmed(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    follow(bench);
    wake(bench, 5, 20);
    answer(bench, kit_references((struct log_id){5, 20}, "t", 19, 20));
    assert_told(bench, " distrust:3 t:5-19 t:5-20");
    assert_ring(bench, "gap(8-18 trimmed) 5-19 5-20");
    assert_int_equal(
        metrics_sum(bench->app.metrics, "notifier_references_lost_total", ""),
        1);
}

static void test_feed_of_nothing_tells_what_was_trimmed(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 0, 0);
    follow(bench);
    wake(bench, 5, 20);
    answer(bench, kit_references((struct log_id){5, 20}, "t", 20, 20));
    assert_told(bench, " distrust:3 t:5-20");
    assert_ring(bench, "gap(1-19 trimmed) 5-20");
}

static void test_feed_tells_a_new_epoch(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    follow(bench);
    wake(bench, 6, 1);
    assert_asked(bench, "5 8 128"); /* what was before it, of the old one? */
    answer(bench, kit_references((struct log_id){6, 1}, "t", 1, 1));
    assert_told(bench, " distrust:3 t:6-1");
    assert_ring(bench, "gap(8-0 epoch) 6-1");
    assert_place(bench, 6, 1);
}

static void test_feed_tells_references_whose_end_is_lost(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    follow(bench);
    feed_set_live(bench->feed, true);
    for (int i = 0; i < HASH_PARTITIONS; i++)
        answer(bench,
               kit_references((struct log_id){5, i == P ? 4 : 7}, "t", 1, 0));
    assert_told(bench, " distrust:3");
    assert_ring(bench, "gap(8-4 epoch)");
    assert_place(bench, 5, 4);
}

static void test_feed_tells_references_that_are_gone(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    follow(bench);
    feed_set_live(bench->feed, true);
    for (int i = 0; i < HASH_PARTITIONS; i++)
        answer(bench, i == P
                          ? fake_empty()
                          : kit_references((struct log_id){5, 7}, "t", 1, 0));
    assert_told(bench, " distrust:3");
    assert_ring(bench, "gap(8-0 epoch)");
    assert_place(bench, 0, 0);
    wake(bench, 6, 1);
    assert_told(bench, " t:6-1");
}

static void test_feed_that_goes_on_is_not_cut(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    feed_set_live(bench->feed, true);
    wake(bench, 5, 8);
    for (int i = 0; i < HASH_PARTITIONS; i++)
        answer(bench, kit_references((struct log_id){5, 7}, "t", 1, 0));
    assert_told(bench, " t:5-8");
}

static void test_feed_tells_an_update_that_is_gone(void **state)
{
    struct bench *bench = *state;
    struct redisReply *entries = fake_array(
        2, kit_reference("t", (struct log_id){5, 8}, ""),
        kit_reference("t", (struct log_id){5, 9}, "i\n\n\n\nt\n\nd"));

    go_live(bench, 5, 7);
    follow(bench);
    wake(bench, 5, 9);
    answer(bench, kit_log_of((struct log_id){5, 9}, entries));
    assert_told(bench, " lost:t:5-8 t:5-9");
    assert_ring(bench, "gap(8-8 trimmed) 5-9");
}

/* It does not read for ever what nobody can read. */
static void test_feed_goes_on_behind_what_is_no_reference(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    wake(bench, 5, 9);
    answer(bench, kit_log_of((struct log_id){5, 9},
                             fake_array(2, fake_text("x"), fake_empty())));
    assert_int_equal(bench->app.redis.waiting, 0);
    assert_place(bench, 5, 7);
    wake(bench, 5, 10);
    answer(bench,
           kit_log_of((struct log_id){5, 10},
                      fake_array(2, fake_text("x"),
                                 kit_reference("t", (struct log_id){5, 10},
                                               "i\n\n\n\nt\n\nd"))));
    assert_told(bench, " distrust:3 t:5-10");
    assert_int_equal(bench->app.redis.waiting, 0);
}

/* ---- Redis does not answer */

static void test_feed_reads_again_what_could_not_be_read(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    wake(bench, 5, 9);
    fake_redis_answer(&bench->app.redis, UV_ETIMEDOUT, NULL);
    pass(bench, 499);
    assert_int_equal(bench->app.redis.waiting, 0);
    pass(bench, 1);
    assert_asked(bench, "5 8 128");
    answer(bench, fake_text("OK")); /* no such answer */
    pass(bench, 500);
    answer(bench, kit_references((struct log_id){5, 9}, "t", 8, 9));
    assert_told(bench, " t:5-8 t:5-9");
    pass(bench, 5000);
    assert_int_equal(bench->app.redis.waiting, 0);
}

/* One that fails later does not put off the others. */
static void test_feed_reads_again_in_time(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    wake(bench, 5, 9);
    fake_redis_answer(&bench->app.redis, UV_ETIMEDOUT, NULL);
    pass(bench, 400);
    wake_of(bench, P + 1, 5, 9);
    fake_redis_answer(&bench->app.redis, UV_ETIMEDOUT, NULL);
    pass(bench, 100);
    assert_int_equal(bench->app.redis.waiting, 2);
    for (int i = 0; i < 2; i++)
        answer(bench, kit_references((struct log_id){5, 9}, "t", 8, 9));
}

static void test_feed_reads_again_what_was_refused(void **state)
{
    struct bench *bench = *state;

    bench->app.redis.refuse = UV_ENOTCONN;
    feed_set_live(bench->feed, true);
    assert_int_equal(bench->app.redis.refused, HASH_PARTITIONS);
    pass(bench, 500);
    assert_int_equal(bench->app.redis.refused, 2 * HASH_PARTITIONS);
    bench->app.redis.refuse = 0;
    pass(bench, 500);
    assert_int_equal(bench->app.redis.waiting, HASH_PARTITIONS);
    while (bench->app.redis.waiting)
        answer(bench, fake_empty());
    assert_true(feed_is_known(bench->feed));
}

static void test_feed_reads_no_more_when_the_link_is_closed(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    wake(bench, 5, 9);
    fake_redis_answer(&bench->app.redis, UV_ECANCELED, NULL);
    pass(bench, 5000);
    assert_int_equal(bench->app.redis.waiting, 0);
}

/* ---- patterns */

static void test_pattern_has_only_what_it_matches(void **state)
{
    struct bench *bench = *state;
    struct pattern *other = use(bench, "u/{id}");

    go_live(bench, 5, 7);
    follow(bench);
    wake(bench, 5, 8);
    assert_ring(bench, "5-8");
    assert_string_equal(kit_ring(&other->ring), "");
    pattern_leave(other);
}

static void test_pattern_is_one_of_a_text(void **state)
{
    struct bench *bench = *state;
    struct pattern *a = use(bench, "u/{id}");
    struct pattern *b = use(bench, "u/{id}");
    struct pattern *c = use(bench, "u/{x}");

    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_int_equal(metrics_sum(bench->app.metrics, "notifier_patterns", ""),
                     2);
    pattern_leave(a);
    assert_int_equal(metrics_sum(bench->app.metrics, "notifier_patterns", ""),
                     2);
    pattern_leave(b);
    pattern_leave(c);
    assert_int_equal(metrics_sum(bench->app.metrics, "notifier_patterns", ""),
                     0);
}

static void test_patterns_are_bounded(void **state)
{
    static struct pattern *patterns[FEED_PATTERNS_MAX];
    struct bench *bench = *state;
    char text[32];

    for (size_t i = 0; i < FEED_PATTERNS_MAX; i++) {
        snprintf(text, sizeof(text), "u/%zu/{id}", i);
        patterns[i] = use(bench, text);
        assert_non_null(patterns[i]);
    }
    assert_null(use(bench, "one/{more}"));
    assert_ptr_equal(use(bench, "u/7/{id}"), patterns[7]);
    pattern_leave(patterns[7]);
    for (size_t i = 0; i < FEED_PATTERNS_MAX; i++)
        pattern_leave(patterns[i]);
}

/* Who follows patterns has an id that says where all partitions stand. */
static void test_pattern_message_has_a_position_behind_it(void **state)
{
    struct bench *bench = *state;
    struct log_id places[HASH_PARTITIONS];
    bool lost[HASH_PARTITIONS];
    struct position position;
    struct arena arena;
    struct pattern *other = use(bench, "{any}"); /* one line serves all */

    go_live(bench, 5, 7);
    follow(bench);
    wake(bench, 5, 8);
    assert_string_equal(kit_ring(&other->ring), "5-8");
    pattern_leave(other);
    struct message *message = message_of(
        fanout_at(&bench->followed->ring, bench->followed->ring.first));
    struct span line = buf_span(&message->all_line);
    assert_true(span_has_prefix(line, SPAN("id: ")));
    assert_int_equal(span_find(line, '\n'), line.len - 1);
    assert_int_equal(message->partition, P);
    assert_true(log_id_eq(message->reference, (struct log_id){5, 8}));
    arena_init(&arena, MEM_REQUEST, 0);
    assert_true(position_open(bench->key,
                              (struct span){line.ptr + 4, line.len - 5}, &arena,
                              &position));
    position_resolve(bench->key, position.opened, feed_places(bench->feed),
                     places, lost);
    assert_memory_equal(places, feed_places(bench->feed), sizeof(places));
    assert_false(lost[P]);
    arena_deinit(&arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_feed_listens_to_all_partitions),
        TEST(test_feed_is_known_when_all_partitions_are),
        TEST(test_feed_is_known_by_what_it_hears_too),
        TEST(test_feed_takes_what_comes_next),
        TEST(test_feed_passes_over_what_is_old),
        TEST(test_feed_of_nothing_begins_at_the_first),
        TEST(test_feed_of_nothing_reads_what_was_before_a_later_one),
        TEST(test_feed_reads_what_was_not_heard),
        TEST(test_feed_hears_while_it_reads),
        TEST(test_feed_forgets_what_it_heard_of_and_is_not_there),
        TEST(test_feed_tells_only_what_somebody_follows),
        TEST(test_feed_passes_on_what_is_no_update),
        TEST(test_feed_reads_all_when_the_link_is_there_again),
        TEST(test_feed_that_reads_as_the_link_comes_reads_again),
        TEST(test_feed_remembers_what_it_heard_of_while_it_read),
        TEST(test_feed_tells_what_was_trimmed),
        TEST(test_feed_of_nothing_tells_what_was_trimmed),
        TEST(test_feed_tells_a_new_epoch),
        TEST(test_feed_tells_references_whose_end_is_lost),
        TEST(test_feed_tells_references_that_are_gone),
        TEST(test_feed_that_goes_on_is_not_cut),
        TEST(test_feed_tells_an_update_that_is_gone),
        TEST(test_feed_goes_on_behind_what_is_no_reference),
        TEST(test_feed_reads_again_what_could_not_be_read),
        TEST(test_feed_reads_again_in_time),
        TEST(test_feed_reads_again_what_was_refused),
        TEST(test_feed_reads_no_more_when_the_link_is_closed),
        TEST(test_pattern_has_only_what_it_matches),
        TEST(test_pattern_is_one_of_a_text),
        TEST(test_patterns_are_bounded),
        TEST(test_pattern_message_has_a_position_behind_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
