/*
 * limit_lease.c - tokens that this worker holds, and spends without Redis.
 *
 *   limit_lease_wanted() -- ask() -- limit_lease.lua --> on_lease(): so many
 *   more -- spent, or given back by tick() when nobody wants them
 *
 * A bucket in Redis counts what is held as if it had just been taken, until it
 * is told that it was spent, or LEASE_MS are over: so what is held and what is
 * left are never more than a full bucket, and a worker that dies loses its
 * tokens to nobody but itself.  Our time runs from before the question was
 * sent, so that it ends first.
 */
#include "common/limit_internal.h"

#define LEASE_MS 1000
#define USE_US 900000    /* of these, that we spend in */
#define RENEW_US 500000  /* a lease that is used is made to last, */
#define SPREAD_US 200000 /* so much later by chance */
#define IDLE_US 200000   /* one that is not goes back */
#define AHEAD_US 300000  /* spent sooner: the next one is twice as large */
#define WANT_MAX 65536
#define DEADLINE_MS 200

static void on_lease(void *arg, int status, const struct redisReply *reply);

struct lease_call {
    struct limiter *limiter;
    struct limit_known *known;
    struct limit_spec *spec; /* its own reference */
    uint64_t sent_us, sequence, back;
};

bool limit_lease_covers(const struct limit_known *known, uint64_t cost,
                        uint64_t now_us)
{
    return known->held >= cost && now_us < known->lease_until_us;
}

/* held: that go on being held; back: that go back to the bucket. */
static bool ask(struct limiter *limiter, struct limit_known *known,
                uint64_t held, uint64_t back, uint64_t want)
{
    struct lease_call *call = mem_alloc(MEM_LIMIT, sizeof(*call));
    struct span argv[1 + LIMIT_ARGS + 8] = {{known->name, known->name_len}};
    struct arena arena;
    size_t argc = 1 + limit_put_spec(argv + 1, known->spec);

    *call = (struct lease_call){.limiter = limiter,
                                .known = known,
                                .spec = known->spec,
                                .sent_us = clock_mono_us(),
                                .sequence = ++known->sequence,
                                .back = back};
    arena_init(&arena, MEM_LIMIT, 0);
    argv[argc++] = span_str(limiter->options.worker);
    argv[argc++] = limit_number(&arena, known->sequence);
    argv[argc++] = limit_number(&arena, held);
    argv[argc++] = limit_number(&arena, back);
    argv[argc++] = limit_number(&arena, known->window);
    argv[argc++] = limit_number(&arena, want);
    argv[argc++] = limit_number(&arena, 2 * limiter->sharers);
    argv[argc++] = limit_number(&arena, LEASE_MS);
    metrics_add(limiter->scripts, 1);
    int err = redis_eval(limiter->options.redis, &script_limit_lease, 1,
                         &(struct redis_call){.key = limit_tag(argv[0]),
                                              .argv = argv,
                                              .argc = argc,
                                              .timeout_ms = DEADLINE_MS,
                                              .cb = on_lease,
                                              .arg = call});
    arena_deinit(&arena);
    if (err < 0) {
        mem_free(call);
        return false;
    }
    limit_spec_ref(call->spec);
    known->leasing = true;
    known->busy++;
    limiter->returning += back > 0;
    return true;
}

static void drop_tokens(struct limit_known *known)
{
    known->held = 0;
    list_remove(&known->leased);
}

/* The limit counts as it did when these were given; a log gives none. */
static bool is_of_limit(const struct limit_known *known)
{
    const struct limit_numbers *n = &known->spec->numbers;
    uint64_t per_us = limit_is_bucket(n->algorithm) ? 0 : n->per_us;

    if (n->algorithm == LIMIT_SLIDING_LOG)
        return false;
    return known->lease_per_us == per_us;
}

bool limit_lease_return(struct limiter *limiter, struct limit_known *known)
{
    uint64_t back = known->held;

    if (!back)
        return false;
    drop_tokens(known);
    known->want = known->want > 1 ? known->want / 2 : 1;
    if (is_of_limit(known)) /* refused: they end by themselves */
        ask(limiter, known, 0, back, 0);
    else
        limit_give_held(limiter, known, back, known->lease_now);
    return true;
}

void limiter_changed(struct limiter *limiter, struct limit_spec *spec)
{
    struct list *next;

    for (struct list *n = limiter->leased.next; n != &limiter->leased;
         n = next) {
        struct limit_known *known = LIST_ENTRY(n, struct limit_known, leased);
        next = n->next;
        if (known->spec->mark == spec->mark &&
            strcmp(known->spec->name, spec->name) == 0)
            limit_use_spec(limiter, known, spec);
    }
}

void limit_lease_wanted(struct limiter *limiter, struct limit_known *known)
{
    if (!limiter->options.leases || known->leasing ||
        known->spec->mode != LIMIT_LEASED)
        return;
    uint64_t now_us = clock_mono_us();
    if (known->lease_from_us && now_us - known->lease_from_us < AHEAD_US &&
        known->want < WANT_MAX)
        known->want *= 2;
    if (!is_of_limit(known))
        limit_lease_return(limiter, known);
    ask(limiter, known, known->held, 0, known->want);
}

