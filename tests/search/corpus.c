/* corpus.c - see corpus.h. */
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/search/corpus.h"
#include "tests/test.h"

static uint32_t at_most(uint32_t most)
{
    return (uint32_t)random() % (most + 1);
}

static void make_list(struct corpus *corpus, struct corpus_list *list,
                      uint32_t most_every)
{
    static const uint32_t every[] = {1, 2, 3, 10, 50, 400, 3000};
    uint32_t gap = every[random() % (long)COUNT(every)];
    uint32_t most = at_most(3) ? 2 : 300;

    gap = gap < most_every ? gap : most_every;
    list->count = 0;
    for (uint32_t doc = at_most(gap); doc < CORPUS_DOCS;
         doc += 1 + at_most(2 * gap)) {
        list->docs[list->count] = doc;
        list->freqs[list->count++] = 1 + at_most(most) * (at_most(9) == 0);
    }
    if (list->count == 0) {
        list->docs[0] = at_most(CORPUS_DOCS - 1);
        list->freqs[list->count++] = 1;
    }
    buf_init(&list->bytes, MEM_APP);
    list_append(&list->bytes, &(struct list_source){.docs = list->docs,
                                                    .freqs = list->freqs,
                                                    .count = list->count,
                                                    .norms = corpus->norms});
}

/* Few lengths, so that many documents have the same score. */
void corpus_make(struct corpus *corpus, size_t terms, uint32_t most_every)
{
    corpus->terms = terms;
    for (size_t doc = 0; doc < CORPUS_DOCS; doc++)
        corpus->norms[doc] = (uint8_t)(5 + 10 * at_most(6));
    for (size_t term = 0; term < terms; term++)
        make_list(corpus, &corpus->lists[term], most_every);
}

void corpus_free(struct corpus *corpus)
{
    for (size_t term = 0; term < corpus->terms; term++)
        buf_deinit(&corpus->lists[term].bytes);
}

void corpus_rewind(struct corpus *corpus, const struct bits_kernel *kernel)
{
    for (size_t term = 0; term < corpus->terms; term++) {
        struct clause *clause = &corpus->clauses[term];
        const struct corpus_list *list = &corpus->lists[term];
        corpus->order[term] = clause;
        score_init(&clause->score, &(struct score_facts){.k1 = 1.2F,
                                                         .b = 0.75F,
                                                         .boost = 1,
                                                         .docs = CORPUS_DOCS,
                                                         .having = list->count,
                                                         .average = 30});
        if (list->count == 1)
            postings_init_single(&clause->postings, list->docs[0],
                                 list->freqs[0]);
        else
            postings_init(&clause->postings, kernel, list->bytes.ptr,
                          (uint32_t)list->count);
        clause_init(clause, corpus->norms);
    }
}

size_t corpus_score(struct corpus *corpus, size_t at_least, size_t most)
{
    static double sums[CORPUS_DOCS];
    static size_t had[CORPUS_DOCS];
    struct top top;

    memset(sums, 0, sizeof(sums));
    memset(had, 0, sizeof(had));
    for (size_t term = 0; term < corpus->terms; term++)
        for (size_t i = 0; i < corpus->lists[term].count; i++) {
            uint32_t doc = corpus->lists[term].docs[i];
            had[doc]++;
            sums[doc] += (double)score_of(&corpus->clauses[term].score,
                                          corpus->lists[term].freqs[i],
                                          corpus->norms[doc]);
        }
    top_init(&top, corpus->expected, CORPUS_DOCS);
    for (uint32_t doc = 0; doc < CORPUS_DOCS; doc++)
        if (had[doc] >= at_least)
            top_add(&top, doc, (float)sums[doc]);
    top_sort(&top);
    return top.count < most ? top.count : most;
}

void corpus_assert(const struct corpus *corpus, const struct top *top,
                   size_t expected)
{
    assert_int_equal(top->count, expected);
    for (size_t i = 0; i < expected; i++) {
        assert_int_equal(corpus->found[i].doc, corpus->expected[i].doc);
        assert_true(corpus->found[i].score == corpus->expected[i].score);
    }
}
