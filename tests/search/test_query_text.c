/* test_query_text.c - query strings: what is read, what is refused, and where.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/search/query_kit.h"

static const struct query_field one_field[] = {{{"t", 1}, 1}};
static const struct query_field two_fields[] = {{{"t", 1}, 2}, {{"u", 1}, 1}};

static const struct query_syntax with_or = {one_field, 1, false, false};
static const struct query_syntax with_and = {one_field, 1, true, false};
static const struct query_syntax simple_or = {one_field, 1, false, true};
static const struct query_syntax simple_and = {one_field, 1, true, true};

static void assert_reads(const char *text, const struct query_syntax *syntax,
                         const char *expected)
{
    struct bench bench;
    struct span span = span_str(text);

    bench_init(&bench);
    bench_assert_prints(&bench, bench_read_text(&bench, span, syntax), span,
                        span_str(expected));
    bench_deinit(&bench);
}

struct pair {
    const char *text, *expected;
};

static void assert_all_read(const struct pair *pairs, size_t count,
                            const struct query_syntax *syntax)
{
    for (size_t i = 0; i < count; i++)
        assert_reads(pairs[i].text, syntax, pairs[i].expected);
}

/* A match of t, as short as can be. */
#define A "match(t:\"a\")"
#define B "match(t:\"b\")"
#define C "match(t:\"c\")"

static void test_each_clause_is_read(void **state)
{
    static const struct pair pairs[] = {
        {"a", A},
        {" a\t", A},
        {"x:a", "match(x:\"a\")"},
        {"x : a", "match(x:\"a\")"},
        {"a-b+c/d", "match(t:\"a-b+c/d\")"},
        {"\"a b\"", "phrase(t:\"a b\")"},
        {"\"a b\"~2", "phrase(t:\"a b\" slop=2)"},
        {"\"a b\"~", "phrase(t:\"a b\")"},
        {"\"a \\\" AND b\"", "phrase(t:\"a \\\" AND b\")"},
        {"x:\"a b\"~3^2", "phrase(x:\"a b\" slop=3)^2"},
        {"a^2.5", A "^2.5"},
        {"a*", "prefix(t:\"a\" normalize)"},
        {"a\\**", "prefix(t:\"a*\" normalize)"},
        {"a*b", "wildcard(t:\"a*b\" normalize)"},
        {"a?", "wildcard(t:\"a?\" normalize)"},
        {"*a", "wildcard(t:\"*a\" normalize)"},
        {"**", "wildcard(t:\"**\" normalize)"},
        {"a\\?b*c", "wildcard(t:\"a\\\\?b*c\" normalize)"},
        {"a\\*", "match(t:\"a*\")"},
        {"a~", "fuzzy(t:\"a\" normalize fuzzy=auto)"},
        {"a~1", "fuzzy(t:\"a\" normalize fuzzy=1)"},
        {"x:a~2^3", "fuzzy(x:\"a\" normalize fuzzy=2)^3"},
        {"*:*", "match_all()"},
        {"x:*", "exists(x)"},
        {"*", "exists(t)"},
        {"x.\\*:a", "match(x.*:\"a\")"},
        {"\\AND", "match(t:\"AND\")"},
        {"a\\ b\\:c", "match(t:\"a b:c\")"},
        {"and or not", "bool(should=[match(t:\"and\") match(t:\"or\") "
                       "match(t:\"not\")])"},
        {"caf\xc3\xa9", "match(t:\"caf\xc3\xa9\")"},
        {"", "match_none()"},
        {" \n", "match_none()"},
    };

    (void)state;
    assert_all_read(pairs, COUNT(pairs), &with_or);
}

