/* test_sort.c - hits by their values, beside all documents sorted. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/search/facts.h"

#define KEYS 3
#define SOME 400 /* documents */

/* A key as it is asked for, and what is meant by it. */
struct asked {
    int field; /* enum fact_field; SCORE, DOC, NOTHING */
    bool descending, greatest;
    int missing; /* LAST, FIRST, VALUE */
    const char *text;
    long number;
};

enum { SCORE = FACT_FIELDS, DOC, NOTHING, FIELDS };
enum { LAST, FIRST, VALUE };

/* What a document is sorted by. */
struct place {
    int rank; /* before or behind what has a text */
    const char *text;
    int64_t number;
    double real;
};

struct trial {
    struct facts *facts;
    struct arena arena;
    const struct query *query;
    struct asked asked[KEYS];
    size_t keys;
    struct sort *sort;
    bool matches[FACTS_DOCS];
    float scores[FACTS_DOCS];
    uint32_t order[FACTS_DOCS]; /* as they should come */
    size_t count;
};

/* ---- asking */

static const char *name_of(const struct asked *asked)
{
    if (asked->field == SCORE)
        return "_score";
    if (asked->field == DOC)
        return "_doc";
    return asked->field == NOTHING ? "nothing"
                                   : facts_name((enum fact_field)asked->field);
}

static struct asked random_key(void)
{
    static const char *const texts[] = {"", "aa", "bb", "zzz", "a", "e"};

    return (struct asked){.field = (int)(random() % FIELDS),
                          .descending = random() % 2,
                          .greatest = random() % 2,
                          .missing = (int)(random() % 3),
                          .text = texts[random() % (long)COUNT(texts)],
                          .number = random() % 2};
}

static void put_missing(const struct asked *asked, struct buf *out)
{
    if (asked->missing == FIRST)
        buf_printf(out, ",\"missing\":\"_first\"");
    else if (asked->missing == LAST)
        buf_printf(out, random() % 2 ? ",\"missing\":\"_last\"" : "");
    else if (asked->field == FACT_K)
        buf_printf(out, ",\"missing\":\"%s\"", asked->text);
    else
        buf_printf(out, ",\"missing\":%ld", asked->number);
}

static void put_key(struct asked *asked, struct buf *out)
{
    buf_printf(out, "{\"%s\":{\"order\":\"%s\"", name_of(asked),
               asked->descending ? "desc" : "asc");
    if (asked->field == NOTHING) {
        asked->missing = LAST;
        buf_printf(out, ",\"unmapped_type\":\"long\"");
    } else if (asked->field < SCORE) {
        put_missing(asked, out);
        if (random() % 2)
            buf_printf(out, ",\"mode\":\"%s\"",
                       asked->greatest ? "max" : "min");
        else
            asked->greatest = asked->descending;
    }
    buf_printf(out, "}}");
}

static void ask(struct trial *trial)
{
    struct query_error error = {0};
    struct buf text;

    buf_init(&text, MEM_APP);
    trial->keys = 1 + (size_t)random() % KEYS;
    buf_append_char(&text, '[');
    for (size_t i = 0; i < trial->keys; i++) {
        trial->asked[i] = random_key();
        buf_printf(&text, i ? "," : "");
        put_key(&trial->asked[i], &text);
    }
    buf_append_char(&text, ']');
    if (getenv("SHOW"))
        printf("%.*s\n", (int)text.len, text.ptr);
    json_t *json = facts_json(buf_span(&text));
    trial->sort = sort_read_json(&trial->arena, json, &error);
    if (!trial->sort)
        fail_msg("%.*s: %s", (int)text.len, text.ptr, error.reason);
    json_decref(json);
    buf_deinit(&text);
}

/* ---- what should come */

static bool is_less(const struct asked *asked, const struct fact_values *values,
                    size_t i, size_t j)
{
    if (asked->field == FACT_K)
        return strcmp(values->texts[i], values->texts[j]) < 0;
    if (asked->field == FACT_D)
        return values->reals[i] < values->reals[j];
    return values->numbers[i] < values->numbers[j];
}

