/* test_packed.c - any number is read as it was packed, and no byte behind. */
#include <stdlib.h>

#include "search/index/packed.h"
#include "tests/test.h"

static uint64_t random_bits(unsigned width)
{
    uint64_t bits = (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^
                    (uint64_t)random();

    return width ? bits >> (64 - width) : 0;
}

/* Exactly so long, so that a read past the end is seen. */
static char *exact(const struct buf *buf)
{
    return memcpy(malloc(buf->len), buf->ptr, buf->len);
}

/* Its width. */
static unsigned check(struct buf *numbers)
{
    size_t count = numbers->len / sizeof(int64_t);
    const int64_t *expected = (const int64_t *)numbers->ptr;
    struct packed view = packed_view(numbers);
    struct packed packed;
    struct buf out;

    buf_init(&out, MEM_APP);
    packed_append(&out, numbers);
    char *kept = exact(&out);
    struct span rest = {kept, out.len};
    assert_true(packed_take(&rest, &packed));
    assert_int_equal(rest.len, 0);
    assert_int_equal(packed.count, count);
    assert_int_equal(view.count, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(packed_get(&packed, i) == expected[i]);
        assert_true(packed_get(&view, i) == expected[i]);
    }
    free(kept);
    buf_deinit(&out);
    numbers->len = 0;
    return packed.width;
}

static void test_numbers_of_all_widths_are_read_as_they_were(void **state)
{
    struct buf numbers;

    (void)state;
    buf_init(&numbers, MEM_APP);
    for (unsigned i = 0; i < 1300; i++) {
        unsigned width = i % 65;
        uint64_t base = random_bits(64);
        packed_add(&numbers, (int64_t)base);
        for (long n = 1 + random() % 200; n > 0; n--)
            packed_add(&numbers, (int64_t)(base + random_bits(width)));
        check(&numbers);
    }
    buf_deinit(&numbers);
}

static void test_width_is_what_the_steps_need(void **state)
{
    static const struct {
        int64_t numbers[4];
        size_t count;
        unsigned width;
    } cases[] = {
        {{0}, 0, 0},
        {{INT64_MIN}, 1, 0},
        {{7, 7, 7, 7}, 4, 0},
        {{INT64_MAX, INT64_MAX}, 2, 0},
        {{INT64_MIN, INT64_MAX}, 2, 1}, /* one step */
        {{INT64_MIN, INT64_MAX, 0}, 3, 64},
        {{-1, 0, 1}, 3, 2},
        {{86400000, 0, 864000000, 259200000}, 4, 4},
        {{5, 5 + 6, 5 + 9}, 3, 2}, /* steps of 3 */
        {{0, 1, (INT64_C(1) << 57) - 1}, 3, 57},
        {{0, 1, INT64_C(1) << 57}, 3, 64},
    };
    struct buf numbers;

    (void)state;
    buf_init(&numbers, MEM_APP);
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t j = 0; j < cases[i].count; j++)
            packed_add(&numbers, cases[i].numbers[j]);
        /* none is no bytes at all to begin with */
        buf_reserve(&numbers, 1);
        assert_int_equal(check(&numbers), cases[i].width);
    }
    buf_deinit(&numbers);
}

/* 3 above 1000 by steps of 2, and 0 of them: as packed.h says. */
static void test_bytes_are_as_the_header_says(void **state)
{
    static const unsigned char expected[] = {
        0xe8, 3, 0, 0, 0, 0, 0, 0, /* base */
        2,    0, 0, 0, 0, 0, 0, 0, /* step */
        3,    0, 0, 0,             /* count */
        2,    0, 0, 0,             /* width */
        0x1c, 0, 0, 0, 0, 0, 0, 0, /* 0, 3, 1 */
        0,    0, 0, 0, 0, 0, 0, 0};
    struct buf numbers;
    struct buf out;

    (void)state;
    buf_init(&numbers, MEM_APP);
    buf_init(&out, MEM_APP);
    packed_add(&numbers, 1000);
    packed_add(&numbers, 1006);
    packed_add(&numbers, 1002);
    packed_append(&out, &numbers);
    assert_int_equal(out.len, sizeof(expected));
    assert_memory_equal(out.ptr, expected, sizeof(expected));
    buf_deinit(&numbers);
    buf_deinit(&out);
}

static void test_what_is_not_whole_is_not_taken(void **state)
{
    struct packed packed = {.count = 77};
    struct buf numbers;
    struct buf out;

    (void)state;
    buf_init(&numbers, MEM_APP);
    buf_init(&out, MEM_APP);
    for (int64_t i = 0; i < 100; i++)
        packed_add(&numbers, i);
    packed_append(&out, &numbers);
    for (size_t len = 0; len < out.len; len++) {
        struct span rest = {out.ptr, len};
        assert_false(packed_take(&rest, &packed));
        assert_int_equal(rest.len, len);
        assert_int_equal(packed.count, 77);
    }
    buf_append_char(&out, 'x');
    struct span rest = buf_span(&out);
    out.ptr[20] = 58; /* width: none that is written */
    assert_false(packed_take(&rest, &packed));
    out.ptr[20] = 7;
    assert_true(packed_take(&rest, &packed));
    assert_true(span_eq(rest, SPAN("x")));
    buf_deinit(&numbers);
    buf_deinit(&out);
}

static void test_strings_are_cut_where_they_begin(void **state)
{
    struct span bytes = SPAN("abcde");
    struct packed packed;
    struct buf numbers;

    (void)state;
    buf_init(&numbers, MEM_APP);
    packed_add(&numbers, 0);
    packed_add(&numbers, 2);
    packed_add(&numbers, 2);
    packed_add(&numbers, 5);
    packed = packed_view(&numbers);
    assert_true(span_eq(packed_span(&packed, bytes, 0), SPAN("ab")));
    assert_true(span_eq(packed_span(&packed, bytes, 1), SPAN("")));
    assert_true(span_eq(packed_span(&packed, bytes, 2), SPAN("cde")));
    assert_true(packed_covers(&packed, 3, bytes));
    assert_false(packed_covers(&packed, 2, bytes));
    assert_false(packed_covers(&packed, 4, bytes));
    assert_false(packed_covers(&packed, 3, SPAN("abcd")));
    ((int64_t *)numbers.ptr)[0] = 1;
    assert_false(packed_covers(&packed, 3, bytes));
    buf_deinit(&numbers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_of_all_widths_are_read_as_they_were),
        cmocka_unit_test(test_width_is_what_the_steps_need),
        cmocka_unit_test(test_bytes_are_as_the_header_says),
        cmocka_unit_test(test_what_is_not_whole_is_not_taken),
        cmocka_unit_test(test_strings_are_cut_where_they_begin),
    };

    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
