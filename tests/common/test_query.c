/* test_query.c - percent-encoding, and the pairs of a query. */
#include "common/query.h"
#include "tests/test.h"

static int setup(void **state)
{
    static struct arena arena;

    arena_init(&arena, MEM_JOB, 0);
    *state = &arena;
    return 0;
}

static int teardown(void **state)
{
    arena_deinit(*state);
    return 0;
}

static void test_query_decodes_or_refuses(void **state)
{
    static const struct {
        const char *in;
        struct span out; /* ptr NULL: refused */
        bool plus_is_space;
    } cases[] = {
        {"", {"", 0}, true},
        {"abc", {"abc", 3}, true},
        {"a+b", {"a b", 3}, true},
        {"a+b", {"a+b", 3}, false},
        {"%41%5a%5A", {"AZZ", 3}, false},
        {"%2B+%20", {"+  ", 3}, true},
        {"%00", {"\0", 1}, true},
        {"%c3%A9", {"\xc3\xa9", 2}, true},
        {"%2541", {"%41", 3}, true}, /* once */
        {"%", {NULL, 0}, true},
        {"%4", {NULL, 0}, true},
        {"a%4", {NULL, 0}, true},
        {"%4g", {NULL, 0}, true},
        {"%G4", {NULL, 0}, true},
        {"%%41", {NULL, 0}, true},
        {"%+1", {NULL, 0}, true},
        {"%-1", {NULL, 0}, true},
        {"+%", {NULL, 0}, true},
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct span in = span_str(cases[i].in);
        struct span out = SPAN("untouched");
        bool good = query_decode(arena, in, cases[i].plus_is_space, &out);

        assert_int_equal(good, cases[i].out.ptr != NULL);
        assert_int_equal(query_is_whole(in), good);
        assert_true(span_eq(out, good ? cases[i].out : SPAN("untouched")));
    }
}

static void test_query_escape_makes_a_uri_of_it(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", ""},
        {"a=b&c", "a=b&c"},
        {"-._~:/?[]@!$&'()*+,;=", "-._~:/?[]@!$&'()*+,;="},
        {"%41%zz%4", "%41%25zz%254"},
        {"%", "%25"},
        {"a=\"<>\\^`{|}", "a=%22%3C%3E%5C%5E%60%7B%7C%7D"},
        {" \t\x01\x7f#", "%20%09%01%7F%23"},
        {"\xc3\xa9=\xff", "%C3%A9=%FF"},
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct span in = span_str(cases[i].in);
        struct span out = query_escape(arena, in);

        assert_true(span_eq(out, span_str(cases[i].out)));
        assert_true(span_eq(query_escape(arena, out), out));
        assert_int_equal(out.ptr == in.ptr, span_eq(in, out));
    }
}

/* Two digits that stand behind the end of the bytes are none of theirs. */
static void test_query_decode_reads_no_further_than_the_end(void **state)
{
    struct span out;

    assert_false(query_decode(*state, (struct span){"%41", 2}, true, &out));
    assert_false(query_decode(*state, (struct span){"%41", 1}, true, &out));
}

static void test_query_without_codes_is_not_copied(void **state)
{
    struct span in = SPAN("plain");
    struct span out;

    assert_true(query_decode(*state, in, true, &out));
    assert_ptr_equal(out.ptr, in.ptr);
    assert_int_equal(mem_live(MEM_JOB), 0);
}

static void test_query_find_gives_the_first_of_a_name(void **state)
{
    static const struct {
        const char *query, *name, *value; /* NULL: absent */
    } cases[] = {
        {"a=1&b=2", "a", "1"},
        {"a=1&b=2", "b", "2"},
        {"a=1&a=2", "a", "1"},
        {"ab=1", "a", NULL},
        {"a", "a", ""},
        {"a=", "a", ""},
        {"a=1=2", "a", "1=2"},
        {"%61=x%20y", "a", "x y"},
        {"a+b=c+d", "a b", "c d"},
        {"&&a=1&", "a", "1"},
        {"=1", "", "1"},
        {"", "", NULL},
        {"a=%&a=2", "a", "2"}, /* passed over */
        {"%=1&a=2", "a", "2"},
        {"A=1", "a", NULL},
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct span value = query_find(arena, span_str(cases[i].query),
                                       span_str(cases[i].name));
        assert_int_equal(value.ptr != NULL, cases[i].value != NULL);
        assert_true(span_eq(value, span_str(cases[i].value)));
    }
    assert_null(query_find(arena, (struct span){NULL, 0}, SPAN("a")).ptr);
}

