/* test_config.c - one table parses, checks and documents the options. */
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "common/config.h"
#include "tests/test.h"

struct first {
    const char *redis, *host;
    int64_t port;
    bool open, check;
};

struct second {
    int64_t max_body, idle;
    bool watch;
};

#define FIRST(member) offsetof(struct first, member)
#define SECOND(member) offsetof(struct second, member)

static const struct config_option first_table[] = {
    {"redis", CONFIG_STRING, FIRST(redis), "redis://a", 1, 20, "Where."},
    {"host", CONFIG_STRING, FIRST(host), NULL, 0, 20, "The address."},
    {"port", CONFIG_INTEGER, FIRST(port), "8101", 1, 65535, "The port."},
    {"open", CONFIG_BOOLEAN, FIRST(open), "false", 0, 0, "For all."},
    {"check", CONFIG_BOOLEAN, FIRST(check), "true", 0, 0, "Do not look."},
    {0},
};

static const struct config_option second_table[] = {
    {"max-body", CONFIG_BYTES, SECOND(max_body), "64k", 0, 1 << 30, "A body."},
    {"idle", CONFIG_DURATION, SECOND(idle), "60s", 0, 3600000, "A wait."},
    {"watch", CONFIG_BOOLEAN, SECOND(watch), NULL, 0, 0, "Look on."},
    {0},
};

static const struct config_option *const tables[] = {first_table, second_table};

#define MAX_ARGS 4 /* with the program's name */

struct bench {
    struct first first;
    struct second second;
    char typed[MAX_ARGS][64];
    char reason[200];
};

