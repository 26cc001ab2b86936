/* test_tiers.c - which segments are merged. */
#include <stdlib.h>

#include "search/index/tiers.h"
#include "tests/test.h"

static const struct tiers tiers = {.factor = 4, .floor = 10, .most = 1000};

/* Each of so many bytes, all of it live. */
static size_t choose(const uint64_t *bytes, size_t count,
                     struct tiers_range *range)
{
    struct tiers_segment segments[40];

    for (size_t i = 0; i < count; i++)
        segments[i] =
            (struct tiers_segment){.bytes = bytes[i], .docs = 9, .live = 9};
    *range = (struct tiers_range){0, 0};
    return tiers_choose(&tiers, segments, count, range);
}

static void test_tiers_takes_neighbours_of_a_tier_or_smaller(void **state)
{
    static const struct {
        uint64_t bytes[8];
        size_t count, from, length; /* length 0: nothing is chosen */
    } cases[] = {
        {{0}, 0, 0, 0},
        {{5, 5, 5}, 3, 0, 0},
        {{5, 5, 5, 5}, 4, 0, 4},
        {{10, 1, 10, 1, 7}, 5, 0, 5},
        {{500, 5, 5, 5, 5}, 5, 1, 4},
        {{5, 5, 500, 5, 5}, 5, 0, 0}, /* no neighbours */
        {{500, 30, 30, 30, 5, 5}, 6, 1, 5},
        {{30, 30, 30, 5, 5, 5, 5}, 7, 3, 4},  /* the smallest first */
        {{400, 400, 400, 400, 400}, 5, 0, 0}, /* one would be too large */
        {{900, 200, 200, 200, 200}, 5, 1, 4},
    };
    struct tiers_range range;
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        bool chosen = choose(cases[i].bytes, cases[i].count, &range);
        assert_int_equal(chosen, cases[i].length > 0);
        assert_int_equal(range.from, cases[i].from);
        assert_int_equal(range.count, cases[i].length);
    }
}

static void test_tiers_writes_anew_what_is_mostly_deleted(void **state)
{
    struct tiers_segment segments[] = {
        {.bytes = 500, .docs = 10, .live = 10},
        {.bytes = 500, .docs = 10, .live = 5},
        {.bytes = 500, .docs = 10, .live = 4},
        {.bytes = 5, .docs = 1, .live = 0},
    };
    struct tiers few = {.factor = 8, .floor = 10, .most = 1000};
    struct tiers_range range;
    (void)state;

    assert_false(tiers_choose(&few, segments, 2, &range));
    assert_true(tiers_choose(&few, segments, 4, &range));
    assert_int_equal(range.from, 2);
    assert_int_equal(range.count, 1);
    segments[2].live = 10;
    assert_true(tiers_choose(&few, segments, 4, &range));
    assert_int_equal(range.from, 3);
}

static void test_tiers_counts_only_what_is_live(void **state)
{
    struct tiers_segment segments[4];
    struct tiers_range range;
    (void)state;

    for (size_t i = 0; i < 4; i++)
        segments[i] =
            (struct tiers_segment){.bytes = 400, .docs = 100, .live = 60};
    assert_true(tiers_choose(&tiers, segments, 4, &range));
    assert_int_equal(range.count, 4);
    for (size_t i = 0; i < 4; i++)
        segments[i].live = 70;
    assert_false(tiers_choose(&tiers, segments, 4, &range));
}

/* Segments as they are written, merged whenever one may be. */
static void test_tiers_keeps_few_segments_and_writes_little(void **state)
{
    uint64_t bytes[40];
    uint64_t written = 0;
    uint64_t all = 0;
    size_t count = 0;
    struct tiers_range range;
    (void)state;

    srandom(1);
    while (all < 1000) {
        all += bytes[count++] = 1 + (uint64_t)random() % 5;
        while (choose(bytes, count, &range)) {
            uint64_t sum = 0;
            for (size_t i = 0; i < range.count; i++)
                sum += bytes[range.from + i];
            bytes[range.from] = sum;
            for (size_t i = range.from + 1; i + range.count - 1 < count; i++)
                bytes[i] = bytes[i + range.count - 1];
            count -= range.count - 1;
            written += sum;
        }
        assert_true(count <= 4 * 4); /* tiers, and three of each */
    }
    assert_true(written <= all * 5); /* once a tier */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiers_takes_neighbours_of_a_tier_or_smaller),
        cmocka_unit_test(test_tiers_writes_anew_what_is_mostly_deleted),
        cmocka_unit_test(test_tiers_counts_only_what_is_live),
        cmocka_unit_test(test_tiers_keeps_few_segments_and_writes_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