void limit_lease_spend(struct limiter *limiter, struct limit_known *known,
                       uint64_t cost, uint64_t now_us)
{
    known->held -= cost;
    known->spent_us = now_us;
    if (known->held <= known->low)
        limit_lease_wanted(limiter, known);
    else if (now_us >= known->renew_us && !known->leasing)
        ask(limiter, known, known->held, 0, 0);
    if (!known->held)
        list_remove(&known->leased);
}

/*
 * Keys that are used alike would all ask at once, and Redis be busy with them
 * for milliseconds: so each asks when it has a quarter to three quarters left.
 */
static void plan_next(struct limit_known *known)
{
    uint64_t chance =
        (known->hash ^ known->sequence) * UINT64_C(0x9e3779b97f4a7c15) >> 32;

    known->low = known->want / 4 + chance % (known->want / 2 + 1);
    known->renew_us = known->lease_from_us + RENEW_US + chance % SPREAD_US;
}

static void take_tokens(struct limiter *limiter, struct limit_known *known,
                        uint64_t given, uint64_t sent_us, uint64_t ends_us)
{
    if (known->held == 0 && given)
        list_append(&limiter->leased, &known->leased);
    known->held += given;
    known->lease_from_us = sent_us;
    known->lease_until_us = ends_us;
    known->lease_now = known->state.now;
    known->lease_per_us = limit_is_bucket(known->spec->numbers.algorithm)
                              ? 0
                              : known->spec->numbers.per_us;
    plan_next(known);
    metrics_add(limiter->leased_tokens, given);
}

/* A window's tokens end with it. */
static uint64_t end_of(const struct limit_known *known, uint64_t sent_us)
{
    const struct limit_numbers *n = &known->spec->numbers;
    uint64_t ends_us = sent_us + USE_US;

    if (limit_is_bucket(n->algorithm))
        return ends_us;
    uint64_t left = (known->state.a + 1) * n->per_us - known->state.now;
    return left < USE_US ? sent_us + left : ends_us;
}

static void on_given(struct limiter *limiter, struct limit_known *known,
                     const struct redisReply *reply, uint64_t sent_us)
{
    struct limit_state state = {.now = (uint64_t)reply->element[0]->integer,
                                .a = (uint64_t)reply->element[2]->integer,
                                .b = (uint64_t)reply->element[3]->integer,
                                .c = (uint64_t)reply->element[4]->integer};
    bool window = !limit_is_bucket(known->spec->numbers.algorithm);

    if (window && state.a != known->window) {
        if (known->held)
            drop_tokens(known); /* of a window that has ended */
        known->window = state.a;
    }
    bool denied = known->has_denial;
    if (limit_note(known, known->spec, &state, sent_us, limiter->epoch))
        known->has_denial = denied;
    take_tokens(limiter, known, (uint64_t)reply->element[1]->integer, sent_us,
                end_of(known, sent_us));
}

static bool is_of_another_version(const struct redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 3;
}

/*
 * The limit has changed, and others have used the key since: what was not
 * taken back is held still, until the next tick knows of the change.
 */
static void keep_tokens(struct limiter *limiter, struct limit_known *known,
                        uint64_t count)
{
    if (known->held || clock_mono_us() >= known->lease_until_us)
        return;
    known->held = count;
    list_append(&limiter->leased, &known->leased);
}

static void on_lease(void *arg, int status, const struct redisReply *reply)
{
    struct lease_call call = *(struct lease_call *)arg;
    struct limit_known *known = call.known;

    mem_free(arg);
    bool changed = !limit_is_same(known->spec, call.spec);
    limit_spec_unref(call.spec);
    known->leasing = false;
    known->busy--;
    call.limiter->returning -= call.back > 0;
    if (call.back && status == 0 && is_of_another_version(reply)) {
        keep_tokens(call.limiter, known, call.back);
        return;
    }
    if (status < 0 || reply->type != REDIS_REPLY_ARRAY ||
        reply->elements != 5) {
        if (known->held)
            drop_tokens(known); /* Redis may no longer know that we hold them */
        return;
    }
    metrics_add(call.limiter->returned_tokens, call.back);
    if (changed || call.sequence != known->sequence)
        return; /* Redis has been told of less since: these are not held */
    on_given(call.limiter, known, reply, call.sent_us);
}

/* Now and then: what is not used goes back. */
void limit_lease_tick(struct limiter *limiter)
{
    uint64_t now_us = clock_mono_us();
    struct list *next;

    for (struct list *n = limiter->leased.next; n != &limiter->leased;
         n = next) {
        struct limit_known *known = LIST_ENTRY(n, struct limit_known, leased);
        next = n->next;
        if (now_us >= known->lease_until_us)
            drop_tokens(known);
        else if (known->leasing)
            continue;
        else if (now_us - known->spent_us > IDLE_US &&
                 now_us - known->lease_from_us > IDLE_US)
            limit_lease_return(limiter, known);
    }
}
