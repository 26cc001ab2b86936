/*
 * test_union.c - the best documents of some terms, beside all documents scored
 * one by one.
 */
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "search/query/union.h"
#include "tests/test.h"

#define DOCS 6000
#define TERMS 12
#define RUNS 300

struct list {
    uint32_t docs[DOCS], freqs[DOCS];
    size_t count;
    struct buf bytes;
};

struct corpus {
    uint8_t norms[DOCS];
    struct list lists[TERMS];
    struct clause clauses[TERMS];
    struct top_hit expected[DOCS], found[DOCS];
};

static uint32_t at_most(uint32_t most)
{
    return (uint32_t)random() % (most + 1);
}

/* Few lengths, so that many documents have the same score. */
static void make_corpus(struct corpus *corpus)
{
    for (size_t doc = 0; doc < DOCS; doc++)
        corpus->norms[doc] = (uint8_t)(5 + 10 * at_most(6));
}

static void make_list(struct corpus *corpus, struct list *list)
{
    static const uint32_t every[] = {1, 2, 3, 10, 50, 400, 3000};
    uint32_t gap = every[random() % (long)COUNT(every)];
    uint32_t most = at_most(3) ? 2 : 300;

    list->count = 0;
    for (uint32_t doc = at_most(gap); doc < DOCS; doc += 1 + at_most(2 * gap)) {
        list->docs[list->count] = doc;
        list->freqs[list->count++] = 1 + at_most(most) * (at_most(9) == 0);
    }
    if (list->count == 0) {
        list->docs[0] = at_most(DOCS - 1);
        list->freqs[list->count++] = 1;
    }
    buf_init(&list->bytes, MEM_APP);
    list_append(&list->bytes, &(struct list_source){.docs = list->docs,
                                                    .freqs = list->freqs,
                                                    .count = list->count,
                                                    .norms = corpus->norms});
}

static void make_clause(struct corpus *corpus, size_t term,
                        const struct bits_kernel *kernel)
{
    struct clause *clause = &corpus->clauses[term];
    const struct list *list = &corpus->lists[term];

    score_init(&clause->score, &(struct score_facts){.k1 = 1.2F,
                                                     .b = 0.75F,
                                                     .boost = 1,
                                                     .docs = DOCS,
                                                     .having = list->count,
                                                     .average = 30});
    if (list->count == 1)
        postings_init_single(&clause->postings, list->docs[0], list->freqs[0]);
    else
        postings_init(&clause->postings, kernel, list->bytes.ptr,
                      (uint32_t)list->count);
}

static size_t score_all(struct corpus *corpus, size_t terms, size_t most)
{
    static double sums[DOCS];
    struct top top;

    memset(sums, 0, sizeof(sums));
    for (size_t term = 0; term < terms; term++)
        for (size_t i = 0; i < corpus->lists[term].count; i++) {
            uint32_t doc = corpus->lists[term].docs[i];
            sums[doc] += (double)score_of(&corpus->clauses[term].score,
                                          corpus->lists[term].freqs[i],
                                          corpus->norms[doc]);
        }
    top_init(&top, corpus->expected, DOCS);
    for (uint32_t doc = 0; doc < DOCS; doc++)
        if (sums[doc] > 0)
            top_add(&top, doc, (float)sums[doc]);
    top_sort(&top);
    return top.count < most ? top.count : most;
}

static void check(struct corpus *corpus, size_t terms, size_t most)
{
    struct clause *clauses[TERMS];
    size_t expected = score_all(corpus, terms, most);
    struct top top;

    for (size_t term = 0; term < terms; term++)
        clauses[term] = &corpus->clauses[term];
    top_init(&top, corpus->found, most);
    union_top(clauses, terms, corpus->norms, DOCS, &top);
    top_sort(&top);
    assert_int_equal(top.count, expected);
    for (size_t i = 0; i < expected; i++) {
        assert_int_equal(corpus->found[i].doc, corpus->expected[i].doc);
        assert_true(corpus->found[i].score == corpus->expected[i].score);
    }
}

static void run(struct corpus *corpus, const struct bits_kernel *kernel)
{
    static const size_t mosts[] = {1, 10, 100, DOCS};
    size_t terms = 1 + at_most(at_most(2) ? 2 : TERMS - 1);

    make_corpus(corpus);
    for (size_t term = 0; term < terms; term++) {
        make_list(corpus, &corpus->lists[term]);
        make_clause(corpus, term, kernel);
    }
    check(corpus, terms, mosts[random() % (long)COUNT(mosts)]);
    for (size_t term = 0; term < terms; term++)
        buf_deinit(&corpus->lists[term].bytes);
}

static void test_best_are_those_of_all(void **state)
{
    const struct bits_kernel *kernels[2];
    size_t count = bits_kernels(kernels);
    struct corpus *corpus = malloc(sizeof(*corpus));

    (void)state;
    for (size_t i = 0; i < RUNS; i++)
        run(corpus, kernels[i % count]);
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
        cmocka_unit_test(test_best_are_those_of_all),
        cmocka_unit_test(test_nothing_is_kept_where_nothing_is_asked_for),
    };

    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
