/*
 * request_problem.c - answers that say what is wrong, and why.
 *
 * One table, in request_fail(), turns UV_E* into a status.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/server_internal.h"
#include "common/web.h"

static void put_problem(struct buf *out, struct request *req, int status,
                        const char *slug, const char *title, const char *detail,
                        const struct json_errors *errors)
{
    struct json_writer w = {.out = out};
    char type[96] = "/problems/";

    strncat(type, slug, sizeof(type) - sizeof("/problems/"));
    json_put_open(&w, '{');
    json_put_key(&w, "type");
    json_put_string(&w, span_str(type));
    json_put_key(&w, "title");
    json_put_string(&w, span_str(title ? title : status_phrase(status)));
    json_put_key(&w, "status");
    json_put_int(&w, status);
    json_put_key(&w, "detail");
    json_put_string(&w, span_str(detail ? detail : status_phrase(status)));
    json_put_key(&w, "instance");
    json_put_string(&w, request_id(req));
    if (errors) {
        json_put_key(&w, "errors");
        json_put_open(&w, '[');
        for (size_t i = 0; i < errors->count && i < JSON_MAX_ERRORS; i++) {
            json_put_open(&w, '{');
            json_put_key(&w, "pointer");
            json_put_string(&w, span_str(errors->at[i].pointer));
            json_put_key(&w, "detail");
            json_put_string(&w, span_str(errors->at[i].detail));
            json_put_close(&w, '}');
        }
        json_put_close(&w, ']');
    }
    json_put_close(&w, '}');
}

static bool wants_page(const struct request *req)
{
    return req->match.route && req->match.route->flags & ROUTE_PAGE &&
           request_prefers_html(req);
}

void request_problem(struct request *req, int status, const char *slug,
                     const char *title, const char *detail)
{
    struct buf body;

    if (status == 401)
        request_add_header(req, "WWW-Authenticate", SPAN("Bearer"));
    buf_init(&body, MEM_REQUEST);
    if (wants_page(req)) {
        web_problem_page(&body, status, title ? title : status_phrase(status),
                         detail ? detail : "");
        request_add_header(req, "Content-Security-Policy", SPAN(WEB_POLICY));
        request_reply(req, status, "text/html; charset=utf-8", buf_span(&body));
    } else if (req->server->options.problem) {
        req->server->options.problem(req, status, slug, detail);
    } else {
        put_problem(&body, req, status, slug, title, detail, NULL);
        request_reply(req, status, "application/problem+json", buf_span(&body));
    }
    buf_deinit(&body);
}

struct span request_problem_text(struct request *req, int status,
                                 const char *slug, const char *title,
                                 const char *detail)
{
    struct buf text;

    buf_init(&text, MEM_REQUEST);
    put_problem(&text, req, status, slug, title, detail, NULL);
    struct span copy = arena_copy(&req->arena, buf_span(&text));
    buf_deinit(&text);
    return copy;
}

void request_put_problem(struct request *req, struct json_writer *w, int status,
                         const char *slug, const char *detail,
                         const struct json_errors *errors)
{
    struct buf text;

    buf_init(&text, MEM_REQUEST);
    put_problem(&text, req, status, slug, NULL, detail, errors);
    json_put_raw(w, buf_span(&text));
    buf_deinit(&text);
}

void request_invalid(struct request *req, const struct json_errors *errors)
{
    struct buf body;

    buf_init(&body, MEM_REQUEST);
    put_problem(&body, req, 422, "invalid", NULL,
                errors->count ? errors->at[0].detail : NULL, errors);
    request_reply(req, 422, "application/problem+json", buf_span(&body));
    buf_deinit(&body);
}

void request_set_retry_after(struct request *req, unsigned seconds)
{
    req->retry_after_s = seconds;
}

static void add_retry_after(struct request *req)
{
    unsigned seconds = req->retry_after_s ? req->retry_after_s : 1;

    request_add_header(req, "Retry-After",
                       arena_printf(&req->arena, "%u", seconds));
}

void request_too_many(struct request *req, const char *slug, const char *detail)
{
    add_retry_after(req);
    request_problem(req, 429, slug, NULL, detail);
}

const struct request_failure *request_failure_of(int err)
{
    static const struct {
        int err;
        struct request_failure failure;
    } kinds[] = {
        {UV_ETIMEDOUT, {503, "timeout", "the store did not answer in time"}},
        {UV_ENOTCONN, {503, "store-away", "the store cannot be reached"}},
        {UV_ECONNRESET,
         {503, "store-away",
          "the store went away; what was asked may have been done"}},
        {UV_ECANCELED, {503, "shutting-down", "this server is ending"}},
        {UV_ENOBUFS, {503, "overload", "too much is waiting for the store"}},
        {UV_EAGAIN, {503, "overload", "try again"}},
        {UV_EACCES, {403, "forbidden", "this is not yours to do"}},
        {UV_ENOENT, {404, "not-found", "there is no such thing"}},
    };
    static const struct request_failure other = {
        503, "store-error", "the store answered with an error"};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (kinds[i].err == err)
            return &kinds[i].failure;
    return &other;
}

void request_fail(struct request *req, int err)
{
    const struct request_failure *failure = request_failure_of(err);

    if (failure->status == 503)
        add_retry_after(req);
    request_problem(req, failure->status, failure->slug, NULL, failure->detail);
}

void request_put_off(struct request *req, uint64_t wait_ms)
{
    uint64_t ms = wait_ms + 1000 + (uint64_t)random() % 1000;

    request_reply(req, 200, "text/event-stream",
                  arena_printf(&req->arena, "retry: %" PRIu64 "\n\n", ms));
}

void request_refuse(struct request *req, int status, const char *slug,
                    const char *detail)
{
    struct conn *conn = req->conn;

    if (conn->reading == req)
        conn->reading = NULL;
    conn->last = true;
    req->state = REQUEST_HANDLED;
    req->keep_alive = false;
    if (status == 429 || status == 503)
        add_retry_after(req);
    request_problem(req, status, slug, NULL, detail);
}
