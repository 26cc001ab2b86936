/* test_hist.c - the histogram of microseconds, against sorted arrays. */
#include <stdlib.h>

#include "common/hist.h"
#include "tests/test.h"

#define VALUES 10000
#define HOUR_US UINT64_C(3600000000)

static const double quantiles[] = {0, 0.1, 0.5, 0.9, 0.99, 0.999, 1};

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;

    return (*x > *y) - (*x < *y);
}

/* The value itself, or more by at most one part in 128. */
static void assert_near(uint64_t found, uint64_t exact)
{
    assert_in_range(found, exact, exact + exact / 128);
}

static void assert_quantiles(const struct hist *hist, uint64_t *values,
                             size_t count)
{
    qsort(values, count, sizeof(values[0]), compare);
    for (size_t i = 0; i < COUNT(quantiles); i++) {
        size_t at = (size_t)(quantiles[i] * (double)count);
        assert_near(hist_quantile(hist, quantiles[i]),
                    values[at < count ? at : count - 1]);
    }
    assert_int_equal(hist_count(hist), count);
    assert_int_equal(hist_max(hist), values[count - 1]);
}

/* As many of each size: bits is how many an hour of microseconds needs. */
static uint64_t draw(unsigned bits)
{
    uint64_t value = (uint64_t)rand() << 16 ^ (uint64_t)rand();

    value &= (UINT64_C(1) << ((unsigned)rand() % bits + 1)) - 1;
    return value < HOUR_US ? value : HOUR_US;
}

static void test_hist_quantile_is_within_its_error(void **state)
{
    static const unsigned bits[] = {1, 7, 8, 9, 16, 32};
    static uint64_t values[VALUES];
    struct hist *hist = hist_create();
    (void)state;

    srand(1);
    for (size_t i = 0; i < COUNT(bits); i++) {
        hist_reset(hist);
        for (size_t n = 0; n < VALUES; n++) {
            values[n] = draw(bits[i]);
            hist_record(hist, values[n]);
        }
        assert_quantiles(hist, values, VALUES);
    }
    hist_destroy(hist);
}

static void test_hist_keeps_each_edge_within_its_error(void **state)
{
    struct hist *hist = hist_create();
    (void)state;

    for (unsigned shift = 0; shift < 32; shift++) {
        for (uint64_t off = 0; off < 3; off++) {
            uint64_t value = (UINT64_C(1) << shift) + off - 1;
            if (value > HOUR_US)
                continue;
            hist_reset(hist);
            hist_record(hist, value);
            hist_record(hist, HOUR_US);
            assert_near(hist_quantile(hist, 0), value);
        }
    }
    hist_destroy(hist);
}

static void test_hist_of_nothing_says_nothing(void **state)
{
    struct hist *hist = hist_create();
    (void)state;

    for (size_t i = 0; i < COUNT(quantiles); i++)
        assert_int_equal(hist_quantile(hist, quantiles[i]), 0);
    assert_int_equal(hist_count(hist), 0);
    assert_int_equal(hist_max(hist), 0);
    assert_true(hist_mean(hist) <= 0);
    hist_destroy(hist);
}

static void test_hist_mean_is_exact(void **state)
{
    struct hist *hist = hist_create();
    (void)state;

    for (uint64_t us = 1; us <= 1000; us++)
        hist_record(hist, us);
    assert_true(hist_mean(hist) >= 500.5 && hist_mean(hist) <= 500.5);
    hist_destroy(hist);
}

static void test_hist_merge_is_as_if_recorded_in_one(void **state)
{
    static uint64_t values[VALUES];
    struct hist *parts[] = {hist_create(), hist_create()};
    struct hist *empty = hist_create();
    (void)state;

    srand(2);
    for (size_t n = 0; n < VALUES; n++) {
        values[n] = draw(32);
        hist_record(parts[n % 3 == 0], values[n]);
    }
    hist_merge(parts[0], parts[1]);
    hist_merge(parts[0], empty);
    assert_quantiles(parts[0], values, VALUES);
    hist_destroy(parts[0]);
    hist_destroy(parts[1]);
    hist_destroy(empty);
}

static void test_hist_counts_what_is_longer_as_an_hour(void **state)
{
    static const uint64_t values[] = {HOUR_US, HOUR_US + 1, UINT64_MAX};
    (void)state;

    for (size_t i = 0; i < COUNT(values); i++) {
        struct hist *hist = hist_create();
        hist_record(hist, values[i]);
        assert_int_equal(hist_max(hist), HOUR_US);
        assert_int_equal(hist_quantile(hist, 0.5), HOUR_US);
        hist_destroy(hist);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hist_quantile_is_within_its_error),
        cmocka_unit_test(test_hist_keeps_each_edge_within_its_error),
        cmocka_unit_test(test_hist_of_nothing_says_nothing),
        cmocka_unit_test(test_hist_mean_is_exact),
        cmocka_unit_test(test_hist_merge_is_as_if_recorded_in_one),
        cmocka_unit_test(test_hist_counts_what_is_longer_as_an_hour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
