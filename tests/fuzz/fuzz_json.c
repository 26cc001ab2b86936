/* fuzz_json.c - a body, taken apart as a create's is, and written again. */
#include "common/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct json_field fields[] = {
    {"url", JSON_KIND_STRING, true, false, 1, 64, 0},
    {"ttl", JSON_KIND_INTEGER, false, true, 1, 100, 0},
    {"reuse", JSON_KIND_BOOLEAN, false, true, 0, 0, 0},
    {"tags", JSON_KIND_STRINGS, false, true, 1, 8, 4},
    {"more", JSON_KIND_OBJECT, false, false, 0, 0, 0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    struct json_value values[sizeof(fields) / sizeof(fields[0])];
    struct json_errors errors = {0};
    struct buf out;
    struct json_writer w = {.out = &out};
    json_t *document;

    buf_init(&out, MEM_JSON);
    json_put_string(&w, text);
    if (json_read(text, &document, &errors) == 0) {
        json_bind(document, fields, sizeof(fields) / sizeof(fields[0]), values,
                  &errors);
        json_decref(document);
    }
    buf_deinit(&out);
    return 0;
}
