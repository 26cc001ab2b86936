/* test_limit_table.c - what a worker knows of each limit and key. */
#include <stdio.h>

#include "common/limit_internal.h"
#include "tests/test.h"

#define KEYS 5000
#define LIMITS 3

struct bench {
    struct limiter limiter;
    struct limit_spec *specs[LIMITS];
    uint64_t states;
};

/* Enough of a limiter for its table. */
static void open_bench(struct bench *bench, size_t max_states)
{
    static const char *const names[LIMITS] = {"a", "b", "a.b"};

    *bench = (struct bench){
        .limiter = {.options = {.prefix = "rl", .max_states = max_states},
                    .states = &bench->states}};
    limit_table_init(&bench->limiter.table);
    list_init(&bench->limiter.recent);
    for (size_t i = 0; i < LIMITS; i++) {
        struct limit_spec like = {.numbers = {.rate = 1, .per_us = 1000000}};
        like.numbers.burst = 1;
        snprintf(like.name, sizeof(like.name), "%s", names[i]);
        bench->specs[i] = limit_spec_create(&like);
    }
}

static void close_bench(struct bench *bench)
{
    for (struct list *n; (n = list_pop(&bench->limiter.recent));) {
        struct limit_known *known = LIST_ENTRY(n, struct limit_known, recent);
        limit_spec_unref(known->spec);
        mem_free(known);
    }
    mem_free(bench->limiter.table.buckets);
    for (size_t i = 0; i < LIMITS; i++)
        limit_spec_unref(bench->specs[i]);
    assert_int_equal(mem_live(MEM_LIMIT), 0);
}

static struct span key_of(char text[32], size_t n)
{
    return (struct span){text, (size_t)snprintf(text, 32, "user:%zu", n)};
}

static void test_limit_table_finds_all_that_it_grew_by(void **state)
{
    struct bench bench;
    struct limit_known *known[KEYS][LIMITS];
    char text[32];
    (void)state;

    open_bench(&bench, (size_t)KEYS * LIMITS);
    for (size_t k = 0; k < KEYS; k++)
        for (size_t i = 0; i < LIMITS; i++) {
            struct span key = key_of(text, k);
            assert_null(limit_find(&bench.limiter, bench.specs[i], key));
            known[k][i] = limit_know(&bench.limiter, bench.specs[i], key);
            assert_non_null(known[k][i]);
        }
    assert_int_equal(bench.states, (size_t)KEYS * LIMITS);
    for (size_t k = 0; k < KEYS; k++)
        for (size_t i = 0; i < LIMITS; i++) {
            struct span key = key_of(text, k);
            assert_ptr_equal(limit_find(&bench.limiter, bench.specs[i], key),
                             known[k][i]);
            assert_ptr_equal(limit_know(&bench.limiter, bench.specs[i], key),
                             known[k][i]);
            assert_ptr_equal(
                limit_find_named(&bench.limiter, limit_name_of(known[k][i])),
                known[k][i]);
        }
    close_bench(&bench);
}

static void test_limit_table_names_tell_limits_and_keys_apart(void **state)
{
    static const char *const none[] = {"",
                                       "rl:state:{p000}",
                                       "rl:state:{p000}:1:a:",
                                       "rl:state:{p000}:1",
                                       "rl:state:{p000}:x:a:k",
                                       "rl:state:{p000}:99:a:k",
                                       "rl:shadow:{p000}:1:a:k"};
    struct bench bench;
    (void)state;

    open_bench(&bench, 10);
    struct limit_known *a =
        limit_know(&bench.limiter, bench.specs[0], SPAN("b:k"));
    struct limit_known *ab =
        limit_know(&bench.limiter, bench.specs[2], SPAN("k"));
    assert_ptr_not_equal(a, ab);
    assert_ptr_equal(
        limit_find_named(&bench.limiter, SPAN("rl:state:{p000}:1:a:b:k")), a);
    for (size_t i = 0; i < COUNT(none); i++)
        assert_null(limit_find_named(&bench.limiter, span_str(none[i])));
    close_bench(&bench);
}

static void test_limit_table_is_bounded_and_keeps_who_is_busy(void **state)
{
    struct bench bench;
    char text[32];
    (void)state;

    open_bench(&bench, 100);
    struct limit_known *busy =
        limit_know(&bench.limiter, bench.specs[0], SPAN("busy"));
    busy->busy = 1;
    for (size_t k = 0; k < 1000; k++)
        assert_non_null(
            limit_know(&bench.limiter, bench.specs[1], key_of(text, k)));
    assert_int_equal(bench.states, 100);
    assert_ptr_equal(limit_find(&bench.limiter, bench.specs[0], SPAN("busy")),
                     busy);
    assert_null(limit_find(&bench.limiter, bench.specs[1], key_of(text, 900)));
    assert_non_null(
        limit_find(&bench.limiter, bench.specs[1], key_of(text, 901)));
    close_bench(&bench);
}

static void test_limit_table_has_no_room_while_all_are_busy(void **state)
{
    struct bench bench;
    char text[32];
    (void)state;

    open_bench(&bench, 10);
    for (size_t k = 0; k < 10; k++)
        limit_know(&bench.limiter, bench.specs[0], key_of(text, k))->busy = 1;
    assert_null(limit_know(&bench.limiter, bench.specs[0], SPAN("more")));
    assert_int_equal(bench.states, 10);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit_table_finds_all_that_it_grew_by),
        cmocka_unit_test(test_limit_table_names_tell_limits_and_keys_apart),
        cmocka_unit_test(test_limit_table_is_bounded_and_keeps_who_is_busy),
        cmocka_unit_test(test_limit_table_has_no_room_while_all_are_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