static void test_ranges_are_read(void **state)
{
    static const struct pair pairs[] = {
        {"x:[a TO b]", "range(x:[\"a\" TO \"b\"])"},
        {"x:{a TO b}", "range(x:{\"a\" TO \"b\"})"},
        {"[1 TO 2}", "range(t:[\"1\" TO \"2\"})"},
        {"x:{1 TO 2]^2", "range(x:{\"1\" TO \"2\"])^2"},
        {"x:{* TO 2]", "range(x:[* TO \"2\"])"},
        {"x:[-1 TO *}", "range(x:[\"-1\" TO *])"},
        {"x:[ \"a b]\"  TO  \"*\" ]", "range(x:[\"a b]\" TO \"*\"])"},
        {"x:[2020-01-01T00:00:00 TO now-1d/d]",
         "range(x:[\"2020-01-01T00:00:00\" TO \"now-1d/d\"])"},
        {"x:>5", "range(x:{\"5\" TO *])"},
        {"x:>=5", "range(x:[\"5\" TO *])"},
        {"x:<5", "range(x:[* TO \"5\"})"},
        {"x:<=5.5", "range(x:[* TO \"5.5\"])"},
        {"x:(>=10 AND <20)",
         "bool(must=[range(x:[\"10\" TO *]) range(x:[* TO \"20\"})])"},
        {"x:\\>5", "match(x:\">5\")"},
        {">", "match(t:\">\")"},
        {">=", "match(t:\">=\")"},
    };

    (void)state;
    assert_all_read(pairs, COUNT(pairs), &with_or);
}

static void test_operators_change_their_neighbours(void **state)
{
    static const struct pair pairs[] = {
        {"a b", "bool(should=[" A " " B "])"},
        {"a OR b", "bool(should=[" A " " B "])"},
        {"a || b", "bool(should=[" A " " B "])"},
        {"a AND b", "bool(must=[" A " " B "])"},
        {"a && b", "bool(must=[" A " " B "])"},
        {"a AND b OR c", "bool(must=[" A " " B "] should=[" C "])"},
        {"a OR b AND c", "bool(must=[" B " " C "] should=[" A "])"},
        {"a OR b AND NOT c",
         "bool(must=[" B "] should=[" A "] must_not=[" C "])"},
        {"+a b -c", "bool(must=[" A "] should=[" B "] must_not=[" C "])"},
        {"a NOT b", "bool(should=[" A "] must_not=[" B "])"},
        {"a !b", "bool(should=[" A "] must_not=[" B "])"},
        {"a - b", "bool(should=[" A "] must_not=[" B "])"},
        {"-a AND b", "bool(must=[" B "] must_not=[" A "])"},
        {"-a", "bool(must_not=[" A "])"},
        {"+a", A},
        {"(a b) AND c", "bool(must=[bool(should=[" A " " B "]) " C "])"},
        {"(a)", A},
        {"((a))^2", A "^2"},
        {"(a b)^2 c", "bool(should=[bool(should=[" A " " B "])^2 " C "])"},
        {"a(b)\"c\"", "bool(should=[" A " " B " phrase(t:\"c\")])"},
        {"x:(a -y:b) c", "bool(should=[bool(should=[match(x:\"a\")] "
                         "must_not=[match(y:\"b\")]) " C "])"},
        {"-(a b)", "bool(must_not=[bool(should=[" A " " B "])])"},
    };

    (void)state;
    assert_all_read(pairs, COUNT(pairs), &with_or);
}

#undef A
#undef B
#undef C
#define A "match(t:\"a\" and)"
#define B "match(t:\"b\" and)"
#define C "match(t:\"c\" and)"

static void test_operators_where_must_is_the_default(void **state)
{
    static const struct pair pairs[] = {
        {"a b", "bool(must=[" A " " B "])"},
        {"a OR b", "bool(should=[" A " " B "])"},
        {"a OR b c", "bool(must=[" C "] should=[" A " " B "])"},
        {"a b OR c", "bool(must=[" A "] should=[" B " " C "])"},
        {"a -b", "bool(must=[" A "] must_not=[" B "])"},
        {"-a OR b", "bool(should=[" B "] must_not=[" A "])"},
        {"a OR b AND c", "bool(must=[" B " " C "] should=[" A "])"},
    };

    (void)state;
    assert_all_read(pairs, COUNT(pairs), &with_and);
}

