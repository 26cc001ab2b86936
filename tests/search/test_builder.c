/*
 * test_builder.c - documents in JSON as a segment has them: terms, values,
 * source, ids.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "search/index/builder.h"
#include "search/index/reader.h"
#include "search/query/places.h"
#include "search/query/postings.h"
#include "tests/test.h"

#define WHY 300

struct bench {
    char dir[40], path[60], why[WHY];
    struct schema schema;
    struct builder *builder;
    struct segment *segment;
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    snprintf(bench->dir, sizeof(bench->dir), "/tmp/builder-XXXXXX");
    assert_non_null(mkdtemp(bench->dir));
    snprintf(bench->path, sizeof(bench->path), "%s/a", bench->dir);
    schema_init(&bench->schema);
    bench->builder = builder_create(bench->path, &bench->schema,
                                    &(struct builder_options){0});
    assert_non_null(bench->builder);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    segment_close(bench->segment);
    schema_deinit(&bench->schema);
    unlink(bench->path);
    assert_int_equal(rmdir(bench->dir), 0);
    free(bench);
    return 0;
}

static bool add(struct bench *bench, const char *id, const char *source)
{
    bench->why[0] = '\0';
    return builder_add(bench->builder, span_str(id), span_str(source),
                       bench->why, WHY);
}

static void finish(struct bench *bench)
{
    assert_int_equal(builder_finish(bench->builder), 0);
    bench->segment = segment_open(bench->path, bench->why, WHY);
    assert_non_null(bench->segment);
}

static struct span section(struct bench *bench, enum segment_kind kind,
                           uint32_t field)
{
    struct span found = segment_section(bench->segment, kind, field);

    assert_true(segment_check(bench->segment, found));
    return found;
}

static struct values values_of(struct bench *bench, const char *name)
{
    uint32_t field = schema_find(&bench->schema, span_str(name));
    struct values values;

    assert_int_not_equal(field, SCHEMA_NONE);
    assert_true(values_init(&values, section(bench, SEGMENT_VALUES, field),
                            segment_docs(bench->segment)));
    return values;
}

/* "DOC@POSITION,POSITION DOC@…" of a term; "": none has it. */
static void assert_term(struct bench *bench, const char *name, const char *term,
                        const char *expected)
{
    const struct bits_kernel *kernels[2];
    uint32_t number = schema_find(&bench->schema, span_str(name));
    struct postings postings;
    struct places places;
    struct dict_entry entry;
    struct field field;
    uint32_t found[100 + BITS_SLACK];
    char text[400] = "";
    size_t len = 0;
    uint32_t first = 0;

    bits_kernels(kernels);
    assert_true(field_open(&field, bench->segment, number));
    if (!field_find(&field, span_str(term), &entry)) {
        assert_string_equal("", expected);
        return;
    }
    if (entry.count == 1)
        postings_init_single(&postings, kernels[0], entry.doc, entry.freq);
    else
        postings_init(&postings, kernels[0], field_list(&field, &entry),
                      entry.count);
    if (field.norms)
        places_init(&places, kernels[0], field_places(&field, &entry),
                    (uint32_t)entry.total);
    for (; postings_doc(&postings) != POSTINGS_END; postings_next(&postings)) {
        uint32_t freq = postings_freq(&postings);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u",
                                len ? " " : "", postings_doc(&postings));
        if (!field.norms)
            continue;
        places_read(&places, first, freq, found);
        first += freq;
        for (uint32_t i = 0; i < freq; i++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%c%u",
                                    i ? ',' : '@', found[i]);
    }
    assert_string_equal(text, expected);
}

static void test_texts_are_terms_with_positions(void **state)
{
    struct bench *bench = *state;

    assert_true(add(bench, "1", "{\"t\":\"To be, or not to BE\"}"));
    assert_true(add(bench, "2", "{\"t\":[\"be one\",\"two be\"]}"));
    assert_true(add(bench, "3", "{\"u\":\"be\"}"));
    assert_true(add(bench, "4", "{\"t\":null,\"u\":[]}"));
    assert_true(add(bench, "5", "{\"t\":\"be\"}"));
    finish(bench);
    assert_term(bench, "t", "be", "0@1,5 1@0,102 4@0");
    assert_term(bench, "t", "two", "1@101");
    assert_term(bench, "t", "BE", "");
    assert_term(bench, "u", "be", "2@0");
    struct field field;
    assert_true(field_open(&field, bench->segment,
                           schema_find(&bench->schema, SPAN("t"))));
    assert_int_equal(field.totals.docs, 3);
    assert_int_equal(field.totals.tokens, 6 + 4 + 1);
    assert_memory_equal(field.norms, "\6\4\0\0\1", 5);
}

