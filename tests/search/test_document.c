/* test_document.c - documents are read as jansson reads them. */
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "search/index/document.h"
#include "tests/test.h"

static void assert_same(const struct document_node *node, const json_t *json);

static void assert_same_inner(const struct document_node *node,
                              const json_t *json)
{
    size_t count = 0;

    for (const struct document_node *inner = node->first; inner;
         inner = inner->next, count++)
        assert_same(inner, node->kind == DOCUMENT_ARRAY
                               ? json_array_get(json, count)
                               : json_object_getn(json, inner->name.ptr,
                                                  inner->name.len));
    assert_int_equal(count, node->kind == DOCUMENT_ARRAY
                                ? json_array_size(json)
                                : json_object_size(json));
}

static void assert_same(const struct document_node *node, const json_t *json)
{
    static const json_type types[] = {
        [DOCUMENT_NULL] = JSON_NULL,   [DOCUMENT_FALSE] = JSON_FALSE,
        [DOCUMENT_TRUE] = JSON_TRUE,   [DOCUMENT_INTEGER] = JSON_INTEGER,
        [DOCUMENT_REAL] = JSON_REAL,   [DOCUMENT_STRING] = JSON_STRING,
        [DOCUMENT_ARRAY] = JSON_ARRAY, [DOCUMENT_OBJECT] = JSON_OBJECT};

    assert_non_null(json);
    assert_int_equal(types[node->kind], json_typeof(json));
    if (node->kind == DOCUMENT_STRING)
        assert_true(
            span_eq(node->text, (struct span){json_string_value(json),
                                              json_string_length(json)}));
    else if (node->kind == DOCUMENT_INTEGER)
        assert_true(node->integer == json_integer_value(json));
    else if (node->kind == DOCUMENT_REAL)
        assert_memory_equal(&node->real, &(double){json_real_value(json)},
                            sizeof(double));
    else if (node->kind >= DOCUMENT_ARRAY)
        assert_same_inner(node, json);
}

/* Whether it is one; the text has no byte more than it says. */
static bool compare(struct span text)
{
    char *copy = malloc(text.len ? text.len : 1);
    struct json_errors errors;
    json_t *json = NULL;
    struct arena arena;

    if (text.len)
        memcpy(copy, text.ptr, text.len);
    text.ptr = copy;
    json_errors_init(&errors);
    arena_init(&arena, MEM_APP, 0);
    bool fine = json_read(text, &json, &errors) == 0 && json_is_object(json);
    const struct document_node *node = document_read(&arena, text);
    if (!node != !fine)
        print_error("%.*s\n", (int)text.len, text.ptr);
    assert_int_equal(!node, !fine);
    if (node)
        assert_same(node, json);
    arena_deinit(&arena);
    json_decref(json);
    free(copy);
    return fine;
}

static const char *const seeds[] = {
    "{}",
    " \t\r\n{ \"a\" : [ ] , \"b\":{}}\n ",
    "{\"a\":[1,-1,0,-0,9223372036854775807,-9223372036854775808],\"b\":null}",
    "{\"a\":9223372036854775808}",
    "{\"a\":-9223372036854775809}",
    "{\"a\":[1.5,-0.0,1e5,1E-5,1.25e+300,5e-324,0.1]}",
    "{\"a\":1e400}",
    "{\"a\":01}",
    "{\"a\":1.}",
    "{\"a\":.5}",
    "{\"a\":+1}",
    "{\"a\":-}",
    "{\"a\":1e}",
    "{\"a\":12345678901234567890123456789012345678901234567890123456789012345"
    ".5}",
    "{\"a\":[true,false,null,\"\",\"plain and long enough for words of 8\"]}",
    "{\"a\":truex}",
    "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\uD83d\\uDe00 "
    "x\"}",
    "{\"\\u0061\":1,\"a\":2}",
    "{\"a\":\"\\u0000\"}",
    "{\"\\u0000\":1}",
    "{\"a\":\"\\ud800\"}",
    "{\"a\":\"\\ud800\\u0041\"}",
    "{\"a\":\"\\udc00\"}",
    "{\"a\":\"\\x\"}",
    "{\"a\":\"é € 😀 日本語 und länger\"}",
    "{\"a\":\"\xc0\x80\"}",
    "{\"a\":\"\xed\xa0\x80\"}",
    "{\"a\":\"\xf4\x90\x80\x80\"}",
    "{\"a\":\"12345678\x01\"}",
    "{\"a\":\"\x7f\"}",
    "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,"
    "\"j\":{\"a\":1}}",
    "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,"
    "\"a\":10}",
    "{\"a\":1,\"b\":2,\"a\":3}",
    "{\"a\":[1,]}",
    "{\"a\":1,}",
    "{\"a\":1}}",
    "{\"a\":1} x",
    "[1]",
    "1",
    "",
    "{\"a\":{\"b\":[{\"c\":[[[]],{\"d\":{}}]}]}}",
    "{a:1}",
    "{\"a\" 1}",
};

