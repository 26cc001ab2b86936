/* throttle.c - see throttle.h. */
#include "ratelimit/throttle.h"

/* A power of two; a newcomer takes the place it hashes to. */
#define SPECS 256
#define SECOND_US UINT64_C(1000000)

struct throttle_specs {
    struct limit_spec *at[SPECS];
    bool leased;
};

static void on_answer(struct limit_call *call, int status);

struct throttle_specs *throttle_specs_create(bool leased)
{
    struct throttle_specs *specs = mem_zalloc(MEM_LIMIT, sizeof(*specs));

    specs->leased = leased;
    return specs;
}

void throttle_specs_destroy(struct throttle_specs *specs)
{
    for (size_t i = 0; i < SPECS; i++)
        limit_spec_unref(specs->at[i]);
    mem_free(specs);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    return (a ^ b) * UINT64_C(0x9e3779b97f4a7c15);
}

/*
 * The numbers tell one from another: states of others count as they are.  NULL:
 * they cannot be kept exactly together.
 */
static struct limit_spec *find_spec(struct throttle_specs *specs,
                                    const struct limit_numbers *n)
{
    uint64_t hash = mix(mix(mix(0, n->rate), n->per_us), n->burst) >> 24;
    struct limit_spec **slot = &specs->at[hash & (SPECS - 1)];
    const char *member;

    if (*slot && (*slot)->numbers.rate == n->rate &&
        (*slot)->numbers.per_us == n->per_us &&
        (*slot)->numbers.burst == n->burst)
        return *slot;
    if (limit_numbers_check(n, &member))
        return NULL;
    struct limit_spec like = {.name = THROTTLE_NAME,
                              .numbers = *n,
                              .mode =
                                  specs->leased ? LIMIT_LEASED : LIMIT_STRICT,
                              .policy = LIMIT_CLOSED,
                              .loose = true,
                              .max_cost = n->burst};
    like.numbers.version = hash & UINT32_MAX;
    limit_spec_unref(*slot);
    *slot = limit_spec_create(&like);
    return *slot;
}

static bool say(struct buf *out, const char *text)
{
    buf_append(out, SPAN("-ERR "));
    buf_append(out, span_str(text));
    buf_append(out, SPAN("\r\n"));
    return true;
}

/* What is wrong, or NULL. */
static const char *read_numbers(const struct span *argv, size_t argc,
                                struct limit_numbers *n, uint64_t *quantity)
{
    uint64_t max_burst;
    uint64_t period;

    *quantity = 1;
    if (argc < 5 || argc > 6)
        return "wrong number of arguments for 'cl.throttle'";
    if (argv[1].len == 0 || argv[1].len > LIMIT_KEY_MAX)
        return "key must be 1 to 512 bytes";
    if (!span_to_u64(argv[2], LIMIT_RATE_MAX - 1, &max_burst))
        return "max_burst must be a number from 0 to 999999999";
    if (!span_to_u64(argv[3], LIMIT_RATE_MAX, &n->rate) || n->rate == 0)
        return "count must be a number from 1 to 1000000000";
    if (!span_to_u64(argv[4], LIMIT_PER_MAX_US / SECOND_US, &period) ||
        period == 0)
        return "period must be a number of seconds from 1 to 31622400";
    if (argc == 6 && !span_to_u64(argv[5], LIMIT_RATE_MAX, quantity))
        return "quantity must be a number from 0 to 1000000000";
    if (*quantity > max_burst + 1)
        return "quantity is above max_burst + 1";
    n->burst = max_burst + 1;
    n->per_us = period * SECOND_US;
    return NULL;
}

bool throttle_run(struct throttle_specs *specs, struct throttle *throttle,
                  const struct span *argv, size_t argc, struct buf *out)
{
    struct limit_numbers numbers = {.algorithm = LIMIT_GCRA};
    uint64_t quantity;
    const char *wrong = read_numbers(argv, argc, &numbers, &quantity);

    if (wrong)
        return say(out, wrong);
    throttle->spec = find_spec(specs, &numbers);
    if (!throttle->spec)
        return say(out, "these numbers cannot be kept exactly together");
    limit_spec_ref(throttle->spec);
    arena_init_pooled(&throttle->arena, MEM_LIMIT, throttle->chunks);
    throttle->status = 0;
    throttle->ask = (struct limit_ask){
        .spec = throttle->spec, .key = argv[1], .cost = quantity};
    throttle->call = (struct limit_call){.asks = &throttle->ask,
                                         .count = 1,
                                         .arena = &throttle->arena,
                                         .cb = on_answer,
                                         .arg = throttle};
    if (!limiter_try(throttle->limiter, &throttle->call)) {
        throttle->ask.key = arena_copy(&throttle->arena, argv[1]);
        throttle->status = limiter_ask(throttle->limiter, &throttle->call);
        if (throttle->status == 0)
            return false;
    }
    throttle_answer(throttle, out);
    return true;
}

static void on_answer(struct limit_call *call, int status)
{
    struct throttle *throttle = call->arg;

    throttle->status = status;
    throttle->cb(throttle);
}

static uint64_t seconds(uint64_t us)
{
    return us / SECOND_US + (us % SECOND_US > 0);
}

/* One for each command: what stands between two numbers goes as one. */
static void put_answer(const struct limit_ask *ask, struct buf *out)
{
    buf_append(out,
               ask->allowed ? SPAN("*5\r\n:0\r\n:") : SPAN("*5\r\n:1\r\n:"));
    buf_append_u64(out, ask->spec->numbers.burst);
    buf_append(out, SPAN("\r\n:"));
    buf_append_u64(out, ask->left.remaining);
    if (ask->allowed) {
        buf_append(out, SPAN("\r\n:-1\r\n:"));
    } else {
        buf_append(out, SPAN("\r\n:"));
        buf_append_u64(out, seconds(ask->left.retry_us));
        buf_append(out, SPAN("\r\n:"));
    }
    buf_append_u64(out, seconds(ask->left.reset_us));
    buf_append(out, SPAN("\r\n"));
}

void throttle_answer(struct throttle *throttle, struct buf *out)
{
    if (throttle->status < 0)
        say(out, "the limiter has more to do than it can");
    else
        put_answer(&throttle->ask, out);
    arena_deinit(&throttle->arena);
    limit_spec_unref(throttle->spec);
}
