/* test_redis.c - the link that carries commands: whose reply is whose. */
#include <string.h>

#include "common/clock.h"
#include "tests/common/redis_bench.h"

static void test_redis_replies_go_first_in_first_out(void **state)
{
    static const char replies[] = "+a\r\n$2\r\nbb\r\n:3\r\n";
    struct bench *bench = *state;

    bench_open_up(bench);
    assert_int_equal(bench_send(bench, 0, "GET a"), 0);
    assert_int_equal(bench_send(bench, 1, "GET b"), 0);
    assert_int_equal(bench_send(bench, 2, "INCR c"), 0);
    assert_int_equal(redis_pending(bench->redis), 3);
    UNTIL(bench->kit, bench->kit->count == 3);
    assert_string_equal(kit_command(bench->kit, 0), "GET a");
    assert_string_equal(kit_command(bench->kit, 1), "GET b");
    assert_string_equal(kit_command(bench->kit, 2), "INCR c");
    for (size_t i = 0; i < sizeof(replies) - 1; i++) { /* byte by byte */
        kit_say_bytes(bench->kit, (struct span){replies + i, 1});
        uv_run(&bench->kit->uv, UV_RUN_ONCE);
    }
    bench_hears(bench, 2, 0, "3");
    bench_hears(bench, 0, 0, "a");
    bench_hears(bench, 1, 0, "bb");
    for (int i = 0; i < 3; i++)
        assert_int_equal(bench->callers[i].turn, i + 1);
    assert_int_equal(redis_pending(bench->redis), 0);
}

static void test_redis_commands_wait_for_the_link(void **state)
{
    struct bench *bench = *state;

    bench_open(bench);
    assert_false(redis_is_up(bench->redis));
    assert_string_equal(redis_reason(bench->redis), "connecting");
    assert_int_equal(bench_send(bench, 0, "GET a"), 0);
    UNTIL(bench->kit, bench->kit->count == 1);
    assert_true(redis_is_up(bench->redis));
    assert_string_equal(redis_reason(bench->redis), "");
    kit_say(bench->kit, "+a\r\n");
    bench_hears(bench, 0, 0, "a");
}

static void test_redis_error_is_told_with_its_text(void **state)
{
    struct bench *bench = *state;

    bench_open_up(bench);
    bench_send(bench, 0, "GET a");
    bench_send(bench, 1, "GET b");
    UNTIL(bench->kit, bench->kit->count == 2);
    kit_say(bench->kit, "-WRONGTYPE it is\r\n+b\r\n");
    bench_hears(bench, 0, UV_EPROTO, "WRONGTYPE it is");
    bench_hears(bench, 1, 0, "b"); /* and the link is as good as before */
    assert_int_equal(bench->kit->accepted, 1);
}

static void test_redis_late_reply_is_dropped(void **state)
{
    struct bench *bench = *state;

    bench_open_up(bench);
    bench_pass_deadlines(bench, 0, 1);
    assert_int_equal(redis_pending(bench->redis), 1); /* its place is kept */
    assert_int_equal(bench_send(bench, 1, "GET b"), 0);
    UNTIL(bench->kit, bench->kit->count == 2);
    kit_say(bench->kit, "+a\r\n");
    UNTIL(bench->kit, redis_pending(bench->redis) == 1);
    assert_int_equal(bench->callers[1].calls, 0);
    kit_say(bench->kit, "+b\r\n");
    bench_hears(bench, 1, 0, "b");
    assert_int_equal(redis_pending(bench->redis), 0);
}

/* The reply lies there before the deadline, and is read after it. */
static void test_redis_reply_to_who_was_held_up_is_in_time(void **state)
{
    struct bench *bench = *state;

    bench_open_up(bench);
    assert_int_equal(bench_send_for(bench, 0, "GET a", 50), 0);
    UNTIL(bench->kit, bench->kit->count == 1);
    kit_say(bench->kit, "+a\r\n");
    for (uint64_t until = clock_mono_us() + 100000; clock_mono_us() < until;)
        ;
    bench_hears(bench, 0, 0, "a");
}

static void test_redis_command_past_its_deadline_is_not_sent(void **state)
{
    struct bench *bench = *state;

    bench->kit->mute = true;
    bench_open(bench);
    UNTIL(bench->kit, bench->kit->count == 2);
    assert_int_equal(bench_send_for(bench, 0, "GET a", 20), 0);
    assert_int_equal(bench_send(bench, 1, "GET b"), 0);
    bench_hears(bench, 0, UV_ETIMEDOUT, "");
    assert_int_equal(redis_pending(bench->redis), 1);
    kit_greet(bench->kit);
    kit_forget(bench->kit);
    UNTIL(bench->kit, bench->kit->count == 1);
    assert_string_equal(kit_command(bench->kit, 0), "GET b");
    kit_say(bench->kit, "+b\r\n");
    bench_hears(bench, 1, 0, "b");
}