static struct place missing_place(const struct asked *asked)
{
    bool last = (asked->missing == LAST) != asked->descending;

    if (asked->missing == VALUE)
        return (struct place){.text = asked->text,
                              .number = asked->number,
                              .real = (double)asked->number};
    return (struct place){.rank = asked->field == FACT_K ? (last ? 1 : -1) : 0,
                          .text = NULL,
                          .number = last ? INT64_MAX : INT64_MIN,
                          .real = last ? INFINITY : -INFINITY};
}

static struct place place_of(const struct trial *trial,
                             const struct asked *asked, uint32_t doc)
{
    if (asked->field == SCORE)
        return (struct place){.real = (double)trial->scores[doc]};
    if (asked->field == DOC)
        return (struct place){.number = doc};
    if (asked->field == NOTHING)
        return missing_place(asked);
    const struct fact_values *values = &trial->facts->docs[doc][asked->field];
    size_t best = 0;
    if (values->count == 0)
        return missing_place(asked);
    for (size_t i = 1; i < values->count; i++)
        if (asked->greatest ? is_less(asked, values, best, i)
                            : is_less(asked, values, i, best))
            best = i;
    return (struct place){.text = values->texts[best],
                          .number = values->numbers[best],
                          .real = values->reals[best]};
}

static int compare_places(const struct asked *asked, const struct place *a,
                          const struct place *b)
{
    int order;

    if (asked->field == FACT_K)
        order = a->rank != b->rank   ? (a->rank > b->rank) - (a->rank < b->rank)
                : a->text && b->text ? strcmp(a->text, b->text)
                                     : 0;
    else if (asked->field == FACT_D || asked->field == SCORE)
        order = (a->real > b->real) - (a->real < b->real);
    else
        order = (a->number > b->number) - (a->number < b->number);
    return asked->descending ? -order : order;
}

static int compare_docs(const struct trial *trial, uint32_t a, uint32_t b)
{
    for (size_t i = 0; i < trial->keys; i++) {
        const struct asked *asked = &trial->asked[i];
        struct place one = place_of(trial, asked, a);
        struct place two = place_of(trial, asked, b);
        int order = compare_places(asked, &one, &two);
        if (order)
            return order;
    }
    return 0;
}

static int by_all(const void *a, const void *b, void *arg)
{
    uint32_t one = *(const uint32_t *)a;
    uint32_t two = *(const uint32_t *)b;
    int order = compare_docs(arg, one, two);

    return order ? order : (one > two) - (one < two);
}

static void expect(struct trial *trial, float min_score)
{
    facts_match(trial->facts, trial->query, trial->matches, trial->scores);
    trial->count = 0;
    for (uint32_t i = 0; i < trial->facts->count; i++)
        if (trial->matches[i] && trial->scores[i] >= min_score)
            trial->order[trial->count++] = i;
    qsort_r(trial->order, trial->count, sizeof(trial->order[0]), by_all, trial);
}

/* ---- what comes */

static void check_value(const struct trial *trial, size_t key, uint32_t doc,
                        const struct sort_value *value)
{
    const struct asked *asked = &trial->asked[key];
    struct place place = place_of(trial, asked, doc);

    if (asked->field == FACT_K) {
        assert_int_equal(value->kind, place.text ? SORT_TEXT : SORT_NONE);
        if (place.text)
            assert_true(span_eq(value->text, span_str(place.text)));
    } else if (asked->field == FACT_D || asked->field == SCORE) {
        assert_int_equal(value->kind,
                         asked->field == SCORE ? SORT_FLOAT : SORT_REAL);
        assert_true(value->real == place.real);
    } else {
        assert_int_equal(value->kind, SORT_INTEGER);
        assert_true(value->integer == place.number);
    }
}

