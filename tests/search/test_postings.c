/*
 * test_postings.c - what was added term by term is read as it was: through the
 * inverter, a posting list and a cursor, by each kernel.
 */
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "search/index/inverter.h"
#include "search/index/norm.h"
#include "search/query/places.h"
#include "search/query/postings.h"
#include "tests/test.h"

#define LONG_TERMS 600U
#define DOCS 20000

/* Some terms, each in one document of so many. */
static const struct {
    const char *text;
    unsigned every;
} terms[] = {{"a", 1},   {"ab", 2},      {"b", 3},           {"c", 17},
             {"d", 100}, {"every", 1},   {"last", DOCS - 1}, {"rare", 5000},
             {"z", 78},  {"\xc3\xa9", 9}};

static bool has(size_t term, uint32_t doc)
{
    return (doc * 2654435761U >> 8) % terms[term].every == 0;
}

static uint32_t freq_of(size_t term, uint32_t doc)
{
    return 1 + (doc * 40503U >> (term % 7)) % (term == 5 ? 400 : 3);
}

static uint32_t position_of(uint32_t doc, uint32_t i)
{
    return (doc % 5) * 100 + i * 3;
}

struct read {
    uint8_t *norms;
    size_t count;
    struct span last;
    char kept[8];
};

static void check_each(struct read *read, size_t term,
                       const struct list_source *list)
{
    size_t at = 0;
    size_t place = 0;

    for (uint32_t doc = 0; doc < DOCS; doc++) {
        if (!has(term, doc))
            continue;
        assert_int_equal(list->docs[at], doc);
        assert_int_equal(list->freqs[at], freq_of(term, doc));
        for (uint32_t i = 0; i < list->freqs[at]; i++)
            assert_int_equal(list->steps[place++],
                             position_of(doc, i) -
                                 (i ? position_of(doc, i - 1) : 0));
        at++;
    }
    assert_int_equal(list->count, at);
    assert_int_equal(list->step_count, place);
    (void)read;
}

/* Each document of a range has no more than one of them. */
static void check_bounds(const struct list_source *list, size_t from, size_t to,
                         const struct list_impact *impacts, size_t count)
{
    assert_in_range(count, 1, 256);
    for (size_t i = from; i < list->count && i < to; i++) {
        bool bounded = false;
        for (size_t j = 0; j < count; j++)
            bounded |= norm_length(impacts[j].freq) >= list->freqs[i] &&
                       impacts[j].norm <= list->norms[list->docs[i]];
        assert_true(bounded);
    }
}

static void check_impacts(const struct postings *postings,
                          const struct list_source *list)
{
    const struct list_impact *impacts;
    size_t of_group = (size_t)LIST_GROUP * LIST_BLOCK;

    for (uint32_t i = 0; i < postings->block_count; i++) {
        size_t count = postings_impacts(postings, i, &impacts);
        check_bounds(list, (size_t)i * LIST_BLOCK, (size_t)(i + 1) * LIST_BLOCK,
                     impacts, count);
    }
    assert_int_equal(postings->group_count,
                     postings->block_count > LIST_GROUP
                         ? (postings->block_count - 1) / LIST_GROUP + 1
                         : 0);
    for (uint32_t i = 0; i < postings->group_count; i++) {
        size_t count = postings_group_impacts(postings, i, &impacts);
        check_bounds(list, i * of_group, (i + 1) * of_group, impacts, count);
    }
}

/* To every step-th document, and what is there or behind it. */
static void check_seeks(struct postings *postings,
                        const struct list_source *list, uint32_t step)
{
    size_t at = 0;

    for (uint32_t target = 0; target < DOCS + step; target += step) {
        while (at < list->count && list->docs[at] < target)
            at++;
        uint32_t doc = postings_seek(postings, target);
        assert_int_equal(doc, at < list->count ? list->docs[at] : POSTINGS_END);
        if (doc != POSTINGS_END)
            assert_int_equal(postings_freq(postings), list->freqs[at]);
    }
}

