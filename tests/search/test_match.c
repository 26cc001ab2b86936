/* test_match.c - which of some documents a cursor has, and how many two have,
 * beside a look at each. */
#include <stdlib.h>
#include <string.h>

#include "search/query/match.h"
#include "search/query/union.h"
#include "tests/test.h"

#define DOCS 150000
#define RUNS 400

struct given {
    uint32_t docs[DOCS], freqs[DOCS];
    bool has[DOCS];
    uint8_t norms[DOCS];
    struct list_source list;
};

/* Some parts are dense, some are sparse, some are empty. */
static void make(struct given *given, struct buf *bytes)
{
    static const long everies[] = {1, 2, 9, 40, 700, DOCS};
    long every = 1;

    given->list = (struct list_source){
        .docs = given->docs, .freqs = given->freqs, .norms = given->norms};
    for (uint32_t doc = 0; doc < DOCS; doc++) {
        if (random() % 3000 == 0)
            every = everies[random() % (long)COUNT(everies)];
        given->has[doc] = random() % every == 0;
        if (!given->has[doc])
            continue;
        given->docs[given->list.count] = doc;
        given->freqs[given->list.count++] = 1 + (uint32_t)(doc % 7);
    }
    buf_init(bytes, MEM_APP);
    list_write(bytes, &given->list);
}

static uint32_t ask(const struct given *given, struct match *match,
                    struct postings *postings, uint32_t next)
{
    uint32_t docs[LIST_BLOCK] = {0};
    size_t count = 1 + (size_t)random() % LIST_BLOCK;
    long step = 1 + random() % 60;
    size_t seen = 0;

    for (size_t i = 0; i < count; i++) {
        docs[i] = next + (uint32_t)(random() % step);
        next = docs[i] + 1;
    }
    for (size_t from = 0; from < count;) {
        size_t before = from;
        size_t found = match_block(match, postings, docs, count, &from);
        assert_true(from > before);
        for (size_t i = 0; i < found; i++) {
            size_t which = match->which[i];
            for (; seen < which; seen++)
                assert_false(docs[seen] < DOCS && given->has[docs[seen]]);
            assert_int_equal(seen++, which);
            assert_int_equal(postings_freqs(postings)[match->at[i]],
                             1 + docs[which] % 7);
        }
        if (found && random() % 3 == 0) { /* else they may not be read */
            assert_true(postings_seek(postings, docs[from - 1]) >=
                        docs[from - 1]);
            for (size_t i = 0; i < found; i++)
                assert_int_equal(postings->docs[match->at[i]],
                                 docs[match->which[i]]);
        }
    }
    for (; seen < count; seen++)
        assert_false(docs[seen] < DOCS && given->has[docs[seen]]);
    return next;
}

static void test_matches_are_those_of_each(void **state)
{
    const struct bits_kernel *kernels[2];
    size_t kinds = bits_kernels(kernels);
    struct given *given = calloc(1, sizeof(*given));
    struct postings postings;
    struct match match;
    struct buf bytes;

    (void)state;
    for (size_t i = 0; i < RUNS; i++) {
        if (i % 20 == 0)
            make(given, &bytes);
        if (given->list.count == 0)
            continue;
        postings_init(&postings, kernels[i % kinds], bytes.ptr,
                      (uint32_t)given->list.count);
        match_init(&match);
        for (uint32_t next = (uint32_t)(random() % 100); next < DOCS;)
            next = ask(given, &match, &postings, next);
        if (i % 20 == 19)
            buf_deinit(&bytes);
    }
    free(given);
}

/* A longer block was here and in the places, and ended with a document that is
   asked for. */
static void test_a_short_block_has_nothing_behind_its_end(void **state)
{
    const struct bits_kernel *kernels[2];
    struct given *given = calloc(1, sizeof(*given));
    struct postings postings;
    struct match match;
    uint32_t docs[40];
    struct buf bytes;
    size_t from = 0;

    (void)state;
    given->list = (struct list_source){
        .docs = given->docs, .freqs = given->freqs, .norms = given->norms};
    for (uint32_t doc = 0; doc < 2 * COUNT(docs); doc += 2) {
        given->docs[given->list.count] = doc;
        given->freqs[given->list.count++] = 1;
    }
    buf_init(&bytes, MEM_APP);
    list_write(&bytes, &given->list);
    bits_kernels(kernels);
    for (size_t i = 0; i < LIST_BLOCK; i++)
        postings.docs[i] = 7;
    postings_init(&postings, kernels[0], bytes.ptr,
                  (uint32_t)given->list.count);
    match_init(&match);
    memset(match.places, LIST_BLOCK - 1, sizeof(match.places));
    for (uint32_t i = 0; i < COUNT(docs); i++)
        docs[i] = i;
    assert_int_equal(match_block(&match, &postings, docs, COUNT(docs), &from),
                     COUNT(docs) / 2);
    for (size_t i = 0; i < COUNT(docs) / 2; i++)
        assert_int_equal(match.which[i], 2 * i);
    assert_int_equal(from, COUNT(docs));
    buf_deinit(&bytes);
    free(given);
}

static void test_count_of_a_union_is_that_of_each(void **state)
{
    const struct bits_kernel *kernels[2];
    size_t kinds = bits_kernels(kernels);
    struct given *given = calloc(2, sizeof(*given));
    struct clause clauses[2];
    struct clause *order[2] = {&clauses[0], &clauses[1]};
    struct buf bytes[2];
    struct top top;

    (void)state;
    for (size_t run = 0; run < 30; run++) {
        uint32_t expected = 0;
        for (size_t i = 0; i < 2; i++) {
            make(&given[i], &bytes[i]);
            postings_init(&clauses[i].postings, kernels[run % kinds],
                          bytes[i].ptr, (uint32_t)given[i].list.count);
        }
        for (uint32_t doc = 0; doc < DOCS; doc++)
            expected += given[0].has[doc] || given[1].has[doc];
        top_init(&top, NULL, 0);
        assert_int_equal(union_count(order, 2, DOCS, &top), expected);
        buf_deinit(&bytes[0]);
        buf_deinit(&bytes[1]);
    }
    free(given);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches_are_those_of_each),
        cmocka_unit_test(test_a_short_block_has_nothing_behind_its_end),
        cmocka_unit_test(test_count_of_a_union_is_that_of_each),
    };

    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
