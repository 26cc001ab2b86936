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

/* Close to each other, so that phrases are there. */
static void make_positions(struct corpus_list *list)
{
    size_t at = 0;

    list->position_count = 0;
    for (size_t i = 0; i < list->count; i++)
        list->position_count += list->freqs[i];
    list->positions = malloc(list->position_count * sizeof(list->positions[0]));
    for (size_t i = 0; i < list->count; i++) {
        uint32_t position = at_most(4);
        list->index[list->docs[i]] = i;
        list->first[list->docs[i]] = at;
        for (uint32_t j = 0; j < list->freqs[i]; j++) {
            list->positions[at++] = position;
            position += 1 + at_most(2);
        }
    }
}

/* The caller's. */
static uint32_t *steps_of(const struct corpus_list *list)
{
    uint32_t *steps = malloc(list->position_count * sizeof(*steps));
    size_t at = 0;

    for (size_t i = 0; i < list->count; i++)
        for (uint32_t j = 0; j < list->freqs[i]; j++, at++)
            steps[at] = list->positions[at] - (j ? list->positions[at - 1] : 0);
    return steps;
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
    make_positions(list);
    uint32_t *steps = steps_of(list);
    struct list_source source = {.docs = list->docs,
                                 .freqs = list->freqs,
                                 .count = list->count,
                                 .steps = steps,
                                 .step_count = list->position_count,
                                 .norms = corpus->norms};
    buf_init(&list->bytes, MEM_APP);
    buf_init(&list->places, MEM_APP);
    list_write(&list->bytes, &source);
    list_append_positions(&list->places, &source);
    free(steps);
}

/* Few lengths, so that many documents have the same score. */
void corpus_make(struct corpus *corpus, size_t terms, uint32_t most_every)
{
    corpus->terms = terms;
    for (size_t doc = 0; doc < CORPUS_DOCS; doc++)
        corpus->norms[doc] = (uint8_t)(5 + 10 * at_most(6));
    for (size_t term = 0; term < terms; term++) {
        corpus->boosts[term] = at_most(5) ? 1 : at_most(1) ? 50 : 0.02F;
        make_list(corpus, &corpus->lists[term], most_every);
    }
}

static void free_list(struct corpus_list *list)
{
    buf_deinit(&list->bytes);
    buf_deinit(&list->places);
    free(list->positions);
}

void corpus_free(struct corpus *corpus)
{
    for (size_t term = 0; term < corpus->terms; term++)
        free_list(&corpus->lists[term]);
}

void corpus_rewind(struct corpus *corpus, const struct bits_kernel *kernel)
{
    score_lengths_init(&corpus->lengths, 1.2F, 0.75F, 30);
    for (size_t term = 0; term < corpus->terms; term++) {
        struct clause *clause = &corpus->clauses[term];
        const struct corpus_list *list = &corpus->lists[term];
        corpus->order[term] = clause;
        score_init(&clause->score, &corpus->lengths, corpus->boosts[term],
                   CORPUS_DOCS, list->count);
        if (list->count == 1)
            postings_init_single(&clause->postings, kernel, list->docs[0],
                                 list->freqs[0]);
        else
            postings_init(&clause->postings, kernel, list->bytes.ptr,
                          (uint32_t)list->count);
        clause_init(clause, corpus->norms);
    }
}

/* Of some terms, by document: how many it has, and what they are worth. */
static void sum_up(const struct corpus *corpus, size_t from, size_t to,
                   size_t *had, double *sums)
{
    for (size_t term = from; term < to; term++)
        for (size_t i = 0; i < corpus->lists[term].count; i++) {
            uint32_t doc = corpus->lists[term].docs[i];
            had[doc]++;
            sums[doc] += (double)score_of(&corpus->clauses[term].score,
                                          (float)corpus->lists[term].freqs[i],
                                          corpus->norms[doc]);
        }
}

