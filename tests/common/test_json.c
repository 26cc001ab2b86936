/* test_json.c - JSON in, taken apart, and out. */
#include <string.h>
#include <uv.h>

#include "common/json.h"
#include "tests/test.h"

static const struct json_field fields[] = {
    {"s", JSON_KIND_STRING, true, false, 2, 4, 0},
    {"i", JSON_KIND_INTEGER, false, true, -5, 5, 0},
    {"b", JSON_KIND_BOOLEAN, false, false, 0, 0, 0},
    {"l", JSON_KIND_STRINGS, false, false, 1, 3, 2},
    {"o", JSON_KIND_OBJECT, false, false, 0, 0, 0},
    {"a/~", JSON_KIND_ARRAY, false, false, 0, 0, 1},
};

static int parse(const char *text, json_t **out, struct json_errors *errors)
{
    *errors = (struct json_errors){0};
    return json_read(span_str(text), out, errors);
}

static void test_json_read_refuses_what_is_none(void **state)
{
    static const char *const bad[] = {"",          "{",
                                      "{}x",       "{\"a\":1,\"a\":2}",
                                      "nul",       "{\"a\":\"\xff\"}",
                                      "[1,]",      "{'a':1}",
                                      "{\"a\":01}"};
    struct json_errors errors;
    json_t *document;
    (void)state;

    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(parse(bad[i], &document, &errors), UV_EINVAL);
        assert_int_equal(errors.count, 1);
        assert_non_null(strstr(errors.at[0].detail, "not JSON"));
    }
}

static void test_json_read_tells_what_is_of_no_use(void **state)
{
    static const char *const bad[][2] = {
        {"[99999999999999999999]", "a number is too large (line 1, column "},
        {"[-99999999999999999999]", "a number is too large (line 1, column "},
        {"[1e999]", "a number is too large (line 1, column "},
        {"{\"a\\u0000\":1}", "a member's name has a NUL (\\u0000) in it (line"},
        {"\"\\u0000\"", "a string has a NUL (\\u0000) in it (line 1, column"},
    };
    static const char *const scalars[] = {"1", "\"x\"", "null", "true"};
    struct json_errors errors;
    json_t *document;
    (void)state;

    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(parse(bad[i][0], &document, &errors), UV_ERANGE);
        assert_int_equal(errors.count, 1);
        assert_true(span_has_prefix(span_str(errors.at[0].detail),
                                    span_str(bad[i][1])));
    }
    for (size_t i = 0; i < COUNT(scalars); i++) {
        assert_int_equal(parse(scalars[i], &document, &errors), 0);
        assert_false(json_bind(document, NULL, 0, NULL, &errors));
        json_decref(document);
    }
}

static void test_json_read_bounds_depth(void **state)
{
    char text[2 * JSON_MAX_DEPTH + 8] = "";
    struct json_errors errors;
    json_t *document;
    (void)state;

    for (size_t depth = JSON_MAX_DEPTH; depth <= JSON_MAX_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = '\0';
        int err = parse(text, &document, &errors);
        assert_int_equal(err, depth > JSON_MAX_DEPTH ? UV_EINVAL : 0);
        if (err == 0)
            json_decref(document);
    }
    /* Brackets inside a string are text. */
    memset(text, '[', sizeof(text) - 1);
    memcpy(text, "[\"\\\"", 4);
    memcpy(text + sizeof(text) - 3, "\"]", 3);
    assert_int_equal(parse(text, &document, &errors), 0);
    json_decref(document);
}

static void test_json_read_bounds_values(void **state)
{
    size_t len = (size_t)2 * (JSON_MAX_VALUES + 1);
    char *text = malloc(len + 1);
    struct json_errors errors;
    json_t *document;
    (void)state;

    for (size_t i = 0; i < len; i += 2)
        memcpy(text + i, ",1", 2);
    text[0] = '[';
    memcpy(text + len - 2, "]", 2); /* as many values as there may be */
    assert_int_equal(parse(text, &document, &errors), 0);
    assert_int_equal(json_array_size(document), JSON_MAX_VALUES);
    json_decref(document);
    memcpy(text + len - 2, ",1", 2);
    text[len] = '\0';
    assert_int_equal(parse(text, &document, &errors), UV_EINVAL);
    assert_string_equal(errors.at[0].detail, "more than 1000000 values");
    text[0] = '"'; /* commas inside a string are text */
    memcpy(text + len - 2, "1\"", 2);
    assert_int_equal(parse(text, &document, &errors), 0);
    json_decref(document);
    free(text);
}

