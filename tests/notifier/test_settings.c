/* test_settings.c - how topics are kept: files that are good, and not. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/buf.h"
#include "notifier/settings.h"
#include "tests/test.h"

#define DAY_MS UINT64_C(86400000)

static char reason[512];

static struct settings *load(struct span text)
{
    char path[] = "/tmp/lab-topics-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.ptr, text.len), text.len);
    close(fd);
    reason[0] = '\0';
    struct settings *settings = settings_load(path, reason, sizeof(reason));
    unlink(path);
    assert_int_equal(settings == NULL, reason[0] != '\0');
    if (!settings)
        assert_memory_equal(reason, path, strlen(path)); /* which file it is */
    return settings;
}

static const struct topic_setting *of(const struct settings *settings,
                                      const char *topic)
{
    return settings_of(settings, span_str(topic));
}

static void assert_setting(const struct topic_setting *setting, bool is_state,
                           uint32_t count, uint64_t age_ms)
{
    assert_non_null(setting);
    assert_int_equal(setting->is_state, is_state);
    assert_int_equal(setting->max_count, count);
    assert_int_equal(setting->max_age_ms, age_ms);
}

static void test_settings_without_a_file_keep_a_thousand_for_a_day(void **state)
{
    struct settings *settings = settings_load(NULL, reason, sizeof(reason));
    (void)state;

    assert_setting(of(settings, "any"), false, 1000, DAY_MS);
    assert_setting(of(settings, ""), false, 1000, DAY_MS);
    settings_destroy(settings);
    settings_destroy(NULL);
}

static void test_settings_are_what_the_file_says(void **state)
{
    struct settings *settings =
        load(SPAN("[{\"pattern\":\"all\",\"mode\":\"log\",\"max_count\":7,"
                  "\"max_age_s\":60},"
                  "{\"pattern\":\"count\",\"max_count\":100000},"
                  "{\"pattern\":\"age\",\"max_age_s\":31622400},"
                  "{\"pattern\":\"least\",\"max_count\":1,\"max_age_s\":1},"
                  "{\"pattern\":\"none\"}]"));
    (void)state;

    assert_setting(of(settings, "all"), false, 7, 60000);
    assert_setting(of(settings, "count"), false, 100000, DAY_MS);
    assert_setting(of(settings, "age"), false, 1000, 366 * DAY_MS);
    assert_setting(of(settings, "least"), false, 1, 1000);
    assert_setting(of(settings, "none"), false, 1000, DAY_MS);
    assert_setting(of(settings, "other"), false, 1000, DAY_MS);
    settings_destroy(settings);
}

static void test_settings_of_the_first_match_count(void **state)
{
    struct settings *settings =
        load(SPAN("[{\"pattern\":\"orders/7\",\"max_count\":1},"
                  "{\"pattern\":\"orders/{id}\",\"max_count\":2},"
                  "{\"pattern\":\"orders/8\",\"max_count\":3},"
                  "{\"pattern\":\"*\",\"max_count\":4},"
                  "{\"pattern\":\"news\",\"max_count\":5}]"));
    (void)state;

    assert_int_equal(of(settings, "orders/7")->max_count, 1);
    assert_int_equal(of(settings, "orders/8")->max_count, 2);
    assert_int_equal(of(settings, "orders/a/b")->max_count, 4);
    assert_int_equal(of(settings, "news")->max_count, 4);
    assert_int_equal(of(settings, "orders/{id}")->max_count, 2);
    assert_null(of(settings, "news")->selector);
    settings_destroy(settings);
}

static void test_settings_of_a_state_keep_the_newest_only(void **state)
{
    struct settings *settings =
        load(SPAN("[{\"pattern\":\"a\",\"mode\":\"state\",\"max_age_s\":9},"
                  "{\"pattern\":\"b\",\"max_count\":50,\"mode\":\"state\"}]"));
    (void)state;

    assert_setting(of(settings, "a"), true, 1, 9000);
    assert_setting(of(settings, "b"), true, 1, DAY_MS);
    settings_destroy(settings);
}

