/*
 * decide.h - one check, from the names of its limits to its answer.
 *
 *   decide() -- every limit known --> limiter_try() --> answered
 *            -- one is not --> catalog_load(), and again
 *            -- neither a lease nor a denial tells --> limiter_ask()
 */
#pragma once

#include "ratelimit/ratelimit.h"

#define CHECK_ID_MAX 128

enum decision_state {
    DECISION_MADE,    /* decision->call.allowed */
    DECISION_UNKNOWN, /* no limit has the name of decision->at */
    DECISION_INVALID, /* errors says why: 422 */
    DECISION_FAILED,  /* err, as for request_fail() */
};

struct decision {
    struct ratelimit *app;
    struct arena *arena;
    struct limit_call call;
    struct span *names;         /* of the limits, one for each ask */
    struct json_errors *errors; /* see decision_errors(); NULL: none */
    bool of_query; /* the one check stands in a query: "/cost" is its cost */
    enum decision_state state;
    size_t at;
    int err;
    unsigned tries;
    /* Once, maybe inside decide(): if so decide() returned false. */
    void (*cb)(struct decision *decision);
    void *arg;
};

/*
 * A check of count asks, names[i] and cost set and asks[i].key at hand, in an
 * arena that lives as long.  True: it is decided, and cb does not run.
 */
bool decide(struct decision *decision);

/* Where what is wrong is added: large, and so made when there is something. */
struct json_errors *decision_errors(struct decision *decision);

/* Once, when it is answered: its limits are used no more. */
void decision_release(struct decision *decision);

/* The problem of one that was not made: its status and words. */
struct decision_problem {
    int status;
    const char *slug, *detail;
};
struct decision_problem decision_problem(struct decision *decision);
/* Answer req with it. */
void decision_refuse(struct decision *decision, struct request *req);

/* {"allowed", "results"} */
void decision_put(const struct decision *decision, struct json_writer *w);

/* RateLimit, RateLimit-Policy and, on a denial, Retry-After. */
void decision_add_headers(const struct decision *decision, struct request *req);