#undef A
#undef B
#undef C
#define A "match(t:\"a\")"
#define B "match(t:\"b\")"
#define C "match(t:\"c\")"

static void test_words_are_asked_of_all_default_fields(void **state)
{
    static const struct query_syntax two = {two_fields, 2, false, false};
    static const struct query_syntax none = {NULL, 0, false, false};
    static const struct pair pairs[] = {
        {"a", "dis_max(should=[match(t:\"a\")^2 match(u:\"a\")])"},
        {"a^3", "dis_max(should=[match(t:\"a\")^2 match(u:\"a\")])^3"},
        {"a*", "dis_max(should=[prefix(t:\"a\" normalize)^2 "
               "prefix(u:\"a\" normalize)])"},
        {"x:a", "match(x:\"a\")"},
        {"x:(a) \"b\"",
         "bool(should=[match(x:\"a\") "
         "dis_max(should=[phrase(t:\"b\")^2 phrase(u:\"b\")])])"},
    };
    static const struct pair all[] = {
        {"a", "match(*:\"a\")"},
        {"*", "match_all()"},
    };

    (void)state;
    assert_all_read(pairs, COUNT(pairs), &two);
    assert_all_read(all, COUNT(all), &none);
}

static void test_broken_syntax_names_its_place(void **state)
{
    static const struct {
        const char *text, *why;
        size_t byte;
    } cases[] = {
        {"a AND", "a clause is missing", 6},
        {"AND a", "a clause is missing", 1},
        {"OR", "a clause is missing", 1},
        {"a OR OR b", "a clause is missing", 6},
        {"NOT", "a clause is missing", 4},
        {"NOT NOT a", "a clause is missing", 5},
        {"a -", "a clause is missing", 4},
        {"+-a", "a clause is missing", 2},
        {"x:", "a clause is missing", 3},
        {"x:-5", "a clause is missing", 3},
        {"x:y:a", "a clause is missing", 4},
        {":a", "a clause is missing", 1},
        {"/a/", "a clause is missing", 1},
        {"()", "a clause is missing", 2},
        {"^2", "a clause is missing", 1},
        {"a^2^3", "a clause is missing", 4},
        {"(a)~2", "a clause is missing", 4},
        {"(a", "a parenthesis is not closed", 3},
        {"((a)", "a parenthesis is not closed", 5},
        {"a)", "no parenthesis is open", 2},
        {"\"a", "a quote is not closed", 2},
        {"\"a\\\"", "a quote is not closed", 2},
        {"x:[a TO b", "a range is [a TO b] or {a TO b}", 10},
        {"x:[a b]", "a range is [a TO b] or {a TO b}", 6},
        {"x:[a TO ]", "a range is [a TO b] or {a TO b}", 9},
        {"x:[ TO b]", "a range is [a TO b] or {a TO b}", 8},
        {"x:[\"a TO b]", "a range is [a TO b] or {a TO b}", 5},
        {"a]", "a clause is missing", 2},
        {"a^", "a number is missing behind ^", 3},
        {"a^-1", "a number is missing behind ^", 3},
        {"a^1.2.3", "a number is missing behind ^", 8},
        {"a~3", "there may be 0 to 2 edits", 4},
        {"a~0.5", "there may be 0 to 2 edits", 6},
        {"\"a\"~1000001", "the slop is no number, or too large", 12},
        {"a\\", "nothing stands behind \\", 3},
        {"a*\\", "nothing stands behind \\", 4},
        {"x:[a TO b\\", "nothing stands behind \\", 11},
    };
    char reason[256];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bench bench;
        bench_init(&bench);
        if (bench_read_text(&bench, span_str(cases[i].text), &with_or))
            fail_msg("%s is read", cases[i].text);
        snprintf(reason, sizeof(reason),
                 "Failed to parse query [%s]: %s, at byte %zu", cases[i].text,
                 cases[i].why, cases[i].byte);
        assert_string_equal(bench.error.reason, reason);
        assert_string_equal(bench.error.type, "query_shard_exception");
        bench_deinit(&bench);
    }
}

