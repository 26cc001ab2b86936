/* test_clicks.c - counts of redirects, on their way to Redis. */
#include <string.h>

#include "shortener/clicks.h"
#include "tests/shortener/fake_service.h"
#include "tests/test.h"

#define MINUTE_MS INT64_C(60000)
#define NOW_MS (INT64_C(29000000) * MINUTE_MS)

struct redis_script script_clicks;

static int setup(void **state)
{
    fake_reset();
    *state = clicks_create(NULL, 200);
    return 0;
}

static int teardown(void **state)
{
    clicks_destroy(*state);
    fake_reset();
    return 0;
}

static void count(struct clicks *clicks, const char *code,
                  struct click_cell **slot, uint64_t visitor)
{
    clicks_count(clicks, span_str(code), slot, visitor, visitor == 0, NOW_MS);
}

static const char *arg(size_t call, size_t i)
{
    return fake.calls[call].argv[i];
}

static void test_clicks_of_one_code_and_minute_are_one_cell(void **state)
{
    struct click_cell *slot = NULL;

    for (int i = 0; i < 5; i++)
        count(*state, "abc", &slot, 7);
    count(*state, "abc", &slot, 0);
    assert_int_equal(fake.made, 0); /* not before the flush */
    fake_tick();
    assert_int_equal(fake.made, 1);
    assert_int_equal(fake.calls[0].argc, 7);
    assert_string_equal(arg(0, 1), "1");
    assert_string_equal(arg(0, 2), "abc");
    assert_string_equal(arg(0, 3), "29000000");
    assert_string_equal(arg(0, 4), "5");
    assert_string_equal(arg(0, 5), "1");
    assert_string_equal(arg(0, 6), "0000000000000007");
    assert_null(slot); /* what comes now is the next batch's */
    fake_answer(6, 0);
    assert_int_equal(fake_metric("shortener_clicks_total"), 6);
}

static void test_clicks_of_the_next_minute_are_another_cell(void **state)
{
    struct click_cell *slot = NULL;

    count(*state, "abc", &slot, 7);
    clicks_count(*state, SPAN("abc"), &slot, 7, false, NOW_MS + MINUTE_MS);
    fake_tick();
    assert_int_equal(fake.calls[0].argc, 12);
    assert_string_equal(arg(0, 3), "29000000");
    assert_string_equal(arg(0, 8), "29000001");
    fake_answer(2, 0);
}

static void test_clicks_that_fail_go_again_with_their_number(void **state)
{
    static const int statuses[] = {UV_ETIMEDOUT, UV_ECONNRESET, UV_EPROTO};
    struct click_cell *slot = NULL;

    count(*state, "abc", &slot, 7);
    fake_tick();
    for (size_t i = 0; i < COUNT(statuses); i++) {
        fake_fail(statuses[i]);
        count(*state, "abc", &slot, 8); /* not of this batch any more */
        fake_tick();
        assert_int_equal(fake.made, i + 2);
        assert_string_equal(arg(i + 1, 1), "1");
        assert_string_equal(arg(i + 1, 4), "1");
    }
    fake_answer(1, 0);
    fake_tick();
    assert_string_equal(arg(4, 1), "2");
    assert_string_equal(arg(4, 4), "3");
    fake_answer(3, 0);
    assert_int_equal(fake_metric("shortener_clicks_total"), 4);
}

static void test_clicks_are_counted_as_redis_says(void **state)
{
    for (uint64_t i = 0; i < 9; i++) /* two of a link that is gone by then */
        count(*state, "abc", NULL, 7);
    fake_tick();
    fake_answer(4, 3);
    assert_int_equal(fake_metric("shortener_clicks_total"), 4);
    assert_int_equal(fake_metric("shortener_clicks_dropped_total"), 3);
    assert_int_equal(fake_metric("shortener_clicks_pending"), 0);
}

static void test_clicks_refused_by_the_link_are_kept(void **state)
{
    struct click_cell *slot = NULL;

    fake.refuse = UV_ENOTCONN;
    count(*state, "abc", &slot, 7);
    fake_tick();
    assert_int_equal(fake.made, 0);
    fake.refuse = 0;
    fake_tick();
    assert_int_equal(fake.made, 1);
    assert_string_equal(arg(0, 1), "1");
    fake_answer(1, 0);
    assert_int_equal(fake_metric("shortener_clicks_total"), 1);
}

