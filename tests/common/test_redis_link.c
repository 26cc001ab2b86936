/* test_redis_link.c - how a link comes up, scripts over it, what it counts. */
#include <string.h>

#include "common/metrics.h"
#include "tests/common/redis_bench.h"

static void test_redis_greeting_says_what_the_url_says(void **state)
{
    static const struct {
        const char *user, *password;
        uint8_t db;
        const char *greeting[3];
    } cases[] = {
        {"", "", 0, {"SELECT 0", "INFO"}},
        {"", "", 5, {"SELECT 5", "INFO"}},
        {"", "secret", 255, {"AUTH secret", "SELECT 255", "INFO"}},
        {"me", "secret", 0, {"AUTH me secret", "SELECT 0", "INFO"}},
    };
    struct bench *bench = *state;
    struct redis_url *url = &bench->kit->options.url;

    bench->kit->mute = true;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t count = cases[i].password[0] ? 3 : 2;

        strcpy(url->user, cases[i].user);
        strcpy(url->password, cases[i].password);
        url->db = cases[i].db;
        bench_open(bench);
        UNTIL(bench->kit, bench->kit->count == count);
        for (size_t n = 0; n < count; n++)
            assert_string_equal(kit_command(bench->kit, n),
                                cases[i].greeting[n]);
        assert_false(redis_is_up(bench->redis));
        kit_greet(bench->kit);
        UNTIL(bench->kit, redis_is_up(bench->redis));
        bench_close(bench);
        UNTIL(bench->kit, !bench->redis);
        bench->closes = 0;
        kit_forget(bench->kit);
    }
}

static void test_redis_greeting_that_is_refused_is_the_reason(void **state)
{
    struct bench *bench = *state;

    strcpy(bench->kit->options.url.password, "wrong");
    bench->kit->auth = "-WRONGPASS no\r\n";
    bench_open(bench);
    UNTIL(bench->kit, strcmp(redis_reason(bench->redis), "WRONGPASS no") == 0);
    assert_false(redis_is_up(bench->redis));
    bench->kit->auth = "+OK\r\n"; /* somebody has mended it */
    UNTIL(bench->kit, redis_is_up(bench->redis));
    assert_true(bench->kit->accepted >= 2);
    assert_string_equal(redis_reason(bench->redis), "");
}

static void test_redis_warns_of_what_it_must_not_be(void **state)
{
    static const struct {
        const char *info, *warning;
    } cases[] = {
        {"redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\n", ""},
        {"redis_version:6.2.14\r\nmaxmemory_policy:noeviction\r\n",
         "Redis 6.2.14 is too old: 7 is the oldest that will do"},
        {"# Memory\r\nmaxmemory_policy:allkeys-lru\r\n",
         "Redis evicts: maxmemory-policy is allkeys-lru, not noeviction"},
        {"redis_version:10.1\r\n", ""},
        {"", ""},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        bench->kit->info = cases[i].info;
        bench_open_up(bench);
        assert_string_equal(redis_warning(bench->redis), cases[i].warning);
        bench_close(bench);
        UNTIL(bench->kit, !bench->redis);
        bench->closes = 0;
    }
}

static void test_redis_examined_again_tells_what_it_is_now(void **state)
{
    struct bench *bench = *state;

    bench_open_up(bench);
    redis_examine(bench->redis);
    UNTIL(bench->kit, bench->kit->count == 1);
    assert_string_equal(kit_command(bench->kit, 0), "INFO server memory");
    kit_say(bench->kit, "$30\r\nmaxmemory_policy:allkeys-lfu\r\n\r\n");
    UNTIL(bench->kit, redis_warning(bench->redis)[0]);
    redis_examine(bench->redis);
    UNTIL(bench->kit, bench->kit->count == 2);
    kit_say(bench->kit, "$29\r\nmaxmemory_policy:noeviction\r\n\r\n");
    UNTIL(bench->kit, !redis_warning(bench->redis)[0]);
}

/* Scripts. */

#define SHA "e0e1f9fabfc9d4800c877a703b823ac0578ff8db" /* of "return 1" */
#define EVALSHA "EVALSHA " SHA " 1 key arg"
static const struct redis_script one = {.name = "one",
                                        .source = {"return 1", 8}};
