/* test_redis_url.c - where Redis is. */
#include <uv.h>

#include "common/redis.h"
#include "tests/test.h"

static void test_redis_url_is_taken_apart(void **state)
{
    static const struct {
        const char *text, *host, *path, *user, *password;
        unsigned port, db;
        bool tls;
    } cases[] = {
        {"redis://localhost", "localhost", "", "", "", 6379, 0, false},
        {"redis://10.0.0.1:7000/3", "10.0.0.1", "", "", "", 7000, 3, false},
        {"redis://[::1]:7000", "::1", "", "", "", 7000, 0, false},
        {"redis://[::1]", "::1", "", "", "", 6379, 0, false},
        {"redis://:secret@h", "h", "", "", "secret", 6379, 0, false},
        {"redis://u:p@ss:w@h:1/", "h", "", "u", "p@ss:w", 1, 0, false},
        {"rediss://u:p@h", "h", "", "u", "p", 6379, 0, true},
        {"unix:///run/r.sock", "", "/run/r.sock", "", "", 0, 0, false},
        {"unix:///run/r.sock?db=5", "", "/run/r.sock", "", "", 0, 5, false},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct redis_url url;
        assert_int_equal(redis_url_parse(span_str(cases[i].text), &url), 0);
        assert_string_equal(url.host, cases[i].host);
        assert_string_equal(url.path, cases[i].path);
        assert_string_equal(url.user, cases[i].user);
        assert_string_equal(url.password, cases[i].password);
        assert_int_equal(url.port, cases[i].port);
        assert_int_equal(url.db, cases[i].db);
        assert_int_equal(url.tls, cases[i].tls);
    }
}

#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static void test_redis_url_that_is_none_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "localhost",
        "http://localhost",
        "redis://",
        "redis://:1",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:x",
        "redis://h/x",
        "redis://h/256",
        "redis://user@h",
        "redis://[::1",
        "redis://[::1]x",
        "unix://",
        "unix://run/r.sock",
        "unix:///run/r.sock?x=1",
        "unix:///run/r.sock?db=x",
        "unix:///" HUNDRED "456789",
    };
    (void)state;

    for (size_t i = 0; i < COUNT(bad); i++) {
        struct redis_url url = {.port = 7};
        assert_int_equal(redis_url_parse(span_str(bad[i]), &url), UV_EINVAL);
        assert_int_equal(url.port, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_redis_url_is_taken_apart),
        cmocka_unit_test(test_redis_url_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
