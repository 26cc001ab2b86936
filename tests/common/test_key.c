/* test_key.c - names of Redis keys. */
#include <stdio.h>

#include "common/hash.h"
#include "common/key.h"
#include "tests/test.h"

static void test_key_name_has_the_partition_of_what_it_is_about(void **state)
{
    struct arena arena;
    char expected[64];
    (void)state;

    arena_init(&arena, MEM_REQUEST, 256);
    struct span name =
        key_name(&arena, "sh", "link", SPAN("abc"), SPAN("an\0id"));
    size_t len =
        (size_t)snprintf(expected, sizeof(expected),
                         "sh:link:{p%03u}:", hash_partition(SPAN("abc")));
    assert_int_equal(name.len, len + 5);
    assert_memory_equal(name.ptr, expected, len);
    assert_memory_equal(name.ptr + len, "an\0id", 5);
    arena_deinit(&arena);
}

static void test_key_pair_is_no_other_pair(void **state)
{
    static const struct span pairs[][2] = {
        {{"", 0}, {"", 0}},         {{"", 0}, {":", 1}},
        {{":", 1}, {"", 0}},        {{"org", 3}, {"130:t", 5}},
        {{"org:130", 7}, {"t", 1}}, {{"a", 1}, {"b\0c", 3}},
        {{"a", 1}, {"b", 1}},       {{"0123456789", 10}, {"x", 1}},
        {{"1", 1}, {"0:01", 4}},
    };
    struct span made[COUNT(pairs)];
    struct arena arena;
    (void)state;

    arena_init(&arena, MEM_REQUEST, 256);
    for (size_t i = 0; i < COUNT(pairs); i++) {
        made[i] = key_pair(&arena, pairs[i][0], pairs[i][1]);
        for (size_t j = 0; j < i; j++)
            assert_false(span_eq(made[i], made[j]));
    }
    assert_true(span_eq(made[4], SPAN("7:org:130:t")));
    assert_true(span_eq(made[7], SPAN("10:0123456789:x")));
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_name_has_the_partition_of_what_it_is_about),
        cmocka_unit_test(test_key_pair_is_no_other_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
