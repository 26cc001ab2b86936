/* test_stored.c - each document is read as it was stored, also when copied. */
#include <stdlib.h>
#include <uv.h>
#include <zstd.h>

#include "search/index/stored.h"
#include "tests/test.h"

#define DOCS 3000

struct written {
    struct stored_writer writer;
    struct buf blocks, index;
    size_t puts;
};

static void on_block(void *arg, struct span bytes)
{
    struct written *written = arg;

    buf_append(&written->blocks, bytes);
    written->puts++;
}

static void begin(struct written *written)
{
    *written = (struct written){0};
    buf_init(&written->blocks, MEM_APP);
    buf_init(&written->index, MEM_APP);
    stored_writer_init(&written->writer, on_block, written);
}

/* To be deinitialized, as a reader is. */
static void finish(struct written *written, struct stored *stored,
                   uint32_t docs)
{
    stored_writer_finish(&written->writer, &written->index);
    stored_writer_deinit(&written->writer);
    assert_true(stored_init(stored, buf_span(&written->blocks),
                            buf_span(&written->index), docs));
}

static void end(struct written *written, struct stored *stored)
{
    stored_deinit(stored);
    buf_deinit(&written->blocks);
    buf_deinit(&written->index);
}

/* ---- random documents */

struct source {
    struct buf docs[DOCS];
    uint32_t count;
};

static struct source *source_create(uint32_t count, size_t longest)
{
    struct source *source = calloc(1, sizeof(*source));

    source->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct buf *doc = &source->docs[i];
        size_t len = (size_t)random() % longest;
        long letters = random() % 10 ? 4 : 256;
        if (random() % 40 == 0)
            len = (size_t)random() % ((size_t)3 * STORED_BLOCK);
        if (random() % 20 == 0)
            len = 0;
        buf_init(doc, MEM_APP);
        while (doc->len < len)
            buf_append_char(doc, (char)(random() % letters));
    }
    return source;
}

static void source_destroy(struct source *source)
{
    for (uint32_t i = 0; i < source->count; i++)
        buf_deinit(&source->docs[i]);
    free(source);
}

static void write_all(struct written *written, const struct source *source)
{
    for (uint32_t i = 0; i < source->count; i++)
        stored_writer_add(&written->writer, buf_span(&source->docs[i]));
}

static void assert_doc(struct stored *stored, uint32_t doc,
                       const struct buf *expected)
{
    struct buf out;

    buf_init(&out, MEM_APP);
    buf_append_char(&out, '<'); /* what is there stays */
    assert_int_equal(stored_read(stored, doc, &out), 0);
    assert_int_equal(out.ptr[0], '<');
    assert_true(span_eq(span_skip(buf_span(&out), 1), buf_span(expected)));
    buf_deinit(&out);
}

static void assert_all(struct stored *stored, const struct source *source)
{
    for (uint32_t i = 0; i < source->count; i++)
        assert_doc(stored, i, &source->docs[i]);
    for (uint32_t i = 0; i < source->count && i < 300; i++) {
        uint32_t doc = (uint32_t)random() % source->count;
        assert_doc(stored, doc, &source->docs[doc]);
    }
}

/* ---- what is read */

static void check(uint32_t count, size_t longest)
{
    struct source *source = source_create(count, longest);
    struct written written;
    struct stored stored;

    begin(&written);
    write_all(&written, source);
    finish(&written, &stored, count);
    assert_int_equal(written.puts, stored.sizes.count);
    assert_all(&stored, source);
    end(&written, &stored);
    source_destroy(source);
}

static void test_documents_are_read_as_they_were_stored(void **state)
{
    (void)state;
    for (uint32_t count = 0; count < 30; count++)
        check(count, 1 + (size_t)random() % 3000);
    check(DOCS, 10);
    check(DOCS, 500);
    check(100, (size_t)2 * STORED_BLOCK);
}

static void test_blocks_are_of_about_the_same_size(void **state)
{
    struct source *source = source_create(DOCS, 800);
    struct written written;
    struct stored stored;

    (void)state;
    begin(&written);
    write_all(&written, source);
    finish(&written, &stored, source->count);
    for (uint32_t i = 0; i < stored.sizes.count; i++) {
        int64_t docs =
            packed_get(&stored.firsts, i + 1) - packed_get(&stored.firsts, i);
        int64_t size = packed_get(&stored.sizes, i);
        assert_true(docs > 0);
        assert_true(docs == 1 || size <= STORED_BLOCK + 3); /* a length */
        uint32_t next = (uint32_t)packed_get(&stored.firsts, i + 1);
        if (next < source->count) /* the next one had no room */
            assert_true((size_t)size + source->docs[next].len + 3 >=
                        STORED_BLOCK);
    }
    end(&written, &stored);
    source_destroy(source);
}

