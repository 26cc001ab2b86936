/*
 * fuzz_search_face.c - a _search over a small index: the answer is JSON,
 * whether it was refused or not.
 *
 * The first byte says what is asked; parameters as in a URL, up to a new line;
 * the body.  A body is taken for a document, too, of which members are asked.
 */
#include "search/face.h"
#include "search/face_analyze.h"
#include "tests/fuzz/search_kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct kit_index kit;

static void check_json(struct span text)
{
    struct json_errors errors;
    json_t *json = NULL;

    json_errors_init(&errors);
    KIT_ASSERT(json_read(text, &json, &errors) == 0);
    json_decref(json);
}

static void search(struct arena *arena, const struct face_request *request,
                   struct buf *out)
{
    struct face_search search;
    struct query_error error;

    if (!face_read(arena, request, &search, &error))
        face_put_error(&error, face_status(&error), (struct span){NULL, 0},
                       out);
    else if (!face_run(&search, &kit.searcher, SPAN("i"), SEARCH_NO_DEADLINE,
                       out, &error))
        face_put_error(&error, face_status(&error), SPAN("i"), out);
    check_json(buf_span(out));
}

static void analyze(struct span body, struct buf *out)
{
    struct query_error error;

    if (face_analyze(&kit.schema, body, out, &error))
        check_json(buf_span(out));
}

static void filter(struct span pattern, struct span document, struct buf *out)
{
    struct face_source source = {.in = {&pattern, 1},
                                 .not_in = {&pattern, pattern.len % 2}};
    struct json_errors errors;
    json_t *json = NULL;

    json_errors_init(&errors);
    bool is_object =
        json_read(document, &json, &errors) == 0 && json_is_object(json);
    json_decref(json);
    face_source_put(&source, document, out);
    if (is_object)
        check_json(buf_span(out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = {(const char *)data + 1, size - 1};
    struct arena arena;
    struct span params;
    struct buf out;

    if (size < 2)
        return 0;
    kit_index(&kit, (const uint32_t[]){60}, 1);
    arena_init(&arena, MEM_REQUEST, 0);
    buf_init(&out, MEM_JOB);
    span_cut(&rest, '\n', &params);
    struct face_request request = {.kind =
                                       data[0] % 4 ? FACE_SEARCH : FACE_COUNT,
                                   .path = SPAN("/i/_search"),
                                   .params = params,
                                   .body = rest};
    if (data[0] % 8 == 5)
        analyze(rest, &out);
    else if (data[0] % 8 == 6)
        filter(params, rest, &out);
    else
        search(&arena, &request, &out);
    buf_deinit(&out);
    arena_deinit(&arena);
    return 0;
}
