/*
 * test_search.c - queries of every kind over indexes of one or several
 * segments, beside a look at each document.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "search/index/builder.h"
#include "search/index/check.h"
#include "search/index/merge.h"
#include "search/query/explain.h"
#include "search/query/search.h"
#include "tests/search/oracle.h"
#include "tests/test.h"

#define SEGMENTS_MAX 8
#define WHY 300
#define TOLERANCE 1e-5

struct index {
    char dir[40];
    struct schema schema;
    struct segment *segments[SEGMENTS_MAX];
    struct reader *readers[SEGMENTS_MAX];
    struct live lives[SEGMENTS_MAX];
    size_t count;
    struct searcher searcher;
};

static void map(struct schema *schema)
{
    struct json_errors errors;
    json_t *json;

    json_errors_init(&errors);
    assert_int_equal(
        json_read(SPAN("{\"properties\":{\"t\":{\"type\":\"text\"},\"k\":{"
                       "\"type\":\"keyword\"},\"n\":{\"type\":\"long\"}}}"),
                  &json, &errors),
        0);
    schema_init(schema);
    assert_true(schema_merge(schema, json, &errors));
    json_decref(json);
}

static void check_whole(struct reader *reader)
{
    struct check_counts counts;
    char why[WHY];

    if (!check_segment(reader, &counts, why, sizeof(why)))
        fail_msg("%s", why);
}

static void take_segment(struct index *index, const char *path,
                         struct live live, uint32_t base)
{
    char why[WHY];
    struct segment *segment = segment_open(path, why, sizeof(why));
    size_t i = index->count++;

    assert_non_null(segment);
    unlink(path);
    index->segments[i] = segment;
    index->lives[i] = live;
    index->readers[i] = reader_open(segment, &index->lives[i], base);
    assert_non_null(index->readers[i]);
    assert_null(reader_terms(index->readers[i], SCHEMA_NONE));
    assert_null(reader_values(index->readers[i], SCHEMA_NONE));
    check_whole(index->readers[i]);
}

static void build(struct index *index, const struct oracle *oracle, size_t from,
                  size_t to)
{
    char path[60];
    char why[WHY];
    char id[24];
    struct buf source;

    snprintf(path, sizeof(path), "%s/%zu", index->dir, index->count);
    struct builder *builder =
        builder_create(path, &index->schema, &(struct builder_options){0});
    buf_init(&source, MEM_APP);
    for (size_t doc = from; doc < to; doc++) {
        source.len = 0;
        oracle_put(oracle, doc, &source);
        snprintf(id, sizeof(id), "%u", oracle->docs[doc].id);
        assert_true(builder_add(builder, span_str(id), buf_span(&source), why,
                                sizeof(why)));
    }
    buf_deinit(&source);
    assert_int_equal(builder_finish(builder), 0);
    struct live live;
    live_init(&live, (uint32_t)(to - from));
    for (size_t doc = from; doc < to; doc++)
        if (oracle->docs[doc].dead)
            live_delete(&live, (uint32_t)(doc - from));
    take_segment(index, path, live, (uint32_t)from);
}

static void open_index(struct index *index, const struct oracle *oracle,
                       size_t segments, const struct bits_kernel *kernel)
{
    memset(index, 0, sizeof(*index));
    snprintf(index->dir, sizeof(index->dir), "/tmp/search-XXXXXX");
    assert_non_null(mkdtemp(index->dir));
    map(&index->schema);
    for (size_t i = 0; i < segments; i++)
        build(index, oracle, oracle->count * i / segments,
              oracle->count * (i + 1) / segments);
    searcher_init(&index->searcher, &index->schema, index->readers,
                  index->count);
    index->searcher.kernel = kernel;
}

static void close_segments(struct index *index)
{
    searcher_deinit(&index->searcher);
    for (size_t i = 0; i < index->count; i++) {
        reader_close(index->readers[i]);
        segment_close(index->segments[i]);
        live_deinit(&index->lives[i]);
    }
    index->count = 0;
}

/* The oracle's documents are in the order of the segment; how many moved. */
static size_t follow_order(const struct index *index, struct oracle *oracle)
{
    struct oracle_doc *docs = calloc(oracle->count, sizeof(*docs));
    size_t moved = 0;

    for (uint32_t i = 0; i < oracle->count; i++) {
        char text[24];
        struct span id = reader_id(index->readers[0], i);
        size_t j = 0;
        snprintf(text, sizeof(text), "%.*s", (int)id.len, id.ptr);
        while (oracle->docs[j].id != strtoul(text, NULL, 10))
            assert_true(++j < oracle->count);
        docs[i] = oracle->docs[j];
        moved += i != j;
    }
    memcpy(oracle->docs, docs, oracle->count * sizeof(*docs));
    free(docs);
    return moved;
}