static void check_cursor(const struct bits_kernel *kernel, const void *bytes,
                         const struct list_source *list)
{
    static const uint32_t steps[] = {1, 7, 255, 256, 1000, DOCS};
    struct postings postings;

    postings_init(&postings, kernel, bytes, (uint32_t)list->count);
    check_impacts(&postings, list);
    for (size_t i = 0; i < list->count; i++) {
        assert_int_equal(postings_doc(&postings), list->docs[i]);
        assert_int_equal(postings_freq(&postings), list->freqs[i]);
        postings_next(&postings);
    }
    assert_int_equal(postings_doc(&postings), POSTINGS_END);
    assert_int_equal(postings_next(&postings), POSTINGS_END);
    for (size_t i = 0; i < COUNT(steps); i++) {
        postings_init(&postings, kernel, bytes, (uint32_t)list->count);
        check_seeks(&postings, list, steps[i]);
    }
}

/* Of every step-th document. */
/* Of the document at the cursor, among all of the term. */
static uint32_t first_place(struct postings *postings)
{
    const uint32_t *freqs = postings_freqs(postings);
    uint32_t place = postings_block_places(postings);

    for (uint32_t i = 0; i < postings->at; i++)
        place += freqs[i];
    return place;
}

static void check_places(const struct bits_kernel *kernel, const void *list,
                         const void *bytes, const struct list_source *source,
                         size_t step)
{
    struct postings postings;
    struct places places;
    uint32_t found[512 + BITS_SLACK];
    size_t at = 0;

    postings_init(&postings, kernel, list, (uint32_t)source->count);
    places_init(&places, kernel, bytes, (uint32_t)source->step_count);
    for (size_t i = 0; i < source->count; i++) {
        if (i % step == 0) {
            postings_seek(&postings, source->docs[i]);
            assert_int_equal(first_place(&postings), at);
            places_read(&places, (uint32_t)at, source->freqs[i], found);
            for (uint32_t j = 0; j < source->freqs[i]; j++)
                assert_int_equal(found[j], position_of(source->docs[i], j));
        }
        at += source->freqs[i];
    }
}

/* Exactly so long, so that a read past the end is seen. */
static void *exact(struct buf *bytes)
{
    void *copy = malloc(bytes->len);

    memcpy(copy, bytes->ptr, bytes->len);
    buf_deinit(bytes);
    return copy;
}

static void on_term(void *arg, struct span text, struct list_source *list)
{
    const struct bits_kernel *kernels[2];
    struct read *read = arg;
    struct buf bytes;
    struct buf positions;
    size_t term = 0;

    while (!span_eq(span_str(terms[term].text), text))
        term++;
    assert_int_equal(term, read->count++); /* in the order of their bytes */
    list->norms = read->norms;
    check_each(read, term, list);
    buf_init(&bytes, MEM_APP);
    buf_init(&positions, MEM_APP);
    list_write(&bytes, list);
    list_append_positions(&positions, list);
    void *kept = exact(&bytes);
    void *places = exact(&positions);
    for (size_t i = bits_kernels(kernels); i-- > 0;) {
        check_cursor(kernels[i], kept, list);
        check_places(kernels[i], kept, places, list, 1);
        check_places(kernels[i], kept, places, list, 10);
    }
    free(kept);
    free(places);
}

static void test_lists_are_read_as_they_were_written(void **state)
{
    struct inverter *inverter = inverter_create();
    struct read read = {.norms = malloc(DOCS)};

    (void)state;
    for (uint32_t doc = 0; doc < DOCS; doc++) {
        read.norms[doc] = (uint8_t)(doc * 7 % 256);
        for (size_t term = 0; term < COUNT(terms); term++)
            for (uint32_t i = 0; has(term, doc) && i < freq_of(term, doc); i++)
                inverter_add(inverter, span_str(terms[term].text), doc,
                             position_of(doc, i));
    }
    assert_in_range(inverter_size(inverter), 1, 200U << 20);
    inverter_each(inverter, on_term, &read);
    assert_int_equal(read.count, COUNT(terms));
    inverter_destroy(inverter);
    free(read.norms);
}

/* Terms as long as they may be: "…aaa0017". */
static void long_term(char text[INVERTER_TERM_MAX], unsigned number)
{
    memset(text, 'a', INVERTER_TERM_MAX);
    for (size_t at = INVERTER_TERM_MAX; at-- > INVERTER_TERM_MAX - 4;
         number /= 10)
        text[at] = (char)('0' + number % 10);
}

