/*
 * authorize.c - GET /v1/authorize: for proxies that ask before they pass a
 * request on (nginx auth_request, Traefik, Caddy).
 *
 * Everything stands in the query, since the question has no body: limit, key or
 * the name of a header that has it (key_header), cost, and what to say when it
 * may not pass (deny=403 or 429: nginx turns 429 into 500).
 */
#include "common/query.h"
#include "ratelimit/check_input.h"
#include "ratelimit/limit_json.h"

enum parameter { LIMIT, KEY, KEY_HEADER, COST, DENY, HEADERS, PARAMETERS };

struct authorize {
    struct request *req;
    struct span query[PARAMETERS]; /* ptr NULL: absent */
    struct decision decision;
    struct json_errors errors;
    int deny;
};

static void on_decided(struct decision *decision);

static void take_query(struct authorize *authorize)
{
    static const char *const names[PARAMETERS] = {
        [LIMIT] = "limit",
        [KEY] = "key",
        [KEY_HEADER] = "key_header",
        [COST] = "cost",
        [DENY] = "deny",
        [HEADERS] = "headers", /* decision_add_headers() reads it */
    };

    query_take(request_arena(authorize->req),
               request_query_string(authorize->req), names, PARAMETERS,
               authorize->query, &authorize->errors);
}

static struct span read_key(struct authorize *authorize)
{
    struct request *req = authorize->req;
    struct span key = authorize->query[KEY];
    struct span header = authorize->query[KEY_HEADER];
    char name[64];

    if (key.ptr && header.ptr)
        json_errors_add(&authorize->errors, "/key_header",
                        "not with a key beside it");
    if (key.ptr || !header.ptr)
        return key;
    if (header.len == 0 || header.len >= sizeof(name) ||
        span_find(header, '\0') < header.len) {
        json_errors_add(&authorize->errors, "/key_header",
                        "the name of a header, 1 to 63 bytes");
        return key;
    }
    memcpy(name, header.ptr, header.len);
    name[header.len] = '\0';
    return request_header(req, name);
}

static bool read_query(struct authorize *authorize)
{
    struct json_errors *errors = &authorize->errors;
    struct decision *decision = &authorize->decision;
    struct span cost = authorize->query[COST];
    struct span deny = authorize->query[DENY];
    struct limit_ask *ask = &decision->call.asks[0];

    decision->names[0] = authorize->query[LIMIT];
    ask->key = read_key(authorize);
    ask->cost = 1;
    if (!limit_name_is_valid(decision->names[0]))
        json_errors_add(errors, "/limit", "the name of a limit");
    if (!check_key_is_valid(ask->key))
        json_errors_add(errors, "/key",
                        "must be 1 to %d bytes of UTF-8 without a NUL",
                        LIMIT_KEY_MAX);
    if (cost.ptr && !span_to_u64(cost, LIMIT_RATE_MAX, &ask->cost))
        json_errors_add(errors, "/cost", "a number from 0 to 1000000000");
    authorize->deny = span_eq(deny, SPAN("429")) ? 429 : 403;
    if (deny.ptr && authorize->deny == 403 && !span_eq(deny, SPAN("403")))
        json_errors_add(errors, "/deny", "403 or 429");
    return errors->count == 0;
}

void authorize(struct request *req, void *arg)
{
    struct arena *arena = request_arena(req);
    struct authorize *authorize = arena_zalloc(arena, sizeof(*authorize));

    authorize->req = req;
    authorize->decision = (struct decision){
        .app = arg,
        .arena = arena,
        .names = arena_zalloc(arena, sizeof(struct span)),
        .call = {.asks = arena_zalloc(arena, sizeof(struct limit_ask)),
                 .count = 1},
        .errors = &authorize->errors,
        .of_query = true,
        .cb = on_decided,
        .arg = authorize};
    take_query(authorize);
    if (!read_query(authorize)) {
        request_invalid(req, &authorize->errors);
        return;
    }
    if (!check_allowed(&authorize->decision, req)) {
        request_problem(req, 403, "forbidden", NULL,
                        "the token's scope does not cover this limit");
        return;
    }
    if (decide(&authorize->decision))
        on_decided(&authorize->decision);
}

static void on_decided(struct decision *decision)
{
    struct authorize *authorize = decision->arg;
    struct request *req = authorize->req;

    if (decision->state != DECISION_MADE) {
        decision_release(decision);
        decision_refuse(decision, req);
        return;
    }
    bool degraded = decision->call.asks[0].degraded;
    decision_add_headers(decision, req);
    decision_release(decision);
    if (degraded)
        request_add_header(req, "X-RateLimit-Degraded", SPAN("true"));
    if (decision->call.allowed)
        request_reply(req, 204, NULL, (struct span){0});
    else if (degraded)
        refuse_degraded(req, authorize->deny);
    else
        refuse_limited(req, authorize->deny,
                       "this key has used up its limit for now");
}