/* All segments into one; those that were deleted are gone then. */
static void merge(struct index *index, struct oracle *oracle, bool reorders)
{
    const struct bits_kernel *kernel = index->searcher.kernel;
    struct live live;
    char path[60];
    uint32_t docs;
    /* Of fewer documents there may be no term that counts. */
    bool moves =
        reorders && index->count == 1 && index->readers[0]->docs == ORACLE_DOCS;

    snprintf(path, sizeof(path), "%s/merged", index->dir);
    assert_int_equal(
        merge_segments(path,
                       &(struct merge_source){.schema = &index->schema,
                                              .readers = index->readers,
                                              .count = index->count,
                                              .reorders = reorders},
                       &docs),
        0);
    assert_int_equal(docs, oracle->count);
    close_segments(index);
    live_init(&live, docs);
    take_segment(index, path, live, 0);
    size_t moved = follow_order(index, oracle);
    assert_true(moves ? moved > 0 : reorders || !moved);
    searcher_init(&index->searcher, &index->schema, index->readers, 1);
    index->searcher.kernel = kernel;
}

static void close_index(struct index *index)
{
    close_segments(index);
    schema_deinit(&index->schema);
    assert_int_equal(rmdir(index->dir), 0);
}

static bool is_near(double a, double b)
{
    return fabs(a - b) <= TOLERANCE * (fabs(b) > 1 ? fabs(b) : 1);
}

/* Numbers that others are made of make them. */
static void check_sum(const struct explanation *explanation)
{
    struct span what = explanation->description;
    double sum = 0;
    double product = 1;

    for (const struct explanation *detail = explanation->details; detail;
         detail = detail->next) {
        check_sum(detail);
        sum += detail->value;
        product *= detail->value;
    }
    if (span_has_prefix(what, SPAN("sum of")) ||
        span_has_prefix(what, SPAN("idf, sum of")) ||
        span_has_prefix(what, SPAN("weight(")))
        assert_true(is_near(explanation->value, sum));
    if (span_has_prefix(what, SPAN("score(")))
        assert_true(is_near(explanation->value, product));
}

/* What should come. */
struct answer {
    struct top_hit hits[ORACLE_DOCS];
    double scores[ORACLE_DOCS]; /* by document; -1: it does not match */
    size_t count;
};

static void expect(const struct oracle *oracle, const struct query *query,
                   struct answer *answer)
{
    answer->count = oracle_answer(oracle, query, answer->hits);
    for (size_t i = 0; i < ORACLE_DOCS; i++)
        answer->scores[i] = -1;
    for (size_t i = 0; i < answer->count; i++)
        answer->scores[answer->hits[i].doc] = (double)answer->hits[i].score;
}

static void compare(const struct search_result *result,
                    const struct answer *expected, size_t most)
{
    assert_int_equal(result->count,
                     expected->count < most ? expected->count : most);
    for (size_t i = 0; i < result->count; i++) {
        const struct top_hit *hit = &result->hits[i];
        assert_true(
            is_near((double)hit->score, (double)expected->hits[i].score));
        assert_true(is_near((double)hit->score, expected->scores[hit->doc]));
        assert_true(i == 0 || hit[-1].score > hit->score ||
                    (hit[-1].score == hit->score && hit[-1].doc < hit->doc));
    }
}