static void test_simple_joins_from_left_to_right(void **state)
{
    static const struct pair pairs[] = {
        {"a", A},
        {"a b", "bool(should=[" A " " B "])"},
        {"a | b", "bool(should=[" A " " B "])"},
        {"a+b", "bool(must=[" A " " B "])"},
        {"a + b + c", "bool(must=[" A " " B " " C "])"},
        {"a + b | c", "bool(should=[bool(must=[" A " " B "]) " C "])"},
        {"a | b + c", "bool(must=[bool(should=[" A " " B "]) " C "])"},
        {"a + (b | c)", "bool(must=[" A " bool(should=[" B " " C "])])"},
        {"-a", "bool(must_not=[" A "])"},
        {"a + -b", "bool(must=[" A " bool(must_not=[" B "])])"},
        {"--a", A},
        {"\"a b\"", "phrase(t:\"a b\")"},
        {"\"a b\"~3", "phrase(t:\"a b\" slop=3)"},
        {"a*", "prefix(t:\"a\" normalize)"},
        {"a~1", "fuzzy(t:\"a\" normalize fuzzy=1)"},
        {"a~9", "fuzzy(t:\"a\" normalize fuzzy=2)"},
        {"a\\*", "match(t:\"a*\")"},
        {"a\\~1", "match(t:\"a~1\")"},
        {"a\\+b", "match(t:\"a+b\")"},
        {"a-b", "match(t:\"a-b\")"},
        {" * ", "exists(t)"},
        {"", "match_none()"},
    };
    static const struct pair of_all[] = {
        {"a b", "bool(must=[match(t:\"a\" and) match(t:\"b\" and)])"},
        {"a | b", "bool(should=[match(t:\"a\" and) match(t:\"b\" and)])"},
    };

    (void)state;
    assert_all_read(pairs, COUNT(pairs), &simple_or);
    assert_all_read(of_all, COUNT(of_all), &simple_and);
}

static void test_simple_takes_what_is_broken_as_text(void **state)
{
    static const struct pair pairs[] = {
        {"+ a", A},
        {"a +", A},
        {"a + | b", "bool(should=[" A " " B "])"},
        {"- a", A},
        {"a)", A},
        {"))a", A},
        {"(a", A},
        {"()", "match_none()"},
        {"() a", A},
        {"+|-()", "match_none()"},
        {"\"a b", "bool(should=[" A " " B "])"},
        {"a\\", "match(t:\"a\\\\\")"},
        {"x:a", "match(t:\"x:a\")"},
        {"a~", "match(t:\"a~\")"},
        {"a~b", "match(t:\"a~b\")"},
        {"~1", "match(t:\"~1\")"},
        {"\"a\"~x", "bool(should=[phrase(t:\"a\") match(t:\"x\")])"},
        {"[a TO", "bool(should=[match(t:\"[a\") match(t:\"TO\")])"},
    };

    (void)state;
    assert_all_read(pairs, COUNT(pairs), &simple_or);
}

/* ---- limits */

static bool is_read(const char *piece, size_t count, const char *after,
                    const struct query_syntax *syntax, const char *type)
{
    struct bench bench;
    struct buf text;

    bench_init(&bench);
    buf_init(&text, MEM_REQUEST);
    for (size_t i = 0; i < count; i++)
        buf_append(&text, span_str(piece));
    buf_append(&text, span_str(after));
    bool read = bench_read_text(&bench, buf_span(&text), syntax) != NULL;
    if (!read)
        assert_string_equal(bench.error.type, type);
    buf_deinit(&text);
    bench_deinit(&bench);
    return read;
}

static void test_texts_are_bounded(void **state)
{
    (void)state;
    assert_true(is_read("a", QUERY_TEXT_MAX, "", &with_or, NULL));
    assert_false(is_read("a", QUERY_TEXT_MAX + 1, "", &with_or,
                         "query_shard_exception"));
    assert_true(is_read("a", QUERY_TEXT_MAX, "", &simple_or, NULL));
    assert_false(is_read("a", QUERY_TEXT_MAX + 1, "", &simple_or,
                         "query_shard_exception"));
}

