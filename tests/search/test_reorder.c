/* test_reorder.c - documents of several kinds, mixed, come apart. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "search/index/builder.h"
#include "search/index/reorder.h"
#include "tests/test.h"

#define WHY 300
#define KINDS 20
#define OF_KIND 100
#define DOCS (KINDS * OF_KIND)
#define WORDS 8 /* of a kind; a document has all but one */

struct bench {
    struct segment *segment;
    struct reader *reader;
    struct live live;
    uint32_t kinds[DOCS];
    uint32_t order[DOCS];
    bool others_are_long; /* those of the second half of the kinds */
};

static void mix(struct bench *bench, uint32_t docs)
{
    for (uint32_t i = 0; i < docs; i++)
        bench->kinds[i] = i % KINDS;
    for (uint32_t i = docs; i-- > 1;) {
        uint32_t j = (uint32_t)random() % (i + 1);
        uint32_t kind = bench->kinds[i];
        bench->kinds[i] = bench->kinds[j];
        bench->kinds[j] = kind;
    }
}

static bool is_long(const struct bench *bench, uint32_t doc)
{
    return (bench->kinds[doc] >= KINDS / 2) == bench->others_are_long;
}

/* Its words, and one that any may have; if it is long, eight of these. */
static void put(const struct bench *bench, uint32_t doc, struct buf *source)
{
    long without = random() % WORDS;

    source->len = 0;
    buf_append(source, SPAN("{\"t\":\""));
    for (long i = 0; i < WORDS; i++)
        if (i != without)
            buf_printf(source, "w%ux%ld ", bench->kinds[doc], i);
    for (unsigned i = 0; i < (is_long(bench, doc) ? 8 : 1); i++)
        buf_printf(source, "c%ld ", random() % 100);
    buf_append(source, SPAN("\"}"));
}

static void open_segment(struct bench *bench, uint32_t docs)
{
    char path[] = "/tmp/reorder-XXXXXX";
    char why[WHY];
    char id[16];
    struct schema schema;
    struct buf source;

    srandom(4);
    mix(bench, docs);
    schema_init(&schema);
    close(mkstemp(path));
    struct builder *builder =
        builder_create(path, &schema, &(struct builder_options){0});
    buf_init(&source, MEM_APP);
    for (uint32_t i = 0; i < docs; i++) {
        put(bench, i, &source);
        snprintf(id, sizeof(id), "%u", i);
        assert_true(builder_add(builder, span_str(id), buf_span(&source), why,
                                sizeof(why)));
    }
    buf_deinit(&source);
    assert_int_equal(builder_finish(builder), 0);
    schema_deinit(&schema);
    live_init(&bench->live, docs);
    bench->segment = segment_open(path, why, sizeof(why));
    assert_non_null(bench->segment);
    unlink(path);
    bench->reader = reader_open(bench->segment, &bench->live, 0);
    assert_non_null(bench->reader);
    for (uint32_t i = 0; i < docs; i++)
        bench->order[i] = i;
}

static void close_segment(struct bench *bench)
{
    reader_close(bench->reader);
    segment_close(bench->segment);
    live_deinit(&bench->live);
}

static void assert_all_are_there(const struct bench *bench, uint32_t docs)
{
    bool seen[DOCS] = {false};

    for (uint32_t i = 0; i < docs; i++) {
        assert_true(bench->order[i] < docs);
        assert_false(seen[bench->order[i]]);
        seen[bench->order[i]] = true;
    }
}

/* Neighbours of a kind. */
static uint32_t count_alike(const struct bench *bench)
{
    uint32_t count = 0;

    for (uint32_t i = 1; i < DOCS; i++)
        count +=
            bench->kinds[bench->order[i]] == bench->kinds[bench->order[i - 1]];
    return count;
}

static void test_those_that_are_alike_are_neighbours(void **state)
{
    static struct bench bench;

    (void)state;
    open_segment(&bench, DOCS);
    assert_true(count_alike(&bench) < DOCS / 10);
    assert_int_equal(reorder_documents(bench.reader, NULL, bench.order), 0);
    assert_all_are_there(&bench, DOCS);
    assert_true(count_alike(&bench) > DOCS * 9 / 10);
    close_segment(&bench);
}

/* Not all of them, as a kind stays together, and what halves have in common;
   but more often than not, whichever kinds they are of. */
static void test_those_that_are_short_come_first(void **state)
{
    static struct bench bench;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t places[2] = {0}; /* sums, of long ones and of short ones */
        bench.others_are_long = i;
        open_segment(&bench, DOCS);
        assert_int_equal(reorder_documents(bench.reader, NULL, bench.order), 0);
        for (uint32_t j = 0; j < DOCS; j++)
            places[!is_long(&bench, bench.order[j])] += j;
        assert_true(places[1] < places[0]);
        close_segment(&bench);
    }
}

static void test_the_same_becomes_of_the_same(void **state)
{
    static struct bench bench;
    static uint32_t before[DOCS];

    (void)state;
    open_segment(&bench, DOCS);
    assert_int_equal(reorder_documents(bench.reader, NULL, bench.order), 0);
    memcpy(before, bench.order, sizeof(before));
    close_segment(&bench);
    open_segment(&bench, DOCS);
    assert_int_equal(reorder_documents(bench.reader, NULL, bench.order), 0);
    assert_memory_equal(before, bench.order, sizeof(before));
    close_segment(&bench);
}

static void test_few_stay_where_they_are(void **state)
{
    static struct bench bench;
    static const uint32_t some[] = {1, 2, 63, 64, 65, 129, 1023};

    (void)state;
    for (size_t i = 0; i < COUNT(some); i++) {
        open_segment(&bench, some[i]);
        assert_int_equal(reorder_documents(bench.reader, NULL, bench.order), 0);
        assert_all_are_there(&bench, some[i]);
        for (uint32_t j = 0; j < some[i]; j++)
            assert_int_equal(bench.order[j], j);
        close_segment(&bench);
    }
}

static void test_what_is_cancelled_ends(void **state)
{
    static struct bench bench;
    atomic_bool cancelled = true;

    (void)state;
    open_segment(&bench, DOCS);
    assert_int_equal(reorder_documents(bench.reader, &cancelled, bench.order),
                     UV_ECANCELED);
    close_segment(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_those_that_are_alike_are_neighbours),
        cmocka_unit_test(test_those_that_are_short_come_first),
        cmocka_unit_test(test_the_same_becomes_of_the_same),
        cmocka_unit_test(test_few_stay_where_they_are),
        cmocka_unit_test(test_what_is_cancelled_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