/* Some of its documents, and whether they match. */
static void check_explained(struct index *index, const struct oracle *oracle,
                            const struct query *query,
                            const struct answer *expected)
{
    struct query_error error = {0};
    struct arena arena;

    for (unsigned i = 0; i < 4; i++) {
        uint32_t doc =
            i % 2 && expected->count
                ? expected->hits[random() % (long)expected->count].doc
                : (uint32_t)(random() % (long)oracle->count);
        double score = expected->scores[doc];
        if (oracle->docs[doc].dead)
            continue; /* nobody asks */
        arena_init(&arena, MEM_JOB, 0);
        const struct explanation *explanation =
            explain_run(&index->searcher, &arena, query, doc, &error);
        assert_non_null(explanation);
        assert_int_equal(explanation->matches, score >= 0);
        assert_true(is_near(explanation->value, score >= 0 ? score : 0));
        check_sum(explanation);
        arena_deinit(&arena);
    }
}

/* Any of what can be left out, or nothing. */
static void leave_out(struct index *index, const struct bits_kernel *kernel)
{
    long bits = random() % 2 ? random() : 0;
    struct ablation without = {.union_bounds = bits & 1,
                               .intersection_bounds = bits & 2,
                               .phrase_bounds = bits & 4,
                               .first_look = bits & 8,
                               .shared_threshold = bits & 16,
                               .block_scores = bits & 32,
                               .counting = bits & 64};

    searcher_leave_out(&index->searcher, &without);
    index->searcher.kernel = kernel;
}

/* True: some documents match. */
static bool check(struct index *index, const struct oracle *oracle,
                  const struct query *query)
{
    const struct bits_kernel *kernel = index->searcher.kernel;
    static const size_t mosts[] = {0, 1, 10, 100, ORACLE_DOCS};
    static struct answer expected;
    static struct top_hit found[ORACLE_DOCS];
    struct query_error error = {0};

    expect(oracle, query, &expected);
    check_explained(index, oracle, query, &expected);
    for (unsigned i = 0; i < 4; i++) {
        struct search_result result = {.hits = found};
        struct search_request request = {
            .query = query,
            .most = mosts[random() % (long)COUNT(mosts)],
            .count = i % 2,
            .plain = i / 2,
            .deadline_us = SEARCH_NO_DEADLINE};
        leave_out(index, kernel);
        assert_true(search_run(&index->searcher, &request, &result, &error));
        assert_false(result.timed_out);
        if (request.count)
            assert_int_equal(result.total, expected.count);
        compare(&result, &expected, request.most);
    }
    return expected.count > 0;
}

static struct query *read_json(struct arena *arena, struct span text)
{
    struct query_error error = {0};
    struct json_errors errors;
    json_t *json;

    json_errors_init(&errors);
    assert_int_equal(json_read(text, &json, &errors), 0);
    struct query *query = query_read_json(arena, json, &error);
    if (!query)
        fail_msg("%.*s: %s", (int)text.len, text.ptr, error.reason);
    json_decref(json);
    return query;
}

/* A query in JSON, as a test fails by. */
static bool check_text(struct index *index, const struct oracle *oracle,
                       struct span text)
{
    struct arena arena;

    arena_init(&arena, MEM_JOB, 0);
    if (getenv("SHOW"))
        printf("%.*s\n", (int)text.len, text.ptr);
    bool any = check(index, oracle, read_json(&arena, text));
    arena_deinit(&arena);
    return any;
}

/* How often each kind was asked, and had an answer. */
struct asked {
    size_t times[ORACLE_KINDS], matched[ORACLE_KINDS], all;
};

static void ask_some(struct index *index, const struct oracle *oracle,
                     size_t queries, struct asked *asked)
{
    struct buf text;

    buf_init(&text, MEM_APP);
    for (size_t i = 0; i < queries; i++) {
        text.len = 0;
        enum oracle_kind kind = oracle_ask(oracle, &text);
        asked->times[kind]++;
        asked->matched[kind] += check_text(index, oracle, buf_span(&text));
        asked->all++;
    }
    buf_deinit(&text);
}

/* Each at least every twentieth time, half of them with an answer. */
static void assert_wide(const struct asked *asked)
{
    for (enum oracle_kind kind = 0; kind < ORACLE_KINDS; kind++) {
        printf("%-16s asked %zu, matched %zu\n", oracle_kind_name(kind),
               asked->times[kind], asked->matched[kind]);
        assert_true(asked->times[kind] * 20 >= asked->all);
        assert_true(asked->matched[kind] * 2 >= asked->times[kind]);
    }
}

