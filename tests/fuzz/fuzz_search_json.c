/* fuzz_search_json.c - a query in JSON: refused with a reason, or a tree. */
#include <stdlib.h>

#include "search/query/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_errors errors = {0};
    struct query_error error;
    struct arena arena;
    struct buf out;
    json_t *json;

    if (json_read((struct span){(const char *)data, size}, &json, &errors) < 0)
        return 0;
    arena_init(&arena, MEM_REQUEST, 0);
    buf_init(&out, MEM_REQUEST);
    struct query *query = query_read_json(&arena, json, &error);
    json_decref(json);
    if (query)
        query_print(query, &out);
    else if (!error.type || !error.reason[0])
        abort();
    buf_deinit(&out);
    arena_deinit(&arena);
    return 0;
}