/* Of those that should come, from this one on. */
static void check(struct trial *trial, struct search_request *request,
                  size_t from, struct top_hit *hits, struct sort_value *values)
{
    struct search_result result = {.hits = hits, .values = values};
    struct query_error error = {0};
    size_t left = trial->count - from;

    if (!search_run(&trial->facts->searcher, request, &result, &error))
        fail_msg("%s", error.reason);
    assert_int_equal(result.count, left < request->most ? left : request->most);
    for (size_t i = 0; i < result.count; i++) {
        uint32_t doc = trial->order[from + i];
        assert_int_equal(hits[i].doc, doc);
        if (result.has_scores)
            assert_true(hits[i].score == trial->scores[doc]);
        for (size_t j = 0; !sort_is_default(trial->sort) && j < trial->keys;
             j++)
            check_value(trial, j, doc, &values[i * trial->keys + j]);
    }
    bool more = request->count_most && trial->count > request->count_most;
    if (request->count) {
        assert_int_equal(result.total,
                         more ? request->count_most : trial->count);
        assert_int_equal(result.more, more);
    }
    float best = 0;
    for (size_t i = 0; i < trial->count; i++)
        best = fmaxf(best, trial->scores[trial->order[i]]);
    if (result.has_scores)
        assert_true(result.best_score == best);
}

/* The values of a hit in JSON, and back. */
static void take_after(struct trial *trial, const struct sort_value *values)
{
    struct query_error error = {0};
    struct buf text;

    buf_init(&text, MEM_APP);
    struct json_writer w = {.out = &text};
    json_put_open(&w, '[');
    for (size_t i = 0; i < trial->keys; i++)
        sort_put_value(&values[i], &w);
    json_put_close(&w, ']');
    json_t *json = facts_json(buf_span(&text));
    if (!sort_read_after(trial->sort, &trial->arena, json, &error))
        fail_msg("%.*s: %s", (int)text.len, text.ptr, error.reason);
    json_decref(json);
    buf_deinit(&text);
}

/* Pages of a few hits: each begins behind all that is as the last one was. */
static void check_pages(struct trial *trial, struct search_request request)
{
    struct top_hit hits[FACTS_DOCS];
    struct sort_value values[FACTS_DOCS * KEYS];

    request.most = 1 + (size_t)random() % (60 + trial->count / 8);
    for (size_t from = 0;;) {
        check(trial, &request, from, hits, values);
        size_t last = from + request.most - 1;
        if (last >= trial->count)
            return;
        for (from = last + 1; from < trial->count; from++)
            if (compare_docs(trial, trial->order[last], trial->order[from]))
                break;
        if (sort_is_default(trial->sort))
            return;
        take_after(trial, &values[(request.most - 1) * trial->keys]);
    }
}

static void try_one(struct facts *facts)
{
    struct top_hit hits[FACTS_DOCS];
    struct sort_value values[FACTS_DOCS * KEYS];
    static const size_t mosts[] = {0, 1, 7, 50, FACTS_DOCS};
    struct trial trial = {.facts = facts};
    struct buf text;

    buf_init(&text, MEM_APP);
    arena_init(&trial.arena, MEM_JOB, 0);
    facts_ask(&text);
    trial.query = facts_query(&trial.arena, buf_span(&text));
    ask(&trial);
    struct search_request request = {
        .query = trial.query,
        .most = mosts[random() % (long)COUNT(mosts)],
        .count = random() % 2,
        .count_most = random() % 3 ? (uint64_t)random() % 300 : 0,
        .deadline_us = SEARCH_NO_DEADLINE,
        .sort = trial.sort,
        .scored = random() % 3 == 0,
        .min_score = random() % 4 ? 0 : (float)(random() % 20) / 10};
    expect(&trial, request.min_score);
    check(&trial, &request, 0, hits, values);
    check_pages(&trial, request);
    arena_deinit(&trial.arena);
    buf_deinit(&text);
}

