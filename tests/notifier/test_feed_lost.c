/* test_feed_lost.c - what was lost, and is read again or told. */
#include "tests/notifier/feed_kit.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
