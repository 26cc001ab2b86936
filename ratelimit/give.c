/*
 * give.c - POST /v1/refund and /v1/reset: what was charged is given back.
 *
 *   give() -- the limit is known --> limiter_give() --> on_given()
 *          -- it is not --> catalog_load(), and again
 */
#include "common/key.h"
#include "ratelimit/catalog.h"
#include "ratelimit/decide.h"

#define MAX_TRIES 8

enum field { LIMIT, KEY, COST, ID, FIELDS };

static const struct json_field fields[FIELDS] = {
    [LIMIT] = {"limit", JSON_KIND_STRING, true, false, 1, LIMIT_NAME_MAX, 0},
    [KEY] = {"key", JSON_KIND_STRING, true, false, 1, LIMIT_KEY_MAX, 0},
    [COST] = {"cost", JSON_KIND_INTEGER, true, false, 1, 1000000000, 0},
    [ID] = {"id", JSON_KIND_STRING, true, false, 1, CHECK_ID_MAX, 0},
};

struct give {
    struct request *req;
    struct ratelimit *app;
    struct limit_spec *spec;
    struct span name, key, id;
    uint64_t cost;
    unsigned tries;
};

static void on_limit(void *arg, int status);
static void on_given(void *arg, int status, const struct limit_left *left);

static void fail(struct give *give, int err)
{
    request_fail(give->req, err);
}

static bool check_cost(struct give *give, const struct limit_spec *spec)
{
    struct json_errors errors = {0};

    if (spec->numbers.algorithm == LIMIT_CONCURRENCY)
        json_errors_add(&errors, "/limit",
                        "is a concurrency limit: /v1/release frees a slot");
    else if (give->cost != LIMIT_ALL && give->cost > spec->max_cost)
        json_errors_add(&errors, "/cost", "is above the limit's max_cost");
    if (errors.count)
        request_invalid(give->req, &errors);
    return errors.count == 0;
}

static void step(struct give *give)
{
    struct limit_spec *spec;
    int err = 0;

    if (++give->tries > MAX_TRIES) {
        fail(give, UV_EAGAIN);
        return;
    }
    switch (catalog_find(give->app->catalog, give->name, &spec)) {
    case CATALOG_KNOWN:
        if (!check_cost(give, spec))
            return;
        err = limiter_give(give->app->limiter, spec, give->key, give->cost,
                           give->id, on_given, give);
        break;
    case CATALOG_UNKNOWN:
        request_problem(give->req, 404, "no-such-limit", NULL,
                        "there is no limit of this name");
        return;
    case CATALOG_ASK:
        err = catalog_load(give->app->catalog, give->name, on_limit, give);
        break;
    }
    if (err < 0)
        fail(give, err);
}

static void on_limit(void *arg, int status)
{
    if (status < 0)
        fail(arg, status);
    else
        step(arg);
}

static void on_given(void *arg, int status, const struct limit_left *left)
{
    struct give *give = arg;
    struct buf json;

    if (status == UV_EAGAIN) {
        catalog_outdated(give->app->catalog, give->name);
        step(give);
        return;
    }
    if (status < 0) {
        fail(give, status);
        return;
    }
    if (give->cost == LIMIT_ALL) {
        request_reply(give->req, 204, NULL, (struct span){0});
        return;
    }
    buf_init(&json, MEM_REQUEST);
    buf_append(&json, SPAN("{\"remaining\":"));
    buf_append_u64(&json, left->remaining);
    buf_append_char(&json, '}');
    request_reply_json(give->req, 200, buf_span(&json));
    buf_deinit(&json);
}

static void begin(struct request *req, struct ratelimit *app, bool all)
{
    struct arena *arena = request_arena(req);
    struct give *give = arena_zalloc(arena, sizeof(*give));
    struct json_value values[FIELDS];

    if (!request_read_json(req, fields, all ? COST : FIELDS, values))
        return;
    *give = (struct give){.req = req,
                          .app = app,
                          .name = values[LIMIT].text,
                          .key = values[KEY].text,
                          .cost = LIMIT_ALL};
    if (!all) {
        give->cost = (uint64_t)values[COST].number;
        give->id = key_pair(arena, request_subject(req), values[ID].text);
    }
    if (request_allows(req, all ? SPAN("limits:write") : SPAN("limits:check"),
                       give->name))
        step(give);
    else
        request_problem(req, 403, "forbidden", NULL,
                        "the token's scope does not cover this limit");
}

void refund(struct request *req, void *arg)
{
    begin(req, arg, false);
}

void reset(struct request *req, void *arg)
{
    begin(req, arg, true);
}
