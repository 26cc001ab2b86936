/* test_topics_lost.c - what was lost, and is read again or told. */
#include "tests/notifier/topics_kit.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
