/* test_app_parts.c - sockets, build id and shared secrets, without a loop. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/app_internal.h"
#include "tests/test.h"

/* Redis: keeps what was sent, answers when told. */

struct redis {
    int refuse; /* what redis_send() returns */
    size_t sent;
    char last[8][160]; /* words of each, joined by a space */
    redis_reply_cb cb;
    void *arg;
};

int redis_send(struct redis *redis, const struct redis_call *call)
{
    char *out = redis->last[redis->sent % 8];
    size_t len = 0;

    if (redis->refuse < 0)
        return redis->refuse;
    for (size_t i = 0; i < call->argc; i++)
        len += (size_t)snprintf(out + len, 160 - len, "%s%.*s", i ? " " : "",
                                (int)call->argv[i].len, call->argv[i].ptr);
    redis->sent++;
    redis->cb = call->cb;
    redis->arg = call->arg;
    return 0;
}

/* The loop: one timer, that counts its starts. */

static unsigned retries;
static unsigned shared;

struct wheel *stream_loop_wheel(struct stream_loop *loop)
{
    (void)loop;
    return NULL;
}

void wheel_start(struct wheel *wheel, struct wheel_timer *timer, uint64_t ms,
                 wheel_timer_cb cb)
{
    (void)wheel;
    (void)ms;
    timer->cb = cb;
    retries++;
}

void wheel_stop(struct wheel *wheel, struct wheel_timer *timer)
{
    (void)wheel;
    (void)timer;
}

void app_on_shared(struct app *app)
{
    (void)app;
    shared++;
}

bool app_file_is_private(const char *path, char reason[APP_REASON_MAX])
{
    (void)path;
    (void)reason;
    return true;
}

#define ZEROS "00000000000000000000000000000000"
#define HEX ZEROS "0000000000000000000000000000aBf1"

static const char *const names[] = {"a", "b", NULL};
static const struct app_service service = {
    .name = "x", .prefix = "xx", .secrets = names};

static void answer_text(struct redis *redis, const char *text)
{
    char copy[128];
    struct redisReply reply = {.type = REDIS_REPLY_STRING, .str = copy};

    snprintf(copy, sizeof(copy), "%s", text);
    reply.len = strlen(copy);
    redis->cb(redis->arg, 0, &reply);
}

static void answer_two(struct redis *redis, const char *a, const char *b)
{
    char copies[2][128];
    struct redisReply items[2];
    struct redisReply *list[] = {&items[0], &items[1]};
    struct redisReply reply = {
        .type = REDIS_REPLY_ARRAY, .elements = 2, .element = list};
    const char *texts[] = {a, b};

    for (int i = 0; i < 2; i++) {
        items[i] = (struct redisReply){.type = REDIS_REPLY_NIL};
        if (texts[i] == NULL)
            continue;
        snprintf(copies[i], sizeof(copies[i]), "%s", texts[i]);
        items[i] = (struct redisReply){.type = REDIS_REPLY_STRING,
                                       .str = copies[i],
                                       .len = strlen(copies[i])};
    }
    redis->cb(redis->arg, 0, &reply);
}

static int reset(void **state)
{
    (void)state;
    retries = shared = 0;
    return 0;
}

static void test_secrets_are_made_once_and_read_back(void **state)
{
    struct redis redis = {0};
    struct app app = {.service = &service, .redis = &redis};
    (void)state;

    app_shared_start(&app);
    assert_int_equal(redis.sent, 2);
    assert_string_equal(redis.last[0], "SET cm:partitions 128 NX");
    assert_string_equal(redis.last[1], "GET cm:partitions");
    answer_text(&redis, "128");
    assert_int_equal(redis.sent, 5);
    assert_memory_equal(redis.last[2], "HSETNX xx:secrets a ", 20);
    assert_memory_equal(redis.last[3], "HSETNX xx:secrets b ", 20);
    assert_int_equal(strlen(redis.last[2]), 20 + 64);
    assert_string_not_equal(redis.last[2] + 20, redis.last[3] + 20);
    assert_string_equal(redis.last[4], "HMGET xx:secrets a b");
    assert_null(app_secret(&app, "a"));
    answer_two(&redis, HEX, ZEROS ZEROS);
    assert_int_equal(shared, 1);
    assert_int_equal(retries, 0);
    assert_int_equal(app_secret(&app, "a")[30], 0xab);
    assert_int_equal(app_secret(&app, "a")[31], 0xf1);
    assert_int_equal(app_secret(&app, "b")[31], 0);
    assert_null(app_secret(&app, "c"));
}

