/*
 * check.c - POST /v1/check: may this pass?
 *
 *   check() -- read_input() -- good --> decide() --> on_decided()
 */
#include "common/key.h"
#include "common/query.h"
#include "ratelimit/check_input.h"
#include "ratelimit/check_scan.h"

struct check {
    struct request *req;
    struct decision decision;
};

static void on_decided(struct decision *decision);

/* Ids are the caller's own. */
static void own_id(struct check *check)
{
    struct limit_call *call = &check->decision.call;

    if (call->id.ptr)
        call->id = key_pair(check->decision.arena, request_subject(check->req),
                            call->id);
}

/* Both are read when the answer is made. */
static void check_query(struct check *check)
{
    static const char *const names[] = {"always", "headers"};
    struct span query = request_query_string(check->req);
    struct span values[2];

    if (query.len)
        query_take(check->decision.arena, query, names, 2, values,
                   decision_errors(&check->decision));
}

static bool read_body(struct check *check)
{
    struct request *req = check->req;

    if (check_scan(&check->decision, request_body(req)))
        return true;
    const json_t *document = request_read_document(req);
    if (document) {
        decision_errors(&check->decision);
        check_read(&check->decision, document, true);
    }
    return document != NULL;
}

/* Answered, if the query or the body is no good. */
static bool read_input(struct check *check)
{
    struct request *req = check->req;

    if (!request_is_json(req))
        return false;
    check_query(check);
    if (!read_body(check))
        return false;
    struct json_errors *errors = check->decision.errors;
    if (!errors || errors->count == 0)
        return true;
    request_invalid(req, errors);
    return false;
}

void check(struct request *req, void *arg)
{
    struct check *check = arena_alloc(request_arena(req), sizeof(*check));

    check->req = req;
    check->decision = (struct decision){.app = arg,
                                        .arena = request_arena(req),
                                        .cb = on_decided,
                                        .arg = check};
    if (!read_input(check))
        return;
    if (!check_allowed(&check->decision, req)) {
        request_problem(req, 403, "forbidden", NULL,
                        "the token's scope does not cover this limit");
        return;
    }
    own_id(check);
    if (decide(&check->decision))
        on_decided(&check->decision);
}

static void on_decided(struct decision *decision)
{
    struct check *check = decision->arg;
    struct request *req = check->req;
    struct buf *json = &decision->app->scratch;
    struct json_writer w = {.out = json};

    if (decision->state != DECISION_MADE) {
        decision_release(decision);
        decision_refuse(decision, req);
        return;
    }
    bool always = span_eq(request_query(req, "always"), SPAN("200"));
    decision_add_headers(decision, req);
    json->len = 0;
    decision_put(decision, &w);
    decision_release(decision);
    request_reply_json(req, decision->call.allowed || always ? 200 : 429,
                       buf_span(json));
}
