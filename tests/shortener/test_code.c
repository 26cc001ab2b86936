/* test_code.c - ids and codes. */
#include <stdlib.h>
#include <string.h>

#include "shortener/code.h"
#include "tests/test.h"

#define SAMPLE 100000

static const struct hash_key key = {1, 2};

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, CODE_LEN + 1);
}

static void test_code_no_two_ids_share_one(void **state)
{
    char(*codes)[CODE_LEN + 1] = calloc(SAMPLE, sizeof(*codes));
    (void)state;

    for (uint64_t id = 0; id < SAMPLE; id++)
        code_from_id(&key, id, codes[id]);
    qsort(codes, SAMPLE, sizeof(*codes), compare);
    for (size_t i = 1; i < SAMPLE; i++)
        assert_true(compare(codes[i - 1], codes[i]) < 0);
    free(codes);
}

static void test_code_depends_on_the_key_and_nothing_else(void **state)
{
    static const struct hash_key other = {1, 3};
    char a[CODE_LEN + 1], b[CODE_LEN + 1], c[CODE_LEN + 1];
    (void)state;

    code_from_id(&key, 7, a);
    code_from_id(&key, 7, b);
    code_from_id(&other, 7, c);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
}

/* Half of the digits would be equal if codes followed each other. */
static void test_code_of_the_next_id_is_not_near(void **state)
{
    size_t equal = 0;
    char before[CODE_LEN + 1], code[CODE_LEN + 1];
    (void)state;

    code_from_id(&key, 0, before);
    for (uint64_t id = 1; id <= 10000; id++) {
        code_from_id(&key, id, code);
        for (size_t i = 0; i < CODE_LEN; i++)
            equal += code[i] == before[i];
        memcpy(before, code, sizeof(code));
    }
    assert_in_range(equal, 10000 * CODE_LEN / 62 * 9 / 10,
                    10000 * CODE_LEN / 62 * 11 / 10);
}

static void test_code_ends_of_the_space_have_codes(void **state)
{
    char first[CODE_LEN + 1], last[CODE_LEN + 1];
    (void)state;

    code_from_id(&key, 0, first);
    code_from_id(&key, CODE_SPACE - 1, last);
    assert_int_equal(strspn(first, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"
                                   "hijklmnopqrstuvwxyz"),
                     CODE_LEN);
    assert_string_not_equal(first, last);
}

static void test_code_is_valid_says_what_may_be_looked_up(void **state)
{
    static const struct {
        const char *code;
        bool valid;
    } cases[] = {
        {"", false},
        {"ab", false},
        {"abc", true},
        {"A-_9", true},
        {"a.b", false},
        {"a/b", false},
        {"a b", false},
        {"abc+", false},
        {"\xc3\xa4\xc3\xb6", false},
        {"../etc", false},
        {"0123456789012345678901234567890123456789012345678901234567890123",
         true},
        {"01234567890123456789012345678901234567890123456789012345678901234",
         false},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(code_is_valid(span_str(cases[i].code)),
                         cases[i].valid);
}

static void test_code_is_reserved_where_a_route_is(void **state)
{
    (void)state;
    assert_true(code_is_reserved(SPAN("healthz")));
    assert_true(code_is_reserved(SPAN("metrics")));
    assert_false(code_is_reserved(SPAN("Healthz")));
    assert_false(code_is_reserved(SPAN("healthy")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code_no_two_ids_share_one),
        cmocka_unit_test(test_code_depends_on_the_key_and_nothing_else),
        cmocka_unit_test(test_code_of_the_next_id_is_not_near),
        cmocka_unit_test(test_code_ends_of_the_space_have_codes),
        cmocka_unit_test(test_code_is_valid_says_what_may_be_looked_up),
        cmocka_unit_test(test_code_is_reserved_where_a_route_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
