/* query_kit.c - see query_kit.h. */
#include <stdlib.h>

#include "tests/search/query_kit.h"

void bench_init(struct bench *bench)
{
    arena_init(&bench->arena, MEM_REQUEST, 0);
    buf_init(&bench->out, MEM_REQUEST);
}

void bench_deinit(struct bench *bench)
{
    arena_deinit(&bench->arena);
    buf_deinit(&bench->out);
}

struct query *bench_read_json(struct bench *bench, struct span json)
{
    struct json_errors errors = {0};
    json_t *document;

    assert_int_equal(json_read(json, &document, &errors), 0);
    struct query *query =
        query_read_json(&bench->arena, document, &bench->error);
    json_decref(document);
    return query;
}

/* In memory of exactly its size. */
struct query *bench_read_text(struct bench *bench, struct span text,
                              const struct query_syntax *syntax)
{
    char *copy = malloc(text.len + !text.len);

    memcpy(copy, text.ptr, text.len);
    struct query *query = query_read_text(
        &bench->arena, (struct span){copy, text.len}, syntax, &bench->error);
    free(copy);
    return query;
}

void bench_assert_prints(struct bench *bench, const struct query *query,
                         struct span text, struct span expected)
{
    if (!query)
        fail_msg("%.*s: %s", (int)text.len, text.ptr, bench->error.reason);
    query_print(query, &bench->out);
    if (!span_eq(buf_span(&bench->out), expected))
        fail_msg("%.*s: %.*s, not %.*s", (int)text.len, text.ptr,
                 (int)bench->out.len, bench->out.ptr, (int)expected.len,
                 expected.ptr);
}
