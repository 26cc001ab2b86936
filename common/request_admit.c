/*
 * request_admit.c - from a whole head to its handler.
 *
 *   request_admit() -- route, load, origin, parameters, scope -->
 *   request_dispatch() -- the handler, and its deadline if that is not enough
 *
 * Failure modes: who is not let in has been answered, before a body is read
 * where the client asked first (Expect).
 */
#include "common/query.h"
#include "common/server_internal.h"

static void put_methods(struct buf *out, unsigned allowed)
{
    for (int method = REQUEST_GET; method <= REQUEST_OPTIONS; method++)
        if (allowed & 1u << method || method == REQUEST_OPTIONS) {
            if (out->len)
                buf_append(out, SPAN(", "));
            buf_append(out, span_str(request_method_name(
                                (enum request_method)method)));
        }
}

static void add_allow(struct request *req, const char *name)
{
    struct buf methods;

    buf_init(&methods, MEM_REQUEST);
    put_methods(&methods, req->match.allowed);
    request_add_header(req, name, buf_span(&methods));
    buf_deinit(&methods);
}

/* OPTIONS, also as a browser's question whether another origin may ask. */
static void answer_options(struct request *req)
{
    add_allow(req, "Allow");
    if (request_allowed_origin(req).ptr) {
        add_allow(req, "Access-Control-Allow-Methods");
        request_add_header(req, "Access-Control-Allow-Headers",
                           SPAN("Authorization, Cache-Control, Content-Type, "
                                "Idempotency-Key, Last-Event-ID, "
                                "X-Request-Id, traceparent"));
        request_add_header(req, "Access-Control-Max-Age", SPAN("600"));
    }
    request_reply(req, 204, NULL, (struct span){0});
}

static bool find_route(struct request *req)
{
    struct route_match *match = &req->match;

    router_match(req->server->options.router, req->head.method, req->head.path,
                 match);
    if (match->route)
        return true;
    if (req->head.method == REQUEST_OPTIONS &&
        (match->allowed || span_eq(req->head.path, SPAN("*")))) {
        answer_options(req);
    } else if (match->allowed) {
        add_allow(req, "Allow");
        request_problem(req, 405, "method-not-allowed", NULL,
                        "this path does not know this method");
    } else {
        request_problem(req, 404, "not-found", NULL,
                        "there is nothing at this path");
    }
    return false;
}

static bool decode_params(struct request *req)
{
    struct route_match *match = &req->match;

    for (size_t i = 0; i < match->param_count; i++)
        if (!query_decode(&req->arena, match->params[i].value, false,
                          &match->params[i].value)) {
            request_problem(req, 400, "bad-request", NULL,
                            "a % in the path is not followed by two hex "
                            "digits");
            return false;
        }
    return true;
}

/* A filter that cannot be read must not be passed over. */
static bool check_query(struct request *req)
{
    if (req->match.route->flags & ROUTE_ANY_QUERY ||
        query_is_whole(req->head.query))
        return true;
    request_problem(req, 400, "bad-request", NULL,
                    "a % in the query is not followed by two hex digits");
    return false;
}

/* A page of another origin may not use what the browser adds by itself. */
static bool check_origin(struct request *req)
{
    if (!req->by_cookie || !request_is_foreign(req))
        return true;
    request_problem(req, 403, "foreign-origin", NULL,
                    "a page of another origin may not use this cookie");
    return false;
}

/* Nor may it begin another protocol, whose frames have no origin. */
static bool check_upgrade(struct request *req)
{
    if (!request_header(req, "upgrade").ptr || !request_is_foreign(req))
        return true;
    request_problem(req, 403, "foreign-origin", NULL,
                    "a page of another origin may not ask for an upgrade");
    return false;
}

static bool check_local(struct request *req)
{
    if (!(req->match.route->flags & ROUTE_LOCAL) || request_is_local(req))
        return true;
    if (request_allows(req, SPAN("admin"), (struct span){0}))
        return check_origin(req);
    request_problem(req, 403, "forbidden", NULL,
                    "from this host only, or with scope admin");
    return false;
}

static bool check_scope(struct request *req)
{
    const struct route *route = req->match.route;

    if (!check_local(req))
        return false;
    if (!route->scope && !(route->flags & ROUTE_MERCURE))
        return true;
    if (!request_identify(req)) {
        request_problem(req, 401, "unauthorized", NULL,
                        "a valid bearer token is needed");
        return false;
    }
    if (route->scope &&
        !request_allows(req, span_str(route->scope), (struct span){0})) {
        request_problem(req, 403, "forbidden", NULL,
                        "the token's scope does not cover this");
        return false;
    }
    return check_origin(req);
}

static bool is_shed(struct request *req)
{
    const struct route *route = req->match.route;

    if (route->flags & ROUTE_ALWAYS || !server_is_overloaded(req->server))
        return false;
    metrics_add(req->server->shed, 1);
    if (span_eq(request_header(req, "accept"), SPAN("text/event-stream"))) {
        request_put_off(req, 0);
        return true;
    }
    request_add_header(req, "Retry-After", SPAN("1"));
    request_problem(req, 503, "overload", NULL,
                    "the server has more to do than it can");
    return true;
}

bool request_admit(struct request *req)
{
    req->admitted = true;
    return find_route(req) && !is_shed(req) && check_upgrade(req) &&
           decode_params(req) && check_query(req) && check_scope(req);
}

void request_wait(struct request *req)
{
    req->waits_us = clock_mono_us();
    if (!req->started)
        wheel_start(req->server->wheel, &req->timer,
                    req->server->options.request_timeout_ms, request_on_late);
}

void request_run(struct request *req)
{
    struct server *server = req->server;

    server->current = req;
    req->match.route->handler(req, server->options.arg);
    if (server->current == req && req->state == REQUEST_HANDLED)
        request_wait(req);
    server->current = NULL;
}

void request_dispatch(struct request *req)
{
    req->state = REQUEST_HANDLED;
    req->handled_us = req->server->read_us;
    if ((req->admitted || request_admit(req)) && !request_limit(req))
        request_run(req);
}
