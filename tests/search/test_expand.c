/* test_expand.c - what patterns stand for, equal to all terms looked at one by
 * one. */
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "search/query/code_point.h"
#include "tests/search/words.h"
#include "tests/test.h"

#define ROUNDS 400

/* ---- prefixes and ranges */

static void check_prefix(struct words *words, struct span prefix)
{
    words_begin(words);
    for (size_t i = 0; i < words->count; i++)
        if (span_has_prefix(words_span(&words->terms[i].word), prefix))
            words_expect(words, &words->terms[i], 0);
    expand_prefix(&words->dict, prefix, words_on_term, words);
    words_end(words);
}

static void test_prefix_gives_what_begins_so(void **state)
{
    struct words *words = words_make(WORDS_TERMS, WORDS_LETTERS);

    (void)state;
    for (size_t i = 0; i < ROUNDS; i++) {
        struct words_word prefix = words_random(3, WORDS_LETTERS);
        check_prefix(words, words_span(&prefix));
        prefix = words_any(words, WORDS_LETTERS);
        check_prefix(words, words_span(&prefix));
    }
    check_prefix(words, SPAN(""));
    check_prefix(words, span_str(NULL));
    check_prefix(words, SPAN("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"));
    words_drop(words);
}

static bool is_between(const struct expand_range *range, struct span term)
{
    int from = range->from ? span_compare(term, *range->from) : 1;
    int to = range->to ? span_compare(term, *range->to) : -1;

    return (from > 0 || (from == 0 && range->from_inclusive)) &&
           (to < 0 || (to == 0 && range->to_inclusive));
}

static void check_range(struct words *words, const struct expand_range *range)
{
    words_begin(words);
    for (size_t i = 0; i < words->count; i++)
        if (is_between(range, words_span(&words->terms[i].word)))
            words_expect(words, &words->terms[i], 0);
    expand_range(&words->dict, range, words_on_term, words);
    words_end(words);
}

static void test_range_gives_what_is_between(void **state)
{
    struct words *words = words_make(WORDS_TERMS, WORDS_LETTERS);

    (void)state;
    for (size_t i = 0; i < ROUNDS; i++) {
        struct words_word a = words_any(words, WORDS_LETTERS);
        struct words_word b =
            random() % 8 ? words_any(words, WORDS_LETTERS) : a;
        struct span from = words_span(&a);
        struct span to = words_span(&b);
        check_range(words,
                    &(struct expand_range){.from = random() % 4 ? &from : NULL,
                                           .to = random() % 4 ? &to : NULL,
                                           .from_inclusive = random() % 2,
                                           .to_inclusive = random() % 2});
    }
    words_drop(words);
}

/* ---- wildcards */

struct item {
    char kind; /* '*', '?', or 0: a code point */
    uint32_t point;
};

/* The whole table: of the first i items and the first j code points. */
static bool does_match(const struct item *items, size_t count,
                       const struct words_points *points)
{
    static bool rows[WORDS_LONGEST + 1][WORDS_LONGEST + 1];

    for (size_t j = 0; j <= points->count; j++)
        rows[0][j] = j == 0;
    for (size_t i = 1; i <= count; i++) {
        struct item item = items[i - 1];
        rows[i][0] = rows[i - 1][0] && item.kind == '*';
        for (size_t j = 1; j <= points->count; j++)
            rows[i][j] =
                item.kind == '*'
                    ? rows[i - 1][j] || rows[i][j - 1]
                    : rows[i - 1][j - 1] &&
                          (item.kind == '?' || item.point == points->at[j - 1]);
    }
    return rows[count][points->count];
}

static size_t read_items(struct span pattern, struct item *items)
{
    struct words_points points = words_points(pattern);
    size_t count = 0;

    for (size_t i = 0; i < points.count; i++) {
        struct item item = {.point = points.at[i]};
        if (item.point == '\\' && i + 1 < points.count)
            item.point = points.at[++i];
        else if (item.point == '*' || item.point == '?')
            item.kind = (char)item.point;
        items[count++] = item;
    }
    return count;
}

static void check_wildcard(struct words *words, struct span pattern)
{
    struct item items[WORDS_LONGEST];
    size_t count = read_items(pattern, items);

    words_begin(words);
    for (size_t i = 0; i < words->count; i++) {
        struct words_points points =
            words_points(words_span(&words->terms[i].word));
        if (does_match(items, count, &points))
            words_expect(words, &words->terms[i], 0);
    }
    assert_true(expand_wildcard(&words->dict, pattern, words_on_term, words));
    words_end(words);
}

/* A term with some code points replaced by what has a meaning. */
static struct words_word make_pattern(const struct words *words, size_t kinds)
{
    static const struct span meanings[] = {{"*", 1},  {"?", 1},   {"*?", 2},
                                           {"**", 2}, {"\\*", 2}, {"\\", 1}};
    struct words_word term = words_any(words, kinds);
    struct words_word pattern = {.len = 0};

