/*
 * ask_many.c - _msearch: one search after the other, each as ask.c does it; and
 * _analyze.
 *
 *   multi_search() -- next() -- [ask_index()] on_part() -- next() … answer
 */
#include "common/clock.h"
#include "search/ask.h"
#include "search/face_analyze.h"
#include "search/indexes.h"

#define SEARCHES_MAX 1000
#define ILLEGAL "illegal_argument_exception"

struct many {
    struct request *req;
    struct service *service;
    struct span rest; /* of the lines */
    struct buf text;
    uint64_t began;
    size_t count;
    bool waits, loops; /* for a part; next() is on the stack */
};

static void on_part(void *arg, int status, struct span json);

static bool next_line(struct span *rest, struct span *line)
{
    while (span_cut(rest, '\n', line)) {
        *line = span_trim(*line);
        if (line->len && line->ptr[line->len - 1] == '\r')
            line->len--;
        if (line->len)
            return true;
    }
    return false;
}

/* In the arena; ptr NULL: the line is none, or names several. */
static struct span read_name(struct arena *arena, struct span line)
{
    struct json_errors errors;
    struct span name = {NULL, 0};
    json_t *json = NULL;

    json_errors_init(&errors);
    if (json_read(line, &json, &errors) == 0 && json_is_object(json)) {
        const json_t *index = json_object_get(json, "index");
        if (json_array_size(index) == 1)
            index = json_array_get(index, 0);
        if (!index || json_is_string(index))
            name = arena_copy(
                arena, (struct span){index ? json_string_value(index) : "",
                                     json_string_length(index)});
    }
    json_decref(json);
    return name;
}

static void ask_part(struct many *many, struct span header, struct span body)
{
    struct span name = read_name(request_arena(many->req), header);
    struct query_error error = {0};
    struct buf text;

    if (!name.ptr)
        query_refuse(&error, ILLEGAL, "[index] must name one index");
    else if (many->text.len > FACE_BYTES_MAX)
        query_refuse(&error, ILLEGAL,
                     "the answers before it have more than %d bytes",
                     FACE_BYTES_MAX);
    if (!error.type) {
        ask_index(&(struct ask){
            .service = many->service,
            .req = many->req,
            .request = {.path = request_path(many->req), .body = body},
            .name = name,
            .deadline_us = many->began + ASK_DEADLINE_US,
            .one_of_many = true,
            .cb = on_part,
            .arg = many});
        return;
    }
    buf_init(&text, MEM_REQUEST);
    face_put_error(&error, 400, (struct span){NULL, 0}, &text);
    on_part(many, 400, buf_span(&text));
    buf_deinit(&text);
}

static void finish(struct many *many)
{
    buf_printf(&many->text, "],\"took\":%llu}",
               (unsigned long long)(clock_mono_us() - many->began) / 1000);
    answer_json(many->req, 200, buf_span(&many->text));
    buf_deinit(&many->text);
}

static void next(struct many *many)
{
    struct span header;
    struct span body;

    many->loops = true;
    while (!request_is_gone(many->req) && next_line(&many->rest, &header) &&
           next_line(&many->rest, &body)) {
        many->waits = true;
        ask_part(many, header, body);
        if (many->waits) {
            many->loops = false;
            return;
        }
    }
    finish(many);
}

static void on_part(void *arg, int status, struct span json)
{
    struct many *many = arg;

    if (many->count++)
        buf_append_char(&many->text, ',');
    buf_append(&many->text, json);
    if (status == 200) {
        many->text.len--; /* an error has its status */
        buf_append(&many->text, SPAN(",\"status\":200}"));
    }
    many->waits = false;
    if (!many->loops)
        next(many);
}

void multi_search(struct request *req, void *arg)
{
    struct many *many = arena_zalloc(request_arena(req), sizeof(*many));
    struct span rest = request_body(req);
    struct span line;
    size_t lines = 0;

    if (!answer_takes(req, (const char *const[]){"max_concurrent_searches",
                                                 "typed_keys", NULL}))
        return;
    while (next_line(&rest, &line))
        lines++;
    if (lines == 0 || lines % 2 || lines / 2 > SEARCHES_MAX) {
        answer_refuse(req, ILLEGAL,
                      "a header and a body for each of at most %d searches "
                      "are needed, in lines",
                      SEARCHES_MAX);
        return;
    }
    many->req = req;
    many->service = arg;
    many->rest = request_body(req);
    many->began = clock_mono_us();
    buf_init(&many->text, MEM_REQUEST);
    buf_append(&many->text, SPAN("{\"responses\":["));
    next(many);
}

/* ---- _analyze */

static void analyze(struct request *req, const struct schema *schema)
{
    struct query_error error;
    struct buf text;

    buf_init(&text, MEM_REQUEST);
    bool fine = face_analyze(schema, request_body(req), &text, &error);
    if (!fine)
        face_put_error(&error, 400, (struct span){NULL, 0}, &text);
    answer_json(req, fine ? 200 : 400, buf_span(&text));
    buf_deinit(&text);
}

static void on_index(void *arg, int status, struct index *index)
{
    struct request *req = arg;

    if (status < 0) {
        answer_fail(req, status, request_param(req, "index"));
        return;
    }
    analyze(req, &index->schema);
    index_drop(index);
}

void analyze_text(struct request *req, void *arg)
{
    const struct service *service = arg;
    struct span name = request_param(req, "index");

    if (!answer_takes(req, (const char *const[]){NULL}) ||
        !answer_allows(req, "search:read", name))
        return;
    if (name.len)
        index_get(service->indexes, name, on_index, req);
    else
        analyze(req, NULL);
}