static void test_blocks_leave_as_they_fill(void **state)
{
    static char letters[1000];
    struct written written;
    struct stored stored;

    (void)state;
    begin(&written);
    memset(letters, 'a', sizeof(letters));
    for (uint32_t i = 0; i < 10000; i++) {
        stored_writer_add(&written.writer, (struct span){letters, 1000});
        assert_int_equal(written.puts, i / (STORED_BLOCK / 1002));
        assert_true(written.writer.block.cap <= (size_t)2 * STORED_BLOCK);
        assert_true(written.writer.frame.cap <= (size_t)3 * STORED_BLOCK);
    }
    finish(&written, &stored, 10000);
    end(&written, &stored);
}

/* ---- what is not right */

static void test_sections_must_be_of_so_many_documents(void **state)
{
    struct source *source = source_create(200, 500);
    struct written written;
    struct stored stored;
    struct stored other = {.loaded = 77};

    (void)state;
    begin(&written);
    write_all(&written, source);
    finish(&written, &stored, 200);
    struct span blocks = buf_span(&written.blocks);
    struct span index = buf_span(&written.index);
    assert_false(stored_init(&other, blocks, index, 199));
    assert_false(stored_init(&other, blocks, index, 201));
    for (size_t len = 0; len < index.len; len++)
        assert_false(
            stored_init(&other, blocks, (struct span){index.ptr, len}, 200));
    assert_false(stored_init(&other, span_skip(blocks, 1), index, 200));
    buf_append_char(&written.index, 0);
    assert_false(stored_init(&other, blocks, buf_span(&written.index), 200));
    assert_int_equal(other.loaded, 77);
    end(&written, &stored);
    source_destroy(source);
}

static void append_column(struct buf *index, const int64_t *numbers,
                          size_t count)
{
    struct buf column;

    buf_init(&column, MEM_APP);
    for (size_t i = 0; i < count; i++)
        packed_add(&column, numbers[i]);
    packed_append(index, &column);
    buf_deinit(&column);
}

/* A block of two documents that has these bytes, by an index that says so. */
static int read_block(struct span bytes, int64_t size, struct buf *out)
{
    char frame[1000];
    struct stored stored;
    struct buf index;
    size_t len = ZSTD_compress(frame, sizeof(frame), bytes.ptr, bytes.len, 1);

    buf_init(&index, MEM_APP);
    append_column(&index, (int64_t[]){0, 2}, 2);
    append_column(&index, (int64_t[]){0, (int64_t)len}, 2);
    append_column(&index, &size, 1);
    assert_true(
        stored_init(&stored, (struct span){frame, len}, buf_span(&index), 2));
    int err = stored_read(&stored, 1, out);
    stored_deinit(&stored);
    buf_deinit(&index);
    return err;
}

static void test_blocks_are_as_the_index_says_or_not_read(void **state)
{
    const struct {
        struct span bytes;
        int64_t size;
        int err;
    } cases[] = {
        {SPAN("\1a\2bc"), 5, 0},
        {SPAN("\1a\2bc"), 4, UV_EIO},
        {SPAN("\1a\2bc"), 6, UV_EIO},
        {SPAN("\1a\2bc"), 0, UV_EIO},
        {SPAN("\1a\2bc"), -1, UV_EIO},
        {SPAN("\1a\2bc"), STORED_LENGTH_MAX + INT64_C(11), UV_EIO},
        {SPAN("\1a\3bc"), 5, UV_EIO}, /* longer than the block */
        {SPAN("\1a"), 2, UV_EIO},     /* one document */
        {SPAN("\1a\xff"), 3, UV_EIO}, /* half a length */
        {SPAN("\5abc"), 4, UV_EIO},
    };
    struct buf out;

    (void)state;
    buf_init(&out, MEM_APP);
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(read_block(cases[i].bytes, cases[i].size, &out),
                         cases[i].err);
        assert_true(span_eq(buf_span(&out), SPAN("bc")));
    }
    buf_deinit(&out);
}

static void test_damaged_block_does_not_hurt_others(void **state)
{
    struct source *source = source_create(400, 500);
    struct written written;
    struct stored stored;
    struct buf out;

    (void)state;
    buf_init(&out, MEM_APP);
    begin(&written);
    write_all(&written, source);
    finish(&written, &stored, 400);
    uint32_t next = (uint32_t)packed_get(&stored.firsts, 1);
    written.blocks.ptr[0] ^= 1;
    assert_doc(&stored, next, &source->docs[next]);
    assert_int_equal(stored_read(&stored, 0, &out), UV_EIO);
    assert_int_equal(out.len, 0);
    assert_doc(&stored, next, &source->docs[next]);
    written.blocks.ptr[0] ^= 1;
    assert_doc(&stored, 0, &source->docs[0]);
    buf_deinit(&out);
    end(&written, &stored);
    source_destroy(source);
}

