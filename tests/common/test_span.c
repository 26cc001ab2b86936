/* test_span.c - runs of bytes that are borrowed. */
#include <inttypes.h>
#include <stdio.h>

#include "common/span.h"
#include "tests/test.h"

#define IS(span, text) assert_true(span_eq(span, SPAN(text)))

static void test_span_is_equal_by_its_bytes(void **state)
{
    static const struct {
        struct span a, b;
        bool same, but_for_case;
    } cases[] = {
        {{"abc", 3}, {"abc", 3}, true, true},
        {{"abc", 3}, {"aBC", 3}, false, true},
        {{"abc", 2}, {"abd", 2}, true, true},
        {{"abc", 3}, {"abc", 2}, false, false},
        {{"a\0b", 3}, {"a\0c", 3}, false, false},
        {{"[", 1}, {"{", 1}, false, false}, /* one bit apart, as a and A are */
        {{"@", 1}, {"`", 1}, false, false},
        {{NULL, 0}, {"", 0}, true, true},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(span_eq(cases[i].a, cases[i].b), cases[i].same);
        assert_int_equal(span_eq_nocase(cases[i].a, cases[i].b),
                         cases[i].but_for_case);
    }
}

/* Every byte beside every other, at each place of a long one. */
static void test_span_is_equal_but_for_the_case_of_letters_alone(void **state)
{
    char a[13] = "abcdefghijklm";
    char b[13] = "ABCDEFGHIJKLM";
    (void)state;

    for (size_t at = 0; at < sizeof(a); at++) {
        for (unsigned i = 0; i < 65536; i++) {
            unsigned char x = (unsigned char)(i & 255),
                          y = (unsigned char)(i >> 8);
            bool same = x == y || (x < 128 && y < 128 && (x ^ y) == 0x20 &&
                                   (x | 0x20) >= 'a' && (x | 0x20) <= 'z');
            a[at] = (char)x;
            b[at] = (char)y;
            if (span_eq_nocase((struct span){a, sizeof(a)},
                               (struct span){b, sizeof(b)}) != same)
                fail_msg("%u and %u at %zu", x, y, at);
        }
        a[at] = (char)('a' + (int)at);
        b[at] = (char)('A' + (int)at);
    }
}

static void test_span_of_no_string_is_empty(void **state)
{
    (void)state;

    IS(span_str("abc"), "abc");
    assert_int_equal(span_str(NULL).len, 0);
    assert_null(span_str(NULL).ptr);
}

static void test_span_has_a_prefix_no_longer_than_itself(void **state)
{
    (void)state;

    assert_true(span_has_prefix(SPAN("abc"), SPAN("ab")));
    assert_true(span_has_prefix(SPAN("abc"), SPAN("abc")));
    assert_true(span_has_prefix(SPAN("abc"), SPAN("")));
    assert_false(span_has_prefix(SPAN("abc"), SPAN("abcd")));
    assert_false(span_has_prefix(SPAN("abc"), SPAN("b")));
    assert_true(span_has_prefix((struct span){NULL, 0}, SPAN("")));
}

static void test_span_skips_no_further_than_its_end(void **state)
{
    struct span text = SPAN("abc");
    (void)state;

    IS(span_skip(text, 0), "abc");
    IS(span_skip(text, 2), "c");
    IS(span_skip(text, 3), "");
    IS(span_skip(text, SIZE_MAX), "");
    assert_ptr_equal(span_skip(text, SIZE_MAX).ptr, text.ptr + 3);
}

