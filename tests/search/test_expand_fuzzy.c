/* test_expand_fuzzy.c - the nearest terms, equal to the whole matrix of each.
 */
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/search/words.h"
#include "tests/test.h"

#define ROUNDS 20

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* The whole matrix: of i code points of a and j of b. */
static unsigned distance_of(const uint32_t *a, size_t a_len, const uint32_t *b,
                            size_t b_len)
{
    static unsigned rows[WORDS_LONGEST + 1][WORDS_LONGEST + 1];

    for (size_t i = 0; i <= a_len; i++)
        for (size_t j = 0; j <= b_len; j++) {
            if (i == 0 || j == 0) {
                rows[i][j] = (unsigned)(i + j);
                continue;
            }
            rows[i][j] = least(rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
                               1 + least(rows[i - 1][j], rows[i][j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                rows[i][j] = least(rows[i][j], rows[i - 2][j - 2] + 1);
        }
    return rows[a_len][b_len];
}

static bool is_near(struct span wanted, struct span term,
                    const struct expand_fuzzy *options, unsigned *distance)
{
    struct words_points a = words_points(wanted);
    struct words_points b = words_points(term);
    size_t prefix =
        options->prefix_length < a.count ? options->prefix_length : a.count;

    if (b.count < prefix || memcmp(a.at, b.at, prefix * sizeof(a.at[0])) != 0)
        return false;
    *distance = distance_of(a.at + prefix, a.count - prefix, b.at + prefix,
                            b.count - prefix);
    return *distance <= options->distance;
}

static int compare_expected(const void *a, const void *b)
{
    const struct words_hit *one = a;
    const struct words_hit *two = b;

    if (one->distance != two->distance)
        return one->distance < two->distance ? -1 : 1;
    if (one->term->count != two->term->count)
        return one->term->count > two->term->count ? -1 : 1;
    return (one->term > two->term) - (one->term < two->term);
}

static void check_fuzzy(struct words *words, struct span wanted,
                        const struct expand_fuzzy *options)
{
    unsigned distance = 0;

    words_begin(words);
    for (size_t i = 0; i < words->count; i++)
        if (is_near(wanted, words_span(&words->terms[i].word), options,
                    &distance))
            words_expect(words, &words->terms[i], distance);
    qsort(words->expected, words->expected_count, sizeof(words->expected[0]),
          compare_expected);
    if (words->expected_count > options->max_expansions)
        words->expected_count = options->max_expansions;
    assert_true(
        expand_fuzzy(&words->dict, wanted, options, words_on_term, words));
    words_end(words);
}

static void check_all_options(struct words *words, struct span wanted)
{
    static const size_t most[] = {0, 1, 2, 5, 50, EXPAND_FUZZY_MAX};

    for (unsigned distance = 0; distance <= EXPAND_DISTANCE_MAX; distance++)
        for (size_t prefix = 0; prefix <= 3; prefix++)
            for (size_t i = 0; i < COUNT(most); i++) {
                struct expand_fuzzy options = {.distance = distance,
                                               .prefix_length = prefix,
                                               .max_expansions = most[i]};
                check_fuzzy(words, wanted, &options);
            }
}

/* Something put in, or instead of a byte. */
static struct words_word spoil(struct words_word word, size_t kinds)
{
    struct words_word letter = words_random(1, kinds);
    struct words_word spoiled = {.len = 0};
    size_t at = (size_t)random() % (word.len + 1);

    words_append(&spoiled, (struct span){word.bytes, at});
    words_append(&spoiled, words_span(&letter));
    words_append(&spoiled,
                 span_skip(words_span(&word), at + (size_t)random() % 2));
    return spoiled;
}

static void test_fuzzy_gives_the_nearest(void **state)
{
    static const size_t kinds[] = {2, 5, WORDS_LETTERS};

    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct words *words = words_make(k ? WORDS_TERMS / 3 : 20, kinds[k]);
        for (size_t i = 0; i < ROUNDS; i++) {
            struct words_word wanted = words_any(words, kinds[k]);
            check_all_options(words, words_span(&wanted));
            wanted = spoil(wanted, kinds[k]);
            check_all_options(words, words_span(&wanted));
        }
        check_all_options(words, SPAN(""));
        words_drop(words);
    }
}

static void test_an_empty_dictionary_gives_none(void **state)
{
    struct words *words = words_make(0, 1);

    (void)state;
    check_all_options(words, SPAN(""));
    check_all_options(words, span_str(NULL));
    check_all_options(words, SPAN("a"));
    words_drop(words);
}

static void test_fuzzy_gives_no_more_than_its_most(void **state)
{
    struct expand_fuzzy options = {.distance = 2, .max_expansions = SIZE_MAX};
    struct dict_writer writer;
    struct dict dict;
    size_t found = 0;

    (void)state;
    dict_writer_init(&writer, MEM_APP, false);
    for (unsigned i = 0; i < 2 * EXPAND_FUZZY_MAX; i++) {
        char text[2] = {(char)(i >> 8), (char)i};
        dict_writer_add(&writer, (struct span){text, 2},
                        &(struct dict_entry){.count = 1, .freq = 1});
    }
    dict_writer_finish(&writer);
    assert_true(dict_init(&dict, buf_span(&writer.blocks),
                          buf_span(&writer.index), buf_span(&writer.keys),
                          false));
    assert_true(
        expand_fuzzy(&dict, SPAN("zz"), &options, words_on_any, &found));
    assert_int_equal(found, EXPAND_FUZZY_MAX);
    dict_writer_deinit(&writer);
}

static void test_auto_distance_is_elasticsearchs(void **state)
{
    static const struct {
        struct span wanted;
        unsigned distance;
    } cases[] = {
        {{"", 0}, 0},
        {{"ab", 2}, 0},
        {{"abc", 3}, 1},
        {{"abcde", 5}, 1},
        {{"abcdef", 6}, 2},
        {{"\xc3\xa9\xc3\xa9", 4}, 0},
        {{"\xe2\x82", 2}, 0},
        {{"\xe2\x82\xff", 3}, 1},
        {{"a\xe2\x82\xac", 4}, 0},
        {{"ab\xf0\x9f\x98\x80", 6}, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(expand_auto_distance(cases[i].wanted),
                         cases[i].distance);
}

static void test_fuzzy_reads_the_longest_it_may(void **state)
{
    static char text[EXPAND_PATTERN_MAX + 2];
    struct expand_fuzzy options = {.distance = 2, .max_expansions = 50};
    struct dict_writer writer;
    struct dict dict;

    (void)state;
    memset(text, 'a', sizeof(text));
    dict_writer_init(&writer, MEM_APP, false);
    for (size_t len = EXPAND_PATTERN_MAX - 4; len <= sizeof(text); len++)
        dict_writer_add(&writer, (struct span){text, len},
                        &(struct dict_entry){.count = 1, .freq = 1});
    dict_writer_finish(&writer);
    assert_true(dict_init(&dict, buf_span(&writer.blocks),
                          buf_span(&writer.index), buf_span(&writer.keys),
                          false));
    size_t found = 0;
    assert_true(expand_fuzzy(&dict, (struct span){text, EXPAND_PATTERN_MAX},
                             &options, words_on_any, &found));
    assert_int_equal(found, 5);
    found = 0;
    assert_false(expand_fuzzy(&dict,
                              (struct span){text, EXPAND_PATTERN_MAX + 1},
                              &options, words_on_any, &found));
    assert_int_equal(found, 0);
    dict_writer_deinit(&writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fuzzy_gives_the_nearest),
        cmocka_unit_test(test_an_empty_dictionary_gives_none),
        cmocka_unit_test(test_fuzzy_gives_no_more_than_its_most),
        cmocka_unit_test(test_fuzzy_reads_the_longest_it_may),
        cmocka_unit_test(test_auto_distance_is_elasticsearchs),
    };

    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