static void test_clicks_past_the_bound_are_dropped_and_said_so(void **state)
{
    for (int i = 0; i < CLICKS_MAX_CELLS + 3; i++)
        count(*state, "abc", NULL, 7);
    assert_int_equal(fake_metric("shortener_clicks_dropped_total"), 3);
}

static void test_clicks_of_a_large_partition_go_in_several_batches(void **state)
{
    for (int i = 0; i < CLICKS_MAX_BATCH + 1; i++)
        count(*state, "abc", NULL, 7);
    fake_tick();
    assert_int_equal(fake.calls[0].argc, 2 + CLICKS_MAX_BATCH * 5);
    fake_answer(CLICKS_MAX_BATCH, 0);
    fake_tick();
    assert_int_equal(fake.calls[1].argc, 2 + 5);
    assert_string_equal(arg(1, 1), "2");
    fake_answer(1, 0);
}

static void on_drained(void *arg)
{
    *(bool *)arg = true;
}

static void test_clicks_drain_sends_all_and_then_tells(void **state)
{
    bool drained = false;

    for (int i = 0; i < CLICKS_MAX_BATCH + 1; i++)
        count(*state, "abc", NULL, 7);
    clicks_drain(*state, on_drained, &drained);
    fake_tick();
    fake_answer(CLICKS_MAX_BATCH, 0);
    assert_false(drained);
    fake_answer(1, 0);
    assert_true(drained);
    assert_int_equal(fake_metric("shortener_clicks_total"),
                     CLICKS_MAX_BATCH + 1);
}

static void test_clicks_drain_gives_up_when_redis_stays_away(void **state)
{
    bool drained = false;

    fake.refuse = UV_ENOTCONN;
    count(*state, "abc", NULL, 7);
    clicks_drain(*state, on_drained, &drained);
    for (int i = 0; i < 20 && !drained; i++)
        fake_tick();
    assert_true(drained);
}

static void test_clicks_visitor_is_another_one_tomorrow(void **state)
{
    static const unsigned char secret[16] = "secret of 16 by";
    struct span home = SPAN("10.0.0.1");
    uint64_t agent = 5;
    int64_t tomorrow = NOW_MS + 86400000;

    assert_int_equal(clicks_visitor(*state, home, agent, NOW_MS), 0);
    clicks_set_secret(*state, secret);
    uint64_t who = clicks_visitor(*state, home, agent, NOW_MS);
    assert_true(who != 0);
    assert_true(who == clicks_visitor(*state, home, agent, NOW_MS));
    assert_true(who != clicks_visitor(*state, SPAN("10.0.0.2"), agent, NOW_MS));
    assert_true(who != clicks_visitor(*state, home, 6, NOW_MS));
    assert_true(who != clicks_visitor(*state, home, agent, tomorrow));
}

static void test_clicks_visitors_of_a_cell_are_a_set(void **state)
{
    struct click_cell *slot = NULL;

    for (uint64_t i = 0; i < 300; i++)
        count(*state, "abc", &slot, 1 + i % 100);
    fake_tick();
    assert_string_equal(arg(0, 4), "300");
    assert_int_equal(strlen(arg(0, 6)), 100 * 16);
    fake_answer(300, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_clicks_of_one_code_and_minute_are_one_cell),
        TEST(test_clicks_of_the_next_minute_are_another_cell),
        TEST(test_clicks_that_fail_go_again_with_their_number),
        TEST(test_clicks_are_counted_as_redis_says),
        TEST(test_clicks_refused_by_the_link_are_kept),
        TEST(test_clicks_past_the_bound_are_dropped_and_said_so),
        TEST(test_clicks_of_a_large_partition_go_in_several_batches),
        TEST(test_clicks_drain_sends_all_and_then_tells),
        TEST(test_clicks_drain_gives_up_when_redis_stays_away),
        TEST(test_clicks_visitor_is_another_one_tomorrow),
        TEST(test_clicks_visitors_of_a_cell_are_a_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
