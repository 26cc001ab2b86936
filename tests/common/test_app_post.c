/* test_app_post.c - a post is taken from our parent, and from nobody else. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/app_internal.h"
#include "tests/test.h"

static void set_last(char **env)
{
    char **last = env;

    while (last[1] != NULL)
        last++;
    assert_memory_equal(*last, "APP_POST=", 9);
    assert_int_equal(setenv("APP_POST", *last + 9, 1), 0);
}

static void test_post_comes_out_as_it_went_in(void **state)
{
    const struct app_post in = {.slot = 3,
                                .parent = getppid(),
                                .rolling = true,
                                .sockets = {.plain = 9, .tls = 10, .extra = 11},
                                .port = 65535,
                                .tls_port = 1};
    struct app_post out;
    char **env = app_post_environment(&in);
    (void)state;

    set_last(env);
    mem_free(env);
    assert_true(app_post_take(&out));
    assert_int_equal(out.slot, 3);
    assert_int_equal(out.parent, getppid());
    assert_true(out.rolling);
    assert_int_equal(out.metrics, APP_FD_METRICS);
    assert_int_equal(out.ready, APP_FD_READY);
    assert_int_equal(out.sockets.plain, APP_FD_PLAIN);
    assert_int_equal(out.sockets.tls, APP_FD_TLS);
    assert_int_equal(out.port, 65535);
    assert_int_equal(out.tls_port, 1);
    assert_false(app_post_take(&out)); /* once */
    env = app_post_environment(
        &(struct app_post){.parent = getppid(), .sockets = {-1, -1, -1}});
    set_last(env);
    mem_free(env);
    assert_true(app_post_take(&out)); /* the helper's */
    assert_int_equal(out.sockets.plain, -1);
    assert_int_equal(out.sockets.tls, -1);
}

static void test_post_of_another_is_none(void **state)
{
    static const struct {
        int parent; /* added to the real one */
        const char *rest;
    } cases[] = {{0, ",0,0,0,1"},   {0, ",0,0,0,1,2,3"},
                 {0, ",0,0,0,1,x"}, {0, ",-1,0,0,1,2"},
                 {0, ""},           {0, ",,,,,"},
                 {1, ",0,0,0,1,2"}};
    struct app_post out;
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[96];

        snprintf(text, sizeof(text), "%d%s", (int)getppid() + cases[i].parent,
                 cases[i].rest);
        setenv("APP_POST", text, 1);
        assert_false(app_post_take(&out));
    }
    unsetenv("APP_POST");
    assert_false(app_post_take(&out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_post_comes_out_as_it_went_in),
        cmocka_unit_test(test_post_of_another_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
