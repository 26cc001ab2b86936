/*
 * test_intake.c - lines that threads make segments of, compared with the same
 * lines one after the other in one segment.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "search/index/builder.h"
#include "search/index/check.h"
#include "search/index/intake.h"
#include "search/index/opened.h"
#include "tests/test.h"

#define WHY 300

struct bench {
    char dir[40], why[WHY];
    struct buf lines;
    /* What is to come out. */
    struct buf schema;
    json_t *sources, *refused; /* by id; by line */
    json_t *refused_now;
};

static void remove_all(const char *dir)
{
    char path[PATH_MAX];
    struct dirent *entry;
    DIR *open = opendir(dir);

    while ((entry = readdir(open))) {
        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        unlink(path);
    }
    closedir(open);
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    snprintf(bench->dir, sizeof(bench->dir), "/tmp/intake-XXXXXX");
    assert_non_null(mkdtemp(bench->dir));
    buf_init(&bench->lines, MEM_APP);
    buf_init(&bench->schema, MEM_APP);
    bench->sources = json_object();
    bench->refused = json_object();
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    remove_all(bench->dir);
    assert_int_equal(rmdir(bench->dir), 0);
    buf_deinit(&bench->lines);
    buf_deinit(&bench->schema);
    json_decref(bench->sources);
    json_decref(bench->refused);
    free(bench);
    return 0;
}

static unsigned below(unsigned most)
{
    return (unsigned)random() % most;
}

static void make_value(struct buf *out, unsigned depth)
{
    static const char *const values[] = {
        "1",  "\"two words\"", "true",           "2.5",        "null",
        "[]", "[1, 2]",        "\"2024-05-06\"", "{\"b\": 1}", "{\"c\": null}"};

    if (depth < 2 && below(6) == 0) {
        buf_printf(out, "{\"n%u\": ", below(3));
        make_value(out, depth + 1);
        buf_append_char(out, '}');
    } else {
        buf_append(out, span_str(values[below(COUNT(values))]));
    }
}

/* Ids that come again, fields that are another in other lines, lines that are
   none. */
static void make_lines(struct bench *bench, unsigned count)
{
    struct buf *out = &bench->lines;

    for (unsigned i = 0; i < count; i++) {
        unsigned kind = below(100);
        if (kind < 3) {
            buf_append(out, kind ? SPAN(" \n") : SPAN("no JSON\n"));
            continue;
        }
        buf_printf(out, "{\"line\": %u", i + 1);
        if (kind < 90)
            buf_printf(out, ", \"id\": \"%u\"", below(count / 4 + 1));
        for (unsigned fields = below(4); fields; fields--) {
            buf_printf(out, ", \"f%u-%u\": ", below(i / 16 + 2), fields);
            make_value(out, 0);
        }
        buf_append(out, SPAN("}\n"));
    }
    out->len -= below(2); /* the last one may not end */
}

static void set(json_t *object, struct span key, struct span value)
{
    assert_int_equal(json_object_setn_new_nocheck(
                         object, key.ptr, key.len,
                         json_stringn_nocheck(value.ptr, value.len)),
                     0);
}

static void put_schema(const struct schema *schema, struct buf *out)
{
    out->len = 0;
    schema_put_list(schema, &(struct json_writer){.out = out});
}

static void refuse(json_t *refused, uint64_t line, const char *why)
{
    char key[24];

    snprintf(key, sizeof(key), "%llu", (unsigned long long)line);
    set(refused, span_str(key), span_str(why));
}

/* One after the other. */
static void expect(struct bench *bench)
{
    struct schema schema;
    struct span text = buf_span(&bench->lines);
    struct span line;
    char path[60];
    char other[40];

    snprintf(path, sizeof(path), "%s/one", bench->dir);
    schema_init(&schema);
    struct builder *builder = builder_create(
        path, &schema,
        &(struct builder_options){.id_field = "id", .other_id = other});
    for (uint64_t number = 1; span_cut(&text, '\n', &line); number++) {
        snprintf(other, sizeof(other), "1-%llu", (unsigned long long)number);
        if (!span_trim(line).len)
            continue;
        if (!builder_add(builder, (struct span){NULL, 0}, line, bench->why,
                         WHY)) {
            refuse(bench->refused, number, bench->why);
            continue;
        }
        json_t *json = json_loadb(line.ptr, line.len, 0, NULL);
        const char *id = json_string_value(json_object_get(json, "id"));
        set(bench->sources, span_str(id ? id : other), line);
        json_decref(json);
    }
    put_schema(&schema, &bench->schema);
    builder_abandon(builder);
    schema_deinit(&schema);
}