static int setup(void **state)
{
    static const char *const names[] = {"REDIS_URL", "REDIS", "HOST",
                                        "PORT",      "OPEN",  "CHECK",
                                        "MAX_BODY",  "IDLE",  "WATCH"};

    for (size_t i = 0; i < COUNT(names); i++)
        unsetenv(names[i]);
    *state = calloc(1, sizeof(struct bench));
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

/*
 * words: what is typed behind the program's name, ended by NULL.  argv is not
 * const, as in main(), hence the copies; what is kept stays borrowed from them.
 */
static int parse(struct bench *bench, const char *const *words)
{
    void *const outs[] = {&bench->first, &bench->second};
    char *argv[MAX_ARGS + 1] = {bench->typed[0]};
    int argc = 1;

    for (; words[argc - 1]; argc++)
        argv[argc] = strcpy(bench->typed[argc], words[argc - 1]);
    return config_parse(tables, outs, 2, argc, argv, bench->reason,
                        sizeof(bench->reason));
}

#define PARSE(bench, ...) \
    parse(bench, (const char *const[MAX_ARGS]){__VA_ARGS__})

static void test_config_starts_from_the_defaults(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(PARSE(bench, NULL), 0);
    assert_string_equal(bench->first.redis, "redis://a");
    assert_null(bench->first.host); /* no default: untouched */
    assert_int_equal(bench->first.port, 8101);
    assert_false(bench->first.open);
    assert_true(bench->first.check);
    assert_int_equal(bench->second.max_body, 65536);
    assert_int_equal(bench->second.idle, 60000);
    assert_false(bench->second.watch);
}

static void test_config_reads_the_environment(void **state)
{
    struct bench *bench = *state;

    setenv("REDIS_URL", "redis://b", 1);
    setenv("PORT", "80", 1);
    setenv("OPEN", "on", 1);
    setenv("MAX_BODY", "2M", 1);
    setenv("IDLE", "", 1); /* as if it were not there */
    assert_int_equal(PARSE(bench, NULL), 0);
    assert_string_equal(bench->first.redis, "redis://b");
    assert_int_equal(bench->first.port, 80);
    assert_true(bench->first.open);
    assert_int_equal(bench->second.max_body, 2 << 20);
    assert_int_equal(bench->second.idle, 60000);
}

static void test_config_flag_wins_over_the_environment(void **state)
{
    struct bench *bench = *state;

    setenv("PORT", "80", 1);
    setenv("OPEN", "yes", 1);
    assert_int_equal(PARSE(bench, "--port", "81", "--no-open"), 0);
    assert_int_equal(bench->first.port, 81);
    assert_false(bench->first.open);
    assert_int_equal(PARSE(bench, "--port=82", "--port", "83"), 0);
    assert_int_equal(bench->first.port, 83); /* the last word */
}

static void test_config_takes_every_spelling_of_a_flag(void **state)
{
    static const struct {
        const char *words[3];
        bool open, check;
    } cases[] = {
        {{"--open"}, true, true},
        {{"--open=true"}, true, true},
        {{"--open=1", "--check=off"}, true, false},
        {{"--no-check"}, false, false},
        {{"--no-check", "--check"}, false, true},
        {{"--open", "--open=no"}, false, true},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(PARSE(bench, cases[i].words[0], cases[i].words[1]), 0);
        assert_int_equal(bench->first.open, cases[i].open);
        assert_int_equal(bench->first.check, cases[i].check);
    }
}

static void test_config_reads_units(void **state)
{
    static const struct {
        const char *word;
        int64_t max_body, idle;
    } cases[] = {
        {"--max-body=0", 0, 60000},        {"--max-body=7", 7, 60000},
        {"--max-body=3k", 3072, 60000},    {"--max-body=3K", 3072, 60000},
        {"--max-body=5m", 5 << 20, 60000}, {"--max-body=1G", 1 << 30, 60000},
        {"--idle=250ms", 65536, 250},      {"--idle=2", 65536, 2000},
        {"--idle=2s", 65536, 2000},        {"--idle=3m", 65536, 180000},
        {"--idle=1h", 65536, 3600000},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(PARSE(bench, cases[i].word), 0);
        assert_int_equal(bench->second.max_body, cases[i].max_body);
        assert_int_equal(bench->second.idle, cases[i].idle);
    }
}

static void test_config_tells_what_is_wrong_in_a_line(void **state)
{
    static const struct {
        const char *words[2];
        const char *reason;
    } cases[] = {
        {{"--port", "0"}, "--port takes a number from 1 to 65535, not '0'"},
        {{"--port=65536"}, "--port takes a number from 1 to 65535, "},
        {{"--port=80k"}, "not '80k'"},
        {{"--port="}, "not ''"},
        {{"--port=-1"}, "not '-1'"},
        {{"--port", "99999999999999999999"}, "--port takes"},
        {{"--port"}, "--port: needs a value"},
        {{"--redis="}, "--redis takes 1 to 20 bytes, not ''"},
        {{"--redis", "redis://aaaaaaaaaaaaaaaaaaaa"}, "1 to 20 bytes"},
        {{"--max-body", "1025M"}, "bytes (such as 64k or 1M) from 0 to"},
        {{"--max-body=8589934592G"}, "not '8589934592G'"},
        {{"--max-body=1kb"}, "not '1kb'"},
        {{"--idle=61m"}, "a time (such as 250ms or 5s) from 0ms to 3600000ms"},
        {{"--idle=1.5s"}, "not '1.5s'"},
        {{"--open=maybe"}, "--open takes true or false, not 'maybe'"},
        {{"--no-port"}, "--no-port: no such option"},
        {{"--no-open=true"}, "no such option"},
        {{"--nothing"}, "--nothing: no such option; --help lists them"},
        {{"--"}, "no such option"},
        {{"-p"}, "-p: not an option; --help lists them"},
        {{"stray"}, "stray: not an option"},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(PARSE(bench, cases[i].words[0], cases[i].words[1]),
                         UV_EINVAL);
        assert_non_null(strstr(bench->reason, cases[i].reason));
        assert_null(strchr(bench->reason, '\n'));
    }
}

static void test_config_names_the_variable_that_is_wrong(void **state)
{
    struct bench *bench = *state;

    setenv("MAX_BODY", "much", 1);
    assert_int_equal(PARSE(bench, NULL), UV_EINVAL);
    assert_int_equal(strncmp(bench->reason, "MAX_BODY takes bytes", 20), 0);
}

/* What one of the writers below says of the tables; the caller frees. */
static char *written(void (*write)(FILE *to,
                                   const struct config_option *const *tables,
                                   size_t count))
{
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    write(to, tables, 2);
    fclose(to);
    return text;
}

static void test_config_help_has_a_line_for_each_option(void **state)
{
    static const char *const lines[] = {
        "  --redis TEXT                       Where. (redis://a)\n",
        "  --host TEXT                        The address.\n",
        "  --port N                           The port. (8101)\n",
        "  --open                             For all.\n",
        "  --no-check                         Do not look.\n",
        "  --max-body BYTES                   A body. (64k)\n",
        "  --idle TIME                        A wait. (60s)\n",
        "  --watch                            Look on.\n",
    };
    char *text = written(config_help);
    size_t len = 0;
    (void)state;

    for (size_t i = 0; i < COUNT(lines); i++) {
        assert_non_null(strstr(text, lines[i]));
        len += strlen(lines[i]);
    }
    assert_int_equal(strlen(text), len);
    free(text);
}

static void test_config_help_is_a_table_for_a_readme(void **state)
{
    static const char *const lines[] = {
        "| option | environment | default | takes | what it does |\n",
        "| `--redis` | `REDIS_URL` | redis://a | 1 to 20 bytes | Where. |\n",
        "| `--host` | `HOST` |  | 0 to 20 bytes | The address. |\n",
        "| `--max-body` | `MAX_BODY` | 64k | bytes",
        "| `--no-check` | `CHECK` | true | true or false | Do not look. |\n",
    };
    char *text = written(config_help_markdown);
    (void)state;

    for (size_t i = 0; i < COUNT(lines); i++)
        assert_non_null(strstr(text, lines[i]));
    free(text);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_config_starts_from_the_defaults),
        TEST(test_config_reads_the_environment),
        TEST(test_config_flag_wins_over_the_environment),
        TEST(test_config_takes_every_spelling_of_a_flag),
        TEST(test_config_reads_units),
        TEST(test_config_tells_what_is_wrong_in_a_line),
        TEST(test_config_names_the_variable_that_is_wrong),
        TEST(test_config_help_has_a_line_for_each_option),
        TEST(test_config_help_is_a_table_for_a_readme),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
