/*
 * test_best.c - the best documents that have any or all of some terms, beside
 * all documents scored one by one.
 */
#include <stdlib.h>

#include "search/query/intersection.h"
#include "search/query/phrase.h"
#include "search/query/union.h"
#include "tests/search/corpus.h"
#include "tests/test.h"

#define RUNS 300

static const size_t mosts[] = {1, 10, 100, CORPUS_DOCS};

static struct top ask(struct corpus *corpus, bool all, size_t most,
                      const struct bits_kernel *kernel)
{
    struct top top;

    corpus_rewind(corpus, kernel);
    top_init(&top, corpus->found, most);
    if (all)
        intersection_top(&(struct intersection){.clauses = corpus->order,
                                                .required = corpus->terms},
                         &top);
    else
        union_top(corpus->order, corpus->terms, CORPUS_DOCS, &top);
    top_sort(&top);
    return top;
}

static void check(struct corpus *corpus, bool all,
                  const struct bits_kernel *kernel)
{
    size_t most = mosts[random() % (long)COUNT(mosts)];
    struct top top = ask(corpus, all, most, kernel);
    struct top counting;

    corpus_assert(corpus, &top,
                  corpus_score(corpus, all ? corpus->terms : 1, most));
    corpus_rewind(corpus, kernel);
    top_init(&counting, NULL, 0);
    uint32_t count =
        all ? intersection_count(
                  &(struct intersection){.clauses = corpus->order,
                                         .required = corpus->terms},
                  &counting)
            : union_count(corpus->order, corpus->terms, CORPUS_DOCS, &counting);
    assert_int_equal(
        count, corpus_score(corpus, all ? corpus->terms : 1, CORPUS_DOCS));
}

static void run(bool all, uint32_t most_every)
{
    const struct bits_kernel *kernels[2];
    size_t count = bits_kernels(kernels);
    struct corpus *corpus = calloc(1, sizeof(*corpus));

    for (size_t i = 0; i < RUNS; i++) {
        size_t most = random() % 3 ? 3 : CORPUS_TERMS;
        corpus_make(corpus, 1 + (size_t)random() % most, most_every);
        check(corpus, all, kernels[i % count]);
        corpus_free(corpus);
    }
    free(corpus);
}

static void test_best_of_a_union_are_those_of_all(void **state)
{
    (void)state;
    run(false, 3000);
}

static void test_best_of_an_intersection_are_those_of_all(void **state)
{
    (void)state;
    run(true, 3000);
    run(true, 10); /* many have all */
}

static void check_phrase(struct corpus *corpus,
                         const struct bits_kernel *kernel)
{
    static struct phrase_term terms[CORPUS_TERMS];
    size_t most = mosts[random() % (long)COUNT(mosts)];
    uint32_t offsets[CORPUS_TERMS];
    struct top top;

    for (uint32_t i = 0; i < CORPUS_TERMS; i++)
        offsets[i] = i + (i > 1 && random() % 4 == 0); /* or a stop word */
    corpus->word_count = 1 + (size_t)random() % 4;
    for (size_t i = 0; i < corpus->word_count; i++)
        corpus->words[i] =
            random() % 3 ? i % corpus->terms : (size_t)random() % corpus->terms;
    corpus_phrase(corpus, kernel, offsets, terms);
    size_t all = corpus_score_phrase(corpus, terms, CORPUS_DOCS);
    struct phrase *phrase = phrase_open(terms, corpus->word_count, 0);
    top_init(&top, corpus->found, most);
    assert_int_equal(phrase_count(phrase, &top), all);
    phrase_close(phrase);
    corpus_phrase(corpus, kernel, offsets, terms);
    phrase = phrase_open(terms, corpus->word_count, 0);
    phrase_top(phrase, &top);
    phrase_close(phrase);
    top_sort(&top);
    corpus_assert(corpus, &top, all < most ? all : most);
}