    for (struct span rest = words_span(&term); rest.len > 0;) {
        size_t len = span_utf8_length(rest);
        len = len ? len : 1;
        if (random() % 3 == 0)
            words_append(&pattern,
                         meanings[(size_t)random() % COUNT(meanings)]);
        else if (random() % 8)
            words_append(&pattern, (struct span){rest.ptr, len});
        rest = span_skip(rest, len);
    }
    if (random() % 2)
        words_append(&pattern, SPAN("*"));
    return pattern;
}

static void test_wildcard_gives_what_matches(void **state)
{
    static const size_t kinds[] = {4, 9, WORDS_LETTERS};

    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct words *words = words_make(WORDS_TERMS / 2, kinds[k]);
        for (size_t i = 0; i < ROUNDS; i++) {
            struct words_word pattern = make_pattern(words, kinds[k]);
            check_wildcard(words, words_span(&pattern));
        }
        check_wildcard(words, SPAN(""));
        check_wildcard(words, SPAN("*"));
        check_wildcard(words, SPAN("\\"));
        words_drop(words);
    }
}

static void test_wildcard_refuses_what_is_too_long(void **state)
{
    static char stars[EXPAND_PATTERN_MAX + 1];
    struct words *words = words_make(100, WORDS_LETTERS);
    size_t found = 0;

    (void)state;
    memset(stars, '*', sizeof(stars));
    assert_false(expand_wildcard(&words->dict,
                                 (struct span){stars, sizeof(stars)},
                                 words_on_any, &found));
    assert_int_equal(found, 0);
    assert_true(expand_wildcard(&words->dict,
                                (struct span){stars, sizeof(stars) - 1},
                                words_on_any, &found));
    assert_int_equal(found, words->count);
    words_drop(words);
}

/* ---- long terms */

#define LONG_TERMS 4

/* A run of one letter and what is behind it, in order. */
static void make_long(struct dict_writer *writer, struct dict *dict)
{
    static const char last[LONG_TERMS] = "abcd";
    static char text[INVERTER_TERM_MAX];

    memset(text, 'a', sizeof(text));
    dict_writer_init(writer, MEM_APP, false);
    for (size_t i = 0; i < LONG_TERMS; i++) {
        text[sizeof(text) - 1] = last[i];
        dict_writer_add(writer, (struct span){text, sizeof(text)},
                        &(struct dict_entry){.count = 1, .freq = 1});
    }
    dict_writer_finish(writer);
    assert_true(dict_init(dict, buf_span(&writer->blocks),
                          buf_span(&writer->index), buf_span(&writer->keys),
                          false));
}

/* Ways to share a run out are more than could be tried one by one. */
static void test_many_runs_in_long_terms_take_no_time(void **state)
{
    char runs[EXPAND_PATTERN_MAX];
    struct dict_writer writer;
    struct dict dict;
    size_t found = 0;

    (void)state;
    make_long(&writer, &dict);
    for (size_t i = 0; i < sizeof(runs); i++)
        runs[i] = i % 2 ? '*' : 'a';
    runs[sizeof(runs) - 1] = 'c';
    assert_true(expand_wildcard(&dict, (struct span){runs, sizeof(runs)},
                                words_on_any, &found));
    assert_int_equal(found, 1);
    runs[sizeof(runs) - 1] = 'e';
    assert_true(expand_wildcard(&dict, (struct span){runs, sizeof(runs)},
                                words_on_any, &found));
    assert_int_equal(found, 1);
    dict_writer_deinit(&writer);
}

/* ---- code points */

static void test_bytes_are_read_as_code_points(void **state)
{
    static const struct {
        struct span bytes;
        uint32_t code_point;
        size_t len;
    } cases[] = {
        {{"a\xa9", 2}, 'a', 1},
        {{"\0", 1}, 0, 1},
        {{"\xc3\xa9", 2}, 0xe9, 2},
        {{"\xe2\x82\xac-", 4}, 0x20ac, 3},
        {{"\xf0\x9f\x98\x80", 4}, 0x1f600, 4},
        {{"\xc3", 1}, CODE_POINT_BAD + 0xc3, 1},
        {{"\xa9\xa9", 2}, CODE_POINT_BAD + 0xa9, 1},
        {{"\xe2\x82-", 3}, CODE_POINT_BAD + 0xe2, 1},
        {{"\xed\xa0\x80", 3}, CODE_POINT_BAD + 0xed, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t len;
        assert_int_equal(code_point_read(cases[i].bytes, &len),
                         cases[i].code_point);
        assert_int_equal(len, cases[i].len);
    }
}

/* ---- no terms */

static void test_an_empty_dictionary_gives_none(void **state)
{
    struct words *words = words_make(0, 1);

    (void)state;
    check_prefix(words, SPAN(""));
    check_range(words, &(struct expand_range){.from_inclusive = true});
    check_wildcard(words, SPAN("*"));
    words_drop(words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefix_gives_what_begins_so),
        cmocka_unit_test(test_range_gives_what_is_between),
        cmocka_unit_test(test_wildcard_gives_what_matches),
        cmocka_unit_test(test_wildcard_refuses_what_is_too_long),
        cmocka_unit_test(test_many_runs_in_long_terms_take_no_time),
        cmocka_unit_test(test_bytes_are_read_as_code_points),
        cmocka_unit_test(test_an_empty_dictionary_gives_none),
    };

    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