static void test_settings_that_are_refused_say_where_and_why(void **state)
{
    const struct {
        struct span text;
        const char *pointer, *why;
    } cases[] = {
        {SPAN(""), "", "not JSON"},
        {SPAN("[{\"pattern\":\"a\"}"), "", "not JSON"},
        {SPAN("[{\"pattern\":\"a\",\"pattern\":\"a\"}]"), "", "not JSON"},
        {SPAN("[{\"pattern\":\"a\xff\"}]"), "", "not JSON"},
        {SPAN("{}"), "", "must be an array of at most 256"},
        {SPAN("7"), "", "must be an array of at most 256"},
        {SPAN("[7]"), "/0: ", "must be an object"},
        {SPAN("[{}]"), "/0/pattern: ", "is missing"},
        {SPAN("[{\"pattern\":null}]"), "/0/pattern: ", "string"},
        {SPAN("[{\"pattern\":\"\"}]"), "/0/pattern: ", "1 to 1024"},
        {SPAN("[{\"pattern\":7}]"), "/0/pattern: ", "string"},
        {SPAN("[{\"pattern\":\"a\\u0001\"}]"), "/0/pattern: ", "control"},
        {SPAN("[{\"pattern\":\"a\"},{\"pattern\":\"b\",\"mode\":\"x\"}]"),
         "/1/mode: ", "must be log or state"},
        {SPAN("[{\"pattern\":\"a\",\"mode\":\"\"}]"), "/0/mode: ", "1 to 5"},
        {SPAN("[{\"pattern\":\"a\",\"mode\":\"states\"}]"),
         "/0/mode: ", "1 to 5"},
        {SPAN("[{\"pattern\":\"a\",\"mode\":1}]"), "/0/mode: ", "string"},
        {SPAN("[{\"pattern\":\"a\",\"max_count\":0}]"), "/0/max_count: ", "1"},
        {SPAN("[{\"pattern\":\"a\",\"max_count\":100001}]"),
         "/0/max_count: ", "100000"},
        {SPAN("[{\"pattern\":\"a\",\"max_count\":1.5}]"),
         "/0/max_count: ", "integer"},
        {SPAN("[{\"pattern\":\"a\",\"max_count\":\"1\"}]"),
         "/0/max_count: ", "integer"},
        {SPAN("[{\"pattern\":\"a\",\"max_age_s\":0}]"), "/0/max_age_s: ", "1"},
        {SPAN("[{\"pattern\":\"a\",\"max_age_s\":31622401}]"),
         "/0/max_age_s: ", "31622400"},
        {SPAN("[{\"pattern\":\"a\",\"ttl\":1}]"), "/0/ttl: ", "unknown"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_null(load(cases[i].text));
        const char *at = strstr(reason, ": ") + 2; /* behind the path */
        size_t len = strlen(cases[i].pointer);
        assert_memory_equal(at, cases[i].pointer, len);
        assert_non_null(strstr(at + len, cases[i].why));
        assert_memory_not_equal(at + len, ": ", 2);
    }
}

/* count of them, each with a pattern of len bytes. */
static struct settings *load_many(size_t count, size_t len)
{
    char *pattern = malloc(len);
    struct buf text;

    memset(pattern, 'x', len);
    buf_init(&text, MEM_APP);
    for (size_t i = 0; i < count; i++) {
        buf_append_char(&text, i == 0 ? '[' : ',');
        buf_append(&text, SPAN("{\"pattern\":\""));
        buf_append(&text, (struct span){pattern, len});
        buf_append(&text, SPAN("\"}"));
    }
    buf_append_char(&text, ']');
    struct settings *settings = load(buf_span(&text));
    buf_deinit(&text);
    free(pattern);
    return settings;
}

static void test_settings_are_bounded(void **state)
{
    (void)state;

    settings_destroy(load_many(SETTINGS_MAX, 3));
    assert_string_equal(reason, "");
    assert_null(load_many(SETTINGS_MAX + 1, 3));
    assert_non_null(strstr(reason, "at most 256"));
    settings_destroy(load_many(1, SELECTOR_MAX));
    assert_string_equal(reason, "");
    assert_null(load_many(1, SELECTOR_MAX + 1));
    assert_non_null(strstr(reason, "/0/pattern: "));
    assert_null(load_many(SETTINGS_MAX, SELECTOR_MAX));
    assert_non_null(strstr(reason, "must be under 262144 bytes"));
}

/* The automaton of a template is bounded. */
static void test_settings_refuse_a_template_too_large(void **state)
{
    char text[SELECTOR_MAX + 32] = "[{\"pattern\":\"";
    size_t at = strlen(text);
    (void)state;

    for (int i = 0; i < 100; i++, at += 6)
        memcpy(text + at, "{a:64}", 6);
    memcpy(text + at, "\"}]", 4);
    assert_null(load(span_str(text)));
    assert_non_null(strstr(reason, "/0/pattern: "));
}

static void test_settings_of_no_file_say_why(void **state)
{
    (void)state;

    assert_null(settings_load("/nonexistent/topics", reason, sizeof(reason)));
    assert_string_equal(reason,
                        "/nonexistent/topics: No such file or directory");
    assert_null(settings_load("/tmp", reason, sizeof(reason)));
    assert_string_equal(reason, "/tmp: Is a directory");
    char small[8];
    assert_null(settings_load("/tmp", small, sizeof(small)));
    assert_string_equal(small, "/tmp: I");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_settings_without_a_file_keep_a_thousand_for_a_day),
        cmocka_unit_test(test_settings_are_what_the_file_says),
        cmocka_unit_test(test_settings_of_the_first_match_count),
        cmocka_unit_test(test_settings_of_a_state_keep_the_newest_only),
        cmocka_unit_test(test_settings_that_are_refused_say_where_and_why),
        cmocka_unit_test(test_settings_are_bounded),
        cmocka_unit_test(test_settings_refuse_a_template_too_large),
        cmocka_unit_test(test_settings_of_no_file_say_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