static void test_keywords_are_terms_and_values(void **state)
{
    struct bench *bench = *state;
    bool exact;

    assert_true(add(bench, "1", "{\"t\":\"New York\"}"));
    assert_true(add(bench, "2", "{\"t\":[\"b\",\"a\",\"b\"]}"));
    finish(bench);
    assert_term(bench, "t.keyword", "New York", "0");
    assert_term(bench, "t.keyword", "b", "1");
    struct values values = values_of(bench, "t.keyword");
    assert_int_equal(values.kind, VALUES_KEYWORD);
    assert_int_equal(values_keywords(&values), 3);
    assert_int_equal(values_count(&values, 1), 2);
    assert_int_equal(values_get(&values, 1, 0),
                     values_find(&values, SPAN("a"), &exact));
    assert_true(exact);
}

static void test_numbers_dates_and_truths_are_values(void **state)
{
    struct bench *bench = *state;

    assert_true(add(bench, "1",
                    "{\"n\":7,\"r\":0.5,\"d\":\"2024-02-29\",\"b\":true,"
                    "\"o\":{\"p\":[{\"q\":3},{\"q\":1}]}}"));
    assert_true(add(bench, "2", "{\"n\":\"8\",\"r\":2,\"b\":\"false\"}"));
    assert_true(add(bench, "3", "{\"n\":9.9,\"d\":0}"));
    finish(bench);
    struct values n = values_of(bench, "n");
    for (uint32_t doc = 0; doc < 3; doc++)
        assert_int_equal(values_get(&n, doc, 0), 7 + doc);
    struct values r = values_of(bench, "r");
    assert_true(values_double(values_get(&r, 1, 0)) == 2.0);
    assert_int_equal(values_count(&r, 2), 0);
    struct values d = values_of(bench, "d");
    assert_int_equal(values_get(&d, 0, 0), INT64_C(1709164800000));
    assert_int_equal(values_get(&d, 2, 0), 0);
    struct values b = values_of(bench, "b");
    assert_int_equal(values_get(&b, 0, 0), 1);
    assert_int_equal(values_get(&b, 1, 0), 0);
    struct values q = values_of(bench, "o.p.q");
    assert_int_equal(values_count(&q, 0), 2);
    assert_int_equal(values_get(&q, 0, 0), 1);
}

static void test_sources_and_ids_are_kept(void **state)
{
    struct bench *bench = *state;
    struct stored stored;
    struct ids ids;
    struct buf out;
    char id[16];
    char source[64];

    for (int i = 0; i < 3000; i++) {
        snprintf(id, sizeof(id), "id-%d", i);
        snprintf(source, sizeof(source), "{ \"n\" : %d }", i);
        assert_true(add(bench, id, source));
    }
    assert_true(add(bench, "id-7", "{\"again\":1}"));
    assert_int_equal(builder_docs(bench->builder), 3001);
    finish(bench);
    buf_init(&out, MEM_APP);
    assert_true(
        ids_init(&ids, section(bench, SEGMENT_IDS, SEGMENT_NO_FIELD), 3001));
    assert_true(
        stored_init(&stored, section(bench, SEGMENT_STORED, SEGMENT_NO_FIELD),
                    section(bench, SEGMENT_SOURCES, SEGMENT_NO_FIELD), 3001));
    assert_int_equal(ids_find(&ids, SPAN("id-2999")), 2999);
    assert_int_equal(ids_find(&ids, SPAN("id-7")), 3000);
    assert_int_equal(ids_find(&ids, SPAN("id-3000")), UINT32_MAX);
    assert_true(span_eq(ids_of(&ids, 1234), SPAN("id-1234")));
    assert_int_equal(stored_read(&stored, 1234, &out), 0);
    assert_true(span_eq(buf_span(&out), SPAN("{ \"n\" : 1234 }")));
    stored_deinit(&stored);
    buf_deinit(&out);
    struct schema again;
    schema_init(&again);
    assert_true(schema_read_list(
        &again, section(bench, SEGMENT_SCHEMA, SEGMENT_NO_FIELD)));
    assert_int_equal(again.count, bench->schema.count);
    schema_deinit(&again);
}

