/* test_live.c - what is deleted is not live any more, and nothing else. */
#include <stdlib.h>

#include "search/index/live.h"
#include "tests/test.h"

#define DOCS 700

static const uint32_t sizes[] = {0, 1, 7, 8, 9, 63, 64, 65, 512, DOCS};

static void assert_same(const struct live *live, const bool *expected,
                        uint32_t docs)
{
    uint32_t count = 0;

    for (uint32_t doc = 0; doc < docs; doc++) {
        assert_int_equal(live_has(live, doc), expected[doc]);
        count += expected[doc];
    }
    assert_int_equal(live->docs, docs);
    assert_int_equal(live->count, count);
    for (uint32_t from = 0; from <= docs; from += 1 + from % 5) {
        count = 0;
        for (uint32_t to = from; to <= docs; to++) {
            assert_int_equal(live_range(live, from, to), count);
            count += to < docs && expected[to];
        }
    }
}

static void assert_read_back(const struct live *live, const bool *expected)
{
    struct live read;
    struct buf bytes;

    buf_init(&bytes, MEM_APP);
    live_append(live, &bytes);
    char *kept = malloc(bytes.len);
    memcpy(kept, bytes.ptr, bytes.len);
    assert_true(live_read(&read, (struct span){kept, bytes.len}, live->docs));
    free(kept);
    assert_same(&read, expected, live->docs);
    live_deinit(&read);
    buf_deinit(&bytes);
}

static void check(uint32_t docs, uint32_t deletes)
{
    bool expected[DOCS];
    struct live live;

    memset(expected, true, sizeof(expected));
    live_init(&live, docs);
    assert_same(&live, expected, docs);
    for (uint32_t i = 0; docs && i < deletes; i++) {
        uint32_t doc = (uint32_t)random() % docs;
        assert_int_equal(live_delete(&live, doc), expected[doc]);
        expected[doc] = false;
    }
    assert_same(&live, expected, docs);
    assert_read_back(&live, expected);
    for (uint32_t doc = 0; doc < docs; doc++)
        live_delete(&live, doc);
    assert_int_equal(live.count, 0);
    assert_int_equal(live_range(&live, 0, docs), 0);
    live_deinit(&live);
}

static void test_deleted_ones_are_not_live_here_and_when_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        check(sizes[i], 0);
        check(sizes[i], 1);
        check(sizes[i], sizes[i]);
    }
}

static void test_bytes_that_are_not_of_the_segment_are_refused(void **state)
{
    struct live live;
    struct live read = {.docs = 5};
    struct buf bytes;

    (void)state;
    buf_init(&bytes, MEM_APP);
    live_init(&live, 100);
    live_delete(&live, 42);
    live_append(&live, &bytes);
    for (size_t len = 0; len < bytes.len; len++)
        assert_false(live_read(&read, (struct span){bytes.ptr, len}, 100));
    assert_false(live_read(&read, buf_span(&bytes), 101)); /* as long */
    assert_false(live_read(&read, buf_span(&bytes), 1000));
    bytes.ptr[4]--;
    assert_false(live_read(&read, buf_span(&bytes), 100));
    bytes.ptr[4]++;
    bytes.ptr[8]--; /* a document less */
    assert_false(live_read(&read, buf_span(&bytes), 100));
    bytes.ptr[8]++;
    buf_append_char(&bytes, 0);
    assert_false(live_read(&read, buf_span(&bytes), 100));
    assert_int_equal(read.docs, 5);
    buf_deinit(&bytes);
    live_deinit(&live);
}

/* 11 documents without the tenth, as live.h says. */
static void test_bytes_are_as_the_header_says(void **state)
{
    static const unsigned char expected[] = {11,   0, 0, 0, 10, 0, 0, 0,
                                             0xff, 5, 0, 0, 0,  0, 0, 0};
    struct live live;
    struct buf bytes;

    (void)state;
    buf_init(&bytes, MEM_APP);
    live_init(&live, 11);
    live_delete(&live, 9);
    live_append(&live, &bytes);
    assert_int_equal(bytes.len, sizeof(expected));
    assert_memory_equal(bytes.ptr, expected, sizeof(expected));
    buf_deinit(&bytes);
    live_deinit(&live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deleted_ones_are_not_live_here_and_when_read),
        cmocka_unit_test(test_bytes_that_are_not_of_the_segment_are_refused),
        cmocka_unit_test(test_bytes_are_as_the_header_says),
    };

    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
