/*
 * idempotency.h - a POST that is done once however often it is sent.
 *
 *   begin -- FRESH or CONTINUE --> the service's steps --> finish
 *         -- REPLAY, BUSY, MISMATCH --> answered
 *
 * One hash per (subject, Idempotency-Key) in the subject's partition, kept
 * 24 h: the digest of the body, the operation id that the first try chose, and
 * in the end its answer.  A pending record is leased for 10 s; then a retry
 * continues it with the same operation id.
 */
#pragma once

#include "common/redis.h"
#include "common/request.h"

#define IDEMPOTENCY_KEY_MAX 255

enum idempotency_state {
    IDEMPOTENCY_FRESH,    /* go on with the id proposed */
    IDEMPOTENCY_CONTINUE, /* go on with the id of the first try */
};

struct idempotency; /* lives in the request's arena */

/* Does the request carry a key?  Without one there is nothing to begin. */
bool idempotency_wanted(const struct request *req);

/* Runs once, later, only if the request must go on (else it is answered). */
typedef void (*idempotency_cb)(struct request *req, void *arg,
                               struct idempotency *record,
                               enum idempotency_state state,
                               struct span operation);

/* prefix: the service's; operation: the id this try would use. */
void idempotency_begin(struct redis *redis, const char *prefix,
                       struct request *req, struct span operation,
                       idempotency_cb cb, void *arg);

/*
 * The same where the body is not to be kept, not even as a digest: body is what
 * stands for it.
 */
struct idempotency_begin {
    struct redis *redis;
    const char *prefix;
    struct request *req;
    struct span body, operation;
    idempotency_cb cb;
    void *arg;
};
void idempotency_begin_by(const struct idempotency_begin *begin);

/*
 * Keep the answer, then give it: JSON below status 400, or a refusal's
 * problem+json (request_problem_text()) below 500.
 * When Redis cannot keep it the request fails instead, for a retry to continue.
 */
void idempotency_finish(struct idempotency *record, int status,
                        struct span json);

/*
 * This try goes on with another operation id (the first one's object was
 * somebody else's): kept before cb runs, with 0 or UV_E*.  A negative result
 * means that cb never runs.
 */
int idempotency_change(struct idempotency *record, struct span operation,
                       void (*cb)(void *arg, int status), void *arg);