static void on_long_term(void *arg, struct span text, struct list_source *list)
{
    static char expected[INVERTER_TERM_MAX];
    unsigned *count = arg;

    long_term(expected, (*count)++);
    assert_true(span_eq(text, (struct span){expected, sizeof(expected)}));
    assert_int_equal(list->count, 2);
    assert_int_equal(list->docs[1], LONG_TERMS + *count - 1);
    assert_int_equal(list->step_count, 2);
}

/* More than is taken page by page. */
static void test_long_terms_are_kept_in_slabs(void **state)
{
    static char text[INVERTER_TERM_MAX];
    struct inverter *inverter = inverter_create();
    unsigned count = 0;

    (void)state;
    for (unsigned doc = 0; doc < 2 * LONG_TERMS; doc++) {
        long_term(text, doc % LONG_TERMS);
        inverter_add(inverter, (struct span){text, sizeof(text)}, doc, 0);
    }
    assert_in_range(inverter_size(inverter), LONG_TERMS * sizeof(text),
                    (size_t)3 * LONG_TERMS * sizeof(text));
    inverter_each(inverter, on_long_term, &count);
    assert_int_equal(count, LONG_TERMS);
    inverter_destroy(inverter);
}

static void test_only_document_needs_no_list(void **state)
{
    const struct bits_kernel *kernels[2];
    struct postings postings;

    (void)state;
    bits_kernels(kernels);
    postings_init_single(&postings, kernels[0], 7, 3);
    assert_int_equal(postings_doc(&postings), 7);
    assert_int_equal(postings_seek(&postings, 7), 7);
    assert_int_equal(postings_freq(&postings), 3);
    assert_int_equal(postings_seek(&postings, 8), POSTINGS_END);
    assert_int_equal(postings_next(&postings), POSTINGS_END);
    postings_init_single(&postings, kernels[0], 0, 1);
    assert_int_equal(postings_next(&postings), POSTINGS_END);
}

/* Of one byte to four: in a short list, and in positions behind a full block.
 */
static void test_numbers_of_all_lengths_are_read(void **state)
{
    static const uint32_t docs[] = {
        0, 1, 64, 128, 8320, 16700, 40000, 100000, 100001, 2500000, 2500200};
    static const uint32_t freqs[] = {1, 2,     127, 128, 1, 300,
                                     1, 16384, 1,   70,  5};
    static const uint8_t norms[2500201];
    const struct bits_kernel *kernels[2];
    size_t kinds = bits_kernels(kernels);
    uint32_t steps[20000];
    uint32_t found[16384 + BITS_SLACK];
    struct list_source source = {.docs = docs, .freqs = freqs, .norms = norms};
    struct postings postings;
    struct places places;
    struct buf list;
    struct buf bytes;

    (void)state;
    source.count = COUNT(docs);
    source.steps = steps;
    for (size_t i = 0; i < COUNT(docs); i++)
        source.step_count += freqs[i];
    for (size_t i = 0; i < source.step_count; i++)
        steps[i] = UINT32_C(1) << i % 17;
    buf_init(&list, MEM_APP);
    buf_init(&bytes, MEM_APP);
    list_write(&list, &source);
    list_append_positions(&bytes, &source);
    for (size_t kind = 0; kind < kinds; kind++) {
        uint32_t first = 0;
        postings_init(&postings, kernels[kind], list.ptr, COUNT(docs));
        places_init(&places, kernels[kind], bytes.ptr,
                    (uint32_t)source.step_count);
        for (size_t i = 0; i < COUNT(docs); i++) {
            uint32_t sum = 0;
            assert_int_equal(postings_doc(&postings), docs[i]);
            assert_int_equal(postings_freq(&postings), freqs[i]);
            places_read(&places, first, freqs[i], found);
            for (uint32_t j = 0; j < freqs[i]; j++)
                assert_int_equal(found[j], sum += steps[first + j]);
            first += freqs[i];
            postings_next(&postings);
        }
        assert_int_equal(postings_doc(&postings), POSTINGS_END);
    }
    buf_deinit(&list);
    buf_deinit(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_are_read_as_they_were_written),
        cmocka_unit_test(test_long_terms_are_kept_in_slabs),
        cmocka_unit_test(test_only_document_needs_no_list),
        cmocka_unit_test(test_numbers_of_all_lengths_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