/* ---- merging */

static uint32_t delete_some(struct live *live, struct source *kept,
                            const struct source *source, uint32_t deletes)
{
    for (uint32_t i = 0; i < deletes; i++)
        live_delete(live, (uint32_t)random() % source->count);
    for (uint32_t doc = 0; doc < source->count; doc++)
        if (live_has(live, doc))
            kept->docs[kept->count++] = source->docs[doc];
    return live->count;
}

/* A segment, with one document of another before and one after. */
static void check_copy(uint32_t count, size_t longest, uint32_t deletes)
{
    struct source *source = source_create(count, longest);
    struct source *kept = calloc(1, sizeof(*kept));
    struct written written[2];
    struct stored stored[2];
    struct live live;

    begin(&written[0]);
    write_all(&written[0], source);
    finish(&written[0], &stored[0], count);
    live_init(&live, count);
    begin(&written[1]);
    kept->docs[kept->count++] = source->docs[0];
    stored_writer_add(&written[1].writer, buf_span(&source->docs[0]));
    delete_some(&live, kept, source, deletes);
    assert_int_equal(stored_copy(&written[1].writer, &stored[0], &live), 0);
    kept->docs[kept->count++] = source->docs[0];
    stored_writer_add(&written[1].writer, buf_span(&source->docs[0]));
    finish(&written[1], &stored[1], kept->count);
    assert_all(&stored[1], kept);
    end(&written[0], &stored[0]);
    end(&written[1], &stored[1]);
    live_deinit(&live);
    free(kept);
    source_destroy(source);
}

static void test_live_documents_are_copied(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 10; i++) {
        check_copy(1 + i, 500, i % 3);
        check_copy(600, 500, i);
        check_copy(1000, 100, i * 50);
    }
    check_copy(100, 500, 1000); /* nearly none is left */
}

/* A block in which every document lives goes as it is: it need not even be one
   that can be read. */
static void test_whole_blocks_are_not_compressed_again(void **state)
{
    struct source *source = source_create(800, 500);
    struct written written[2];
    struct stored stored[2];
    struct live live;

    (void)state;
    begin(&written[0]);
    write_all(&written[0], source);
    finish(&written[0], &stored[0], 800);
    struct span first = packed_span(&stored[0].offsets, stored[0].blocks, 0);
    assert_true(packed_get(&stored[0].sizes, 0) >= STORED_BLOCK / 2);
    written[0].blocks.ptr[0] ^= 1;
    live_init(&live, 800);
    live_delete(&live, 799);
    begin(&written[1]);
    assert_int_equal(stored_copy(&written[1].writer, &stored[0], &live), 0);
    finish(&written[1], &stored[1], 799);
    assert_memory_equal(written[1].blocks.ptr, first.ptr, first.len);
    end(&written[1], &stored[1]);
    live_delete(&live, 0); /* now it must be */
    begin(&written[1]);
    assert_int_equal(stored_copy(&written[1].writer, &stored[0], &live),
                     UV_EIO);
    stored_writer_deinit(&written[1].writer);
    buf_deinit(&written[1].blocks);
    end(&written[0], &stored[0]);
    live_deinit(&live);
    source_destroy(source);
}

/* Or a merge of many small segments would be of blocks of one document. */
static void test_small_blocks_become_larger_ones(void **state)
{
    struct source *source = source_create(1, 500);
    struct written written[2];
    struct stored stored[2];
    struct live live;

    (void)state;
    begin(&written[0]);
    source->docs[0].len = 0;
    buf_append(&source->docs[0], SPAN("{\"a\":1}"));
    write_all(&written[0], source);
    finish(&written[0], &stored[0], 1);
    live_init(&live, 1);
    begin(&written[1]);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(stored_copy(&written[1].writer, &stored[0], &live), 0);
    finish(&written[1], &stored[1], 100);
    assert_int_equal(written[1].puts, 1);
    assert_doc(&stored[1], 99, &source->docs[0]);
    end(&written[0], &stored[0]);
    end(&written[1], &stored[1]);
    live_deinit(&live);
    source_destroy(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documents_are_read_as_they_were_stored),
        cmocka_unit_test(test_blocks_are_of_about_the_same_size),
        cmocka_unit_test(test_blocks_leave_as_they_fill),
        cmocka_unit_test(test_sections_must_be_of_so_many_documents),
        cmocka_unit_test(test_blocks_are_as_the_index_says_or_not_read),
        cmocka_unit_test(test_damaged_block_does_not_hurt_others),
        cmocka_unit_test(test_live_documents_are_copied),
        cmocka_unit_test(test_whole_blocks_are_not_compressed_again),
        cmocka_unit_test(test_small_blocks_become_larger_ones),
    };

    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
