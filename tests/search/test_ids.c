/* test_ids.c - each id is found in the last document that has it. */
#include <stdlib.h>
#include <xxhash.h>

#include "search/index/ids.h"
#include "tests/test.h"

#define DOCS 3000

struct bench {
    struct buf texts[DOCS];
    uint32_t docs;
    struct ids_writer writer;
    struct buf section;
    char *kept; /* exactly so long, so that a read past the end is seen */
    struct ids ids;
};

static void append(void *arg, struct span bytes)
{
    buf_append(arg, bytes);
}

/* Of few letters, so that some come again; one has a zero byte. */
static void make_text(struct buf *text, size_t longest)
{
    size_t len = 1 + (size_t)random() % longest;

    buf_init(text, MEM_APP);
    if (random() % 50 == 0)
        len = IDS_LENGTH_MAX;
    for (size_t i = 0; i < len; i++)
        buf_append_char(text, "ab\0\xff"[random() % 4]);
}

static struct bench *bench_create(uint32_t docs, size_t longest)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    bench->docs = docs;
    buf_init(&bench->section, MEM_APP);
    ids_writer_init(&bench->writer, (uint64_t)random() << 33);
    for (uint32_t doc = 0; doc < docs; doc++) {
        make_text(&bench->texts[doc], longest);
        ids_writer_add(&bench->writer, buf_span(&bench->texts[doc]));
    }
    ids_writer_finish(&bench->writer, append, &bench->section);
    bench->kept = malloc(bench->section.len);
    memcpy(bench->kept, bench->section.ptr, bench->section.len);
    assert_true(ids_init(&bench->ids,
                         (struct span){bench->kept, bench->section.len}, docs));
    return bench;
}

static void bench_destroy(struct bench *bench)
{
    for (uint32_t doc = 0; doc < bench->docs; doc++)
        buf_deinit(&bench->texts[doc]);
    ids_writer_deinit(&bench->writer);
    buf_deinit(&bench->section);
    free(bench->kept);
    free(bench);
}

static uint32_t find_slowly(const struct bench *bench, struct span id)
{
    for (uint32_t doc = bench->docs; doc-- > 0;)
        if (span_eq(buf_span(&bench->texts[doc]), id))
            return doc;
    return UINT32_MAX;
}

static void check(uint32_t docs, size_t longest)
{
    struct bench *bench = bench_create(docs, longest);
    struct ids view = ids_writer_view(&bench->writer);
    struct buf other;

    for (uint32_t doc = 0; doc < docs; doc++) {
        struct span id = buf_span(&bench->texts[doc]);
        uint32_t expected = find_slowly(bench, id);
        assert_int_equal(ids_find(&bench->ids, id), expected);
        assert_int_equal(ids_find(&view, id), expected);
        assert_true(span_eq(ids_of(&bench->ids, doc), id));
        assert_true(span_eq(ids_of(&view, doc), id));
    }
    for (uint32_t i = 0; i < 500; i++) {
        make_text(&other, longest);
        uint32_t expected = find_slowly(bench, buf_span(&other));
        assert_int_equal(ids_find(&bench->ids, buf_span(&other)), expected);
        buf_deinit(&other);
    }
    assert_int_equal(ids_find(&bench->ids, SPAN("")), UINT32_MAX);
    bench_destroy(bench);
}

static void test_last_document_of_an_id_is_found_and_no_other(void **state)
{
    (void)state;
    for (uint32_t docs = 0; docs < 40; docs++)
        check(docs, 1 + docs % 4);
    check(DOCS, 4);
    check(DOCS, 40);
}

static void test_ids_may_be_empty(void **state)
{
    struct ids_writer writer;

    (void)state;
    ids_writer_init(&writer, 1);
    ids_writer_add(&writer, SPAN(""));
    struct ids view = ids_writer_view(&writer);
    assert_int_equal(ids_find(&view, SPAN("")), 0);
    assert_int_equal(ids_of(&view, 0).len, 0);
    ids_writer_deinit(&writer);
}

/* As ids.h says: the fewest slots that do, a document and hash bits in each. */
static void check_table(const struct bench *bench)
{
    const struct ids *ids = &bench->ids;
    uint32_t low = (UINT32_C(1) << ids->slot_bits) - 1;
    uint32_t used = 0;
    uint32_t last = 0;

    assert_true(((uint64_t)low + 1) * 2 >= (uint64_t)bench->docs * 3);
    if (ids->slot_bits > 1)
        assert_true(((uint64_t)low + 1) < (uint64_t)bench->docs * 3);
    for (uint32_t doc = 0; doc < bench->docs; doc++)
        last += ids_find(ids, buf_span(&bench->texts[doc])) == doc;
    for (uint32_t slot = 0; slot <= low; slot++) {
        uint32_t value;
        memcpy(&value, ids->slots + slot * sizeof(value), sizeof(value));
        if (value == UINT32_MAX)
            continue;
        used++;
        assert_true((value & low) < bench->docs);
        struct span id = buf_span(&bench->texts[value & low]);
        uint64_t hash = XXH3_64bits_withSeed(id.ptr, id.len, ids->seed);
        assert_int_equal(value & ~low, (uint32_t)(hash >> 32) & ~low);
    }
    assert_int_equal(used, last);
}

static void test_table_is_as_the_header_says(void **state)
{
    (void)state;
    for (uint32_t docs = 0; docs < 1000; docs = docs * 2 + 1) {
        struct bench *bench = bench_create(docs, 10);
        check_table(bench);
        bench_destroy(bench);
    }
}

static void check_cut_off(const struct bench *bench)
{
    struct ids ids = {.seed = 77};

    for (size_t len = 0; len < bench->section.len; len++)
        assert_false(
            ids_init(&ids, (struct span){bench->kept, len}, bench->docs));
    assert_int_equal(ids.seed, 77);
}

static void test_section_must_be_of_so_many_documents(void **state)
{
    struct bench *bench = bench_create(100, 10);
    struct bench *empty = bench_create(0, 10);
    struct ids ids = {.seed = 77};

    (void)state;
    check_cut_off(bench);
    check_cut_off(empty);
    bench_destroy(empty);
    assert_false(ids_init(&ids, buf_span(&bench->section), 99));
    assert_false(ids_init(&ids, buf_span(&bench->section), 101));
    assert_false(ids_init(&ids, buf_span(&bench->section), UINT32_MAX));
    assert_int_equal(ids.seed, 77);
    bench_destroy(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_last_document_of_an_id_is_found_and_no_other),
        cmocka_unit_test(test_ids_may_be_empty),
        cmocka_unit_test(test_table_is_as_the_header_says),
        cmocka_unit_test(test_section_must_be_of_so_many_documents),
    };

    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