static void test_json_bind_names_each_mistake(void **state)
{
    static const struct {
        const char *text, *pointer, *detail;
    } cases[] = {
        {"{}", "/s", "is missing"},
        {"{\"s\":null}", "/s", "must be a string"},
        {"{\"s\":1}", "/s", "must be a string"},
        {"{\"s\":\"x\"}", "/s", "must be 2 to 4 bytes"},
        {"{\"s\":\"xxxxx\"}", "/s", "must be 2 to 4 bytes"},
        {"{\"s\":\"xx\",\"i\":6}", "/i", "must be -5 to 5"},
        {"{\"s\":\"xx\",\"i\":1.0}", "/i", "must be an integer"},
        {"{\"s\":\"xx\",\"b\":0}", "/b", "must be true or false"},
        {"{\"s\":\"xx\",\"l\":\"x\"}", "/l", "must be an array of strings"},
        {"{\"s\":\"xx\",\"l\":[\"a\",\"b\",\"c\"]}", "/l", "at most 2 items"},
        {"{\"s\":\"xx\",\"l\":[\"a\",1]}", "/l/1", "must be a string"},
        {"{\"s\":\"xx\",\"l\":[\"\"]}", "/l/0", "must be 1 to 3 bytes"},
        {"{\"s\":\"xx\",\"o\":[]}", "/o", "must be an object"},
        {"{\"s\":\"xx\",\"a/~\":{}}", "/a~1~0", "must be an array"},
        {"{\"s\":\"xx\",\"a/~\":[1,2]}", "/a~1~0", "at most 1 items"},
        {"{\"s\":\"xx\",\"no/w\":1}", "/no~1w", "unknown member"},
        {"[]", "", "must be an object"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct json_value values[COUNT(fields)];
        struct json_errors errors;
        json_t *document;
        assert_int_equal(parse(cases[i].text, &document, &errors), 0);
        assert_false(
            json_bind(document, fields, COUNT(fields), values, &errors));
        assert_int_equal(errors.count, 1);
        assert_string_equal(errors.at[0].pointer, cases[i].pointer);
        assert_string_equal(errors.at[0].detail, cases[i].detail);
        json_decref(document);
    }
}

static void test_json_bind_says_which_are_right(void **state)
{
    struct json_value values[COUNT(fields)];
    struct json_errors errors;
    json_t *document;
    (void)state;

    assert_int_equal(parse("{\"i\":9,\"b\":true,\"l\":[\"a\",1],\"o\":1,"
                           "\"a/~\":[1]}",
                           &document, &errors),
                     0);
    assert_false(json_bind(document, fields, COUNT(fields), values, &errors));
    assert_int_equal(errors.count, 4);
    assert_int_equal(values[0].state, JSON_STATE_WRONG); /* missing */
    assert_int_equal(values[1].state, JSON_STATE_WRONG);
    assert_true(values[2].state == JSON_STATE_SET && values[2].flag);
    assert_int_equal(values[3].state, JSON_STATE_WRONG);
    assert_int_equal(values[4].state, JSON_STATE_WRONG);
    assert_int_equal(values[5].state, JSON_STATE_SET);
    json_decref(document);
}

static void test_json_bind_takes_apart(void **state)
{
    struct json_value values[COUNT(fields)];
    struct json_errors errors;
    json_t *document;
    (void)state;

    assert_int_equal(parse("{\"b\":true,\"s\":\"xyz\",\"i\":null,\"l\":[]}",
                           &document, &errors),
                     0);
    assert_true(json_bind(document, fields, COUNT(fields), values, &errors));
    assert_true(span_eq(values[0].text, SPAN("xyz")));
    assert_int_equal(values[1].state, JSON_STATE_NULL);
    assert_true(values[2].state == JSON_STATE_SET && values[2].flag);
    assert_int_equal(json_array_size(values[3].node), 0);
    assert_int_equal(values[4].state, JSON_STATE_ABSENT);
    json_decref(document);
}

static void test_json_bind_keeps_a_bounded_number_of_errors(void **state)
{
    struct json_value values[COUNT(fields)];
    struct json_errors errors;
    json_t *document;
    (void)state;

    assert_int_equal(parse("{\"s\":\"xx\",\"1\":0,\"2\":0,\"3\":0,\"4\":0,"
                           "\"5\":0,\"6\":0,\"7\":0,\"8\":0,\"9\":0}",
                           &document, &errors),
                     0);
    assert_false(json_bind(document, fields, COUNT(fields), values, &errors));
    assert_int_equal(errors.count, 9);
    json_decref(document);
}

/* Whatever the bytes are, what comes out is JSON. */
static void test_json_put_string_is_always_json(void **state)
{
    struct buf out;
    struct json_errors errors;
    json_t *document;
    (void)state;

    buf_init(&out, MEM_JSON);
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b += 5) {
            char bytes[4] = {(char)a, (char)b, 'x', (char)(a ^ b)};
            struct json_writer w = {.out = &out};
            out.len = 0;
            json_put_open(&w, '[');
            json_put_string(&w, (struct span){bytes, sizeof(bytes)});
            json_put_close(&w, ']');
            errors = (struct json_errors){0};
            if (a == 0 || b == 0 || (a ^ b) == 0)
                continue; /* jansson refuses NUL, escaped too */
            assert_int_equal(json_read(buf_span(&out), &document, &errors), 0);
            json_decref(document);
        }
    buf_deinit(&out);
}

static void test_json_put_nests_with_commas(void **state)
{
    struct buf out;
    struct json_writer w = {.out = &out};
    (void)state;

    buf_init(&out, MEM_JSON);
    json_put_open(&w, '{');
    json_put_key(&w, "a");
    json_put_open(&w, '[');
    json_put_int(&w, -3);
    json_put_real(&w, 0.5);
    json_put_bool(&w, false);
    json_put_null(&w);
    json_put_raw(&w, SPAN("{}"));
    json_put_close(&w, ']');
    json_put_key(&w, "b");
    json_put_string(&w, SPAN("\x01\xc3\xa4\xff"));
    json_put_close(&w, '}');
    buf_append_char(&out, '\0');
    assert_string_equal(out.ptr, "{\"a\":[-3,0.5,false,null,{}],\"b\":"
                                 "\"\\u0001\xc3\xa4\xef\xbf\xbd\"}");
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_read_refuses_what_is_none),
        cmocka_unit_test(test_json_read_tells_what_is_of_no_use),
        cmocka_unit_test(test_json_read_bounds_depth),
        cmocka_unit_test(test_json_read_bounds_values),
        cmocka_unit_test(test_json_bind_names_each_mistake),
        cmocka_unit_test(test_json_bind_says_which_are_right),
        cmocka_unit_test(test_json_bind_takes_apart),
        cmocka_unit_test(test_json_bind_keeps_a_bounded_number_of_errors),
        cmocka_unit_test(test_json_put_string_is_always_json),
        cmocka_unit_test(test_json_put_nests_with_commas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
