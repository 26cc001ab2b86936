/* test_topics.c - where logs stand, and what comes, in order or read again. */
#include <stdio.h>

#include "tests/notifier/topics_kit.h"

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