/* A link lost. */

static void send_fourth(struct bench *bench)
{
    assert_int_equal(bench_send(bench, 3, "GET d"), 0);
}

static void test_redis_sends_again_in_order_what_may_run_twice(void **state)
{
    struct bench *bench = *state;

    bench_open_up(bench);
    bench_send_repeatable(bench, 0, "GET a");
    bench_send(bench, 1, "INCR b");
    bench_send_repeatable(bench, 2, "GET c");
    UNTIL(bench->kit, bench->kit->count == 3);
    kit_forget(bench->kit);
    bench->callers[1].then = send_fourth;
    kit_hang_up(bench->kit);
    bench_hears(bench, 1, UV_ECONNRESET, "");
    assert_false(redis_is_up(bench->redis));
    UNTIL(bench->kit, bench->kit->count == 3);
    assert_int_equal(bench->kit->accepted, 2);
    assert_string_equal(kit_command(bench->kit, 0), "GET a");
    assert_string_equal(kit_command(bench->kit, 1), "GET c");
    assert_string_equal(kit_command(bench->kit, 2), "GET d");
    kit_say(bench->kit, "+a\r\n+c\r\n+d\r\n");
    bench_hears(bench, 3, 0, "d");
    bench_hears(bench, 0, 0, "a");
    bench_hears(bench, 2, 0, "c");
}

static void test_redis_sends_nothing_again_past_its_deadline(void **state)
{
    struct bench *bench = *state;

    bench->kit->options.timeout_ms = 20;
    bench_open_up(bench);
    bench_send_repeatable(bench, 0, "GET a");
    bench_hears(bench, 0, UV_ETIMEDOUT, "");
    kit_forget(bench->kit);
    kit_hang_up(bench->kit);
    UNTIL(bench->kit, bench->kit->accepted == 2 && redis_is_up(bench->redis));
    assert_int_equal(redis_pending(bench->redis), 0);
    assert_int_equal(bench_send_for(bench, 1, "GET b", 60000), 0);
    UNTIL(bench->kit, bench->kit->count == 1);
    assert_string_equal(kit_command(bench->kit, 0), "GET b");
    kit_say(bench->kit, "+b\r\n");
    bench_hears(bench, 1, 0, "b");
}

static void test_redis_link_that_talks_nonsense_is_given_up(void **state)
{
    static const struct {
        const char *says, *reason;
    } cases[] = {
        {"HTTP/1.1 400 Bad Request\r\n", "not the protocol of Redis"},
        {"+a\r\n+b\r\n", "a reply to nothing"},
    };
    struct bench *bench = *state;

    bench_open_up(bench);
    for (size_t i = 0; i < COUNT(cases); i++) {
        kit_forget(bench->kit);
        bench_send(bench, i, "INCR a");
        UNTIL(bench->kit, bench->kit->count == 1);
        kit_say(bench->kit, cases[i].says);
        UNTIL(bench->kit, !redis_is_up(bench->redis));
        assert_string_equal(redis_reason(bench->redis), cases[i].reason);
        UNTIL(bench->kit, redis_is_up(bench->redis));
        assert_int_equal(bench->kit->accepted, i + 2);
    }
    assert_int_equal(bench->callers[0].status, UV_ECONNRESET);
    assert_int_equal(bench->callers[1].status, 0);
}

static void test_redis_that_is_gone_is_found_when_it_is_back(void **state)
{
    struct bench *bench = *state;

    bench_open_up(bench);
    kit_stop(bench->kit);
    UNTIL(bench->kit,
          strcmp(redis_reason(bench->redis), "no such file or directory") == 0);
    assert_int_equal(bench_send(bench, 0, "GET a"), 0);
    kit_start(bench->kit);
    UNTIL(bench->kit, bench->kit->count == 1);
    kit_say(bench->kit, "+a\r\n");
    bench_hears(bench, 0, 0, "a");
}

/* Bounds. */

