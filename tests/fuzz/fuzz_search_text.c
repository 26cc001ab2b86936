/* fuzz_search_text.c - a query string, in both syntaxes. */
#include <stdlib.h>

#include "search/query/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_one(struct span text, const struct query_syntax *syntax)
{
    struct query_error error;
    struct arena arena;
    struct buf out;

    arena_init(&arena, MEM_REQUEST, 0);
    buf_init(&out, MEM_REQUEST);
    struct query *query = query_read_text(&arena, text, syntax, &error);
    if (query)
        query_print(query, &out);
    /* the simple syntax knows limits only */
    else if (!error.type || !error.reason[0] ||
             (syntax->simple && text.len < QUERY_DEPTH_MAX))
        abort();
    buf_deinit(&out);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct query_field fields[] = {{{"t", 1}, 2}, {{"u", 1}, 1}};
    struct span text = {(const char *)data, size};

    for (unsigned i = 0; i < 4; i++)
        read_one(text, &(struct query_syntax){fields, 1 + i % 2, i / 2, i % 2});
    return 0;
}