static void test_best_of_a_phrase_are_those_of_all(void **state)
{
    const struct bits_kernel *kernels[2];
    size_t count = bits_kernels(kernels);
    struct corpus *corpus = calloc(1, sizeof(*corpus));

    (void)state;
    for (size_t i = 0; i < 60; i++) {
        corpus_make(corpus, 1 + (size_t)random() % 3, i / 2 % 2 ? 3000 : 10);
        check_phrase(corpus, kernels[i % count]);
        corpus_free(corpus);
    }
    free(corpus);
}

/* Terms that must be there, that may, and that must not. */
static void check_parts(struct corpus *corpus, const struct bits_kernel *kernel)
{
    size_t most = mosts[random() % (long)COUNT(mosts)];
    struct intersection of = {.clauses = corpus->order};
    struct top top;

    of.required = 1 + (size_t)random() % corpus->terms;
    of.optional = (size_t)random() % (corpus->terms - of.required + 1);
    of.excluded = corpus->terms - of.required - of.optional;
    corpus_rewind(corpus, kernel);
    top_init(&top, corpus->found, most);
    intersection_top(&of, &top);
    top_sort(&top);
    corpus_assert(corpus, &top,
                  corpus_score_all(corpus, of.required, of.excluded, most));
    corpus_rewind(corpus, kernel);
    top_init(&top, NULL, 0);
    assert_int_equal(
        intersection_count(&of, &top),
        corpus_score_all(corpus, of.required, of.excluded, CORPUS_DOCS));
}

static void test_parts_are_required_optional_and_excluded(void **state)
{
    const struct bits_kernel *kernels[2];
    size_t count = bits_kernels(kernels);
    struct corpus *corpus = calloc(1, sizeof(*corpus));

    (void)state;
    for (size_t i = 0; i < 4 * (size_t)RUNS; i++) {
        corpus_make(corpus, 2 + (size_t)random() % 4, 10000);
        check_parts(corpus, kernels[i % count]);
        corpus_free(corpus);
    }
    free(corpus);
}

static void test_counting_ends_when_it_is_late(void **state)
{
    static struct phrase_term terms[CORPUS_TERMS];
    const struct bits_kernel *kernels[2];
    struct corpus *corpus = calloc(1, sizeof(*corpus));
    struct top tops[3];

    (void)state;
    bits_kernels(kernels);
    corpus_make(corpus, 2, 10);
    for (size_t i = 0; i < COUNT(tops); i++) {
        top_init(&tops[i], NULL, 0);
        tops[i].deadline_us = 1;
    }
    corpus_rewind(corpus, kernels[0]);
    assert_int_equal(union_count(corpus->order, 2, CORPUS_DOCS, &tops[0]), 0);
    assert_int_equal(
        intersection_count(
            &(struct intersection){.clauses = corpus->order, .required = 2},
            &tops[1]),
        0);
    corpus->word_count = 2;
    corpus->words[1] = 1;
    corpus_phrase(corpus, kernels[0], (uint32_t[]){0, 1}, terms);
    struct phrase *phrase = phrase_open(terms, 2, 0);
    assert_int_equal(phrase_count(phrase, &tops[2]), 0);
    phrase_close(phrase);
    assert_true(tops[0].late && tops[1].late && tops[2].late);
    corpus_free(corpus);
    free(corpus);
}

static void test_nothing_is_kept_where_nothing_is_asked_for(void **state)
{
    struct top top;

    (void)state;
    top_init(&top, NULL, 0);
    top_sort(&top);
    assert_int_equal(top.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_best_of_a_union_are_those_of_all),
        cmocka_unit_test(test_best_of_an_intersection_are_those_of_all),
        cmocka_unit_test(test_best_of_a_phrase_are_those_of_all),
        cmocka_unit_test(test_parts_are_required_optional_and_excluded),
        cmocka_unit_test(test_counting_ends_when_it_is_late),
        cmocka_unit_test(test_nothing_is_kept_where_nothing_is_asked_for),
    };

    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
