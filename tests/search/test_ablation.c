/*
 * test_ablation.c - the answers are the same, whatever is left out of the ways
 * to find them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "search/index/builder.h"
#include "search/query/search.h"
#include "tests/test.h"

#define SEGMENTS 3
#define DOCS 5000 /* of a segment: more than a window */
#define WORDS 30
#define MOST 1000
#define QUERIES 120
#define WHY 300
#define ALL                                                      \
    "union-bounds,intersection-bounds,phrase-bounds,first-look," \
    "shared-threshold,block-scores,counting,simd"

struct index {
    char dir[40];
    struct schema schema;
    struct segment *segments[SEGMENTS];
    struct reader *readers[SEGMENTS];
    struct searcher searcher;
};

/* Word w0 is in most documents, w29 in few. */
static long word(void)
{
    long most = 1 + random() % WORDS;

    return random() % most;
}

static void put_document(struct buf *out)
{
    long count = 1 + random() % 20;

    buf_append(out, SPAN("{\"t\":\""));
    for (long i = 0; i < count; i++)
        buf_printf(out, " w%ld", word());
    buf_append(out, SPAN("\"}"));
}

static void build(struct index *index, size_t which)
{
    char why[WHY];
    char path[60];
    struct buf source;

    snprintf(path, sizeof(path), "%s/%zu", index->dir, which);
    struct builder *builder =
        builder_create(path, &index->schema, &(struct builder_options){0});
    buf_init(&source, MEM_APP);
    for (size_t i = 0; i < DOCS; i++) {
        source.len = 0;
        put_document(&source);
        assert_true(builder_add(builder, (struct span){0}, buf_span(&source),
                                why, sizeof(why)));
    }
    buf_deinit(&source);
    assert_int_equal(builder_finish(builder), 0);
    index->segments[which] = segment_open(path, why, sizeof(why));
    assert_non_null(index->segments[which]);
    unlink(path);
    index->readers[which] =
        reader_open(index->segments[which], NULL, (uint32_t)which * DOCS);
    assert_non_null(index->readers[which]);
}

static void open_index(struct index *index)
{
    snprintf(index->dir, sizeof(index->dir), "/tmp/search-XXXXXX");
    assert_non_null(mkdtemp(index->dir));
    schema_init(&index->schema);
    for (size_t i = 0; i < SEGMENTS; i++)
        build(index, i);
    assert_int_equal(rmdir(index->dir), 0);
    searcher_init(&index->searcher, &index->schema, index->readers, SEGMENTS);
}

static void close_index(struct index *index)
{
    searcher_deinit(&index->searcher);
    for (size_t i = 0; i < SEGMENTS; i++) {
        reader_close(index->readers[i]);
        segment_close(index->segments[i]);
    }
    schema_deinit(&index->schema);
}

/* Some words: any, all, one behind the other, or some needed and some not. */
static void put_query(struct buf *out)
{
    long count = 1 + random() % 4;
    long kind = random() % 4;

    buf_append(out, kind == 2 ? SPAN("\"") : SPAN(""));
    for (long i = 0; i < count; i++)
        buf_printf(out, "%sw%ld ",
                   kind == 1 || (kind == 3 && (i == 0 || random() % 2)) ? "+"
                                                                        : "",
                   word());
    buf_append(out, kind == 2 ? SPAN("\"") : SPAN(""));
}

static void run(struct index *index, struct span text, const char *without,
                const struct search_request *like, struct search_result *result)
{
    struct query_field field = {.name = SPAN("t"), .boost = 1};
    struct query_error error = {0};
    struct ablation ablation = {0};
    struct span unknown;
    struct arena arena;
    struct search_request request = *like;

    arena_init(&arena, MEM_JOB, 0);
    request.query = query_read_text(
        &arena, text,
        &(struct query_syntax){.fields = &field, .field_count = 1}, &error);
    assert_non_null(request.query);
    assert_true(ablation_read(&ablation, span_str(without), &unknown));
    searcher_leave_out(&index->searcher, &ablation);
    assert_true(search_run(&index->searcher, &request, result, &error));
    arena_deinit(&arena);
}

static void compare(struct index *index, struct span text,
                    const struct search_request *request)
{
    static const char *const withouts[] = {"union-bounds",
                                           "intersection-bounds",
                                           "phrase-bounds",
                                           "first-look",
                                           "shared-threshold",
                                           "block-scores",
                                           "counting",
                                           "simd",
                                           ALL};
    static struct top_hit expected[MOST];
    static struct top_hit found[MOST];
    struct search_result all = {.hits = expected};
    struct search_result result = {.hits = found};

    run(index, text, "", request, &all);
    for (size_t i = 0; i <= COUNT(withouts); i++) {
        struct search_request other = *request;
        other.plain = i == COUNT(withouts);
        run(index, text, other.plain ? "" : withouts[i], &other, &result);
        if (result.count != all.count || result.total != all.total ||
            memcmp(found, expected, all.count * sizeof(found[0])) != 0)
            fail_msg("%.*s without %s", (int)text.len, text.ptr,
                     other.plain ? "anything" : withouts[i]);
    }
}

static void test_answers_are_the_same_whatever_is_left_out(void **state)
{
    static const size_t mosts[] = {0, 1, 10, MOST};
    struct index *index = calloc(1, sizeof(*index));
    struct buf text;

    (void)state;
    open_index(index);
    buf_init(&text, MEM_APP);
    for (size_t i = 0; i < QUERIES; i++) {
        size_t most = mosts[i % COUNT(mosts)];
        text.len = 0;
        put_query(&text);
        compare(index, buf_span(&text),
                &(struct search_request){.most = most,
                                         .count = most == 0 || random() % 2,
                                         .deadline_us = SEARCH_NO_DEADLINE});
    }
    buf_deinit(&text);
    close_index(index);
    free(index);
}

static void test_what_cannot_be_left_out_is_named(void **state)
{
    struct ablation without = {0};
    struct span unknown;

    (void)state;
    assert_true(ablation_read(&without, SPAN(""), &unknown));
    assert_true(ablation_read(&without, SPAN("simd,counting"), &unknown));
    assert_true(without.simd && without.counting && !without.first_look);
    assert_false(ablation_read(&without, SPAN("simd,words,simd"), &unknown));
    assert_true(span_eq(unknown, SPAN("words")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_are_the_same_whatever_is_left_out),
        cmocka_unit_test(test_what_cannot_be_left_out_is_named),
    };

    json_setup();
    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