static void test_clauses_are_bounded(void **state)
{
    static const char type[] = "too_many_clauses";

    (void)state;
    /* their bool is one too */
    assert_true(is_read("a ", QUERY_CLAUSES_MAX - 1, "", &with_or, NULL));
    assert_false(is_read("a ", QUERY_CLAUSES_MAX, "", &with_or, type));
    assert_true(is_read("a ", QUERY_CLAUSES_MAX - 1, "", &simple_or, NULL));
    assert_false(is_read("a ", QUERY_CLAUSES_MAX, "", &simple_or, type));
    assert_false(is_read("a ", QUERY_TEXT_MAX / 2, "", &simple_or, type));
}

static void test_depth_is_bounded(void **state)
{
    static const char type[] = "illegal_argument_exception";
    char text[2 * QUERY_DEPTH_MAX + 2];

    (void)state;
    memset(text, ')', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    text[QUERY_DEPTH_MAX] = 'a';
    memset(text, '(', QUERY_DEPTH_MAX);
    assert_true(is_read(text, 1, "", &with_or, NULL));
    assert_true(is_read(text, 1, "", &simple_or, NULL));
    text[QUERY_DEPTH_MAX] = '(';
    assert_false(is_read(text, 1, "", &with_or, type));
    assert_false(is_read(text, 1, "", &simple_or, type));
    assert_false(is_read("-(", QUERY_TEXT_MAX / 2, "", &with_or, type));
    /* side by side they are not deep */
    assert_true(
        is_read("(a) ", (size_t)2 * QUERY_DEPTH_MAX, "", &with_or, NULL));
    assert_true(
        is_read("(a) ", (size_t)2 * QUERY_DEPTH_MAX, "", &simple_or, NULL));
    assert_false(is_read("-(", QUERY_TEXT_MAX / 2, "", &simple_or, type));
}

/* A tree of the simple syntax grows deep without a parenthesis. */
static void test_depth_is_the_trees(void **state)
{
    static const char type[] = "illegal_argument_exception";

    (void)state;
    /* each pair is two levels, the last word one */
    assert_true(
        is_read("a+a|", QUERY_DEPTH_MAX / 2 - 1, "a", &simple_or, NULL));
    assert_false(
        is_read("a+a|", QUERY_DEPTH_MAX / 2 + 1, "a", &simple_or, type));
    assert_false(is_read("a+a|", QUERY_CLAUSES_MAX / 8, "a", &simple_or, type));
}

static void test_a_long_query_is_shown_cut_off(void **state)
{
    struct bench bench;
    char text[1000];

    (void)state;
    memset(text, 'a', sizeof(text));
    text[0] = '"';
    bench_init(&bench);
    assert_null(
        bench_read_text(&bench, (struct span){text, sizeof(text)}, &with_or));
    assert_non_null(strstr(bench.error.reason, "aaa...]: a quote is not"));
    bench_deinit(&bench);
}

/* ---- random query strings, and what Lucene's rule makes of them */

#define CLAUSES 6

struct model {
    struct {
        unsigned word, join, sign; /* join: with the one before it */
    } clauses[CLAUSES];
    size_t count;
};

enum { NO_JOIN, AND_JOIN, OR_JOIN };
enum { NO_SIGN, MUST_SIGN, NOT_SIGN };

static struct model make_model(void)
{
    struct model model = {.count = 2 + (size_t)random() % (CLAUSES - 1)};

    for (size_t i = 0; i < model.count; i++) {
        model.clauses[i].word = (unsigned)random() % 26;
        model.clauses[i].join = i ? (unsigned)random() % 3 : NO_JOIN;
        model.clauses[i].sign = (unsigned)random() % 3;
    }
    return model;
}

static void put_model(struct buf *out, const struct model *model)
{
    static const char *const joins[][2] = {
        {"", ""}, {"AND ", "&& "}, {"OR ", "|| "}};
    static const char *const signs[][2] = {
        {"", ""}, {"+", "+ "}, {"NOT ", "-"}};

    for (size_t i = 0; i < model->count; i++)
        buf_printf(out, "%s%s%c ", joins[model->clauses[i].join][random() % 2],
                   signs[model->clauses[i].sign][random() % 2],
                   'a' + model->clauses[i].word);
}

/* From both sides of a clause at once: 0 must, 1 should, 2 must_not. */
static unsigned occurs(const struct model *model, size_t i, bool all)
{
    unsigned join = model->clauses[i].join;
    unsigned after =
        i + 1 < model->count ? model->clauses[i + 1].join : NO_JOIN;

    if (model->clauses[i].sign == NOT_SIGN)
        return 2;
    if (after == AND_JOIN)
        return 0;
    if (all)
        return join == OR_JOIN || after == OR_JOIN;
    return !(join == AND_JOIN || model->clauses[i].sign == MUST_SIGN);
}

static void put_expected(struct buf *out, const struct model *model, bool all)
{
    static const char *const names[] = {"must=[", "should=[", "must_not=["};
    const char *gap = "";

    buf_append(out, SPAN("bool("));
    for (unsigned occur = 0; occur < 3; occur++) {
        const char *before = names[occur];
        for (size_t i = 0; i < model->count; i++) {
            if (occurs(model, i, all) != occur)
                continue;
            buf_printf(out, "%s%smatch(t:\"%c\"%s)", gap, before,
                       'a' + model->clauses[i].word, all ? " and" : "");
            before = "";
            gap = " ";
        }
        if (before[0] == '\0')
            buf_append_char(out, ']');
    }
    buf_append_char(out, ')');
}

static void test_random_clauses_occur_as_lucene_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < 20000; i++) {
        struct model model = make_model();
        struct bench bench;
        struct buf text;
        struct buf expected;
        bool all = i % 2;
        bench_init(&bench);
        buf_init(&text, MEM_REQUEST);
        buf_init(&expected, MEM_REQUEST);
        put_model(&text, &model);
        put_expected(&expected, &model, all);
        struct query *query = bench_read_text(&bench, buf_span(&text),
                                              all ? &with_and : &with_or);
        bench_assert_prints(&bench, query, buf_span(&text),
                            buf_span(&expected));
        buf_deinit(&text);
        buf_deinit(&expected);
        bench_deinit(&bench);
    }
}