static void on_refused(void *arg, uint64_t line, const char *why)
{
    struct bench *bench = arg;

    refuse(bench->refused_now, line, why);
}

static void compare(struct bench *bench)
{
    struct check_counts counts;
    struct opened opened;
    struct buf bytes;
    size_t docs = 0;

    buf_init(&bytes, MEM_APP);
    assert_true(opened_open(&opened, bench->dir, bench->why, WHY));
    put_schema(&opened.manifest.schema, &bytes);
    assert_int_equal(span_compare(buf_span(&bytes), buf_span(&bench->schema)),
                     0);
    for (size_t i = 0; i < opened.manifest.count; i++) {
        struct reader *reader = opened.readers[i];
        assert_true(check_segment(reader, &counts, bench->why, WHY));
        for (uint32_t doc = 0; doc < reader->docs; doc++) {
            struct span id = reader_id(reader, doc);
            if (!live_has(reader->live, doc))
                continue;
            docs++;
            bytes.len = 0;
            assert_int_equal(reader_source(reader, doc, &bytes), 0);
            const json_t *expected =
                json_object_getn(bench->sources, id.ptr, id.len);
            assert_int_equal(
                span_compare(buf_span(&bytes),
                             span_str(json_string_value(expected))),
                0);
        }
    }
    assert_int_equal(docs, json_object_size(bench->sources));
    opened_close(&opened);
    buf_deinit(&bytes);
}

struct way {
    size_t threads, ram, batch, most;
    bool merges;
};

static void take(struct bench *bench, const struct way *way)
{
    struct span rest = buf_span(&bench->lines);
    struct intake_options options = {.threads = way->threads,
                                     .ram = way->ram,
                                     .batch = way->batch,
                                     .merges = way->merges,
                                     .id_field = "id",
                                     .refused = on_refused,
                                     .arg = bench};
    struct manifest manifest;

    manifest_init(&manifest);
    bench->refused_now = json_object();
    struct intake *intake = intake_create(&manifest, bench->dir, &options);
    while (rest.len) {
        size_t len = 1 + below(3000);
        len = len < rest.len ? len : rest.len;
        assert_true(intake_put(intake, (struct span){rest.ptr, len}));
        rest = span_skip(rest, len);
    }
    assert_true(intake_finish(intake, way->most, bench->why, WHY));
    assert_int_equal(intake_counts(intake).refused,
                     json_object_size(bench->refused_now));
    intake_destroy(intake);
    if (way->most)
        assert_true(manifest.count <= way->most);
    manifest_deinit(&manifest);
    assert_true(json_equal(bench->refused, bench->refused_now));
    json_decref(bench->refused_now);
    compare(bench);
    remove_all(bench->dir);
}

static void test_intake_is_as_one_line_after_the_other(void **state)
{
    static const struct way ways[] = {
        {.threads = 1, .ram = 1 << 30, .batch = 200},
        {.threads = 1, .ram = 1, .batch = 3000, .merges = true},
        {.threads = 2, .ram = 1 << 30, .batch = 1},
        {.threads = 2, .ram = 1, .batch = 4000, .most = 3},
        {.threads = 4, .ram = 1 << 20, .batch = 300, .merges = true},
        {.threads = 4, .ram = 1, .batch = 2000, .merges = true},
        {.threads = 8, .ram = 1, .batch = 3000, .most = 1, .merges = true},
        {.threads = INTAKE_THREADS_MAX + 1, .ram = 1, .batch = 3000},
    };
    struct bench *bench = *state;

    for (unsigned seed = 1; seed <= 3; seed++) {
        srandom(seed);
        bench->lines.len = 0;
        json_object_clear(bench->sources);
        json_object_clear(bench->refused);
        make_lines(bench, 50 + 100 * seed);
        expect(bench);
        assert_int_not_equal(json_object_size(bench->refused), 0);
        for (size_t i = 0; i < COUNT(ways); i++)
            take(bench, &ways[i]);
    }
}

