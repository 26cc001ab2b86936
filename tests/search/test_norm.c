/* test_norm.c - lengths in a byte, as Lucene has them. */
#include "search/index/norm.h"
#include "tests/test.h"

static void test_norm_is_the_longest_not_above(void **state)
{
    (void)state;
    for (uint32_t length = 0; length < 3000000; length += 1 + length / 1000) {
        uint8_t norm = norm_of(length);
        assert_true(norm_length(norm) <= length);
        assert_true(norm_length((uint8_t)(norm + 1)) > length);
    }
}

/* Of each byte the length that SmallFloat.byte4ToInt() gives. */
static void test_norms_are_lucenes(void **state)
{
    static const struct {
        uint8_t norm;
        uint32_t length;
    } cases[] = {{0, 0},   {1, 1},    {23, 23},    {24, 24},
                 {39, 39}, {40, 40},  {41, 42},    {48, 56},
                 {56, 88}, {64, 152}, {100, 3096}, {255, 2013265944}};

    (void)state;
    for (unsigned norm = 0; norm < 256; norm++)
        assert_int_equal(norm_of(norm_length((uint8_t)norm)), norm);
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(norm_length(cases[i].norm), cases[i].length);
    assert_int_equal(norm_of(UINT32_MAX >> 1), 255);
}

static void test_norm_above_is_the_shortest_not_below(void **state)
{
    uint32_t step = 1;

    (void)state;
    for (uint32_t length = 0; length < NORM_LENGTH_MAX; length += step) {
        uint8_t norm = norm_above(length);
        assert_true(norm_length(norm) >= length);
        assert_true(norm == 0 || norm_length((uint8_t)(norm - 1)) < length);
        step = 1 + (length > 5000 ? length / 500 : 0);
    }
    assert_int_equal(norm_above(NORM_LENGTH_MAX), 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_norm_is_the_longest_not_above),
        cmocka_unit_test(test_norms_are_lucenes),
        cmocka_unit_test(test_norm_above_is_the_shortest_not_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