size_t corpus_score_all(struct corpus *corpus, size_t required, size_t excluded,
                        size_t most)
{
    static double sums[CORPUS_DOCS];
    static double unused[CORPUS_DOCS];
    static size_t all[CORPUS_DOCS];
    static size_t any[CORPUS_DOCS];
    size_t scored = corpus->terms - excluded;
    struct top top;

    memset(sums, 0, sizeof(sums));
    memset(all, 0, sizeof(all));
    memset(any, 0, sizeof(any));
    sum_up(corpus, 0, required, all, sums);
    sum_up(corpus, required, scored, any, sums);
    memset(any, 0, sizeof(any));
    sum_up(corpus, scored, corpus->terms, any, unused);
    top_init(&top, corpus->expected, CORPUS_DOCS);
    for (uint32_t doc = 0; doc < CORPUS_DOCS; doc++)
        if (all[doc] == required && any[doc] == 0)
            top_add(&top, doc, (float)sums[doc]);
    top_sort(&top);
    return top.count < most ? top.count : most;
}

size_t corpus_score(struct corpus *corpus, size_t at_least, size_t most)
{
    static double sums[CORPUS_DOCS];
    static size_t had[CORPUS_DOCS];
    struct top top;

    memset(sums, 0, sizeof(sums));
    memset(had, 0, sizeof(had));
    sum_up(corpus, 0, corpus->terms, had, sums);
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

/* ---- phrases */

void corpus_phrase(struct corpus *corpus, const struct bits_kernel *kernel,
                   const uint32_t *offsets, struct phrase_term *terms)
{
    struct score score = {.weight = 0};

    corpus_rewind(corpus, kernel);
    for (size_t i = 0; i < corpus->word_count; i++) {
        const struct clause *clause = &corpus->clauses[corpus->words[i]];
        float weight = score.weight + clause->score.weight;
        score = clause->score;
        score.weight = weight;
    }
    for (size_t i = 0; i < corpus->word_count; i++) {
        const struct corpus_list *list = &corpus->lists[corpus->words[i]];
        terms[i].clause = corpus->clauses[corpus->words[i]];
        terms[i].clause.score = score;
        terms[i].offset = offsets[i];
        places_init(&terms[i].places, kernel, list->places.ptr,
                    (uint32_t)list->position_count);
    }
}

static bool has_at(const struct corpus_list *list, uint32_t doc,
                   uint32_t position)
{
    size_t from = list->first[doc];

    for (size_t j = from; j < from + list->freqs[list->index[doc]]; j++)
        if (list->positions[j] == position)
            return true;
    return false;
}

/* All have the document. */
static uint32_t occurrences(const struct corpus *corpus, uint32_t doc,
                            const struct phrase_term *terms)
{
    const struct corpus_list *list = &corpus->lists[corpus->words[0]];
    uint32_t found = 0;

    for (uint32_t i = 0; i < list->freqs[list->index[doc]]; i++) {
        uint32_t start = list->positions[list->first[doc] + i];
        size_t term = 0;
        while (term < corpus->word_count &&
               has_at(&corpus->lists[corpus->words[term]], doc,
                      start + terms[term].offset))
            term++;
        found += term == corpus->word_count;
    }
    return found;
}

static bool is_in(const struct corpus_list *list, uint32_t doc)
{
    size_t i = list->index[doc];

    return i < list->count && list->docs[i] == doc;
}

size_t corpus_score_phrase(struct corpus *corpus,
                           const struct phrase_term *terms, size_t most)
{
    const struct corpus_list *list = &corpus->lists[corpus->words[0]];
    struct top top;

    top_init(&top, corpus->expected, CORPUS_DOCS);
    for (size_t i = 0; i < list->count; i++) {
        uint32_t doc = list->docs[i];
        size_t term = 0;
        while (term < corpus->word_count &&
               is_in(&corpus->lists[corpus->words[term]], doc))
            term++;
        uint32_t freq =
            term == corpus->word_count ? occurrences(corpus, doc, terms) : 0;
        if (freq)
            top_add(&top, doc,
                    score_of(&terms[0].clause.score, (float)freq,
                             corpus->norms[doc]));
    }
    top_sort(&top);
    return top.count < most ? top.count : most;
}
