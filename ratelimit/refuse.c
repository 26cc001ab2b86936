/* refuse.c - a denial that is a problem, not the answer to a check. */
#include "ratelimit/ratelimit.h"

/* The problem, an object, with one member more. */
static struct span add_degraded(struct arena *arena, struct span problem)
{
    return arena_printf(arena, "%.*s,\"degraded\":true}", (int)problem.len - 1,
                        problem.ptr);
}

void refuse_limited(struct request *req, int status, const char *detail)
{
    request_problem(req, status, "rate-limited", "Too Many Requests", detail);
}

void refuse_degraded(struct request *req, int status)
{
    struct span problem = request_problem_text(
        req, status, "rate-limited", "Too Many Requests",
        "the store is away, and the limit's policy does not let this pass");

    request_reply(req, status, "application/problem+json",
                  add_degraded(request_arena(req), problem));
}