#define NOSCRIPT "-NOSCRIPT No matching script. Please use EVAL.\r\n"

/* Until the kit has got it: it goes again when it was too late for that. */
static void eval(struct bench *bench, struct redis_script *script,
                 uint32_t timeout_ms)
{
    bench_open_up(bench);
    do {
        bench->callers[0].calls = 0;
        assert_int_equal(bench_eval(bench, 0, script, timeout_ms), 0);
        UNTIL(bench->kit, bench->kit->count || bench->callers[0].calls);
    } while (!bench->kit->count);
    assert_string_equal(kit_command(bench->kit, 0), EVALSHA);
}

static void test_redis_script_goes_by_its_sha(void **state)
{
    struct redis_script script = one;
    struct bench *bench = *state;

    eval(bench, &script, 0);
    kit_say(bench->kit, ":1\r\n");
    bench_hears(bench, 0, 0, "1");
    assert_string_equal(script.head, "$7\r\nEVALSHA\r\n$40\r\n" SHA "\r\n");
    assert_int_equal(bench->kit->count, 1);
}

static void test_redis_script_that_is_not_there_is_loaded(void **state)
{
    struct redis_script script = one;
    struct bench *bench = *state;

    eval(bench, &script, 0);
    bench_send(bench, 1, "GET a");
    UNTIL(bench->kit, bench->kit->count == 2);
    kit_say(bench->kit, NOSCRIPT "+a\r\n");
    bench_hears(bench, 1, 0, "a");
    UNTIL(bench->kit, bench->kit->count == 3);
    assert_string_equal(kit_command(bench->kit, 2), "EVAL return 1 1 key arg");
    assert_int_equal(bench->callers[0].calls, 0);
    kit_say(bench->kit, ":1\r\n");
    bench_hears(bench, 0, 0, "1");
}

static void turn(struct bench *bench)
{
    for (int n = 0; n < 100; n++)
        uv_run(&bench->kit->uv, UV_RUN_NOWAIT);
}

/* What is asked for when the first is on its way to be loaded comes last. */
static void test_redis_script_that_is_loaded_keeps_its_place(void **state)
{
    static const char *const words[] = {EVALSHA, EVALSHA,
                                        "EVAL return 1 1 key arg",
                                        "EVAL return 1 1 key arg", EVALSHA};
    struct redis_script script = one;
    struct bench *bench = *state;

    eval(bench, &script, 20000);
    bench_eval(bench, 1, &script, 20000);
    UNTIL(bench->kit, bench->kit->count == 2);
    kit_say(bench->kit, NOSCRIPT);
    turn(bench);
    bench_eval(bench, 2, &script, 20000);
    turn(bench);
    assert_int_equal(bench->kit->count, 2);
    kit_say(bench->kit, NOSCRIPT);
    UNTIL(bench->kit, bench->kit->count == COUNT(words));
    for (size_t i = 0; i < COUNT(words); i++)
        assert_string_equal(kit_command(bench->kit, i), words[i]);
    kit_say(bench->kit, ":1\r\n:2\r\n:3\r\n");
    bench_hears(bench, 0, 0, "1");
    bench_hears(bench, 1, 0, "2");
    bench_hears(bench, 2, 0, "3");
}

static void test_redis_script_is_loaded_once_and_no_more(void **state)
{
    struct redis_script script = one;
    struct bench *bench = *state;

    eval(bench, &script, 0);
    kit_say(bench->kit, NOSCRIPT);
    UNTIL(bench->kit, bench->kit->count == 2);
    kit_say(bench->kit, "-NOSCRIPT still\r\n");
    bench_hears(bench, 0, UV_EPROTO, "NOSCRIPT still");
    assert_int_equal(redis_pending(bench->redis), 0);
}

static void test_redis_script_that_fails_is_not_loaded(void **state)
{
    struct redis_script script = one;
    struct bench *bench = *state;

    eval(bench, &script, 0);
    kit_say(bench->kit, "-ERR in the script\r\n");
    bench_hears(bench, 0, UV_EPROTO, "ERR in the script");
}