static void test_redis_refuses_more_than_may_be_pending(void **state)
{
    struct bench *bench = *state;

    bench->kit->options.max_pending = 2;
    bench_open_up(bench);
    assert_int_equal(bench_send(bench, 0, "GET a"), 0);
    assert_int_equal(bench_send(bench, 1, "GET b"), 0);
    assert_int_equal(bench_send(bench, 2, "GET c"), UV_ENOBUFS);
    UNTIL(bench->kit, bench->kit->count == 2);
    assert_int_equal(bench_send(bench, 2, "GET c"), UV_ENOBUFS);
    kit_say(bench->kit, "+a\r\n");
    bench_hears(bench, 0, 0, "a");
    assert_int_equal(bench_send(bench, 3, "GET d"), 0);
    UNTIL(bench->kit, bench->kit->count == 3);
    kit_say(bench->kit, "+b\r\n+d\r\n");
    bench_hears(bench, 3, 0, "d");
    assert_int_equal(bench->callers[2].calls, 0); /* refused is refused */
}

/* "GET a" is 20 bytes on the wire. */
static void test_redis_refuses_more_bytes_than_may_be_unsent(void **state)
{
    struct bench *bench = *state;

    bench->kit->options.max_bytes = 40;
    bench->kit->mute = true;
    bench_open(bench);
    UNTIL(bench->kit, bench->kit->count == 2);
    assert_int_equal(bench_send(bench, 0, "GET a"), 0);
    assert_int_equal(bench_send_for(bench, 1, "GET b", 20), 0);
    assert_int_equal(bench_send(bench, 2, "GET c"), UV_ENOBUFS);
    bench_hears(bench, 1, UV_ETIMEDOUT, "");
    assert_int_equal(bench_send(bench, 3, "GET d"), 0); /* in its place */
    assert_int_equal(bench_send(bench, 2, "GET c"), UV_ENOBUFS);
    kit_greet(bench->kit);
    kit_forget(bench->kit);
    UNTIL(bench->kit, bench->kit->count == 2);
    assert_int_equal(bench_send(bench, 4, "GET e"), 0); /* those are sent */
    assert_int_equal(bench_send(bench, 5, "GET f"), 0);
    assert_int_equal(bench_send(bench, 2, "GET c"), UV_ENOBUFS);
    assert_int_equal(bench->callers[2].calls, 0);
}

/* What waits for a new link counts as unsent again. */
static void test_redis_counts_the_bytes_that_must_be_sent_again(void **state)
{
    struct bench *bench = *state;

    bench->kit->options.max_bytes = 40;
    bench_open_up(bench);
    bench_send_repeatable(bench, 0, "GET a");
    bench_send_repeatable(bench, 1, "GET b");
    UNTIL(bench->kit, bench->kit->count == 2);
    kit_hang_up(bench->kit);
    UNTIL(bench->kit, !redis_is_up(bench->redis));
    assert_int_equal(bench_send(bench, 2, "GET c"), UV_ENOBUFS);
    UNTIL(bench->kit, bench->kit->count == 4);
    assert_int_equal(bench_send(bench, 3, "GET d"), 0);
}

/* The breaker. */

static void test_redis_breaker_opens_after_five_deadlines_in_a_row(void **state)
{
    struct bench *bench = *state;

    bench_open_up(bench);
    assert_int_equal(bench_send(bench, 8, "INCR b"), 0);
    bench->kit->mute = true; /* the next link is not greeted */
    bench_pass_deadlines(bench, 0, 4);
    assert_true(redis_is_up(bench->redis));
    bench_pass_deadlines(bench, 4, 1);
    assert_string_equal(redis_reason(bench->redis), "does not answer");
    bench_hears(bench, 8, UV_ECONNRESET, "");
    assert_int_equal(bench_send(bench, 9, "GET b"), UV_ENOTCONN);
    kit_forget(bench->kit);
    UNTIL(bench->kit, bench->kit->count == 2);
    assert_int_equal(bench->kit->accepted, 2); /* a link is not an answer */
    assert_int_equal(bench_send(bench, 9, "GET b"), UV_ENOTCONN);
    kit_greet(bench->kit);
    UNTIL(bench->kit, redis_is_up(bench->redis));
    assert_int_equal(bench_send(bench, 10, "GET c"), 0);
    UNTIL(bench->kit, bench->kit->count == 3);
    kit_say(bench->kit, "+c\r\n");
    bench_hears(bench, 10, 0, "c");
    assert_int_equal(bench->callers[9].calls, 0);
}

static void
test_redis_breaker_forgets_deadlines_when_a_reply_comes(void **state)
{
    struct bench *bench = *state;

    bench_open_up(bench);
    bench_pass_deadlines(bench, 0, 4);
    kit_say(bench->kit, "+late\r\n"); /* it is late, but it lives */
    UNTIL(bench->kit, redis_pending(bench->redis) == 3);
    bench_pass_deadlines(bench, 4, 4);
    assert_true(redis_is_up(bench->redis));
    assert_int_equal(bench->kit->accepted, 1);
    bench_pass_deadlines(bench, 8, 1);
    assert_false(redis_is_up(bench->redis));
}

