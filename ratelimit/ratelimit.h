/*
 * ratelimit.h - the rate limiter: what its routes share.
 *
 *   define.c read.c           limits themselves
 *   limit_json.c duration.c   a limit as clients see it
 *   catalog.c limit_record.c  the limits that this worker knows, their records
 *   learn.c                   how it comes to know them all
 *   check.c check_*.c         POST /v1/check
 *   decide.c                  one check, from the names of limits to an answer
 *   batch.c authorize.c       the other doors over HTTP
 *   throttle.c resp_port.c    CL.THROTTLE on the RESP port
 *   give.c slots.c            refunds, resets; slots of a concurrency limit
 *   refuse.c                  denials that are problems
 */
#pragma once

#include "common/app.h"
#include "common/limit.h"
#include "common/request.h"

#define RATELIMIT_PREFIX "rl"

struct catalog;
struct learner;
struct resp_port;

struct ratelimit_config {
    const char *limits_file;
    int64_t states;
    int64_t resp_port;
    const char *resp_mode;
    bool headers, coalesce, leases, deny_cache;
};

struct ratelimit {
    struct app *app;
    const struct ratelimit_config *config;
    struct limiter *limiter;
    struct catalog *catalog;
    struct learner *learner;
    struct resp_port *resp;
    struct buf scratch; /* of one answer at a time */
};

#define LIMITS_KEY "rl:limits" /* sorted set of names */

/* May the caller change this limit, and can it be?  false: answered. */
bool limit_name_may_change(struct ratelimit *app, struct request *req,
                           struct span name);
/* The answer to a command that nobody waits for. */
void limit_ignore(void *arg, int status, const struct redisReply *reply);

/* "rate-limited": detail says why; or, degraded, the limit's policy does. */
void refuse_limited(struct request *req, int status, const char *detail);
void refuse_degraded(struct request *req, int status);

void define_limit(struct request *req, void *arg);
void read_limit(struct request *req, void *arg);
void list_limits(struct request *req, void *arg);
void remove_limit(struct request *req, void *arg);
void check(struct request *req, void *arg);
void check_batch(struct request *req, void *arg);
void authorize(struct request *req, void *arg);
void refund(struct request *req, void *arg);
void reset(struct request *req, void *arg);
void acquire_slot(struct request *req, void *arg);
void renew_slot(struct request *req, void *arg);
void release_slot(struct request *req, void *arg);

/* life.c, for main.c's table. */
void *ratelimit_open(struct app *app);
void ratelimit_on_epoch(void *state, bool live);
void ratelimit_on_invalidate(void *state, struct span key);
void ratelimit_drain(void *state, void (*done)(void *arg), void *arg);
void ratelimit_close(void *state);
void ratelimit_stop(void *state);
bool ratelimit_check(const void *config, char *reason, size_t reason_size);