static void test_document_is_as_jansson_reads_it(void **state)
{
    size_t fine = 0;
    (void)state;

    for (size_t i = 0; i < COUNT(seeds); i++)
        fine += compare(span_str(seeds[i]));
    assert_int_equal(fine, 11);
}

static void test_document_is_not_nested_too_deep(void **state)
{
    char text[2 * 70 + 10];
    (void)state;

    for (int depth = JSON_MAX_DEPTH - 3; depth < JSON_MAX_DEPTH + 3; depth++) {
        int len = snprintf(text, sizeof(text), "{\"a\":");
        memset(text + len, '[', (size_t)depth);
        memset(text + len + depth, ']', (size_t)depth);
        text[len + 2 * depth] = '}';
        assert_int_equal(
            compare((struct span){text, (size_t)(len + 2 * depth + 1)}),
            depth < JSON_MAX_DEPTH);
    }
}

/* Bytes that are changed, left out, doubled, or of another one. */
static void test_document_that_is_changed_is_as_jansson_reads_it(void **state)
{
    static const char bytes[] = "{}[],:\"\\ue0-+.1tfn \x80\xc3\xe2\xf0\x1f";
    size_t fine = 0;
    char text[400];
    (void)state;

    srandom(3);
    for (int n = 0; n < 60000; n++) {
        const char *seed = seeds[(size_t)random() % COUNT(seeds)];
        size_t len = strlen(seed);
        memcpy(text, seed, len);
        for (long changes = random() % 4; changes >= 0 && len > 2; changes--) {
            size_t at = (size_t)random() % len;
            size_t from = (size_t)random() % len;
            switch (random() % 4) {
            case 0:
                text[at] = bytes[(size_t)random() % (sizeof(bytes) - 1)];
                break;
            case 1:
                memmove(text + at, text + at + 1, --len - at);
                break;
            case 2:
                text[at] = text[from];
                break;
            default:
                if (len < sizeof(text) - 1)
                    memmove(text + at + 1, text + at, len++ - at);
            }
        }
        fine += compare((struct span){text, len});
    }
    assert_true(fine > 5000 && fine < 55000);
}

static void test_document_get_finds_a_member(void **state)
{
    struct arena arena;
    (void)state;

    arena_init(&arena, MEM_APP, 0);
    const struct document_node *node = document_read(
        &arena, SPAN("{\"a\":1,\"\\u0062\":\"x\",\"c\":{\"d\":2}}"));
    assert_true(span_eq(document_get(node, SPAN("b"))->text, SPAN("x")));
    assert_null(document_get(node, SPAN("d")));
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_document_is_as_jansson_reads_it),
        cmocka_unit_test(test_document_is_not_nested_too_deep),
        cmocka_unit_test(test_document_that_is_changed_is_as_jansson_reads_it),
        cmocka_unit_test(test_document_get_finds_a_member),
    };
    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