/* The run's number. */
static unsigned index_lines(struct bench *bench, struct span lines)
{
    struct intake_options options = {
        .threads = 2, .ram = 1, .batch = 10, .id_field = "id"};
    struct manifest manifest;

    assert_true(manifest_load(&manifest, bench->dir, bench->why, WHY));
    unsigned run = (unsigned)manifest.generation + 1;
    struct intake *intake = intake_create(&manifest, bench->dir, &options);
    assert_true(intake_put(intake, lines));
    assert_true(intake_finish(intake, 0, bench->why, WHY));
    put_schema(&manifest.schema, &bench->schema);
    intake_destroy(intake);
    manifest_deinit(&manifest);
    return run;
}

static void test_intake_takes_the_place_of_what_was_there_before(void **state)
{
    struct bench *bench = *state;
    char id[24];

    index_lines(bench, SPAN("{\"id\":\"a\"}\n{\"id\":\"b\"}\n"
                            "{\"x\":1}\n"));
    unsigned run =
        index_lines(bench, SPAN("{\"id\":\"b\",\"x\":2}\n{\"x\":3}\n"));
    set(bench->sources, SPAN("a"), SPAN("{\"id\":\"a\"}"));
    set(bench->sources, SPAN("b"), SPAN("{\"id\":\"b\",\"x\":2}"));
    set(bench->sources, SPAN("1-3"), SPAN("{\"x\":1}"));
    snprintf(id, sizeof(id), "%u-2", run);
    set(bench->sources, span_str(id), SPAN("{\"x\":3}"));
    compare(bench);
}

/* Not kept: of whatever length it is. */
static void test_intake_passes_over_a_line_that_is_too_long(void **state)
{
    struct bench *bench = *state;
    struct intake_options options = {.threads = 1,
                                     .ram = 1 << 20,
                                     .id_field = "id",
                                     .refused = on_refused,
                                     .arg = bench};
    char *blanks = malloc(1 << 20);
    struct manifest manifest;

    memset(blanks, 'x', 1 << 20);
    bench->refused_now = json_object();
    manifest_init(&manifest);
    struct intake *intake = intake_create(&manifest, bench->dir, &options);
    intake_put(intake, SPAN("{\"id\":\"a\"}\n"));
    for (int i = 0; i < 20; i++)
        intake_put(intake, (struct span){blanks, 1 << 20});
    intake_put(intake, SPAN("\n{\"id\":\"b\"}\n{"));
    assert_true(intake_finish(intake, 0, bench->why, WHY));
    assert_int_equal(intake_counts(intake).docs, 2);
    assert_int_equal(intake_counts(intake).refused, 2);
    assert_non_null(
        strstr(json_string_value(json_object_get(bench->refused_now, "2")),
               "longer than"));
    assert_non_null(json_object_get(bench->refused_now, "4"));
    intake_destroy(intake);
    manifest_deinit(&manifest);
    json_decref(bench->refused_now);
    free(blanks);
}

static void test_intake_says_what_cannot_be_written(void **state)
{
    struct bench *bench = *state;
    struct intake_options options = {.threads = 2, .ram = 1, .batch = 8};
    struct manifest manifest;
    char dir[80];

    snprintf(dir, sizeof(dir), "%s/missing", bench->dir);
    manifest_init(&manifest);
    struct intake *intake = intake_create(&manifest, dir, &options);
    while (intake_put(intake, SPAN("{\"x\":1}\n")))
        ;
    assert_false(intake_finish(intake, 1, bench->why, WHY));
    assert_non_null(strstr(bench->why, dir));
    intake_destroy(intake);
    manifest_deinit(&manifest);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_intake_is_as_one_line_after_the_other),
        TEST(test_intake_takes_the_place_of_what_was_there_before),
        TEST(test_intake_passes_over_a_line_that_is_too_long),
        TEST(test_intake_says_what_cannot_be_written),
    };
    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
