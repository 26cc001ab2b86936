/*
 * throttle.h - CL.THROTTLE key max_burst count period [quantity]: GCRA with the
 * caller's own numbers, the answer of redis-cell.
 *
 * What a key holds does not depend on the numbers, as there: who changes them
 * goes on with what was taken.
 */
#pragma once

#include "common/buf.h"
#include "common/limit.h"

#define THROTTLE_NAME "cl.throttle"

/* Specs by their numbers, bounded. */
struct throttle_specs;
struct throttle_specs *throttle_specs_create(bool leased);
void throttle_specs_destroy(struct throttle_specs *specs);

/* One command: limiter, chunks, cb and arg are the caller's. */
struct throttle {
    struct limiter *limiter;
    struct arena_pool *chunks; /* of what it needs while it lasts */
    void (*cb)(struct throttle *throttle);
    void *arg;
    struct arena arena;
    struct limit_spec *spec;
    struct limit_ask ask;
    struct limit_call call;
    int status;
};

/*
 * True: the answer, maybe an error, was known at once and is appended to out.
 * False: cb runs later, once, then throttle_answer() is to be called, once.
 */
bool throttle_run(struct throttle_specs *specs, struct throttle *throttle,
                  const struct span *argv, size_t argc, struct buf *out);
void throttle_answer(struct throttle *throttle, struct buf *out);