static void test_query_next_tells_each_pair_in_turn(void **state)
{
    static const char *const pairs[][2] = {
        {"a", "1"}, {"b", ""}, {"a", "x y"}, {"", "z"}};
    struct span rest = SPAN("a=1&b&&bad=%&a=x+y&=z");
    struct span name;
    struct span value;
    size_t n = 0;

    for (; query_next(*state, &rest, &name, &value); n++) {
        assert_true(n < COUNT(pairs));
        assert_true(span_eq(name, span_str(pairs[n][0])));
        assert_true(span_eq(value, span_str(pairs[n][1])));
    }
    assert_int_equal(n, COUNT(pairs));
}

static void test_query_take_gives_each_once_and_names_the_rest(void **state)
{
    static const char *const names[] = {"a", "bb"};
    static const struct {
        const char *query, *a, *bb; /* NULL: absent */
        const char *wrong[3];
    } cases[] = {
        {"", NULL, NULL, {NULL}},
        {"&&", NULL, NULL, {NULL}},
        {"bb=2&a=1", "1", "2", {NULL}},
        {"a", "", NULL, {NULL}},
        {"%61=x+y%26", "x y&", NULL, {NULL}},
        {"a=1&a=2", "1", NULL, {"/a"}},
        {"a&a", "", NULL, {"/a"}},
        {"a=1&%61&a", "1", NULL, {"/a", "/a"}},
        {"b=1&A=2&a=3", "3", NULL, {"/b", "/A"}},
        {"=1", NULL, NULL, {"/"}},
        {"a%00=1", NULL, NULL, {"/a"}},
        {"x%2f~=1&bb", NULL, "", {"/x~1~0"}},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct json_errors errors = {0};
        struct span values[2];
        size_t wrong = 0;
        query_take(*state, span_str(cases[i].query), names, 2, values, &errors);
        assert_int_equal(values[0].ptr != NULL, cases[i].a != NULL);
        assert_true(span_eq(values[0], span_str(cases[i].a)));
        assert_int_equal(values[1].ptr != NULL, cases[i].bb != NULL);
        assert_true(span_eq(values[1], span_str(cases[i].bb)));
        for (; wrong < 3 && cases[i].wrong[wrong]; wrong++)
            assert_string_equal(errors.at[wrong].pointer,
                                cases[i].wrong[wrong]);
        assert_int_equal(errors.count, wrong);
    }
}

static void test_query_take_cuts_off_a_long_name(void **state)
{
    static const char *const names[] = {"a"};
    struct json_errors errors = {0};
    struct span value;
    char query[4096];

    memset(query, '~', sizeof(query));
    query_take(*state, (struct span){query, sizeof(query)}, names, 1, &value,
               &errors);
    assert_null(value.ptr);
    assert_int_equal(errors.count, 1);
    assert_memory_equal(errors.at[0].pointer, "/~0~0", 5);
    assert_true(strlen(errors.at[0].pointer) < sizeof(errors.at[0].pointer));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_query_decodes_or_refuses),
        TEST(test_query_escape_makes_a_uri_of_it),
        TEST(test_query_decode_reads_no_further_than_the_end),
        TEST(test_query_without_codes_is_not_copied),
        TEST(test_query_find_gives_the_first_of_a_name),
        TEST(test_query_next_tells_each_pair_in_turn),
        TEST(test_query_take_gives_each_once_and_names_the_rest),
        TEST(test_query_take_cuts_off_a_long_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
