/* test_log.c - lines on a stderr that is a pipe of ours. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "tests/test.h"

static struct {
    int real, end; /* the stderr that was, and where ours comes out */
    char got[1 << 18];
} pipes;

static int setup(void **state)
{
    int ends[2];

    (void)state;
    pipes.real = dup(STDERR_FILENO);
    if (pipe(ends) != 0)
        return -1;
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    pipes.end = ends[0];
    fcntl(pipes.end, F_SETFL, O_NONBLOCK);
    log_setup(LOG_INFO, "shortener", "a:1", 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dup2(pipes.real, STDERR_FILENO);
    close(pipes.real);
    close(pipes.end);
    return 0;
}

/* All that has been written since the last time. */
static const char *got(void)
{
    size_t len = 0;
    ssize_t n;

    while ((n = read(pipes.end, pipes.got + len, sizeof(pipes.got) - 1 - len)) >
           0)
        len += (size_t)n;
    pipes.got[len] = '\0';
    return pipes.got;
}

/* The line without its time, which must be one. */
static const char *got_after_time(void)
{
    static const char head[] = "{\"ts\":\"";
    const char *line = got();
    int64_t ms;

    assert_memory_equal(line, head, sizeof(head) - 1);
    line += sizeof(head) - 1;
    assert_true(
        clock_parse_rfc3339((struct span){line, CLOCK_RFC3339_LEN}, &ms));
    return line + CLOCK_RFC3339_LEN;
}

static void test_log_line_is_one_object(void **state)
{
    (void)state;

    log_write(LOG_WARN, "away", LOG_STR("reason", "gone"),
              LOG_NUMBER("left", -3), LOG_TEXT("empty", SPAN("")),
              LOG_STR("none", NULL));
    assert_string_equal(
        got_after_time(),
        "\",\"level\":\"warn\",\"service\":\"shortener\",\"node\":\"a:1\","
        "\"worker\":2,\"msg\":\"away\",\"reason\":\"gone\",\"left\":-3,"
        "\"empty\":\"\",\"none\":null}\n");
}

static void test_log_line_of_the_master_has_no_worker(void **state)
{
    (void)state;

    log_setup(LOG_INFO, "chat", "b", -1);
    log_write(LOG_ERROR, "m", LOG_NUMBER("n", 0));
    assert_string_equal(got_after_time(), "\",\"level\":\"error\",\"service\":"
                                          "\"chat\",\"node\":\"b\",\"msg\":"
                                          "\"m\",\"n\":0}\n");
}

/* Whatever a peer says, it can neither begin a line nor leave its string. */
static void test_log_text_stays_inside_its_line(void **state)
{
    (void)state;

    log_write(LOG_INFO, "m", LOG_TEXT("path", SPAN("/\"\\\r\n{\x01\x7f\xff")));
    const char *line = got();
    assert_null(strpbrk(line, "\r\x01"));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_non_null(strstr(line, "\"path\":\"/\\\"\\\\\\r\\n{\\u0001"));
}

static void test_log_says_nothing_below_its_level(void **state)
{
    static const enum log_level levels[] = {LOG_DEBUG, LOG_INFO, LOG_WARN,
                                            LOG_ERROR};
    (void)state;

    for (size_t bar = 0; bar < COUNT(levels); bar++) {
        log_setup(levels[bar], "s", "n", -1);
        for (size_t i = 0; i < COUNT(levels); i++) {
            log_write(levels[i], "m", LOG_NUMBER("n", 0));
            assert_int_equal(*got() != '\0', i >= bar);
            assert_int_equal(log_enabled(levels[i]), i >= bar);
        }
    }
}

static void test_log_level_has_a_name(void **state)
{
    enum log_level level = LOG_DEBUG;
    (void)state;

    assert_true(log_level_parse(SPAN("warn"), &level));
    assert_int_equal(level, LOG_WARN);
    assert_true(log_level_parse(SPAN("debug"), &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_false(log_level_parse(SPAN("WARN"), &level));
    assert_false(log_level_parse(SPAN("war"), &level));
    assert_false(log_level_parse(SPAN(""), &level));
    assert_int_equal(level, LOG_DEBUG);
}

/* Were it held by a pipe that nobody reads, this would never end. */
static void fill(struct span text)
{
    uint64_t before = log_dropped();

    for (int n = 0; log_dropped() == before; n++) {
        assert_true(n < 100000);
        log_write(LOG_INFO, "m", LOG_TEXT("text", text));
    }
}

/* Only whole lines have come out; how many. */
static size_t count_whole_lines(void)
{
    struct span rest = span_str(got());
    struct span line;
    size_t count = 0;

    while (span_cut(&rest, '\n', &line) && line.len > 0) {
        assert_true(span_has_prefix(line, SPAN("{\"ts\":\"")));
        assert_memory_equal(line.ptr + line.len - 2, "\"}", 2);
        count++;
    }
    assert_null(rest.ptr);
    return count;
}

static void
test_log_drops_and_counts_what_a_full_pipe_does_not_take(void **state)
{
    uint64_t before = log_dropped();
    (void)state;

    fill(SPAN("short"));
    assert_int_equal(log_dropped(), before + 1);
    assert_true(count_whole_lines() > 100);
    log_write(LOG_INFO, "m", LOG_TEXT("text", SPAN("again")));
    assert_int_equal(log_dropped(), before + 1);
    assert_int_equal(count_whole_lines(), 1);
}

/* A pipe that has a little room would hold who writes more than that. */
static void test_log_line_is_no_longer_than_a_pipe_takes_at_once(void **state)
{
    static char text[8192];
    static const char fills[] = {'a', '"', '\x01'};
    (void)state;

    for (size_t i = 0; i < COUNT(fills); i++) {
        struct span all = {text, sizeof(text)};

        memset(text, fills[i], sizeof(text));
        log_write(LOG_INFO, "m", LOG_TEXT("text", all));
        assert_in_range(strlen(got()), 1000, PIPE_BUF);
        fill(all);
        assert_true(count_whole_lines() > 10);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_log_line_is_one_object),
        TEST(test_log_line_of_the_master_has_no_worker),
        TEST(test_log_text_stays_inside_its_line),
        TEST(test_log_says_nothing_below_its_level),
        TEST(test_log_level_has_a_name),
        TEST(test_log_drops_and_counts_what_a_full_pipe_does_not_take),
        TEST(test_log_line_is_no_longer_than_a_pipe_takes_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
