/* test_schema.c - fields by mappings and by themselves; dates. */
#include <string.h>

#include "search/index/date.h"
#include "search/index/schema.h"
#include "tests/test.h"

static bool merge(struct schema *schema, const char *mapping, char *why)
{
    struct json_errors errors;
    json_t *json;

    json_errors_init(&errors);
    assert_int_equal(json_read(span_str(mapping), &json, &errors), 0);
    bool fine = schema_merge(schema, json, &errors);
    snprintf(why, 400, "%s %s", errors.count ? errors.at[0].pointer : "",
             errors.count ? errors.at[0].detail : "");
    assert_int_equal(fine, errors.count == 0);
    json_decref(json);
    return fine;
}

static void assert_json(const struct schema *schema, const char *expected)
{
    struct buf out;

    buf_init(&out, MEM_APP);
    schema_put(schema, &(struct json_writer){.out = &out});
    buf_append_char(&out, '\0');
    assert_string_equal(out.ptr, expected);
    buf_deinit(&out);
}

#define MAPPING                                                            \
    "{\"properties\":{\"title\":{\"type\":\"text\",\"analyzer\":"          \
    "\"english\",\"fields\":{\"raw\":{\"type\":\"keyword\"}}},"            \
    "\"author.name\":{\"type\":\"keyword\",\"ignore_above\":20},"          \
    "\"year\":{\"type\":\"long\"},\"body\":{\"type\":\"text\",\"k1\":2.5," \
    "\"b\":0.5}}}"

static void test_mapping_comes_out_as_it_went_in(void **state)
{
    struct schema schema;
    char why[400];

    (void)state;
    schema_init(&schema);
    assert_true(merge(&schema, MAPPING, why));
    assert_json(&schema, MAPPING);
    assert_true(merge(&schema, MAPPING, why)); /* and changes nothing */
    assert_int_equal(schema.count, 5);
    assert_true(merge(&schema,
                      "{\"properties\":{\"a\":{\"properties\":{\"b\":{"
                      "\"type\":\"date\"}}}},\"dynamic\":false}",
                      why));
    assert_int_equal(schema_find(&schema, SPAN("a.b")), 5);
    assert_int_equal(schema.fields[5].type, SCHEMA_DATE);
    assert_false(schema.dynamic);
    assert_int_equal(schema_find(&schema, SPAN("title.raw")), 1);
    assert_int_equal(schema.fields[1].of, 0);
    assert_int_equal(schema_find(&schema, SPAN("nothing")), SCHEMA_NONE);
    schema_deinit(&schema);
}

static void test_what_is_wrong_with_a_mapping_is_said(void **state)
{
    static const struct {
        const char *mapping, *why;
    } cases[] = {
        {"{\"properties\":[]}", "properties must be an object"},
        {"{\"properties\":{\"x\":{\"type\":\"geo\"}}}", "no handler for type"},
        {"{\"properties\":{\"x\":{}}}", "[x]"},
        {"{\"properties\":{\"x\":1}}", "[x]"},
        {"{\"properties\":{\"x\":{\"type\":\"text\",\"analyzer\":\"klingon\"}}"
         "}",
         "no such analyzer"},
        {"{\"properties\":{\"x\":{\"type\":\"text\",\"analyzer\":{\"type\":"
         "\"standard\",\"fold\":1}}}}",
         "fold"},
        {"{\"properties\":{\"x\":{\"type\":\"text\",\"copy_to\":\"y\"}}}",
         "copy_to"},
        {"{\"properties\":{\"x\":{\"type\":\"text\",\"b\":2}}}",
         "out of bounds"},
        {"{\"properties\":{\"new\":{\"type\":\"long\"},\"year\":{\"type\":"
         "\"text\"}}}",
         "cannot change"},
        {"{\"dynamic\":\"strict\"}", "dynamic"},
    };
    struct schema schema;
    char why[400];

    (void)state;
    schema_init(&schema);
    assert_true(merge(&schema, MAPPING, why));
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_false(merge(&schema, cases[i].mapping, why));
        assert_non_null(strstr(why, cases[i].why));
        assert_int_equal(schema.count, 5); /* nothing is added */
    }
    schema_deinit(&schema);
}

