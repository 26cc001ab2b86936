/* test_topics.c - where logs stand, and what comes, in order or read again. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/hash.h"
#include "common/metrics.h"
#include "notifier/scripts.h"
#include "notifier/topics.h"
#include "tests/notifier/log_kit.h"
#include "tests/test.h"

#define IDLE_MAX 16384 /* topics.c's */

struct redis_script script_history = {.name = "history.lua"};

static struct topic_setting setting;

const struct topic_setting *settings_of(const struct settings *settings,
                                        struct span topic)
{
    (void)settings;
    (void)topic;
    return &setting;
}

struct waiter {
    struct topic_wait wait;
    int calls, status;
    struct topic *leave; /* when it is told */
};

struct bench {
    uv_loop_t uv;
    struct stream_loop *loop;
    struct fanout *fanout;
    struct metrics *metrics;
    struct topics *topics;
    struct redis redis;
    struct topic *topic; /* "t" */
    struct waiter waiter;
    size_t before; /* live bytes */
    int fd;
};

static void on_told(struct topic_wait *wait, int status)
{
    struct waiter *waiter = LIST_ENTRY(wait, struct waiter, wait);

    waiter->calls++;
    waiter->status = status;
    if (waiter->leave)
        topic_leave(waiter->leave);
    waiter->leave = NULL;
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    bench->before = mem_live(MEM_CACHE);
    setting = (struct topic_setting){.max_count = 1000, .max_age_ms = 1000};
    uv_loop_init(&bench->uv);
    bench->loop = stream_loop_open(&bench->uv);
    bench->fanout = fanout_open(bench->loop);
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

static int teardown(void **state)
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

/* So much later, by the loop's clock. */
static void pass(struct bench *bench, uint64_t ms)
{
    bench->uv.time += ms;
    wheel_turn(stream_loop_wheel(bench->loop), bench->uv.time);
}

static void hear(struct bench *bench, uint64_t epoch, uint64_t offset)
{
    struct message *message = kit_message("t", (struct log_id){epoch, offset});

    topics_hear(bench->topics, message);
    message_unref(message);
}

static void assert_asked(struct bench *bench, const char *words)
{
    char wire[256];

    snprintf(wire, sizeof(wire), "history.lua no:log:{p%03u}:t %s 1048576",
             hash_partition(SPAN("t")), words);
    assert_int_equal(bench->redis.waiting, 1);
    assert_string_equal(fake_redis_oldest(&bench->redis)->wire, wire);
    assert_true(fake_redis_oldest(&bench->redis)->call.repeatable);
}

static void answer(struct bench *bench, struct redisReply *reply)
{
    fake_redis_answer(&bench->redis, 0, reply);
}

static void assert_last(const struct bench *bench, uint64_t epoch,
                        uint64_t offset)
{
    assert_true(
        log_id_eq(topic_last(bench->topic), (struct log_id){epoch, offset}));
}

static void assert_ring(const struct bench *bench, const char *text)
{
    assert_string_equal(kit_ring(&bench->topic->ring), text);
}

/* It is known to stand there. */
static void make_known(struct bench *bench, uint64_t epoch, uint64_t offset)
{
    topic_await(bench->topic, &bench->waiter.wait);
    answer(bench, epoch ? kit_log((struct log_id){epoch, offset}, "t", 1, 0)
                        : fake_empty());
    assert_int_equal(bench->waiter.calls, 1);
    assert_true(topic_is_live(bench->topic));
    bench->waiter.calls = 0;
}

/* ---- where a log stands */

static void test_topic_is_known_when_its_log_has_said(void **state)
{
    struct bench *bench = *state;

    assert_false(topic_is_live(bench->topic));
    assert_last(bench, 0, 0);
    topic_await(bench->topic, &bench->waiter.wait);
    assert_asked(bench, "0 0 0");
    assert_int_equal(bench->waiter.calls, 0);
    assert_false(topic_is_live(bench->topic));
    answer(bench, kit_log((struct log_id){5, 7}, "t", 1, 0));
    assert_int_equal(bench->waiter.calls, 1);
    assert_int_equal(bench->waiter.status, 0);
    assert_last(bench, 5, 7);
    assert_ring(bench, "");
    assert_int_equal(bench->redis.waiting, 0);
}

static void test_topic_without_a_log_is_known_too(void **state)
{
    struct bench *bench = *state;

    make_known(bench, 0, 0);
    assert_last(bench, 0, 0);
    hear(bench, 5, 1); /* the log begins */
    assert_last(bench, 5, 1);
    assert_ring(bench, "5-1");
}

static void test_topic_that_is_waited_for_is_read_once(void **state)
{
    struct bench *bench = *state;
    struct waiter other = {.wait = {.cb = on_told}};

    topic_await(bench->topic, &bench->waiter.wait);
    topic_await(bench->topic, &other.wait);
    answer(bench, kit_log((struct log_id){5, 7}, "t", 1, 0));
    assert_int_equal(bench->waiter.calls, 1);
    assert_int_equal(other.calls, 1);
    assert_int_equal(bench->redis.sent, 1);
}

static void test_topics_are_one_of_a_name(void **state)
{
    struct bench *bench = *state;
    struct topic *again = topics_use(bench->topics, SPAN("t"));

    assert_ptr_equal(again, bench->topic);
    assert_ptr_equal(topics_find(bench->topics, SPAN("t")), again);
    assert_null(topics_find(bench->topics, SPAN("T")));
    assert_int_equal(metrics_sum(bench->metrics, "notifier_topics", ""), 1);
    topic_leave(again);
    assert_ptr_equal(topics_find(bench->topics, SPAN("t")), bench->topic);
}

/* ---- in order */

static void test_topic_takes_what_comes_next(void **state)
{
    struct bench *bench = *state;

    make_known(bench, 5, 7);
    hear(bench, 5, 8);
    hear(bench, 5, 9);
    assert_ring(bench, "5-8 5-9");
    assert_last(bench, 5, 9);
    assert_int_equal(bench->redis.waiting, 0);
}

static void test_topic_passes_over_what_is_old(void **state)
{
    struct bench *bench = *state;

    make_known(bench, 5, 7);
    hear(bench, 5, 7);
    hear(bench, 5, 1);
    hear(bench, 4, 8);
    hear(bench, 4, 100);
    assert_ring(bench, "");
    assert_int_equal(bench->redis.waiting, 0);
}

static void test_topic_of_a_new_epoch_goes_on_at_its_first(void **state)
{
    struct bench *bench = *state;

    make_known(bench, 5, 7);
    hear(bench, 6, 1);
    assert_ring(bench, "6-1");
    assert_last(bench, 6, 1);
    assert_int_equal(bench->redis.waiting, 0);
}

/* While its log is read, what it had before may still be there. */
static void test_topic_of_a_new_epoch_reads_to_the_end_of_the_old(void **state)
{
    struct bench *bench = *state;

    make_known(bench, 5, 7);
    hear(bench, 5, 9);
    hear(bench, 6, 1);
    assert_ring(bench, "");
    answer(bench, kit_log((struct log_id){5, 9}, "t", 8, 9));
    assert_asked(bench, "5 10 128");
    answer(bench, kit_log((struct log_id){6, 1}, "t", 1, 1));
    assert_ring(bench, "5-8 5-9 gap(10-0 epoch) 6-1");
    assert_int_equal(bench->redis.waiting, 0);
}

static void test_topic_that_is_not_known_takes_what_it_hears(void **state)
{
    struct bench *bench = *state;

    hear(bench, 5, 8);
    assert_last(bench, 5, 8);
    assert_true(topic_is_live(bench->topic));
    assert_ring(bench, "5-8");
}

static void test_topic_reads_what_was_not_heard(void **state)
{
    struct bench *bench = *state;

    make_known(bench, 5, 7);
    hear(bench, 5, 10);
    assert_asked(bench, "5 8 128");
    assert_false(topic_is_live(bench->topic));
    hear(bench, 5, 11);
    assert_int_equal(bench->redis.waiting, 1); /* one reading at a time */
    answer(bench, kit_log((struct log_id){5, 11}, "t", 8, 11));
    assert_ring(bench, "5-8 5-9 5-10 5-11");
    assert_true(topic_is_live(bench->topic));
    assert_int_equal(bench->redis.waiting, 0);
}

static void test_topic_reads_until_what_it_heard_of_is_there(void **state)
{
    struct bench *bench = *state;

    make_known(bench, 5, 7);
    topic_await(bench->topic, &bench->waiter.wait);
    answer(bench, kit_log((struct log_id){5, 7}, "t", 1, 0));
    bench->waiter.calls = 0;
    hear(bench, 5, 9);
    topic_await(bench->topic, &bench->waiter.wait);
    hear(bench, 5, 12); /* after the reading below */
    answer(bench, kit_log((struct log_id){5, 9}, "t", 8, 9));
    assert_asked(bench, "5 10 128");
    assert_int_equal(bench->waiter.calls, 0);
    answer(bench, kit_log((struct log_id){5, 14}, "t", 10, 11));
    assert_asked(bench, "5 12 128"); /* there was more than one answer holds */
    answer(bench, kit_log((struct log_id){5, 14}, "t", 12, 14));
    assert_int_equal(bench->waiter.calls, 1);
    assert_ring(bench, "5-8 5-9 5-10 5-11 5-12 5-13 5-14");
    assert_int_equal(bench->redis.waiting, 0);
}

static void test_topic_hears_while_it_reads(void **state)
{
    struct bench *bench = *state;

    make_known(bench, 5, 7);
    hear(bench, 5, 9);
    hear(bench, 5, 8); /* late, but next */
    assert_ring(bench, "5-8");
    answer(bench, kit_log((struct log_id){5, 9}, "t", 8, 9));
    assert_ring(bench, "5-8 5-9"); /* once */
}

static void test_topic_first_read_hears_meanwhile(void **state)
{
    struct bench *bench = *state;

    topic_await(bench->topic, &bench->waiter.wait);
    hear(bench, 5, 8);
    answer(bench, kit_log((struct log_id){5, 7}, "t", 1, 0));
    assert_ring(bench, "5-8"); /* not cut: that came after the reading */
    assert_last(bench, 5, 8);
    assert_int_equal(bench->waiter.calls, 1);
}

static void test_topic_forgets_what_it_heard_of_and_is_not_there(void **state)
{
    struct bench *bench = *state;

    make_known(bench, 5, 7);
    hear(bench, 5, 20);
    answer(bench, kit_log((struct log_id){5, 7}, "t", 1, 0));
    assert_int_equal(bench->redis.waiting, 0);
    assert_true(topic_is_live(bench->topic));
    assert_ring(bench, "");
}

/* What it hears of while it reads may have come after the reading. */
static void test_topic_remembers_what_it_heard_of_while_it_read(void **state)
{
    struct bench *bench = *state;

    make_known(bench, 5, 7);
    topics_distrust(bench->topics, hash_partition(SPAN("t")));
    hear(bench, 5, 10);
    answer(bench, kit_log((struct log_id){5, 7}, "t", 1, 0));
    assert_asked(bench, "5 8 128");
    hear(bench, 5, 8);
    answer(bench, kit_log((struct log_id){5, 8}, "t", 8, 8));
    assert_asked(bench, "5 9 128");
    answer(bench, kit_log((struct log_id){5, 10}, "t", 9, 10));
    assert_ring(bench, "5-8 5-9 5-10");
    assert_int_equal(bench->redis.waiting, 0);
}

/* An entry that nobody can read does not hold up those behind it. */
static void test_topic_goes_on_behind_what_is_no_record(void **state)
{
    struct bench *bench = *state;
    struct redisReply *entries = fake_array(
        2,
        fake_array(2, fake_text("5-8"),
                   fake_array(4, fake_text("ts"), fake_text("1"),
                              fake_text("record"), fake_text("no record"))),
        kit_entry("t", (struct log_id){5, 9}));

    make_known(bench, 5, 7);
    hear(bench, 5, 9);
    answer(bench, kit_log_of((struct log_id){5, 9}, entries));
    assert_ring(bench, "gap(8-8 trimmed) 5-9");
    hear(bench, 5, 11);
    entries = fake_array(1, fake_array(2, fake_text("5-10"), fake_text("x")));
    answer(bench, kit_log_of((struct log_id){5, 11}, entries));
    assert_int_equal(bench->redis.waiting, 0); /* not for ever */
}

/* ---- gaps */

static void test_topic_tells_what_was_trimmed(void **state)
{
    struct bench *bench = *state;

    make_known(bench, 5, 7);
    hear(bench, 5, 20);
    answer(bench, kit_log((struct log_id){5, 20}, "t", 18, 20));
    assert_ring(bench, "gap(8-17 trimmed) 5-18 5-19 5-20");
    assert_int_equal(metrics_sum(bench->metrics, "notifier_gaps_total", ""), 1);
    assert_int_equal(bench->redis.waiting, 0);
}

static void test_topic_tells_a_new_epoch(void **state)
{
    struct bench *bench = *state;

    make_known(bench, 5, 7);
    hear(bench, 6, 3);
    assert_asked(bench, "5 8 128");
    answer(bench, kit_log((struct log_id){6, 3}, "t", 1, 3));
    assert_ring(bench, "gap(8-0 epoch) 6-1 6-2 6-3");
    assert_last(bench, 6, 3);
}

static void test_topic_tells_a_new_epoch_that_was_trimmed(void **state)
{
    struct bench *bench = *state;

    make_known(bench, 5, 7);
    hear(bench, 6, 9);
    answer(bench, kit_log((struct log_id){6, 9}, "t", 8, 9));
    assert_ring(bench, "gap(8-7 epoch) 6-8 6-9");
}

static void test_topic_of_a_state_tells_no_trimming(void **state)
{
    struct bench *bench = *state;

    topic_leave(bench->topic);
    setting.is_state = true;
    struct topic *topic = topics_use(bench->topics, SPAN("s"));
    bench->topic = topics_use(bench->topics, SPAN("t"));
    topic_await(topic, &bench->waiter.wait);
    answer(bench, kit_log((struct log_id){5, 7}, "s", 1, 0));
    struct message *message = kit_message("s", (struct log_id){5, 20});
    topics_hear(bench->topics, message);
    message_unref(message);
    answer(bench, kit_log((struct log_id){5, 20}, "s", 20, 20));
    assert_string_equal(kit_ring(&topic->ring), "5-20");
    message = kit_message("s", (struct log_id){5, 21});
    topics_hear(bench->topics, message);
    message_unref(message);
    assert_string_equal(kit_ring(&topic->ring), "5-21"); /* the newest */
    assert_int_equal(metrics_sum(bench->metrics, "notifier_gaps_total", ""), 0);
    topic_leave(topic);
}

static void test_topic_tells_a_log_whose_end_is_lost(void **state)
{
    struct bench *bench = *state;

    make_known(bench, 5, 7);
    topics_distrust(bench->topics, hash_partition(SPAN("t")));
    assert_asked(bench, "5 8 128");
    answer(bench, kit_log((struct log_id){5, 4}, "t", 1, 0));
    assert_ring(bench, "gap(8-4 epoch)");
    assert_last(bench, 5, 4);
    hear(bench, 5, 5);
    assert_ring(bench, "gap(8-4 epoch) 5-5");
}

static void test_topic_tells_a_log_that_is_gone(void **state)
{
    struct bench *bench = *state;

    make_known(bench, 5, 7);
    topics_distrust(bench->topics, hash_partition(SPAN("t")));
    answer(bench, fake_empty());
    assert_ring(bench, "gap(8-0 epoch)");
    assert_last(bench, 0, 0);
    hear(bench, 6, 2); /* it begins again */
    answer(bench, kit_log((struct log_id){6, 2}, "t", 1, 2));
    assert_ring(bench, "gap(8-0 epoch) 6-1 6-2");
}

/* What came since the reading began shows that it was too early. */
static void test_topic_that_goes_on_is_not_cut(void **state)
{
    struct bench *bench = *state;

    make_known(bench, 5, 7);
    topics_distrust(bench->topics, hash_partition(SPAN("t")));
    hear(bench, 5, 8);
    answer(bench, kit_log((struct log_id){5, 7}, "t", 1, 0));
    assert_ring(bench, "5-8");
}

static void test_topic_reads_what_references_lost(void **state)
{
    struct bench *bench = *state;

    topics_hear_lost(bench->topics, SPAN("t"), (struct log_id){5, 9});
    assert_int_equal(bench->redis.waiting, 0); /* it is not known */
    make_known(bench, 5, 7);
    topics_hear_lost(bench->topics, SPAN("other"), (struct log_id){5, 9});
    topics_hear_lost(bench->topics, SPAN("t"), (struct log_id){5, 7});
    assert_int_equal(bench->redis.waiting, 0); /* old */
    topics_hear_lost(bench->topics, SPAN("t"), (struct log_id){5, 8});
    assert_asked(bench, "5 8 128");
    answer(bench, kit_log((struct log_id){5, 9}, "t", 9, 9));
    assert_ring(bench, "gap(8-8 trimmed) 5-9");
}

static void test_topics_distrust_those_of_one_partition(void **state)
{
    struct bench *bench = *state;
    uint32_t partition = hash_partition(SPAN("t"));

    make_known(bench, 5, 7);
    topics_distrust(bench->topics, (partition + 1) % HASH_PARTITIONS);
    assert_int_equal(bench->redis.waiting, 0);
    hear(bench, 5, 9);
    topics_distrust(bench->topics, partition); /* it is read already */
    assert_int_equal(bench->redis.waiting, 1);
    answer(bench, kit_log((struct log_id){5, 9}, "t", 8, 9));
    topic_leave(bench->topic); /* nobody uses it: it is forgotten */
    bench->topic = NULL;
    topics_distrust(bench->topics, partition);
    assert_null(topics_find(bench->topics, SPAN("t")));
    assert_int_equal(bench->redis.waiting, 0);
}

/* ---- Redis does not answer */

static void test_topic_is_read_again_when_redis_fails(void **state)
{
    struct bench *bench = *state;

    topic_await(bench->topic, &bench->waiter.wait);
    fake_redis_answer(&bench->redis, UV_ETIMEDOUT, NULL);
    assert_int_equal(bench->waiter.calls, 1);
    assert_int_equal(bench->waiter.status, UV_ETIMEDOUT);
    topic_await(bench->topic, &bench->waiter.wait);
    assert_int_equal(bench->redis.waiting, 0); /* in its time */
    pass(bench, 499);
    assert_int_equal(bench->redis.waiting, 0);
    pass(bench, 1);
    assert_asked(bench, "0 0 0");
    answer(bench, kit_log((struct log_id){5, 7}, "t", 1, 0));
    assert_int_equal(bench->waiter.calls, 2);
    assert_int_equal(bench->waiter.status, 0);
}

static void test_topic_is_read_again_when_redis_refuses(void **state)
{
    struct bench *bench = *state;

    bench->redis.refuse = UV_ENOTCONN;
    topic_await(bench->topic, &bench->waiter.wait);
    assert_int_equal(bench->waiter.calls, 0); /* never inside the call */
    pass(bench, 1);
    assert_int_equal(bench->waiter.calls, 1);
    assert_int_equal(bench->waiter.status, UV_ENOTCONN);
    pass(bench, 500);
    assert_int_equal(bench->redis.refused, 2);
    bench->redis.refuse = 0;
    pass(bench, 1);
    pass(bench, 500);
    assert_asked(bench, "0 0 0");
    answer(bench, kit_log((struct log_id){5, 7}, "t", 1, 0));
    assert_int_equal(bench->waiter.calls, 1);
}

static void test_topic_whose_answer_is_none_is_read_again(void **state)
{
    struct bench *bench = *state;

    topic_await(bench->topic, &bench->waiter.wait);
    answer(bench, fake_text("OK"));
    assert_int_equal(bench->waiter.status, UV_EPROTO);
    pass(bench, 500);
    answer(bench, kit_log((struct log_id){5, 7}, "t", 1, 0));
    assert_last(bench, 5, 7);
}

/* What it heard of is missing until it is read. */
static void test_topic_that_is_to_be_read_again_is_not_live(void **state)
{
    struct bench *bench = *state;

    make_known(bench, 5, 7);
    hear(bench, 5, 9);
    fake_redis_answer(&bench->redis, UV_ETIMEDOUT, NULL);
    assert_false(topic_is_live(bench->topic));
    topic_await(bench->topic, &bench->waiter.wait);
    hear(bench, 5, 10);
    assert_int_equal(bench->redis.waiting, 0);
    pass(bench, 500);
    assert_asked(bench, "5 8 128");
    answer(bench, kit_log((struct log_id){5, 10}, "t", 8, 10));
    assert_int_equal(bench->waiter.calls, 1);
    assert_ring(bench, "5-8 5-9 5-10");
    assert_true(topic_is_live(bench->topic));
}

/* ---- those who leave */

static void test_topic_that_is_left_is_not_read_again(void **state)
{
    struct bench *bench = *state;

    topic_await(bench->topic, &bench->waiter.wait);
    bench->waiter.leave = bench->topic;
    fake_redis_answer(&bench->redis, UV_ETIMEDOUT, NULL);
    bench->topic = NULL;
    pass(bench, 5000);
    assert_int_equal(bench->redis.waiting, 0);
    bench->topic = topics_use(bench->topics, SPAN("t"));
    assert_false(topic_is_live(bench->topic));
}

static void test_topic_that_is_left_with_news_is_not_known(void **state)
{
    struct bench *bench = *state;

    make_known(bench, 5, 7);
    hear(bench, 5, 9);
    fake_redis_answer(&bench->redis, UV_ETIMEDOUT, NULL);
    topic_leave(bench->topic);
    bench->topic = topics_use(bench->topics, SPAN("t"));
    assert_false(topic_is_live(bench->topic));
    assert_last(bench, 0, 0);
    make_known(bench, 5, 9);
}

/* Others make no room of it. */
static void test_topic_that_is_idle_reads_what_was_not_heard(void **state)
{
    struct bench *bench = *state;
    char name[32];

    make_known(bench, 5, 7);
    topic_leave(bench->topic);
    bench->topic = NULL;
    hear(bench, 5, 9);
    assert_asked(bench, "5 8 128");
    for (int i = 0; i <= IDLE_MAX; i++) {
        int len = snprintf(name, sizeof(name), "idle/%d", i);
        topic_leave(
            topics_use(bench->topics, (struct span){name, (size_t)len}));
    }
    answer(bench, kit_log((struct log_id){5, 9}, "t", 8, 9));
    bench->topic = topics_use(bench->topics, SPAN("t"));
    assert_last(bench, 5, 9);
    assert_ring(bench, "");
}

static void test_topic_that_is_left_while_it_is_read_stays(void **state)
{
    struct bench *bench = *state;

    topic_await(bench->topic, &bench->waiter.wait);
    list_remove(&bench->waiter.wait.node);
    topic_leave(bench->topic);
    bench->topic = NULL;
    topics_distrust(bench->topics, hash_partition(SPAN("t")));
    assert_non_null(topics_find(bench->topics, SPAN("t")));
    answer(bench, kit_log((struct log_id){5, 7}, "t", 1, 0));
    assert_int_equal(bench->waiter.calls, 0);
    bench->topic = topics_use(bench->topics, SPAN("t"));
    assert_last(bench, 5, 7);
}

/* Its log is still known, but what it says is not kept. */
static void test_topic_that_is_idle_stays_known(void **state)
{
    struct bench *bench = *state;
    uint64_t *messages = metrics_cell(bench->metrics, METRICS_COUNTER,
                                      "notifier_messages_total", "", "");

    make_known(bench, 5, 7);
    hear(bench, 5, 8);
    topic_leave(bench->topic);
    hear(bench, 5, 9);
    assert_int_equal(*messages, 1);
    bench->topic = topics_use(bench->topics, SPAN("t"));
    assert_true(topic_is_live(bench->topic));
    assert_last(bench, 5, 9);
    assert_ring(bench, "");
}

/* One of those who wait takes the other away. */
static void test_topic_tells_only_those_who_still_wait(void **state)
{
    struct bench *bench = *state;
    struct waiter gone = {.wait = {.cb = on_told}};

    topic_await(bench->topic, &gone.wait);
    topic_await(bench->topic, &bench->waiter.wait);
    list_remove(&gone.wait.node);
    answer(bench, kit_log((struct log_id){5, 7}, "t", 1, 0));
    assert_int_equal(gone.calls, 0);
    assert_int_equal(bench->waiter.calls, 1);
}

static void test_topics_that_are_idle_are_bounded(void **state)
{
    struct bench *bench = *state;
    char name[32];

    for (int i = 0; i < IDLE_MAX + 10; i++) {
        int len = snprintf(name, sizeof(name), "idle/%d", i);
        topic_leave(
            topics_use(bench->topics, (struct span){name, (size_t)len}));
    }
    assert_int_equal(metrics_sum(bench->metrics, "notifier_topics", ""),
                     IDLE_MAX + 1); /* and the one that is used */
    assert_null(topics_find(bench->topics, SPAN("idle/0")));
    assert_null(topics_find(bench->topics, SPAN("idle/9")));
    assert_non_null(topics_find(bench->topics, SPAN("idle/10")));
    assert_non_null(topics_find(bench->topics, SPAN("t")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_topic_is_known_when_its_log_has_said),
        TEST(test_topic_without_a_log_is_known_too),
        TEST(test_topic_that_is_waited_for_is_read_once),
        TEST(test_topics_are_one_of_a_name),
        TEST(test_topic_takes_what_comes_next),
        TEST(test_topic_passes_over_what_is_old),
        TEST(test_topic_of_a_new_epoch_goes_on_at_its_first),
        TEST(test_topic_of_a_new_epoch_reads_to_the_end_of_the_old),
        TEST(test_topic_that_is_not_known_takes_what_it_hears),
        TEST(test_topic_reads_what_was_not_heard),
        TEST(test_topic_reads_until_what_it_heard_of_is_there),
        TEST(test_topic_hears_while_it_reads),
        TEST(test_topic_first_read_hears_meanwhile),
        TEST(test_topic_forgets_what_it_heard_of_and_is_not_there),
        TEST(test_topic_remembers_what_it_heard_of_while_it_read),
        TEST(test_topic_goes_on_behind_what_is_no_record),
        TEST(test_topic_tells_what_was_trimmed),
        TEST(test_topic_tells_a_new_epoch),
        TEST(test_topic_tells_a_new_epoch_that_was_trimmed),
        TEST(test_topic_of_a_state_tells_no_trimming),
        TEST(test_topic_tells_a_log_whose_end_is_lost),
        TEST(test_topic_tells_a_log_that_is_gone),
        TEST(test_topic_that_goes_on_is_not_cut),
        TEST(test_topic_reads_what_references_lost),
        TEST(test_topics_distrust_those_of_one_partition),
        TEST(test_topic_is_read_again_when_redis_fails),
        TEST(test_topic_is_read_again_when_redis_refuses),
        TEST(test_topic_whose_answer_is_none_is_read_again),
        TEST(test_topic_that_is_to_be_read_again_is_not_live),
        TEST(test_topic_that_is_left_is_not_read_again),
        TEST(test_topic_that_is_left_with_news_is_not_known),
        TEST(test_topic_that_is_idle_reads_what_was_not_heard),
        TEST(test_topic_that_is_left_while_it_is_read_stays),
        TEST(test_topic_that_is_idle_stays_known),
        TEST(test_topic_tells_only_those_who_still_wait),
        TEST(test_topics_that_are_idle_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