static void test_hits_are_those_of_all_documents_sorted(void **state)
{
    static const size_t sizes[] = {1, 30, SOME};
    size_t corpora = getenv("LAB_SOAK") ? 600 : 12;

    (void)state;
    for (size_t i = 0; i < corpora; i++) {
        size_t size = sizes[i % COUNT(sizes)];
        struct facts *facts =
            facts_open(size, size > 8 && i % 2 ? FACTS_SEGMENTS : 1, i / 2 % 2);
        for (size_t j = 0; j < 60; j++)
            try_one(facts);
        facts_close(facts);
    }
}

static void test_hits_are_the_same_in_all_windows(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct facts *facts = facts_open(FACTS_DOCS, 1, i);
        for (size_t j = 0; j < 15; j++)
            try_one(facts);
        facts_close(facts);
    }
}

/* ---- unsorted: totals and scores */

static void check_total(struct facts *facts, const struct query *query,
                        bool plain)
{
    bool matches[FACTS_DOCS];
    float scores[FACTS_DOCS];
    struct top_hit hits[10];
    size_t all = facts_match(facts, query, matches, scores);
    float least = (float)(random() % 30) / 10 + 0.1f;
    size_t above = 0;

    for (size_t i = 0; i < facts->count; i++)
        above += matches[i] && scores[i] >= least;
    for (size_t i = 0; i < 4; i++) {
        size_t total = i < 2 ? all : above;
        struct search_request request = {.query = query,
                                         .most = i % 2 ? 10 : 0,
                                         .count = true,
                                         .count_most =
                                             1 + (size_t)random() % (all + 2),
                                         .min_score = i < 2 ? 0 : least,
                                         .plain = plain,
                                         .deadline_us = SEARCH_NO_DEADLINE};
        struct search_result result = {.hits = hits};
        struct query_error error = {0};
        assert_true(search_run(&facts->searcher, &request, &result, &error));
        assert_int_equal(result.more, total > request.count_most);
        assert_int_equal(result.total,
                         result.more ? request.count_most : total);
        assert_int_equal(result.count,
                         total < request.most ? total : request.most);
        for (size_t j = 0; j < result.count; j++)
            assert_true(hits[j].score == scores[hits[j].doc] &&
                        (i < 2 || hits[j].score >= least));
    }
}

static void test_totals_stop_behind_a_number(void **state)
{
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        struct facts *facts =
            facts_open(SOME, i % 2 ? FACTS_SEGMENTS : 1, i / 2 == 2);
        for (size_t j = 0; j < 30; j++) {
            struct arena arena;
            struct buf text;
            arena_init(&arena, MEM_JOB, 0);
            buf_init(&text, MEM_APP);
            facts_ask(&text);
            check_total(facts, facts_query(&arena, buf_span(&text)), j % 2);
            buf_deinit(&text);
            arena_deinit(&arena);
        }
        facts_close(facts);
    }
}

/* ---- what is refused */

struct wrong {
    const char *sort, *after, *why;
};

static void refuse(struct facts *facts, const struct wrong *wrong)
{
    struct search_result result = {0};
    struct query_error error = {0};
    struct arena arena;
    json_t *json = facts_json(span_str(wrong->sort));

    arena_init(&arena, MEM_JOB, 0);
    struct sort *sort = sort_read_json(&arena, json, &error);
    json_decref(json);
    bool fine = sort != NULL;
    if (fine && wrong->after) {
        json = facts_json(span_str(wrong->after));
        fine = sort_read_after(sort, &arena, json, &error);
        json_decref(json);
    }
    struct search_request request = {
        .query = facts_query(&arena, SPAN("{\"match_all\":{}}")),
        .sort = sort,
        .deadline_us = SEARCH_NO_DEADLINE};
    if (fine)
        fine = search_run(&facts->searcher, &request, &result, &error);
    assert_false(fine);
    assert_non_null(error.type);
    if (!strstr(error.reason, wrong->why))
        fail_msg("%s: %s", wrong->sort, error.reason);
    arena_deinit(&arena);
}

