/* test_record.c - updates as text, and back. */
#include "notifier/record.h"
#include "tests/test.h"

static void assert_span(struct span got, struct span expected)
{
    assert_int_equal(got.len, expected.len);
    assert_memory_equal(got.ptr, expected.ptr, expected.len);
}

static void assert_same(const struct record *got, const struct record *expected)
{
    assert_span(got->id, expected->id);
    assert_span(got->type, expected->type);
    assert_span(got->retry, expected->retry);
    assert_span(got->data, expected->data);
    assert_int_equal(got->is_private, expected->is_private);
    assert_int_equal(got->topic_count, expected->topic_count);
    for (size_t i = 0; i < got->topic_count; i++)
        assert_span(got->topics[i], expected->topics[i]);
}

static void test_record_comes_back_as_it_was(void **state)
{
    const struct record records[] = {
        {.id = SPAN("urn:uuid:1"),
         .type = SPAN("message"),
         .retry = SPAN("3000"),
         .is_private = true,
         .topics = {SPAN("https://a/1"), SPAN("https://a/2")},
         .topic_count = 2,
         .data = SPAN("one\ntwo\n\nthree")},
        {.id = SPAN("i"),
         .type = SPAN(""),
         .retry = SPAN(""),
         .topics = {SPAN("t")},
         .topic_count = 1,
         .data = SPAN("")},
        {.id = SPAN("i"),
         .type = SPAN(""),
         .retry = SPAN(""),
         .topics = {SPAN("p")},
         .topic_count = 1,
         .data = SPAN("\n\n\0\r\n")},
    };
    struct record got;
    struct buf text;
    (void)state;

    for (size_t i = 0; i < COUNT(records); i++) {
        buf_init(&text, MEM_JOB);
        record_append(&text, &records[i]);
        assert_true(record_parse(buf_span(&text), &got));
        assert_same(&got, &records[i]);
        buf_deinit(&text);
    }
}

static void test_record_that_is_none_is_refused(void **state)
{
    const struct span texts[] = {
        SPAN(""),           SPAN("id"),           SPAN("id\n"),
        SPAN("id\n\n\n"),   SPAN("id\n\n\n\n"),   SPAN("id\n\n\n\n\n"),
        SPAN("i\n\n\n\nt"), SPAN("i\n\n\n\nt\n"), SPAN("i\n\n\n\n\ndata"),
    };
    struct record got = {.topic_count = 7};
    (void)state;

    for (size_t i = 0; i < COUNT(texts); i++)
        assert_false(record_parse(texts[i], &got));
    assert_int_equal(got.topic_count, 7);
}

static void test_record_has_so_many_topics(void **state)
{
    struct record record = {.id = SPAN("i"), .data = SPAN("d")};
    struct record got;
    struct buf text;
    (void)state;

    for (size_t i = 0; i < RECORD_TOPICS_MAX; i++)
        record.topics[record.topic_count++] = SPAN("topic");
    buf_init(&text, MEM_JOB);
    record_append(&text, &record);
    assert_true(record_parse(buf_span(&text), &got));
    assert_int_equal(got.topic_count, RECORD_TOPICS_MAX);
    text.len = 0;
    buf_append(&text, SPAN("i\n\n\n\n"));
    for (size_t i = 0; i <= RECORD_TOPICS_MAX; i++)
        buf_append(&text, SPAN("topic\n"));
    buf_append(&text, SPAN("\nd"));
    assert_false(record_parse(buf_span(&text), &got));
    buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_comes_back_as_it_was),
        cmocka_unit_test(test_record_that_is_none_is_refused),
        cmocka_unit_test(test_record_has_so_many_topics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