static void test_fields_are_bounded(void **state)
{
    char name[SCHEMA_NAME_MAX + 2];
    struct schema schema;

    (void)state;
    schema_init(&schema);
    memset(name, 'x', sizeof(name));
    struct span longest = {name, SCHEMA_NAME_MAX};
    assert_int_equal(schema_add(&schema, longest, SCHEMA_LONG), 0);
    longest.len++;
    assert_int_equal(schema_add(&schema, longest, SCHEMA_LONG), SCHEMA_NONE);
    assert_int_equal(schema_add(&schema, SPAN(""), SCHEMA_LONG), SCHEMA_NONE);
    for (size_t i = 1; i < SCHEMA_FIELDS_MAX; i++) {
        int len = snprintf(name, sizeof(name), "f%zu", i);
        assert_int_equal(schema_add(&schema, (struct span){name, (size_t)len},
                                    SCHEMA_BOOLEAN),
                         i);
    }
    assert_int_equal(schema_add(&schema, SPAN("one"), SCHEMA_LONG),
                     SCHEMA_NONE);
    schema_deinit(&schema);
}

static void test_text_that_comes_by_itself_has_a_keyword(void **state)
{
    struct schema schema;
    struct schema again;
    struct buf list;

    (void)state;
    schema_init(&schema);
    schema_init(&again);
    buf_init(&list, MEM_APP);
    assert_int_equal(schema_add(&schema, SPAN("t"), SCHEMA_TEXT), 0);
    assert_int_equal(schema_find(&schema, SPAN("t.keyword")), 1);
    assert_int_equal(schema.fields[1].ignore_above, 256);
    schema_put_list(&schema, &(struct json_writer){.out = &list});
    assert_true(schema_read_list(&again, buf_span(&list)));
    assert_json(&again,
                "{\"properties\":{\"t\":{\"type\":\"text\",\"fields\":{"
                "\"keyword\":{\"type\":\"keyword\",\"ignore_above\":256}}}}}");
    assert_false(schema_read_list(&again, SPAN("[{\"name\":1}]")));
    assert_false(schema_read_list(&again, SPAN("{}")));
    assert_false(schema_read_list(&again, SPAN("[")));
    buf_deinit(&list);
    schema_deinit(&schema);
    schema_deinit(&again);
}

static void test_dates_are_milliseconds(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"1970-01-01", 0},
        {"1970", 0},
        {"1970-02", INT64_C(31) * 86400000},
        {"2000-03-01", INT64_C(951868800000)},
        {"2024-02-29T13:05:07.123Z", INT64_C(1709211907123)},
        {"2024-02-29 13:05:07.123", INT64_C(1709211907123)},
        {"2024-02-29T14:05:07,123+01:00", INT64_C(1709211907123)},
        {"2024-02-29T08:05:07.123-0500", INT64_C(1709211907123)},
        {"2024-02-29T13:05", INT64_C(1709211900000)},
        {"2024-02-29T13", INT64_C(1709211600000)},
        {"1969-12-31T23:59:59.999Z", -1},
        {"1709211907123", INT64_C(1709211907123)},
        {"-1", -1},
        {"0000-01-01", INT64_C(-62167219200000)},
        {"9999-12-31T23:59:59.999999Z", DATE_LAST},
    };
    char room[DATE_MAX];
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(date_parse(span_str(cases[i].text), &ms));
        assert_int_equal(ms, cases[i].ms);
        struct span text = date_write(room, ms);
        assert_true(date_parse(text, &ms));
        assert_int_equal(ms, cases[i].ms);
    }
}

static void test_what_is_no_date_is_refused(void **state)
{
    static const char *const none[] = {
        "",
        "x",
        "202",
        "2024-13-01",
        "2024-00-01",
        "2023-02-29",
        "2024-04-31",
        "2024-1-1",
        "2024-01-01T",
        "2024-01-01T24",
        "2024-01-01T10:60",
        "2024-01-01T10:00:60",
        "2024-01-01T10:00:00.",
        "2024-01-01T10:00Zx",
        "2024-01-01T10:00+19:00",
        "253402300800000",
        "--1",
        "1900-02-29",
    };
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < COUNT(none); i++)
        assert_false(date_parse(span_str(none[i]), &ms));
}

static void test_dates_are_written_as_they_are_read(void **state)
{
    char room[DATE_MAX];
    int64_t ms;

    (void)state;
    for (int64_t day = -800000; day < 2932000; day += 97) {
        struct span text = date_write(room, day * 86400000 + 1);
        if (text.ptr[0] == '-')
            continue;
        assert_true(date_parse(text, &ms));
        assert_int_equal(ms, day * 86400000 + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mapping_comes_out_as_it_went_in),
        cmocka_unit_test(test_what_is_wrong_with_a_mapping_is_said),
        cmocka_unit_test(test_fields_are_bounded),
        cmocka_unit_test(test_text_that_comes_by_itself_has_a_keyword),
        cmocka_unit_test(test_dates_are_milliseconds),
        cmocka_unit_test(test_what_is_no_date_is_refused),
        cmocka_unit_test(test_dates_are_written_as_they_are_read),
    };

    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