static void test_what_cannot_be_is_refused_by_name(void **state)
{
    static const struct wrong wrongs[] = {
        {"[5]", NULL, "malformed sort format"},
        {"[{\"n\":\"up\"}]", NULL, "Unknown SortOrder [up]"},
        {"[{\"n\":{\"mode\":\"avg\"}}]", NULL, "[avg]"},
        {"[{\"n\":{\"nested\":{}}}]", NULL, "unknown field [nested]"},
        {"[{\"_score\":{\"mode\":\"min\"}}]", NULL, "unknown field [mode]"},
        {"[{\"n\":{\"missing\":\"x\"}}]", NULL, "missing of [n]"},
        {"[{\"n\":{\"missing\":[]}}]", NULL, "missing is not supported"},
        {"[{\"x\":{\"unmapped_type\":\"text\"}}]", NULL, "[text]"},
        {"[\"x\"]", NULL, "No mapping found for [x] in order to sort on"},
        {"[\"t\"]", NULL, "keyword field instead of [t]"},
        {"[\"\"]", NULL, "empty or too long"},
        {"[\"n\",\"n\",\"n\",\"n\",\"n\",\"n\",\"n\",\"n\",\"n\",\"n\",\"n\","
         "\"n\",\"n\",\"n\",\"n\",\"n\",\"n\"]",
         NULL, "more than 16 keys"},
        {"[]", "[1]", "at least one field"},
        {"[\"n\",\"k\"]", "[1]", "1 value(s) but sort has 2"},
        {"[\"n\"]", "{}", "0 value(s) but sort has 1"},
        {"[\"n\"]", "[[]]", "field value"},
        {"[\"n\"]", "[\"x\"]", "search_after value for field [n]"},
        {"[\"d\"]", "[\"x\"]", "search_after value for field [d]"},
        {"[\"w\"]", "[\"x\"]", "search_after value for field [w]"},
        {"[\"b\"]", "[\"x\"]", "search_after value for field [b]"},
        {"[\"_score\"]", "[null]", "search_after value for field [_score]"},
        {"[\"_doc\"]", "[null]", "search_after value for field [_doc]"},
    };
    struct facts *facts = facts_open(1, 1, false);

    (void)state;
    for (size_t i = 0; i < COUNT(wrongs); i++)
        refuse(facts, &wrongs[i]);
    facts_close(facts);
}

static void test_a_sort_is_read_from_text(void **state)
{
    struct query_error error = {0};
    struct arena arena;

    (void)state;
    arena_init(&arena, MEM_JOB, 0);
    struct sort *sort =
        sort_read_text(&arena, SPAN("k:desc,a:b:asc,_score,n"), &error);
    assert_non_null(sort);
    assert_int_equal(sort->count, 4);
    assert_true(span_eq(sort->keys[0].field, SPAN("k")));
    assert_true(sort->keys[0].descending && sort->keys[0].greatest);
    assert_true(span_eq(sort->keys[1].field, SPAN("a:b")));
    assert_false(sort->keys[1].descending || sort->keys[1].greatest);
    assert_int_equal(sort->keys[2].kind, SORT_SCORE);
    assert_true(sort->keys[2].descending);
    assert_false(sort_is_default(sort));
    assert_true(sort_needs_score(sort));
    assert_true(
        sort_is_default(sort_read_text(&arena, SPAN("_score"), &error)));
    assert_false(
        sort_is_default(sort_read_text(&arena, SPAN("_score:asc"), &error)));
    assert_null(sort_read_text(&arena, SPAN("k:up"), &error));
    assert_non_null(strstr(error.reason, "[up]"));
    assert_null(sort_read_text(&arena, SPAN("k,,n"), &error));
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hits_are_those_of_all_documents_sorted),
        cmocka_unit_test(test_hits_are_the_same_in_all_windows),
        cmocka_unit_test(test_totals_stop_behind_a_number),
        cmocka_unit_test(test_what_cannot_be_is_refused_by_name),
        cmocka_unit_test(test_a_sort_is_read_from_text),
    };

    json_setup();
    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
