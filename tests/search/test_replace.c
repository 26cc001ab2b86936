/*
 * test_replace.c - what a new segment takes the place of, what is deleted, and
 * an index that is opened again.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "search/index/builder.h"
#include "search/index/replace.h"
#include "tests/test.h"

#define WHY 300

struct bench {
    char dir[40], why[WHY];
    struct manifest manifest;
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    snprintf(bench->dir, sizeof(bench->dir), "/tmp/replace-XXXXXX");
    assert_non_null(mkdtemp(bench->dir));
    assert_true(manifest_load(&bench->manifest, bench->dir, bench->why, WHY));
    schema_add(&bench->manifest.schema, SCHEMA_VERSION, SCHEMA_LONG);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    char path[100];

    manifest_deinit(&bench->manifest);
    manifest_init(&bench->manifest); /* has no files */
    assert_int_equal(manifest_save(&bench->manifest, bench->dir), 0);
    manifest_deinit(&bench->manifest);
    int lock = manifest_open(&bench->manifest, bench->dir, bench->why, WHY);
    assert_true(lock >= 0);
    close(lock);
    manifest_deinit(&bench->manifest);
    snprintf(path, sizeof(path), "%s/manifest", bench->dir);
    unlink(path);
    assert_int_equal(rmdir(bench->dir), 0);
    free(bench);
    return 0;
}

/* A letter is an id of a document of this version; gone: others, likewise. */
static void change(struct bench *bench, const char *ids, int64_t version,
                   const char *gone)
{
    char file[MANIFEST_FILE_MAX];
    char path[PATH_MAX];
    struct span spans[10];
    struct opened opened;
    struct replace_change what = {.gone = spans, .gone_count = strlen(gone)};

    for (size_t i = 0; gone[i]; i++)
        spans[i] = (struct span){gone + i, 1};
    if (*ids) {
        manifest_name(&bench->manifest, "segment", file);
        snprintf(path, sizeof(path), "%s/%s", bench->dir, file);
        struct builder *builder = builder_create(path, &bench->manifest.schema,
                                                 &(struct builder_options){0});
        for (const char *id = ids; *id; id++) {
            assert_true(builder_add(builder, (struct span){id, 1},
                                    SPAN("{\"t\":\"x\"}"), bench->why, WHY));
            builder_give(builder, 0, version);
        }
        assert_int_equal(builder_finish(builder), 0);
        what.file = file;
    }
    assert_true(opened_open(&opened, bench->dir, bench->why, WHY));
    assert_int_equal(replace_add(&bench->manifest, &opened, &what), 0);
    assert_int_equal(manifest_save(&bench->manifest, bench->dir), 0);
    opened_close(&opened);
}

/* "a1 b2": who is live, and of which version. */
static void assert_live(struct opened *opened, const char *expected)
{
    char text[200] = "";
    size_t len = 0;

    for (const char *id = "abcdef"; *id; id++)
        for (size_t i = 0; i < opened->manifest.count; i++) {
            struct reader *reader = opened->readers[i];
            uint32_t doc = reader_find(reader, (struct span){id, 1});
            const struct values *values = reader_values(reader, 0);
            if (doc == UINT32_MAX)
                continue;
            assert_int_equal(values_count(values, doc), 1);
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%c%d",
                                    len ? " " : "", *id,
                                    (int)values_get(values, doc, 0));
        }
    assert_string_equal(text, expected);
}

static void assert_index(struct bench *bench, const char *expected)
{
    struct opened opened;

    assert_true(opened_open(&opened, bench->dir, bench->why, WHY));
    assert_live(&opened, expected);
    opened_close(&opened);
}

static void test_later_documents_take_the_place_of_others(void **state)
{
    struct bench *bench = *state;

    change(bench, "abca", 1, "");
    assert_index(bench, "a1 b1 c1");
    change(bench, "bd", 2, "");
    assert_index(bench, "a1 b2 c1 d2");
}

static void test_what_is_gone_is_gone_everywhere(void **state)
{
    struct bench *bench = *state;

    change(bench, "abc", 1, "");
    change(bench, "bbd", 2, "bcf");
    assert_index(bench, "a1 d2");
    change(bench, "", 3, "ad");
    assert_index(bench, "");
    change(bench, "b", 4, "");
    assert_index(bench, "b4");
}

static void test_an_older_one_lends_what_is_the_same(void **state)
{
    struct bench *bench = *state;
    struct opened older;
    struct opened opened;

    change(bench, "abc", 1, "");
    change(bench, "cd", 2, "");
    assert_true(opened_open(&older, bench->dir, bench->why, WHY));
    change(bench, "d", 3, "a");
    assert_true(opened_reopen(&opened, &older, bench->why, WHY));
    assert_ptr_equal(opened.segments[0], older.segments[0]);
    assert_ptr_equal(opened.segments[1], older.segments[1]);
    assert_live(&older, "a1 b1 c2 d2");
    opened_close(&older);
    assert_live(&opened, "b1 c2 d3");
    opened_close(&opened);
}

static void test_a_checked_document_grows_the_schema_once(void **state)
{
    struct bench *bench = *state;
    struct schema *schema = &bench->manifest.schema;

    assert_true(builder_check(schema, SPAN("{\"n\":1}"), bench->why, WHY));
    assert_int_equal(schema->count, 2);
    assert_false(
        builder_check(schema, SPAN("{\"m\":1,\"n\":\"x\"}"), bench->why, WHY));
    assert_int_equal(schema->count, 2);
    assert_false(
        builder_check(schema, SPAN("{\"_version\":1}"), bench->why, WHY));
    assert_non_null(strstr(bench->why, "metadata field"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_later_documents_take_the_place_of_others),
        T(test_what_is_gone_is_gone_everywhere),
        T(test_an_older_one_lends_what_is_the_same),
        T(test_a_checked_document_grows_the_schema_once),
    };

    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
