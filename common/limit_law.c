/* limit_law.c - see limit_law.h. */
#include <assert.h>

#include "common/limit_law.h"

#define EXACT_MAX (UINT64_C(1) << 53) /* integers that a script can hold */

__extension__ typedef unsigned __int128 wide; /* products of 64 bits */

static const char *const names[LIMIT_ALGORITHMS] = {
    [LIMIT_TOKEN_BUCKET] = "token_bucket",
    [LIMIT_GCRA] = "gcra",
    [LIMIT_FIXED_WINDOW] = "fixed_window",
    [LIMIT_SLIDING_WINDOW] = "sliding_window",
    [LIMIT_SLIDING_LOG] = "sliding_log",
    [LIMIT_CONCURRENCY] = "concurrency",
};

bool limit_is_bucket(enum limit_algorithm algorithm)
{
    return algorithm == LIMIT_TOKEN_BUCKET || algorithm == LIMIT_GCRA;
}

const char *limit_algorithm_name(enum limit_algorithm algorithm)
{
    return names[algorithm];
}

bool limit_algorithm_parse(struct span name, enum limit_algorithm *out)
{
    for (size_t i = 0; i < LIMIT_ALGORITHMS; i++)
        if (span_eq(name, span_str(names[i]))) {
            *out = (enum limit_algorithm)i;
            return true;
        }
    return false;
}

static uint64_t greatest_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

struct limit_pace limit_pace(uint64_t rate, uint64_t per_us)
{
    uint64_t divisor = greatest_divisor(rate, per_us);
    uint64_t parts = rate / divisor;
    uint64_t per = per_us / divisor;

    return (struct limit_pace){per / parts, per % parts, parts};
}

struct limit_time limit_pace_times(const struct limit_pace *pace, uint64_t n)
{
    uint64_t parts = n * pace->part;

    return (struct limit_time){n * pace->whole + parts / pace->parts,
                               parts % pace->parts};
}

static const char *check_bucket(const struct limit_numbers *n,
                                const char **member)
{
    struct limit_pace pace = limit_pace(n->rate, n->per_us);

    *member = "burst";
    if (n->burst == 0 || n->burst > LIMIT_RATE_MAX)
        return "a number from 1 to 1000000000";
    if ((wide)n->burst * n->per_us / n->rate > LIMIT_FILL_MAX_US)
        return "the bucket would take more than ten years to fill";
    if ((wide)n->burst * pace.parts > EXACT_MAX)
        return "rate and burst are too fine to be kept exactly together";
    return NULL;
}

const char *limit_numbers_check(const struct limit_numbers *n,
                                const char **member)
{
    *member = "rate";
    if (n->rate == 0 || n->rate > LIMIT_RATE_MAX)
        return "a number from 1 to 1000000000";
    if (n->algorithm == LIMIT_SLIDING_LOG && n->rate > LIMIT_LOG_RATE_MAX)
        return "at most 10000: a log keeps each call";
    if (n->algorithm == LIMIT_CONCURRENCY)
        return n->rate > LIMIT_SLOTS_MAX ? "at most 10000 slots" : NULL;
    *member = "per";
    if (n->per_us < LIMIT_PER_MIN_US || n->per_us > LIMIT_PER_MAX_US)
        return "from 1 ms to 366 days";
    return limit_is_bucket(n->algorithm) ? check_bucket(n, member) : NULL;
}

/* ---- what is left */

/* In parts of a microsecond; never below 0. */
static wide in_parts(struct limit_time time, const struct limit_pace *pace)
{
    return (wide)time.us * pace->parts + time.part;
}

static wide less(wide a, wide b)
{
    return a > b ? a - b : 0;
}

static uint64_t to_us(wide parts, const struct limit_pace *pace)
{
    return (uint64_t)((parts + pace->parts - 1) / pace->parts);
}

static uint64_t at_most(wide value, uint64_t most)
{
    return value < most ? (uint64_t)value : most;
}

/* full: when the bucket is, in parts; capacity likewise. */
static void left_of_bucket(const struct limit_pace *pace, wide capacity,
                           wide full, wide now, uint64_t cost,
                           struct limit_left *left)
{
    wide token = (wide)pace->whole * pace->parts + pace->part;

    assert(token > 0);
    *left = (struct limit_left){
        .remaining = at_most(less(now + capacity, full) / token, UINT64_MAX),
        .reset_us = to_us(less(full, now), pace),
        .retry_us = to_us(less(full + token * cost, now + capacity), pace),
    };
}

