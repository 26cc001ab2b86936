/* redis_bench.h - a link to the kit's Redis, and callers that wait for it. */
#pragma once

#include "tests/common/redis_kit.h"

#define BENCH_CALLERS 16

/* Who sent a command, and what it heard. */
struct caller {
    struct bench *bench;
    int calls, status;
    int turn; /* which of all calls was the first of its */
    char text[64];
    void (*then)(struct bench *bench); /* inside the callback */
};

struct bench {
    struct kit *kit;
    struct redis *redis;
    struct caller callers[BENCH_CALLERS];
    int turns, closes;
    bool in_call; /* of the room under test: nothing may call back */
};

int bench_setup(void **state);
int bench_teardown(void **state); /* closes the link */

/* The link begins to come up, as the kit's options say; or until it is up. */
void bench_open(struct bench *bench);
void bench_open_up(struct bench *bench);
void bench_close(struct bench *bench);

/* Words with blanks between, for caller number i. */
int bench_send(struct bench *bench, size_t i, const char *words);
int bench_send_for(struct bench *bench, size_t i, const char *words,
                   uint32_t timeout_ms);
int bench_send_repeatable(struct bench *bench, size_t i, const char *words);
int bench_eval(struct bench *bench, size_t i, struct redis_script *script,
               uint32_t timeout_ms);

/* Turn until caller i has heard; what it must have been, and only once. */
void bench_hears(struct bench *bench, size_t i, int status, const char *text);

/* So many deadlines pass, of commands that the kit got; from caller first on.
 */
void bench_pass_deadlines(struct bench *bench, size_t first, size_t count);