static void
test_redis_away_for_longer_than_a_deadline_refuses_at_once(void **state)
{
    struct bench *bench = *state;
    uint64_t opened;

    kit_stop(bench->kit);
    bench->kit->options.timeout_ms = 30;
    bench_open(bench);
    opened = uv_now(&bench->kit->uv);
    assert_int_equal(bench_send(bench, 0, "GET a"), 0); /* it may come yet */
    bench_hears(bench, 0, UV_ETIMEDOUT, "");
    UNTIL(bench->kit, uv_now(&bench->kit->uv) - opened > 30);
    assert_int_equal(bench_send(bench, 1, "GET b"), UV_ENOTCONN);
    assert_int_equal(redis_pending(bench->redis), 0);
}

/* Closing. */

static void test_redis_close_ends_all_that_is_pending(void **state)
{
    struct bench *bench = *state;

    bench_open_up(bench);
    bench_pass_deadlines(bench, 0, 1);
    bench_send_repeatable(bench, 1, "GET b");
    UNTIL(bench->kit, bench->kit->count == 2);
    bench_send(bench, 2, "GET c"); /* not sent yet */
    bench_close(bench);
    assert_int_equal(bench_send(bench, 3, "GET d"), UV_ECANCELED);
    bench_hears(bench, 1, UV_ECANCELED, "");
    bench_hears(bench, 2, UV_ECANCELED, "");
    UNTIL(bench->kit, bench->closes);
    assert_int_equal(bench->callers[0].calls, 1);
    assert_int_equal(bench->callers[3].calls, 0);
}

static void test_redis_close_inside_a_callback(void **state)
{
    struct bench *bench = *state;

    bench_open_up(bench);
    bench_send(bench, 0, "GET a");
    bench_send(bench, 1, "GET b");
    UNTIL(bench->kit, bench->kit->count == 2);
    bench->callers[0].then = bench_close;
    kit_say(bench->kit, "+a\r\n+b\r\n"); /* the second is not told any more */
    bench_hears(bench, 0, 0, "a");
    bench_hears(bench, 1, UV_ECANCELED, "");
}

static void stop(struct bench *bench)
{
    kit_stop(bench->kit);
}

static void be_mute(struct bench *bench)
{
    bench->kit->mute = true;
}

static void turn_until_greeting(struct bench *bench)
{
    UNTIL(bench->kit, bench->kit->count);
}

static void turn_until_refused(struct bench *bench)
{
    UNTIL(bench->kit, strcmp(redis_reason(bench->redis), "connecting") != 0);
}

static void nothing(struct bench *bench)
{
    (void)bench;
}

static void test_redis_close_in_any_state_of_the_link(void **state)
{
    static const struct {
        void (*before)(struct bench *bench), (*after)(struct bench *bench);
    } cases[] = {
        {nothing, nothing},             /* connecting */
        {be_mute, turn_until_greeting}, /* being greeted */
        {stop, turn_until_refused},     /* waiting to connect again */
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        bench->closes = 0;
        cases[i].before(bench);
        bench_open(bench);
        cases[i].after(bench);
        assert_int_equal(bench_send(bench, i, "GET a"), 0);
        bench_close(bench);
        bench_hears(bench, i, UV_ECANCELED, "");
        UNTIL(bench->kit, bench->closes);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_redis_replies_go_first_in_first_out),
        TEST(test_redis_commands_wait_for_the_link),
        TEST(test_redis_error_is_told_with_its_text),
        TEST(test_redis_late_reply_is_dropped),
        TEST(test_redis_reply_to_who_was_held_up_is_in_time),
        TEST(test_redis_command_past_its_deadline_is_not_sent),
        TEST(test_redis_sends_again_in_order_what_may_run_twice),
        TEST(test_redis_sends_nothing_again_past_its_deadline),
        TEST(test_redis_link_that_talks_nonsense_is_given_up),
        TEST(test_redis_that_is_gone_is_found_when_it_is_back),
        TEST(test_redis_refuses_more_than_may_be_pending),
        TEST(test_redis_refuses_more_bytes_than_may_be_unsent),
        TEST(test_redis_counts_the_bytes_that_must_be_sent_again),
        TEST(test_redis_breaker_opens_after_five_deadlines_in_a_row),
        TEST(test_redis_breaker_forgets_deadlines_when_a_reply_comes),
        TEST(test_redis_away_for_longer_than_a_deadline_refuses_at_once),
        TEST(test_redis_close_ends_all_that_is_pending),
        TEST(test_redis_close_inside_a_callback),
        TEST(test_redis_close_in_any_state_of_the_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
