/*
 * fuzz_search_facets.c - {"sort": …, "after": […], "aggs": {…}} over a small
 * index of two segments, one with deletions: refused, or answered; fewer hits
 * are the first of more, and aggregations are JSON and do not depend on hits.
 */
#include <uv.h>

#include "tests/fuzz/search_kit.h"

#define FEW 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct kit_index kit;

struct asked {
    struct top_hit hits[KIT_HITS];
    struct sort_value values[KIT_HITS * SORT_KEYS_MAX];
    struct buf aggs;
    struct search_result result;
};

static bool ask(struct search_request *request, size_t most,
                struct asked *asked)
{
    struct query_error error = {0};

    request->most = most;
    buf_init(&asked->aggs, MEM_APP);
    asked->result = (struct search_result){
        .hits = asked->hits, .values = asked->values, .aggs = &asked->aggs};
    bool fine = search_run(&kit.searcher, request, &asked->result, &error);
    KIT_ASSERT(fine == !error.type);
    KIT_ASSERT(fine || asked->aggs.len == 0);
    return fine;
}

static void check(const struct asked *few, const struct asked *all,
                  const struct search_request *request)
{
    struct json_errors errors;
    json_t *json = NULL;

    KIT_ASSERT(few->result.total == all->result.total);
    KIT_ASSERT(few->result.count ==
               (all->result.count < FEW ? all->result.count : FEW));
    for (size_t i = 0; i < few->result.count; i++)
        KIT_ASSERT(few->hits[i].doc == all->hits[i].doc);
    KIT_ASSERT(span_eq(buf_span(&few->aggs), buf_span(&all->aggs)));
    if (!request->aggs)
        return;
    json_errors_init(&errors);
    KIT_ASSERT(json_read(buf_span(&all->aggs), &json, &errors) != UV_EINVAL);
    json_decref(json);
}

static bool read_request(struct arena *arena, const json_t *json,
                         struct search_request *request)
{
    const json_t *sort = json_object_get(json, "sort");
    const json_t *after = json_object_get(json, "after");
    const json_t *aggs = json_object_get(json, "aggs");
    struct query_error error = {0};
    struct agg *read = NULL;

    if (sort) {
        struct sort *keys = sort_read_json(arena, sort, &error);
        request->sort = keys;
        if (!keys || (after && !sort_read_after(keys, arena, after, &error)))
            return false;
    }
    if (aggs && !aggs_read(arena, aggs, &read, &error))
        return false;
    request->aggs = read;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct asked few;
    static struct asked all;
    struct json_errors errors;
    struct arena arena;
    json_t *json = NULL;

    kit_index(&kit, (const uint32_t[]){60, 9}, 2);
    json_errors_init(&errors);
    if (json_read((struct span){(const char *)data, size}, &json, &errors) != 0)
        return 0;
    arena_init(&arena, MEM_REQUEST, 0);
    struct search_request request = {
        .query = kit_query(&arena, SPAN("{\"match_all\":{}}"), 0),
        .count = true,
        .deadline_us = SEARCH_NO_DEADLINE};
    if (read_request(&arena, json, &request)) {
        bool fine = ask(&request, FEW, &few);
        KIT_ASSERT(fine == ask(&request, KIT_HITS, &all));
        if (fine)
            check(&few, &all, &request);
        buf_deinit(&few.aggs);
        buf_deinit(&all.aggs);
    }
    json_decref(json);
    arena_deinit(&arena);
    return 0;
}
