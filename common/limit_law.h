/*
 * limit_law.h - what a rate limit says, in exact integers; no input or output.
 *
 * Token bucket and GCRA (ITU-T I.371, "generic cell rate algorithm") are one
 * law: a bucket is the moment at which it will be full again, its theoretical
 * arrival time.  A token is per / rate microseconds of that, kept as whole
 * microseconds and a fraction of `parts`, so that no rate is rounded.  The two
 * window counters and the log count what was taken.  All times are
 * microseconds of one clock, Redis's or a worker's own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

#define LIMIT_NAME_MAX 64 /* bytes of [A-Za-z0-9._-] */
#define LIMIT_KEY_MAX 512
#define LIMIT_RATE_MAX UINT64_C(1000000000)
#define LIMIT_PER_MIN_US UINT64_C(1000)                /* a millisecond */
#define LIMIT_PER_MAX_US (UINT64_C(366) * 86400000000) /* a leap year */
#define LIMIT_FILL_MAX_US (UINT64_C(3660) * 86400000000)
#define LIMIT_LOG_RATE_MAX UINT64_C(10000) /* a log keeps each call */
#define LIMIT_SLOTS_MAX UINT64_C(10000)
#define LIMIT_DEADLINE_MAX_MS 10000
#define LIMIT_DEADLINE_MS 50 /* the default */

enum limit_algorithm {
    LIMIT_TOKEN_BUCKET,
    LIMIT_GCRA,
    LIMIT_FIXED_WINDOW,
    LIMIT_SLIDING_WINDOW,
    LIMIT_SLIDING_LOG,
    LIMIT_CONCURRENCY,
    LIMIT_ALGORITHMS
};

enum limit_mode { LIMIT_STRICT, LIMIT_LEASED };
enum limit_policy { LIMIT_OPEN, LIMIT_CLOSED, LIMIT_LOCAL };

/* What becomes of what buckets hold when their limit changes. */
enum limit_change { LIMIT_KEEP, LIMIT_SCALE, LIMIT_RESET };

/* The numbers of a limit, and those it had in an earlier version. */
struct limit_numbers {
    enum limit_algorithm algorithm;
    uint64_t rate, per_us; /* tokens per microseconds; slots */
    uint64_t burst;        /* of a bucket; rate, for the others */
    uint64_t version;
    enum limit_change change; /* from the version before */
};

/* Is it a bucket: token bucket or GCRA? */
bool limit_is_bucket(enum limit_algorithm algorithm);
const char *limit_algorithm_name(enum limit_algorithm algorithm);
/* False for no such name. */
bool limit_algorithm_parse(struct span name, enum limit_algorithm *out);

/*
 * Can the law be kept exactly with these?  NULL, or what is wrong and (member)
 * where: one of "rate", "per", "burst".
 */
const char *limit_numbers_check(const struct limit_numbers *numbers,
                                const char **member);

/* So many microseconds and part / parts of one, parts being the pace's. */
struct limit_time {
    uint64_t us, part;
};

/* How long a token takes, as a mixed fraction in lowest terms. */
struct limit_pace {
    uint64_t whole, part, parts;
};

struct limit_pace limit_pace(uint64_t rate, uint64_t per_us);
/* How long n tokens take; exact while n * parts < 2^53. */
struct limit_time limit_pace_times(const struct limit_pace *pace, uint64_t n);

/* What Redis's script, or the local policy, says of one bucket or window. */
struct limit_state {
    uint64_t now;     /* of the clock that counts */
    uint64_t a, b, c; /* bucket: time and part it is full at; window: its
                         number, used, used of the one before; log: used,
                         newest entry, when a denied cost would fit */
};

/* What an answer says beside yes or no. */
struct limit_left {
    uint64_t remaining; /* a cost up to this would pass now */
    uint64_t reset_us;  /* from now, until it is as if never used */
    uint64_t retry_us;  /* from now, until cost passes if nobody else asks */
};

void limit_left(const struct limit_numbers *numbers,
                const struct limit_state *state, uint64_t cost,
                struct limit_left *left);

/* ---- a bucket of a worker's own */

/*
 * Take cost at time now from one share of sharers: a bucket of rate / sharers
 * and burst / sharers, of one token at least.  full is when it will be full
 * again, 0 at first; moved if cost passes and take says so.
 */
bool limit_share_take(uint64_t *full, const struct limit_numbers *numbers,
                      uint64_t sharers, uint64_t cost, uint64_t now, bool take,
                      struct limit_left *left);
/* Give back what was taken. */
void limit_share_give(uint64_t *full, const struct limit_numbers *numbers,
                      uint64_t sharers, uint64_t cost);
