/* test_log_id.c - ids of a stream's entries, as text and back. */
#include "notifier/log_id.h"
#include "tests/test.h"

static void test_log_id_comes_back_as_it_was(void **state)
{
    static const struct log_id ids[] = {
        {1, 0}, {1764158400000000, 7}, {UINT64_MAX, UINT64_MAX}};
    char room[LOG_ID_MAX];
    struct log_id got;
    (void)state;

    for (size_t i = 0; i < COUNT(ids); i++) {
        assert_true(log_id_parse(log_id_text(room, ids[i]), &got));
        assert_true(log_id_eq(got, ids[i]));
    }
    assert_int_equal(log_id_text(room, (struct log_id){0, 0}).len, 0);
}

static void test_log_id_that_is_none_is_refused(void **state)
{
    const struct span texts[] = {
        SPAN(""),
        SPAN("-"),
        SPAN("1"),
        SPAN("1-"),
        SPAN("-1"),
        SPAN("1-2-3"),
        SPAN("1--2"),
        SPAN(" 1-2"),
        SPAN("1-2 "),
        SPAN("+1-2"),
        SPAN("0x1-2"),
        SPAN("1-*"),
        SPAN("1-2\0"),
        SPAN("$"),
        SPAN("1-18446744073709551616"),
        SPAN("18446744073709551616-1"),
    };
    struct log_id got = {3, 4};
    (void)state;

    for (size_t i = 0; i < COUNT(texts); i++)
        assert_false(log_id_parse(texts[i], &got));
    assert_false(log_id_parse((struct span){NULL, 0}, &got));
    assert_true(log_id_eq(got, (struct log_id){3, 4}));
}

static void test_log_id_of_a_later_epoch_is_later(void **state)
{
    static const struct log_id ids[] = {{0, 0}, {1, 0}, {1, 9}, {2, 1}, {2, 2}};
    (void)state;

    for (size_t i = 0; i < COUNT(ids); i++)
        for (size_t k = 0; k < COUNT(ids); k++)
            assert_int_equal(log_id_is_before(ids[i], ids[k]), i < k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_id_comes_back_as_it_was),
        cmocka_unit_test(test_log_id_that_is_none_is_refused),
        cmocka_unit_test(test_log_id_of_a_later_epoch_is_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