/* In the second chunk, which nothing else is in. */
static void damage_sources(struct bench *bench)
{
    const off_t at = SEGMENT_ALIGN + 3 * SEGMENT_CHUNK / 2;
    int fd = open(bench->path, O_RDWR);
    char byte;

    assert_true(
        segment_section(bench->segment, SEGMENT_STORED, SEGMENT_NO_FIELD).len >
        2 * SEGMENT_CHUNK);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void test_sources_that_are_damaged_are_not_read(void **state)
{
    struct bench *bench = *state;
    struct buf source;
    struct buf out;
    char id[16];
    unsigned lost = 0;

    srandom(1);
    buf_init(&source, MEM_APP);
    for (int i = 0; i < 5000; i++) {
        snprintf(id, sizeof(id), "%d", i);
        source.len = 0;
        buf_append(&source, SPAN("{\"k\":\""));
        for (int j = 0; j < 8; j++)
            buf_printf(&source, "%08lx", random());
        buf_append(&source, (struct span){"\"}", 3});
        assert_true(add(bench, id, source.ptr));
    }
    buf_deinit(&source);
    finish(bench);
    damage_sources(bench);
    struct reader *reader = reader_open(bench->segment, NULL, 0);
    buf_init(&out, MEM_APP);
    assert_int_equal(reader_source(reader, 0, &out), 0);
    assert_int_equal(reader_source(reader, 4999, &out), 0);
    assert_null(segment_damage(bench->segment));
    for (uint32_t doc = 0; doc < 5000; doc++)
        lost += reader_source(reader, doc, &out) == UV_EIO;
    assert_in_range(lost, 1000, 3000); /* all of the chunk */
    assert_non_null(strstr(segment_damage(bench->segment), "documents"));
    assert_null(reader_stored(reader)); /* so that they are not merged */
    buf_deinit(&out);
    reader_close(reader);
}

static void test_what_is_refused_leaves_nothing(void **state)
{
    static const struct {
        const char *id, *source, *why;
    } cases[] = {
        {"x", "", "failed to parse"},
        {"x", "[1]", "it is no object"},
        {"x", "{\"n\":1} x", "failed to parse"},
        {"x", "{\"t\":\"word\",\"n\":\"many\"}", "[n]"},
        {"x", "{\"new\":\"word\",\"n\":\"many\"}", "[n]"},
        {"x", "{\"t\":\"word\",\"n\":{\"a\":1}}", "[n]"},
        {"x", "{\"t\":\"word\",\"b\":\"yes\"}", "[b]"},
        {"x", "{\"t\":\"word\",\"d\":\"2024-02-30\"}", "[d]"},
        {"x", "{\"t\":\"word\",\"r\":\"1e999\"}", "[r]"},
        {"", "{\"t\":\"word\"}", "id"},
    };
    struct bench *bench = *state;

    assert_true(add(bench, "1",
                    "{\"t\":\"first\",\"n\":1,\"b\":true,\"d\":\"2024-01-01\","
                    "\"r\":1.5}"));
    size_t fields = bench->schema.count;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_false(add(bench, cases[i].id, cases[i].source));
        assert_non_null(strstr(bench->why, cases[i].why));
    }
    assert_int_equal(bench->schema.count, fields);
    assert_int_equal(builder_docs(bench->builder), 1);
    assert_true(add(bench, "2", "{\"t\":\"second\"}"));
    finish(bench);
    assert_int_equal(segment_docs(bench->segment), 2);
    assert_term(bench, "t", "word", "");
    assert_term(bench, "t", "second", "1@0");
}

static void test_fields_of_what_is_refused_leave_nothing(void **state)
{
    struct bench *bench = *state;
    struct buf source;

    assert_true(add(bench, "1", "{\"a\":1}"));
    size_t size = bench->schema.arena.size;
    buf_init(&source, MEM_APP);
    for (unsigned i = 0; i <= SCHEMA_FIELDS_MAX; i++)
        buf_printf(&source, "%c\"a long enough name %u\":1", i ? ',' : '{', i);
    buf_append(&source, SPAN("}"));
    buf_append_char(&source, '\0');
    assert_false(add(bench, "2", source.ptr));
    assert_non_null(strstr(bench->why, "too many fields"));
    assert_int_equal(bench->schema.count, 1);
    assert_int_equal(bench->schema.arena.size, size);
    assert_true(add(bench, "3", "{\"a\":2,\"b\":3}"));
    buf_deinit(&source);
    assert_int_equal(builder_finish(bench->builder), 0);
}

static void test_what_is_abandoned_is_not_there(void **state)
{
    struct bench *bench = *state;

    assert_true(add(bench, "1", "{\"t\":\"first\"}"));
    builder_abandon(bench->builder);
    assert_int_equal(access(bench->path, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_texts_are_terms_with_positions),
        T(test_keywords_are_terms_and_values),
        T(test_numbers_dates_and_truths_are_values),
        T(test_sources_and_ids_are_kept),
        T(test_sources_that_are_damaged_are_not_read),
        T(test_what_is_refused_leaves_nothing),
        T(test_fields_of_what_is_refused_leave_nothing),
        T(test_what_is_abandoned_is_not_there),
    };

    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