static void test_secrets_are_asked_again_after_any_other_answer(void **state)
{
    static const char *const bad[][2] = {
        {HEX, NULL}, {NULL, HEX}, {HEX, ""}, {HEX "0", HEX}, {HEX, "zz" ZEROS}};
    (void)state;

    for (size_t i = 0; i < COUNT(bad); i++) {
        struct redis redis = {0};
        struct app app = {.service = &service, .redis = &redis};

        app_shared_start(&app);
        answer_text(&redis, "128");
        answer_two(&redis, bad[i][0], bad[i][1]);
        assert_int_equal(retries, i + 1);
        assert_null(app_secret(&app, "a"));
        app.shared_retry.cb(&app.shared_retry);
        assert_string_equal(redis.last[6], "GET cm:partitions");
    }
    assert_int_equal(shared, 0);
}

static void test_secrets_wait_for_redis(void **state)
{
    struct redis redis = {.refuse = UV_ENOTCONN};
    struct app app = {.service = &service, .redis = &redis};
    (void)state;

    app_shared_start(&app);
    assert_int_equal(retries, 1);
    redis.refuse = 0;
    app_shared_start(&app);
    redis.cb(redis.arg, UV_ETIMEDOUT, NULL);
    assert_int_equal(retries, 2);
    app.closing = true; /* no timer may start while the loop closes */
    redis.cb(redis.arg, UV_ECANCELED, NULL);
    assert_int_equal(retries, 2);
}

static void test_another_partition_count_is_a_mismatch(void **state)
{
    struct redis redis = {0};
    struct app app = {.service = &service, .redis = &redis};
    (void)state;

    app_shared_start(&app);
    answer_text(&redis, "64");
    assert_int_equal(app.shared, APP_SHARED_MISMATCH);
    assert_int_equal(app.partitions, 64);
    assert_int_equal(retries, 1);
    app.shared_retry.cb(&app.shared_retry);
    answer_text(&redis, "128");
    answer_two(&redis, HEX, HEX);
    assert_int_equal(shared, 1);
}

/* Sockets. */

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static void test_listen_opens_sockets_on_one_port(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "::1", "localhost"};
    (void)state;

    for (size_t i = 0; i < COUNT(hosts); i++) {
        uint16_t port = 0;
        int fds[3];
        int more[1];

        assert_int_equal(app_listen(hosts[i], &port, fds, 3), 0);
        assert_true(port > 0);
        /* SO_REUSEPORT alone would let a second master in. */
        assert_int_equal(app_listen(hosts[i], &port, more, 1), UV_EADDRINUSE);
        close_all(fds, 3);
        assert_int_equal(app_listen(hosts[i], &port, more, 1), 0);
        close_all(more, 1);
    }
}

static void test_listen_refuses_what_is_no_address_of_ours(void **state)
{
    uint16_t port = 0;
    int fd;
    (void)state;

    assert_true(app_listen("not an address", &port, &fd, 1) < 0);
    assert_true(app_listen("192.0.2.1", &port, &fd, 1) < 0);
}

static void test_host_is_loopback_knows_its_addresses(void **state)
{
    static const struct {
        const char *host;
        int loopback;
    } cases[] = {
        {"127.0.0.1", 1}, {"127.9.9.9", 1},        {"::1", 1},
        {"localhost", 1}, {"::ffff:127.0.0.1", 1}, {"0.0.0.0", 0},
        {"::", 0},        {"192.0.2.1", 0},        {"::ffff:192.0.2.1", 0},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(app_host_is_loopback(cases[i].host),
                         cases[i].loopback);
    assert_true(app_host_is_loopback("not an address") < 0);
}

static void test_build_id_is_hexadecimal(void **state)
{
    const char *id = app_build_id();
    (void)state;

    assert_int_equal(strlen(id), 40);
    for (size_t i = 0; i < 40; i++)
        assert_true(isxdigit((unsigned char)id[i]));
    assert_ptr_equal(app_build_id(), id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_secrets_are_made_once_and_read_back, reset),
        cmocka_unit_test_setup(
            test_secrets_are_asked_again_after_any_other_answer, reset),
        cmocka_unit_test_setup(test_secrets_wait_for_redis, reset),
        cmocka_unit_test_setup(test_another_partition_count_is_a_mismatch,
                               reset),
        cmocka_unit_test(test_listen_opens_sockets_on_one_port),
        cmocka_unit_test(test_listen_refuses_what_is_no_address_of_ours),
        cmocka_unit_test(test_host_is_loopback_knows_its_addresses),
        cmocka_unit_test(test_build_id_is_hexadecimal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
