/* test_resp_command.c - commands of clients, whole, cut and wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "common/resp_command.h"
#include "tests/test.h"

static void test_resp_command_takes_arrays_and_lines(void **state)
{
    static const char text[] = "*2\r\n$4\r\nPING\r\n$1\r\nx\r\n"
                               "CL.THROTTLE k  15\r\n\r\n";
    struct span rest = span_str(text);
    struct resp_command command;
    (void)state;

    int64_t len = resp_command_parse(rest, &command);
    assert_int_equal(len, 21);
    assert_int_equal(command.argc, 2);
    assert_true(span_eq(command.argv[0], SPAN("PING")));
    assert_true(span_eq(command.argv[1], SPAN("x")));
    rest = span_skip(rest, (size_t)len);
    len = resp_command_parse(rest, &command);
    assert_int_equal(len, 19);
    assert_int_equal(command.argc, 3);
    assert_true(span_eq(command.argv[0], SPAN("CL.THROTTLE")));
    assert_true(span_eq(command.argv[2], SPAN("15")));
    rest = span_skip(rest, (size_t)len);
    assert_int_equal(resp_command_parse(rest, &command), 2);
    assert_int_equal(command.argc, 0);
}

/* Each part of a command is not whole yet, and never an error. */
static void test_resp_command_waits_for_the_rest(void **state)
{
    static const char text[] = "*3\r\n$3\r\nabc\r\n$0\r\n\r\n$2\r\n\r\n\r\n";
    struct resp_command command;
    (void)state;

    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        char *copy = malloc(len + 1); /* its end is the sanitizer's */
        memcpy(copy, text, len);
        copy = realloc(copy, len ? len : 1);
        assert_int_equal(resp_command_parse((struct span){copy, len}, &command),
                         0);
        free(copy);
    }
    assert_int_equal(resp_command_parse(span_str(text), &command),
                     sizeof(text) - 1);
    assert_int_equal(command.argc, 3);
    assert_true(span_eq(command.argv[2], SPAN("\r\n")));
}

static void test_resp_command_refuses_what_is_none(void **state)
{
    static const char *const wrong[] = {
        "*x\r\n",         "*-1\r\n",          "*17\r\n",
        "*1\r\n:1\r\n",   "*1\r\n$-1\r\n",    "*1\r\n$1025\r\n",
        "*1\r\n$1\r\nab", "*99999999999\r\n", "*1\r\n$99999999999\r\n",
    };
    struct resp_command command;
    (void)state;

    for (size_t i = 0; i < COUNT(wrong); i++)
        if (resp_command_parse(span_str(wrong[i]), &command) != UV_EPROTO)
            fail_msg("taken: %s", wrong[i]);
}

static void test_resp_command_bounds_lines(void **state)
{
    char line[RESP_COMMAND_LINE + 16];
    struct resp_command command;
    (void)state;

    memset(line, 'a', sizeof(line));
    assert_int_equal(
        resp_command_parse((struct span){line, sizeof(line)}, &command),
        UV_EPROTO);
    for (size_t i = 1; i < 200; i += 2)
        line[i] = ' ';
    memcpy(line + 200, "\r\n", 2);
    assert_int_equal(resp_command_parse((struct span){line, 202}, &command),
                     UV_EPROTO); /* a hundred words */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resp_command_takes_arrays_and_lines),
        cmocka_unit_test(test_resp_command_waits_for_the_rest),
        cmocka_unit_test(test_resp_command_refuses_what_is_none),
        cmocka_unit_test(test_resp_command_bounds_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
