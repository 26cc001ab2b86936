/* test_clock.c - times and their spellings. */
#include "common/clock.h"
#include "tests/test.h"

static void test_clock_rfc3339_is_read(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-01-31T23:59:59.123Z", INT64_C(1769903999123)},
        {"2026-01-31t23:59:59.123z", INT64_C(1769903999123)},
        {"2026-01-31 23:59:59.123Z", INT64_C(1769903999123)},
        {"2026-01-31T23:59:59.123456789Z", INT64_C(1769903999123)},
        {"2026-01-31T23:59:59.1Z", INT64_C(1769903999100)},
        {"2026-02-01T01:29:59.123+01:30", INT64_C(1769903999123)},
        {"2026-01-31T15:59:59.123-08:00", INT64_C(1769903999123)},
        {"2024-02-29T00:00:00Z", INT64_C(1709164800000)},
        {"2000-02-29T00:00:00Z", INT64_C(951782400000)},
        {"2026-02-29T00:00:00Z", -1},
        {"2100-02-29T00:00:00Z", -1},
        {"2026-04-31T00:00:00Z", -1},
        {"2026-13-01T00:00:00Z", -1},
        {"2026-00-01T00:00:00Z", -1},
        {"2026-01-01T24:00:00Z", -1},
        {"2026-01-01T00:60:00Z", -1},
        {"2026-01-01T00:00:61Z", -1},
        {"2026-01-01T00:00:00", -1},
        {"2026-01-01T00:00:00.Z", -1},
        {"2026-01-01T00:00:00.1234567890Z", -1},
        {"2026-01-01T00:00:00+1:00", -1},
        {"2026-01-01T00:00:00+24:00", -1},
        {"2026-01-01T00:00:00Zx", -1},
        {"2026-1-1T00:00:00Z", -1},
        {"1969-12-31T23:59:59Z", -1},
        {"", -1},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t ms = 77;
        bool read = clock_parse_rfc3339(span_str(cases[i].text), &ms);
        assert_int_equal(read, cases[i].ms >= 0);
        assert_int_equal(ms, read ? cases[i].ms : 77);
    }
}

static void test_clock_rfc3339_is_written_as_it_is_read(void **state)
{
    static const int64_t times[] = {0, 1, 999, INT64_C(1769903999123),
                                    INT64_C(253402300799999)};
    char text[CLOCK_RFC3339_LEN + 1];
    (void)state;

    for (size_t i = 0; i < COUNT(times); i++) {
        int64_t ms = -1;
        clock_format_rfc3339(times[i], text);
        assert_true(clock_parse_rfc3339(span_str(text), &ms));
        assert_int_equal(ms, times[i]);
    }
}

static void test_clock_http_date(void **state)
{
    char text[CLOCK_HTTP_LEN + 1];
    (void)state;

    clock_format_http(INT64_C(784111777000), text);
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
}

static void test_clock_monotonic_does_not_go_back(void **state)
{
    uint64_t before = clock_mono_us();
    (void)state;

    for (int i = 0; i < 1000; i++) {
        uint64_t now = clock_mono_us();
        assert_true(now >= before);
        before = now;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_rfc3339_is_read),
        cmocka_unit_test(test_clock_rfc3339_is_written_as_it_is_read),
        cmocka_unit_test(test_clock_http_date),
        cmocka_unit_test(test_clock_monotonic_does_not_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
