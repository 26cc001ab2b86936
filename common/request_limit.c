/*
 * request_limit.c - writing routes have a rate limit for each caller.
 *
 *   request_limit() -- known here --> goes on, or 429
 *                   -- else limiter_ask() --> on_limited() --> the same, later
 *
 * The caller is the subject of its token, else (nobody, or a Mercure token that
 * names none) its address.
 */
#include "common/server_internal.h"

struct write_check {
    struct request *req;
    struct limit_ask ask;
    struct limit_call call;
};

static void on_limited(struct limit_call *call, int status);

struct span request_caller(struct request *req)
{
    const struct auth_identity *identity = request_identity(req);
    bool nameless =
        !identity || identity->all_but_admin || identity->sub.len == 0;
    struct span who = nameless ? request_address(req) : identity->sub;

    return arena_printf(&req->arena, "%c:%.*s", nameless ? 'a' : 's',
                        (int)who.len, who.ptr);
}

static void refuse(struct request *req, const struct limit_left *left)
{
    uint64_t seconds =
        left->retry_us / 1000000 + (left->retry_us % 1000000 > 0);

    request_set_retry_after(req, seconds ? (unsigned)seconds : 1);
    request_too_many(req, "rate-limited",
                     "this caller writes faster than it may");
}

bool request_limit(struct request *req)
{
    const struct server_options *options = &req->server->options;
    struct write_check *check;

    if (!options->write_limit || !(req->match.route->flags & ROUTE_WRITE))
        return false;
    check = arena_alloc(&req->arena, sizeof(*check));
    *check = (struct write_check){.req = req,
                                  .ask = {.spec = options->write_limit,
                                          .key = request_caller(req),
                                          .cost = 1},
                                  .call = {.asks = &check->ask,
                                           .count = 1,
                                           .arena = &req->arena,
                                           .cb = on_limited,
                                           .arg = check}};
    if (!limiter_try(options->limiter, &check->call)) {
        int err = limiter_ask(options->limiter, &check->call);
        if (err < 0)
            request_fail(req, err);
        else
            request_wait(req);
        return true;
    }
    if (!check->call.allowed)
        refuse(req, &check->ask.left);
    return !check->call.allowed;
}

static void on_limited(struct limit_call *call, int status)
{
    struct write_check *check = call->arg;
    struct request *req = check->req;

    if (status < 0 || request_is_gone(req))
        request_fail(req, status < 0 ? status : UV_ECANCELED);
    else if (call->allowed)
        request_run(req);
    else
        refuse(req, &check->ask.left);
}