/*
 * Another command is sent when the first half of the time has passed, with
 * three quarters of it for itself: it must hear after the script's caller.
 */
static void test_redis_script_keeps_its_deadline_when_loaded(void **state)
{
    struct redis_script script = one;
    struct bench *bench = *state;

    eval(bench, &script, 200);
    assert_int_equal(bench_send_for(bench, 1, "GET a", 100), 0);
    bench_hears(bench, 1, UV_ETIMEDOUT, "");
    kit_say(bench->kit, NOSCRIPT);
    UNTIL(bench->kit, bench->kit->count == 3 || bench->callers[0].calls);
    assert_int_equal(bench_send_for(bench, 2, "GET b", 150), 0);
    bench_hears(bench, 2, UV_ETIMEDOUT, "");
    bench_hears(bench, 0, UV_ETIMEDOUT, "");
    assert_true(bench->callers[0].turn < bench->callers[2].turn);
}

static void test_redis_script_nobody_waits_for_is_not_loaded(void **state)
{
    struct redis_script script = one;
    struct bench *bench = *state;

    eval(bench, &script, 20);
    bench_hears(bench, 0, UV_ETIMEDOUT, "");
    kit_say(bench->kit, NOSCRIPT);
    UNTIL(bench->kit, redis_pending(bench->redis) == 0);
    assert_int_equal(bench->kit->count, 1);
}

/* Metrics. */

static void test_redis_counts_how_commands_end(void **state)
{
    static const struct {
        const char *name, *labels;
        unsigned value;
    } sums[] = {
        {"s_redis_up", "", 0},
        {"s_redis_links_total", "", 1},
        {"s_redis_commands_total", "", 3},
        {"s_redis_errors_total", "kind=\"deadline\"", 1},
        {"s_redis_errors_total", "kind=\"link\"", 1},
        {"s_redis_errors_total", "kind=\"error\"", 1},
        {"s_redis_errors_total", "kind=\"refused\"", 1},
        {"s_redis_command_seconds", "", 2},
    };
    struct bench *bench = *state;
    struct metrics *metrics = metrics_open(metrics_make(1), false);

    bench->kit->options.metrics = metrics;
    bench->kit->options.prefix = "s";
    bench->kit->options.max_pending = 3;
    bench->kit->mute = true;
    bench_open(bench);
    bench_send_for(bench, 0, "GET a", 20);
    bench_hears(bench, 0, UV_ETIMEDOUT, "");
    UNTIL(bench->kit, bench->kit->count == 2);
    kit_greet(bench->kit);
    UNTIL(bench->kit, redis_is_up(bench->redis));
    assert_int_equal(metrics_sum(metrics, "s_redis_up", ""), 1);
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(bench_send(bench, i, "GET b"), 0);
    assert_int_equal(bench_send(bench, 4, "GET b"), UV_ENOBUFS);
    UNTIL(bench->kit, bench->kit->count == 5);
    kit_say(bench->kit, "+good\r\n-ERR bad\r\n");
    bench_hears(bench, 2, UV_EPROTO, "ERR bad");
    kit_stop(bench->kit);
    bench_hears(bench, 3, UV_ECONNRESET, "");
    for (size_t i = 0; i < COUNT(sums); i++)
        assert_int_equal(metrics_sum(metrics, sums[i].name, sums[i].labels),
                         sums[i].value);
    bench_close(bench);
    UNTIL(bench->kit, !bench->redis);
    metrics_close(metrics);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_redis_greeting_says_what_the_url_says),
        TEST(test_redis_greeting_that_is_refused_is_the_reason),
        TEST(test_redis_warns_of_what_it_must_not_be),
        TEST(test_redis_examined_again_tells_what_it_is_now),
        TEST(test_redis_script_goes_by_its_sha),
        TEST(test_redis_script_that_is_not_there_is_loaded),
        TEST(test_redis_script_that_is_loaded_keeps_its_place),
        TEST(test_redis_script_is_loaded_once_and_no_more),
        TEST(test_redis_script_that_fails_is_not_loaded),
        TEST(test_redis_script_keeps_its_deadline_when_loaded),
        TEST(test_redis_script_nobody_waits_for_is_not_loaded),
        TEST(test_redis_counts_how_commands_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
