/* test_query_limits.c - how large a query in JSON may be; what trees count. */
#include "tests/search/query_kit.h"

static void put_times(struct buf *out, size_t count, const char *piece)
{
    for (size_t i = 0; i < count; i++)
        buf_append(out, span_str(piece));
}

/* before, count pieces with commas between them, after: is it read? */
static bool is_read(const char *before, const char *piece, size_t count,
                    const char *after, const char *type)
{
    struct bench bench;
    struct buf text;

    bench_init(&bench);
    buf_init(&text, MEM_REQUEST);
    buf_append(&text, span_str(before));
    buf_append(&text, span_str(piece));
    for (size_t i = 1; i < count; i++) {
        buf_append_char(&text, ',');
        buf_append(&text, span_str(piece));
    }
    buf_append(&text, span_str(after));
    bool read = bench_read_json(&bench, buf_span(&text)) != NULL;
    if (!read)
        assert_string_equal(bench.error.type, type);
    buf_deinit(&text);
    bench_deinit(&bench);
    return read;
}

static void test_clauses_are_bounded(void **state)
{
    static const char begin_bool[] = "{\"bool\":{\"should\":[";
    static const char begin_multi[] =
        "{\"multi_match\":{\"query\":\"a\",\"fields\":[";

    (void)state;
    /* the bool, the dis_max is one too */
    assert_true(is_read(begin_bool, "{\"match_all\":{}}", QUERY_CLAUSES_MAX - 1,
                        "]}}", NULL));
    assert_false(is_read(begin_bool, "{\"match_all\":{}}", QUERY_CLAUSES_MAX,
                         "]}}", "too_many_clauses"));
    assert_true(
        is_read(begin_multi, "\"t\"", QUERY_CLAUSES_MAX - 1, "]}}", NULL));
    assert_false(is_read(begin_multi, "\"t\"", QUERY_CLAUSES_MAX, "]}}",
                         "too_many_clauses"));
    assert_false(is_read(begin_multi, "\"t\"", QUERY_CLAUSES_MAX + 1, "]}}",
                         "parsing_exception"));
}

static void test_values_are_bounded(void **state)
{
    (void)state;
    assert_true(
        is_read("{\"terms\":{\"t\":[", "1", QUERY_TERMS_MAX, "]}}", NULL));
    assert_false(is_read("{\"terms\":{\"t\":[", "1", QUERY_TERMS_MAX + 1, "]}}",
                         "parsing_exception"));
    assert_false(is_read("{\"ids\":{\"values\":[", "1", QUERY_TERMS_MAX + 1,
                         "]}}", "parsing_exception"));
}

static bool is_text_read(const char *before, size_t length, const char *after)
{
    struct buf piece;

    buf_init(&piece, MEM_REQUEST);
    put_times(&piece, length, "x");
    buf_append_char(&piece, '\0');
    bool read = is_read(before, piece.ptr, 1, after, "parsing_exception");
    buf_deinit(&piece);
    return read;
}

static void test_texts_and_names_are_bounded(void **state)
{
    static const struct {
        const char *before, *after;
    } around[] = {
        {"{\"match\":{\"t\":\"", "\"}}"},
        {"{\"term\":{\"t\":\"", "\"}}"},
        {"{\"terms\":{\"t\":[\"", "\"]}}"},
        {"{\"range\":{\"t\":{\"lt\":\"", "\"}}}"},
        {"{\"query_string\":{\"query\":\"", "\"}}"},
        {"{\"exists\":{\"field\":\"", "\"}}"},
        {"{\"term\":{\"", "\":1}}"},
        {"{\"terms\":{\"", "\":[]}}"},
        {"{\"multi_match\":{\"query\":1,\"fields\":\"", "\"}}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(around); i++) {
        assert_true(
            is_text_read(around[i].before, QUERY_TEXT_MAX, around[i].after));
        assert_false(is_text_read(around[i].before, QUERY_TEXT_MAX + 1,
                                  around[i].after));
    }
}

/* Made by hand: json_read() keeps what is this deep out. */
static bool is_deep_read(size_t depth, const char **type)
{
    struct bench bench;
    json_t *json = json_pack("{s:{}}", "match_all");

    bench_init(&bench);
    for (size_t i = 1; i < depth; i++)
        json = json_pack("{s:{s:o}}", "constant_score", "filter", json);
    bool read = query_read_json(&bench.arena, json, &bench.error) != NULL;
    *type = bench.error.type;
    json_decref(json);
    bench_deinit(&bench);
    return read;
}

static void test_depth_is_bounded(void **state)
{
    const char *type;

    (void)state;
    assert_true(is_deep_read(QUERY_DEPTH_MAX, &type));
    assert_false(is_deep_read(QUERY_DEPTH_MAX + 1, &type));
    assert_string_equal(type, "illegal_argument_exception");
    assert_false(is_deep_read((size_t)10 * QUERY_DEPTH_MAX, &type));
}

/* A query string counts from where it stands. */
static void test_a_query_string_is_as_deep_as_it_stands(void **state)
{
    struct bench bench;
    json_t *json = json_pack("{s:{s:s}}", "query_string", "query", "a (b (c))");

    (void)state;
    bench_init(&bench);
    for (size_t i = 3; i < QUERY_DEPTH_MAX; i++)
        json = json_pack("{s:{s:o}}", "constant_score", "filter", json);
    assert_non_null(query_read_json(&bench.arena, json, &bench.error));
    json = json_pack("{s:{s:o}}", "constant_score", "filter", json);
    assert_null(query_read_json(&bench.arena, json, &bench.error));
    assert_string_equal(bench.error.type, "illegal_argument_exception");
    json_decref(json);
    bench_deinit(&bench);
}

/* ---- what trees count */

static void test_minimum_is_counted_as_elasticsearch_does(void **state)
{
    static const struct {
        struct query_minimum minimum;
        size_t count, fallback, expected;
    } cases[] = {
        {{false, false, 0}, 5, 1, 1}, {{true, false, 0}, 5, 1, 0},
        {{true, false, 3}, 5, 1, 3},  {{true, false, 7}, 5, 1, 7},
        {{true, false, -2}, 5, 1, 3}, {{true, false, -9}, 5, 1, 0},
        {{true, true, 75}, 5, 1, 3},  {{true, true, -25}, 5, 1, 4},
        {{true, true, -25}, 3, 1, 3}, {{true, true, 100}, 5, 1, 5},
        {{true, true, 0}, 5, 1, 0},   {{true, true, -100}, 5, 1, 0},
        {{true, true, 50}, 0, 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(
            query_minimum(&cases[i].minimum, cases[i].count, cases[i].fallback),
            cases[i].expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clauses_are_bounded),
        cmocka_unit_test(test_values_are_bounded),
        cmocka_unit_test(test_texts_and_names_are_bounded),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_a_query_string_is_as_deep_as_it_stands),
        cmocka_unit_test(test_minimum_is_counted_as_elasticsearch_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