static void test_span_is_trimmed_of_blanks_only(void **state)
{
    static const struct {
        const char *text, *trimmed;
    } cases[] = {
        {"", ""}, {" \t ", ""}, {"a", "a"}, {" a b\t", "a b"}, {"\ta\n", "a\n"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_true(span_eq(span_trim(span_str(cases[i].text)),
                            span_str(cases[i].trimmed)));
}

static void test_span_is_cut_into_all_its_pieces(void **state)
{
    static const struct {
        struct span text;
        size_t count;
        const char *pieces[4];
    } cases[] = {
        {{NULL, 0}, 0, {0}},           {{"", 0}, 1, {""}},
        {{"a", 1}, 1, {"a"}},          {{"a,b", 3}, 2, {"a", "b"}},
        {{",", 1}, 2, {"", ""}},       {{"a,,b,", 5}, 4, {"a", "", "b", ""}},
        {{"a,bcd", 3}, 2, {"a", "b"}},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct span rest = cases[i].text;
        struct span piece;
        size_t n = 0;

        for (; span_cut(&rest, ',', &piece); n++) {
            assert_true(n < cases[i].count);
            assert_true(span_eq(piece, span_str(cases[i].pieces[n])));
        }
        assert_int_equal(n, cases[i].count);
    }
}

static void test_span_is_a_number_when_all_of_it_is(void **state)
{
    static const struct {
        const char *text;
        uint64_t max, value;
        bool good;
    } cases[] = {
        {"0", 0, 0, true},
        {"007", 7, 7, true},
        {"255", 255, 255, true},
        {"256", 255, 0, false},
        {"9", 5, 0, false},
        {"18446744073709551615", UINT64_MAX, UINT64_MAX, true},
        {"18446744073709551616", UINT64_MAX, 0, false},
        {"99999999999999999999999", UINT64_MAX, 0, false},
        {"9223372036854775808", INT64_MAX, 0, false},
        {"0000000000000000000005", 5, 5, true},
        {"0000000000000000000009", 5, 0, false},
        {"18446744073709551619", 5, 0, false}, /* 2^64 + 3 */
        {"018446744073709551615", UINT64_MAX, UINT64_MAX, true},
        {"018446744073709551619", UINT64_MAX, 0, false},
        {"", 9, 0, false},
        {"-1", 9, 0, false},
        {"+1", 9, 0, false},
        {" 1", 9, 0, false},
        {"1 ", 9, 0, false},
        {"0x1", 9, 0, false},
        {"/", 9, 0, false}, /* the neighbours of the digits */
        {":", 99, 0, false},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t value = 42;
        assert_int_equal(
            span_to_u64(span_str(cases[i].text), cases[i].max, &value),
            cases[i].good);
        assert_true(value == (cases[i].good ? cases[i].value : 42));
    }
}

static void test_span_of_a_number_is_read_as_that(void **state)
{
    char room[SPAN_U64_MAX];
    char text[SPAN_U64_MAX + 1];
    (void)state;

    for (uint64_t n = 1, step = 0; step < 64; step++, n *= 2)
        for (uint64_t value = n - 1; value != n + 2; value++) {
            snprintf(text, sizeof(text), "%" PRIu64, value);
            assert_true(span_eq(span_from_u64(room, value), span_str(text)));
        }
    assert_true(
        span_eq(span_from_u64(room, UINT64_MAX), SPAN("18446744073709551615")));
    assert_true(span_eq(span_from_u64(room, 99), SPAN("99")));
    assert_true(span_eq(span_from_u64(room, 100), SPAN("100")));
    assert_true(span_eq(span_from_u64(room, 1000000007), SPAN("1000000007")));
}

static void test_span_in_hex_has_two_digits_a_byte(void **state)
{
    char out[10] = "---------";
    (void)state;

    span_hex(out, SPAN("\x00\x0f\xa5\xff"));
    assert_string_equal(out, "000fa5ff-"); /* and no more */
}

static void test_span_find_tells_the_first_or_the_end(void **state)
{
    (void)state;

    assert_int_equal(span_find(SPAN("abab"), 'b'), 1);
    assert_int_equal(span_find(SPAN("abab"), 'c'), 4);
    assert_int_equal(span_find((struct span){"abab", 1}, 'b'), 1);
    assert_int_equal(span_find((struct span){NULL, 0}, 'a'), 0);
}

static void test_span_begins_with_a_utf8_character_or_none(void **state)
{
    static const struct {
        struct span text;
        size_t len;
    } cases[] = {
        {{"", 0}, 0},
        {{"a", 1}, 1},
        {{"\0", 1}, 1},
        {{"\x7f"
          "x",
          2},
         1},
        {{"\x80", 1}, 0},
        {{"\xbf\xbf", 2}, 0},
        {{"\xc0\x80", 2}, 0}, /* an overlong NUL */
        {{"\xc1\xbf", 2}, 0},
        {{"\xc2\x80", 2}, 2},
        {{"\xc3", 1}, 0},
        {{"\xc3\xbc\xbc", 3}, 2},
        {{"\xdf\xc0", 2}, 0},
        {{"\xe0\x9f\xbf", 3}, 0},
        {{"\xe0\xa0\x80", 3}, 3},
        {{"\xe2\x82", 2}, 0},
        {{"\xe2\x82\xac", 3}, 3},
        {{"\xe2\x82"
          "a",
          3},
         0},
        {{"\xed\x9f\xbf", 3}, 3},
        {{"\xed\xa0\x80", 3}, 0}, /* a surrogate */
        {{"\xef\xbf\xbf", 3}, 3},
        {{"\xf0\x8f\xbf\xbf", 4}, 0},
        {{"\xf0\x90\x80\x80", 4}, 4},
        {{"\xf0\x90\x80", 3}, 0},
        {{"\xf4\x8f\xbf\xbf", 4}, 4},
        {{"\xf4\x90\x80\x80", 4}, 0}, /* past U+10FFFF */
        {{"\xf5\x80\x80\x80", 4}, 0},
        {{"\xff", 1}, 0},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(span_utf8_length(cases[i].text), cases[i].len);
}

static void test_compare_goes_by_bytes(void **state)
{
    static const char *const rising[] = {"", "a", "a\x01", "ab", "b", "\xff"};

    (void)state;
    for (size_t i = 0; i < COUNT(rising); i++)
        for (size_t j = 0; j < COUNT(rising); j++) {
            int order = span_compare(span_str(rising[i]), span_str(rising[j]));
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    assert_int_equal(span_compare((struct span){NULL, 0}, SPAN("")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare_goes_by_bytes),
        cmocka_unit_test(test_span_is_equal_by_its_bytes),
        cmocka_unit_test(test_span_is_equal_but_for_the_case_of_letters_alone),
        cmocka_unit_test(test_span_of_no_string_is_empty),
        cmocka_unit_test(test_span_has_a_prefix_no_longer_than_itself),
        cmocka_unit_test(test_span_skips_no_further_than_its_end),
        cmocka_unit_test(test_span_is_trimmed_of_blanks_only),
        cmocka_unit_test(test_span_is_cut_into_all_its_pieces),
        cmocka_unit_test(test_span_is_a_number_when_all_of_it_is),
        cmocka_unit_test(test_span_of_a_number_is_read_as_that),
        cmocka_unit_test(test_span_in_hex_has_two_digits_a_byte),
        cmocka_unit_test(test_span_find_tells_the_first_or_the_end),
        cmocka_unit_test(test_span_begins_with_a_utf8_character_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