/* Of the characters that mean something: simple is always read. */
static void test_random_bytes_are_read_or_refused(void **state)
{
    static const char letters[] = "ab+-!()\"~*?\\:^[]{}|&<>=/ 1.\xc3\0";
    char text[24];

    (void)state;
    for (size_t i = 0; i < 100000; i++) {
        struct bench bench;
        size_t len = (size_t)random() % sizeof(text);
        bench_init(&bench);
        for (size_t j = 0; j < len; j++)
            text[j] = letters[(size_t)random() % (sizeof(letters) - 1)];
        bench_read_text(&bench, (struct span){text, len}, &with_or);
        assert_non_null(
            bench_read_text(&bench, (struct span){text, len}, &simple_or));
        bench_deinit(&bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_clause_is_read),
        cmocka_unit_test(test_ranges_are_read),
        cmocka_unit_test(test_operators_change_their_neighbours),
        cmocka_unit_test(test_operators_where_must_is_the_default),
        cmocka_unit_test(test_words_are_asked_of_all_default_fields),
        cmocka_unit_test(test_broken_syntax_names_its_place),
        cmocka_unit_test(test_simple_joins_from_left_to_right),
        cmocka_unit_test(test_simple_takes_what_is_broken_as_text),
        cmocka_unit_test(test_texts_are_bounded),
        cmocka_unit_test(test_clauses_are_bounded),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_depth_is_the_trees),
        cmocka_unit_test(test_a_long_query_is_shown_cut_off),
        cmocka_unit_test(test_random_clauses_occur_as_lucene_says),
        cmocka_unit_test(test_random_bytes_are_read_or_refused),
    };

    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
