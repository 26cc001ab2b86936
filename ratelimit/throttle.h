/*
 * throttle.h - CL.THROTTLE key max_burst count period [quantity]: GCRA with the
 * caller's own numbers, the answer of redis-cell.
 *
 * What a key holds does not depend on the numbers, as there: who changes them
 * goes on with what was taken.
 */
#pragma once

#include "common/limit.h"

#define THROTTLE_NAME "cl.throttle"
#define THROTTLE_ANSWER_MAX 160

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
 * The answer's length, written to out, when it is known at once, an error too;
 * 0: cb runs later, once, then throttle_answer() has it.
 */
size_t throttle_run(struct throttle_specs *specs, struct throttle *throttle,
                    const struct span *argv, size_t argc,
                    char out[THROTTLE_ANSWER_MAX]);
size_t throttle_answer(struct throttle *throttle,
                       char out[THROTTLE_ANSWER_MAX]);
