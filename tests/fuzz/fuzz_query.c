/* fuzz_query.c - what stands behind the question mark. */
#include "common/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = {(const char *)data, size};
    struct span name;
    struct span value;
    struct arena arena;

    arena_init(&arena, MEM_REQUEST, 0);
    query_find(&arena, rest, SPAN("limit"));
    if (query_decode(&arena, rest, false, &value) != query_is_whole(rest))
        __builtin_trap();
    struct span whole = query_escape(&arena, rest);
    if (!query_is_whole(whole) || query_escape(&arena, whole).ptr != whole.ptr)
        __builtin_trap();
    static const char *const names[] = {"limit", "cursor"};
    struct span values[2];
    struct json_errors errors = {0};
    query_take(&arena, rest, names, 2, values, &errors);
    if (!span_eq(values[0], query_find(&arena, rest, SPAN("limit"))))
        __builtin_trap();
    while (query_next(&arena, &rest, &name, &value))
        if (name.len > size || value.len > size)
            __builtin_trap();
    arena_deinit(&arena);
    return 0;
}
