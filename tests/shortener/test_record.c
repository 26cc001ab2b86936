/* test_record.c - links as strings, there and back. */
#include "shortener/record.h"
#include "tests/test.h"

static const struct link whole = {
    .url = {"https://example.com/?a=1:2", 26},
    .owner = {"ann:1\n", 6}, /* a subject may hold anything */
    .title = {"u9:not a field", 14},
    .tags = {"[\"a\",\"b\"]", 9},
    .operation = {"00ff:abcdefg", 12},
    .redirect = 308,
    .forward_query = true,
    .alias = true,
    .created_us = 1790000000123456,
    .updated_us = INT64_MAX,
    .expires_ms = 1,
};

static void assert_same_text(struct span a, struct span b)
{
    assert_int_equal(a.len, b.len);
    if (a.len)
        assert_memory_equal(a.ptr, b.ptr, a.len);
}

static void assert_same_link(const struct link *a, const struct link *b)
{
    assert_same_text(a->url, b->url);
    assert_same_text(a->owner, b->owner);
    assert_same_text(a->title, b->title);
    assert_same_text(a->tags, b->tags);
    assert_same_text(a->operation, b->operation);
    assert_int_equal(a->redirect, b->redirect);
    assert_int_equal(a->forward_query, b->forward_query);
    assert_int_equal(a->alias, b->alias);
    assert_int_equal(a->created_us, b->created_us);
    assert_int_equal(a->updated_us, b->updated_us);
    assert_int_equal(a->expires_ms, b->expires_ms);
    assert_int_equal(a->deleted_us, b->deleted_us);
}

static struct span make(struct arena *arena, const struct link *link)
{
    arena_init(arena, MEM_REQUEST, 256);
    return record_write(arena, link);
}

static void test_record_reads_what_it_wrote(void **state)
{
    const struct link cases[] = {
        whole,
        {.url = SPAN("http://a/"), .redirect = 302},
        {.deleted_us = 5, .redirect = 302},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena arena;
        struct link read;
        struct span text = make(&arena, &cases[i]);
        assert_true(record_read(text, &read));
        assert_same_link(&read, &cases[i]);
        arena_deinit(&arena);
    }
}

/* Scripts tell a link from a tombstone by that. */
static void test_record_begins_with_its_kind(void **state)
{
    struct arena arena;
    (void)state;

    assert_int_equal(make(&arena, &whole).ptr[0], 'u');
    arena_deinit(&arena);
    assert_int_equal(
        make(&arena, &(struct link){.deleted_us = 1, .redirect = 302}).ptr[0],
        'd');
    arena_deinit(&arena);
}

static void test_record_cut_short_is_never_read_past_its_end(void **state)
{
    struct arena arena;
    struct span text = make(&arena, &whole);
    (void)state;

    for (size_t len = 0; len < text.len; len++) {
        struct link read = {.redirect = 7};
        char *copy = test_malloc(len + 1);
        memcpy(copy, text.ptr, len);
        if (record_read((struct span){copy, len}, &read))
            assert_same_text(read.url, whole.url);
        else
            assert_int_equal(read.redirect, 7);
        test_free(copy);
    }
    arena_deinit(&arena);
}

static void test_record_refuses_what_is_none(void **state)
{
    static const char *const cases[] = {"",
                                        "u",
                                        "u9",
                                        "u9:http://a/x",
                                        "u10:http://a/",
                                        "u:x",
                                        "9:http://a",
                                        "u-1:x",
                                        "r3:302",
                                        "u09 :http://a/",
                                        "o3:annr",
                                        "nonsense",
                                        "u1:ar3:30",
                                        "u99999999999999999999:a"};
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct link link;
        assert_false(record_read(span_str(cases[i]), &link));
    }
}

static void test_record_skips_fields_of_a_newer_version(void **state)
{
    struct link link;
    (void)state;

    assert_true(record_read(SPAN("u9:http://a/z3:newr3:301"), &link));
    assert_int_equal(link.redirect, 301);
    assert_same_text(link.url, SPAN("http://a/"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_reads_what_it_wrote),
        cmocka_unit_test(test_record_begins_with_its_kind),
        cmocka_unit_test(test_record_cut_short_is_never_read_past_its_end),
        cmocka_unit_test(test_record_refuses_what_is_none),
        cmocka_unit_test(test_record_skips_fields_of_a_newer_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
