/*
 * test_clause.c - what a term adds at most, of any range of documents, beside a
 * look at each of them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "search/index/norm.h"
#include "search/query/clause.h"
#include "tests/test.h"

#define DOCS 60000
#define RUNS 40

struct bench {
    uint32_t docs[DOCS], freqs[DOCS];
    uint8_t norms[DOCS];
    float scores[DOCS]; /* by document; -1: it does not have the term */
    struct score_lengths lengths;
    struct clause clause;
    struct buf list;
};

/* Any document has it, once in so many times, more often in some places. */
static void make(struct bench *bench, unsigned every,
                 const struct bits_kernel *kernel)
{
    struct list_source source = {bench->docs, bench->freqs, 0, NULL,
                                 0,           bench->norms};

    for (uint32_t doc = 0; doc < DOCS; doc++) {
        unsigned here = doc / 2000 % 3 ? every : 1 + every / 4;
        bench->norms[doc] = norm_of(1 + (uint32_t)random() % 400);
        if (random() % here)
            continue;
        bench->docs[source.count] = doc;
        bench->freqs[source.count++] =
            1 + (uint32_t)random() % (random() % 500 ? 3 : 200);
    }
    buf_init(&bench->list, MEM_APP);
    list_write(&bench->list, &source);
    score_lengths_init(&bench->lengths, 1.2F, 0.75F, 180);
    score_init(&bench->clause.score, &bench->lengths, 1, DOCS, source.count);
    postings_init(&bench->clause.postings, kernel, bench->list.ptr,
                  (uint32_t)source.count);
    clause_init(&bench->clause, bench->norms);
    for (uint32_t doc = 0; doc < DOCS; doc++)
        bench->scores[doc] = -1;
    for (size_t i = 0; i < source.count; i++)
        bench->scores[bench->docs[i]] = clause_score_of(
            &bench->clause, bench->docs[i], (float)bench->freqs[i]);
}

static float most_of(const struct bench *bench, uint32_t from, uint32_t last)
{
    float most = 0;

    for (uint32_t doc = from; doc <= last; doc++)
        most = bench->scores[doc] > most ? bench->scores[doc] : most;
    return most;
}

/* A range behind the one before it, or with the same beginning; its bound is
   told by blocks where it has few of them. */
static void check_ranges(struct bench *bench, uint32_t span)
{
    struct clause *clause = &bench->clause;
    uint32_t from = 0;

    while (from < DOCS) {
        uint32_t last = from + (uint32_t)random() % span;
        last = last < DOCS ? last : DOCS - 1;
        float bound = clause_bound_up_to(clause, from, last);
        float most = most_of(bench, from, last);
        assert_true(bound >= most && bound <= clause->score.weight);
        if (random() % 3)
            from = last + 1;
        if (random() % 8 == 0 && from < DOCS)
            postings_seek(&clause->postings, from);
    }
}

static void test_bounds_of_ranges_are_bounds(void **state)
{
    static struct bench bench;
    static const unsigned every[] = {1, 3, 10, 60, 400, 20000};
    static const uint32_t spans[] = {10, 600, 9000, 2 * DOCS};
    const struct bits_kernel *kernels[2];
    size_t count = bits_kernels(kernels);

    (void)state;
    for (size_t i = 0; i < RUNS; i++) {
        make(&bench, every[i % COUNT(every)], kernels[i % count]);
        check_ranges(&bench, spans[i / COUNT(every) % COUNT(spans)]);
        buf_deinit(&bench.list);
    }
}

/* One document is better than all others: what is far from it has a bound that
   does not know of it, however many blocks it is of. */
static void test_bounds_of_many_blocks_are_of_their_groups(void **state)
{
    static struct bench bench;
    const struct bits_kernel *kernels[2];
    struct list_source source = {bench.docs, bench.freqs, DOCS,
                                 NULL,       0,           bench.norms};
    uint32_t group = LIST_GROUP * LIST_BLOCK;

    (void)state;
    bits_kernels(kernels);
    for (uint32_t i = 0; i < DOCS; i++) {
        bench.docs[i] = i;
        bench.freqs[i] = i == DOCS - 1 ? 250 : 1;
        bench.norms[i] = norm_of(100);
    }
    buf_init(&bench.list, MEM_APP);
    list_write(&bench.list, &source);
    score_lengths_init(&bench.lengths, 1.2F, 0.75F, 100);
    score_init(&bench.clause.score, &bench.lengths, 1, (uint64_t)2 * DOCS,
               DOCS);
    postings_init(&bench.clause.postings, kernels[0], bench.list.ptr, DOCS);
    clause_init(&bench.clause, bench.norms);
    float low = clause_score_of(&bench.clause, 0, 1);
    float high = clause_score_of(&bench.clause, DOCS - 1, 250);
    for (uint32_t blocks = 1; blocks < 6 * LIST_GROUP; blocks++)
        assert_true(clause_bound_up_to(&bench.clause, 0,
                                       blocks * LIST_BLOCK - 1) == low);
    assert_true(
        clause_bound_up_to(&bench.clause, group / 2, DOCS - group - 1) == low);
    float last = clause_bound_up_to(&bench.clause, DOCS - 5 * group, DOCS - 1);
    assert_true(last >= high && last < bench.clause.score.weight);
    buf_deinit(&bench.list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds_of_ranges_are_bounds),
        cmocka_unit_test(test_bounds_of_many_blocks_are_of_their_groups),
    };

    srandom(7);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
