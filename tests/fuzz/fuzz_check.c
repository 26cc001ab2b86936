/*
 * fuzz_check.c - a check read without a tree is the one that its document is.
 */
#include "ratelimit/check_input.h"
#include "ratelimit/check_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is_so)
{
    if (!is_so)
        __builtin_trap();
}

static void compare(const struct decision *a, const struct decision *b)
{
    must(a->call.count == b->call.count && span_eq(a->call.id, b->call.id) &&
         !a->call.id.ptr == !b->call.id.ptr);
    for (size_t i = 0; i < a->call.count; i++)
        must(span_eq(a->names[i], b->names[i]) &&
             span_eq(a->call.asks[i].key, b->call.asks[i].key) &&
             a->call.asks[i].cost == b->call.asks[i].cost);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span body = {(const char *)data, size};
    struct json_errors errors = {0};
    struct arena arena;
    struct decision scanned = {.arena = &arena};
    struct decision read = {.arena = &arena, .errors = &errors};
    json_t *document;

    arena_init(&arena, MEM_REQUEST, 0);
    if (check_scan(&scanned, body)) {
        must(json_read(body, &document, &errors) == 0);
        must(check_read(&read, document, true));
        compare(&scanned, &read);
        json_decref(document);
    }
    arena_deinit(&arena);
    return 0;
}