/* One segment, as many as there may be, or some. */
static size_t segments_of(size_t corpus, size_t docs)
{
    size_t some = 1 + (size_t)random() % SEGMENTS_MAX;
    size_t count = corpus % 3 == 0 ? 1 : corpus % 3 == 1 ? SEGMENTS_MAX : some;

    return count < docs ? count : 1;
}

/* Half of the queries before a merge, half after it. */
static void try_corpus(struct index *index, struct oracle *oracle,
                       size_t segments, bool reorders,
                       const struct bits_kernel *kernel, size_t queries,
                       struct asked *asked)
{
    open_index(index, oracle, segments, kernel);
    ask_some(index, oracle, queries / 2, asked);
    oracle_bury(oracle);
    if (oracle->count > 0) {
        merge(index, oracle, reorders);
        ask_some(index, oracle, queries / 2, asked);
    }
    close_index(index);
}

static void run(size_t corpora, size_t queries)
{
    static const size_t sizes[] = {1500, 40, 300, 600, 5, 300, 80, 1, 600, 120};
    const struct bits_kernel *kernels[2];
    size_t kinds = bits_kernels(kernels);
    struct oracle *oracle = calloc(1, sizeof(*oracle));
    struct index *index = calloc(1, sizeof(*index));
    struct asked *asked = calloc(1, sizeof(*asked));

    for (size_t i = 0; i < corpora; i++) {
        size_t size = sizes[i % COUNT(sizes)];
        oracle_make(oracle, size);
        if (i % 4 >= 2)
            oracle_kill(oracle);
        try_corpus(index, oracle, segments_of(i, size), i % 5 < 2,
                   kernels[i % kinds], queries, asked);
    }
    assert_wide(asked);
    free(asked);
    free(index);
    free(oracle);
}

/* Brief: where each instruction is watched, as under valgrind. */
static void test_answers_are_those_of_each_document(void **state)
{
    (void)state;
    run(getenv("LAB_SOAK") ? 2000 : 16, getenv("LAB_BRIEF") ? 100 : 200);
}

static void test_answers_are_the_same_in_all_windows(void **state)
{
    size_t queries = getenv("LAB_BRIEF") ? 10 : 100;
    const struct bits_kernel *kernels[2];
    struct oracle *oracle = calloc(1, sizeof(*oracle));
    struct index *index = calloc(1, sizeof(*index));
    struct asked asked = {.all = 0};

    (void)state;
    bits_kernels(kernels);
    for (size_t i = 0; i < 2; i++) {
        oracle_make(oracle, ORACLE_DOCS);
        if (i)
            oracle_kill(oracle);
        try_corpus(index, oracle, 1 + i, true, kernels[0], queries, &asked);
    }
    free(index);
    free(oracle);
}

static bool is_late(struct index *index, struct span text, size_t most)
{
    static struct top_hit hits[ORACLE_DOCS];
    struct query_error error = {0};
    struct search_result result = {.hits = hits};
    struct arena arena;

    arena_init(&arena, MEM_JOB, 0);
    struct search_request request = {.query = read_json(&arena, text),
                                     .most = most,
                                     .count = true,
                                     .deadline_us = 1};
    assert_true(search_run(&index->searcher, &request, &result, &error));
    assert_null(error.type);
    arena_deinit(&arena);
    return result.timed_out;
}

static void test_what_is_late_ends(void **state)
{
    struct oracle *oracle = calloc(1, sizeof(*oracle));
    struct index *index = calloc(1, sizeof(*index));
    const struct bits_kernel *kernels[2];

    (void)state;
    bits_kernels(kernels);
    oracle_make(oracle, ORACLE_DOCS);
    open_index(index, oracle, 2, kernels[0]);
    for (size_t most = 0; most <= 10; most += 10) {
        assert_true(is_late(index, SPAN("{\"match_all\":{}}"), most));
        assert_true(
            is_late(index, SPAN("{\"match\":{\"t\":\"the of\"}}"), most));
        assert_true(
            is_late(index, SPAN("{\"wildcard\":{\"t\":\"*a*\"}}"), most));
    }
    close_index(index);
    free(index);
    free(oracle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_late_ends),
        cmocka_unit_test(test_answers_are_those_of_each_document),
        cmocka_unit_test(test_answers_are_the_same_in_all_windows),
    };

    json_setup();
    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