static uint64_t ceil_div(wide a, wide b)
{
    return (uint64_t)((a + b - 1) / b);
}

/* How far into a window the one before must lie back for free tokens. */
static uint64_t wait_in_window(uint64_t per, uint64_t before, uint64_t free)
{
    wide tolerated = before ? (wide)free * per / before : per;

    return tolerated < per ? per - (uint64_t)tolerated : 0;
}

static void left_of_sliding(const struct limit_numbers *n,
                            const struct limit_state *state, uint64_t cost,
                            struct limit_left *left)
{
    uint64_t start = state->a * n->per_us;
    uint64_t into = state->now - start;
    uint64_t used = state->b;
    uint64_t before = state->c;
    uint64_t counted =
        used + ceil_div((wide)before * (n->per_us - into), n->per_us);
    uint64_t at;

    left->remaining = counted < n->rate ? n->rate - counted : 0;
    if (used + cost <= n->rate)
        at = start + wait_in_window(n->per_us, before, n->rate - used - cost);
    else
        at = start + n->per_us +
             wait_in_window(n->per_us, used,
                            n->rate > cost ? n->rate - cost : 0);
    left->retry_us = at > state->now ? at - state->now : 0;
    left->reset_us = (used ? 2 * n->per_us : before ? n->per_us : into) - into;
}

static void left_of_fixed(const struct limit_numbers *n,
                          const struct limit_state *state, uint64_t cost,
                          struct limit_left *left)
{
    uint64_t end = (state->a + 1) * n->per_us - state->now;

    left->remaining = state->b < n->rate ? n->rate - state->b : 0;
    left->reset_us = state->b ? end : 0;
    left->retry_us = cost > left->remaining ? end : 0;
}

static void left_of_log(const struct limit_numbers *n,
                        const struct limit_state *state, uint64_t cost,
                        struct limit_left *left)
{
    uint64_t empty = state->b + n->per_us;

    left->remaining = state->a < n->rate ? n->rate - state->a : 0;
    left->reset_us = state->a && empty > state->now ? empty - state->now : 0;
    left->retry_us = cost > left->remaining && state->c > state->now
                         ? state->c - state->now
                         : 0;
}

void limit_left(const struct limit_numbers *n, const struct limit_state *state,
                uint64_t cost, struct limit_left *left)
{
    struct limit_pace pace;
    struct limit_time full = {state->a, state->b};
    struct limit_time capacity;

    switch (n->algorithm) {
    case LIMIT_FIXED_WINDOW:
        left_of_fixed(n, state, cost, left);
        return;
    case LIMIT_SLIDING_WINDOW:
        left_of_sliding(n, state, cost, left);
        return;
    case LIMIT_SLIDING_LOG:
        left_of_log(n, state, cost, left);
        return;
    case LIMIT_TOKEN_BUCKET:
    case LIMIT_GCRA:
    case LIMIT_CONCURRENCY:
    case LIMIT_ALGORITHMS:
        break;
    }
    pace = limit_pace(n->rate, n->per_us);
    capacity = limit_pace_times(&pace, n->burst);
    left_of_bucket(&pace, in_parts(capacity, &pace), in_parts(full, &pace),
                   (wide)state->now * pace.parts, cost, left);
}

/* Whole microseconds, rounded up: a share may be less, never more. */
bool limit_share_take(uint64_t *full, const struct limit_numbers *numbers,
                      uint64_t sharers, uint64_t cost, uint64_t now, bool take,
                      struct limit_left *left)
{
    struct limit_pace pace =
        limit_pace(numbers->rate, numbers->per_us * sharers);
    uint64_t burst = numbers->burst > sharers ? numbers->burst / sharers : 1;
    wide token = (wide)pace.whole * pace.parts + pace.part;
    wide start = (wide)(*full > now ? *full : now) * pace.parts;
    wide end = (wide)now * pace.parts + token * burst;
    bool passes = start + token * cost <= end;

    if (passes && take && cost) {
        start += token * cost;
        *full = to_us(start, &pace);
    }
    left_of_bucket(&pace, token * burst, start, (wide)now * pace.parts, cost,
                   left);
    if (passes)
        left->retry_us = 0;
    return passes;
}

void limit_share_give(uint64_t *full, const struct limit_numbers *numbers,
                      uint64_t sharers, uint64_t cost)
{
    struct limit_pace pace =
        limit_pace(numbers->rate, numbers->per_us * sharers);
    wide token = (wide)pace.whole * pace.parts + pace.part;
    uint64_t us = (uint64_t)(token * cost / pace.parts);

    *full = *full > us ? *full - us : 0;
}
