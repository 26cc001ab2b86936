/* limit.c - see limit.h: specs, and what is decided here. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/limit_internal.h"
#include "common/resp.h"

#define TICK_MS 50

static void on_prepare(uv_prepare_t *prepare);
static void on_tick(struct wheel_timer *timer);
static void on_told(void *arg, struct span channel, struct span payload);

/* ---- specs */

/*
 * One for all kinds: the version tells which.  States of a loose limit have
 * none, so each kind has its own.
 */
static const char *type_of(const struct limit_spec *spec)
{
    if (!spec->loose && spec->numbers.algorithm != LIMIT_CONCURRENCY)
        return spec->shadow ? "shadow" : "state";
    switch (spec->numbers.algorithm) {
    case LIMIT_FIXED_WINDOW:
    case LIMIT_SLIDING_WINDOW:
        return spec->shadow ? "swin" : "win";
    case LIMIT_SLIDING_LOG:
        return spec->shadow ? "slog" : "log";
    case LIMIT_CONCURRENCY:
        return "slots";
    case LIMIT_TOKEN_BUCKET:
    case LIMIT_GCRA:
    case LIMIT_ALGORITHMS:
        break;
    }
    return spec->shadow ? "sbkt" : "bkt";
}

static const char *kind_of(enum limit_algorithm algorithm)
{
    switch (algorithm) {
    case LIMIT_FIXED_WINDOW:
        return "f";
    case LIMIT_SLIDING_WINDOW:
        return "s";
    case LIMIT_SLIDING_LOG:
        return "l";
    case LIMIT_TOKEN_BUCKET:
    case LIMIT_GCRA:
    case LIMIT_CONCURRENCY:
    case LIMIT_ALGORITHMS:
        break;
    }
    return "b";
}

/* See limit_state.lua. */
void limit_write_args(const struct limit_numbers *n, bool shadow, bool loose,
                      char *text, size_t size, struct span args[LIMIT_ARGS])
{
    struct limit_pace pace = limit_pace(n->rate, n->per_us ? n->per_us : 1);
    struct limit_time room = limit_pace_times(&pace, n->burst);
    struct span rest;
    int len;

    if (limit_is_bucket(n->algorithm))
        len = snprintf(text, size,
                       "%s %d %" PRIu64 " %d %" PRIu64 " %" PRIu64 " %" PRIu64
                       " %" PRIu64 " %" PRIu64,
                       kind_of(n->algorithm), shadow, n->version, loose,
                       pace.whole, pace.part, pace.parts, room.us, room.part);
    else
        len = snprintf(text, size,
                       "%s %d %" PRIu64 " %d %" PRIu64 " %" PRIu64 " 0 0 0",
                       kind_of(n->algorithm), shadow, n->version, loose,
                       n->per_us, n->rate);
    assert(len > 0 && (size_t)len < size);
    rest = (struct span){text, (size_t)len};
    for (size_t i = 0; i < LIMIT_ARGS; i++)
        span_cut(&rest, ' ', &args[i]);
}

bool limit_is_same(const struct limit_spec *a, const struct limit_spec *b)
{
    return a == b ||
           (a->numbers.version == b->numbers.version && a->mode == b->mode);
}

uint64_t limit_mark(struct span type, struct span limit)
{
    static const struct hash_key fixed = {0, 0};

    return hash_sip(&fixed, type) * 31 + hash_sip(&fixed, limit);
}

static void spell_args(struct limit_spec *spec)
{
    struct buf text;

    buf_init(&text, MEM_LIMIT);
    for (size_t i = 0; i < LIMIT_ARGS; i++)
        resp_append_arg(&text, spec->args[i]);
    assert(text.len <= sizeof(spec->spelled_text));
    memcpy(spec->spelled_text, text.ptr, text.len);
    spec->spelled = (struct span){spec->spelled_text, text.len};
    buf_deinit(&text);
}

struct limit_spec *limit_spec_create(const struct limit_spec *like)
{
    struct limit_spec *spec = mem_alloc(MEM_LIMIT, sizeof(*spec));
    size_t size = like->earlier_count * sizeof(like->earlier[0]);

    *spec = *like;
    spec->refs = 1;
    if (!limit_is_bucket(spec->numbers.algorithm))
        spec->numbers.burst = spec->numbers.rate;
    spec->earlier = NULL;
    if (size)
        spec->earlier = memcpy(mem_alloc(MEM_LIMIT, size), like->earlier, size);
    spec->type = type_of(spec);
    spec->mark = limit_mark(span_str(spec->type), span_str(spec->name));
    limit_write_args(&spec->numbers, spec->shadow, spec->loose, spec->args_text,
                     sizeof(spec->args_text), spec->args);
    spell_args(spec);
    return spec;
}

void limit_spec_ref(struct limit_spec *spec)
{
    spec->refs++;
}

void limit_spec_unref(struct limit_spec *spec)
{
    if (!spec || --spec->refs)
        return;
    mem_free(spec->earlier);
    mem_free(spec);
}

/* ---- life */

static uint64_t *counter(struct limiter *limiter, const char *what,
                         const char *labels, const char *help)
{
    char name[96];

    snprintf(name, sizeof(name), "%s_limit_%s", limiter->options.service, what);
    return metrics_cell(limiter->options.metrics, METRICS_COUNTER, name, labels,
                        help);
}

static void open_metrics(struct limiter *limiter)
{
    static const char checks[] = "checks_total";
    static const char made[] = "Checks, by answer.";
    static const char decided[] = "decided_total";
    static const char where[] = "Checks, by what decided them.";
    char name[96];

    limiter->allowed = counter(limiter, checks, "answer=\"allowed\"", made);
    limiter->denied = counter(limiter, checks, "answer=\"denied\"", made);
    limiter->by_redis = counter(limiter, decided, "by=\"redis\"", where);
    limiter->by_lease = counter(limiter, decided, "by=\"lease\"", where);
    limiter->by_denial = counter(limiter, decided, "by=\"denial\"", where);
    limiter->by_policy = counter(limiter, decided, "by=\"policy\"", where);
    limiter->scripts = counter(limiter, "scripts_total", "",
                               "Script calls for checks and leases.");
    limiter->leased_tokens = counter(limiter, "leased_tokens_total", "",
                                     "Tokens that workers took to hold.");
    limiter->returned_tokens = counter(limiter, "returned_tokens_total", "",
                                       "Of these, given back unspent.");
    snprintf(name, sizeof(name), "%s_limit_states", limiter->options.service);
    limiter->states = metrics_cell(limiter->options.metrics, METRICS_GAUGE,
                                   name, "", "Keys that workers know.");
}

static void listen_to_wakes(struct limiter *limiter)
{
    char channel[32];

    for (unsigned p = 0; limiter->options.pubsub && p < HASH_PARTITIONS; p++) {
        int len = snprintf(channel, sizeof(channel), "%s:wake:{p%03u}",
                           limiter->options.prefix, p);
        pubsub_subscribe(limiter->options.pubsub,
                         (struct span){channel, (size_t)len}, on_told, limiter);
    }
}

struct limiter *limiter_open(const struct limiter_options *options)
{
    struct limiter *limiter = mem_zalloc(MEM_LIMIT, sizeof(*limiter));
    uv_loop_t *loop = stream_loop_uv(options->loop);

    limiter->options = *options;
    limit_table_init(&limiter->table);
    limiter->sharers = 1;
    limiter->live = !options->pubsub; /* nothing to hear of */
    list_init(&limiter->recent);
    list_init(&limiter->leased);
    list_init(&limiter->ready);
    list_init(&limiter->claims);
    open_metrics(limiter);
    listen_to_wakes(limiter);
    uv_prepare_init(loop, &limiter->prepare);
    limiter->prepare.data = limiter;
    uv_prepare_start(&limiter->prepare, on_prepare);
    uv_unref((uv_handle_t *)&limiter->prepare);
    wheel_start(stream_loop_wheel(options->loop), &limiter->tick, TICK_MS,
                on_tick);
    return limiter;
}

static void on_prepare(uv_prepare_t *prepare)
{
    limit_send_claims(prepare->data);
    limit_send_ready(prepare->data);
}

static void end_drain(struct limiter *limiter)
{
    void (*cb)(void *arg) = limiter->drained;

    limiter->drained = NULL;
    cb(limiter->drained_arg);
}

/* Who shares is asked again and again, and remembered while nobody answers. */
static void on_tick(struct wheel_timer *timer)
{
    struct limiter *limiter = LIST_ENTRY(timer, struct limiter, tick);
    const struct limiter_options *options = &limiter->options;
    size_t count = options->sharers ? options->sharers(options->arg) : 1;

    if (count)
        limiter->sharers = count;
    limit_lease_tick(limiter);
    if (limiter->drained && !limiter->returning)
        end_drain(limiter);
    else
        wheel_start(stream_loop_wheel(limiter->options.loop), timer, TICK_MS,
                    on_tick);
}

uint64_t limiter_sharers(const struct limiter *limiter)
{
    return limiter->sharers;
}

void limiter_drain(struct limiter *limiter, void (*cb)(void *arg), void *arg)
{
    struct list *next;

    limiter->options.leases = false;
    for (struct list *n = limiter->leased.next; n != &limiter->leased;
         n = next) {
        next = n->next;
        limit_lease_return(limiter, LIST_ENTRY(n, struct limit_known, leased));
    }
    limiter->drained = cb;
    limiter->drained_arg = arg;
    wheel_start(stream_loop_wheel(limiter->options.loop), &limiter->tick, 0,
                on_tick);
}

static void on_closed(uv_handle_t *handle)
{
    struct limiter *limiter = handle->data;

    mem_free(limiter->table.buckets);
    mem_free(limiter);
}

void limiter_close(struct limiter *limiter)
{
    limiter->closing = true;
    wheel_stop(stream_loop_wheel(limiter->options.loop), &limiter->tick);
    while (!list_is_empty(&limiter->recent)) {
        struct limit_known *known =
            LIST_ENTRY(limiter->recent.next, struct limit_known, recent);
        assert(list_is_empty(&known->batches) && !known->busy);
        list_remove(&known->recent);
        list_remove(&known->leased);
        limit_spec_unref(known->spec);
        mem_free(known);
    }
    uv_close((uv_handle_t *)&limiter->prepare, on_closed);
}

/* ---- what is known */

bool limit_note(struct limit_known *known, const struct limit_spec *spec,
                const struct limit_state *state, uint64_t sent_us,
                uint64_t sent_epoch)
{
    if (known->told_us >= sent_us || !limit_is_same(known->spec, spec))
        return false;
    known->state = *state;
    known->state_us = clock_mono_us();
    known->epoch = sent_epoch;
    known->has_state = true;
    known->has_denial = false;
    return true;
}

/* A refund or a reset: who was denied may pass now. */
static void on_told(void *arg, struct span channel, struct span payload)
{
    struct limiter *limiter = arg;
    struct limit_known *known = limit_find_named(limiter, payload);

    (void)channel;
    if (!known)
        return;
    limit_forget(known);
    known->told_us = clock_mono_us();
}

void limiter_set_live(struct limiter *limiter, bool live)
{
    limiter->epoch += live;
    limiter->live = live;
}

void limiter_forget(struct limiter *limiter)
{
    limiter->epoch++;
}

/* ---- decided here */

/* What is left, by what Redis said last and the time that has passed. */
static void left_now(const struct limit_known *known, uint64_t cost,
                     uint64_t now_us, struct limit_left *left)
{
    struct limit_state state = known->state;

    state.now += now_us - known->state_us;
    limit_left(&known->spec->numbers, &state, cost, left);
    left->remaining += known->held;
    if (left->remaining > known->spec->numbers.burst)
        left->remaining = known->spec->numbers.burst;
}

static bool is_denied(const struct limit_ask *ask, uint64_t now_us)
{
    const struct limit_known *known = ask->known;

    return known->has_denial && ask->cost >= known->denied_cost &&
           now_us < known->denied_until_us;
}

/* A window that has ended says nothing. */
static bool is_fresh(const struct limit_known *known, uint64_t now_us)
{
    const struct limit_numbers *n = &known->spec->numbers;
    uint64_t now = known->state.now + (now_us - known->state_us);

    if (!known->has_state)
        return false;
    if (limit_is_bucket(n->algorithm))
        return true;
    return n->algorithm == LIMIT_SLIDING_LOG ||
           now / n->per_us == known->state.a;
}

/* Every ask is covered by tokens held here. */
static bool try_leases(struct limiter *limiter, struct limit_call *call,
                       uint64_t now_us)
{
    for (size_t i = 0; i < call->count; i++) {
        const struct limit_ask *ask = &call->asks[i];
        if (ask->cost == 0 || !is_fresh(ask->known, now_us) ||
            !limit_lease_covers(ask->known, ask->cost, now_us))
            return false;
    }
    for (size_t i = 0; i < call->count; i++) {
        struct limit_ask *ask = &call->asks[i];
        limit_lease_spend(limiter, ask->known, ask->cost, now_us);
        left_now(ask->known, 0, now_us, &ask->left);
        ask->allowed = true;
    }
    call->allowed = true;
    metrics_add(limiter->by_lease, 1);
    metrics_add(limiter->allowed, 1);
    return true;
}

/* One that counts is denied still, and of the others something is known. */
static bool try_denials(struct limiter *limiter, struct limit_call *call,
                        uint64_t now_us)
{
    bool denied = false;

    for (size_t i = 0; i < call->count; i++) {
        const struct limit_ask *ask = &call->asks[i];
        if (!is_fresh(ask->known, now_us) ||
            ask->known->epoch != limiter->epoch)
            return false;
        denied = denied || (!ask->spec->shadow && is_denied(ask, now_us));
    }
    if (!denied)
        return false;
    for (size_t i = 0; i < call->count; i++) {
        struct limit_ask *ask = &call->asks[i];
        left_now(ask->known, ask->cost, now_us, &ask->left);
        ask->allowed =
            !is_denied(ask, now_us) && ask->cost <= ask->left.remaining;
        if (!ask->allowed && !ask->left.retry_us)
            ask->left.retry_us = ask->known->denied_until_us - now_us;
    }
    call->allowed = false;
    metrics_add(limiter->by_denial, 1);
    metrics_add(limiter->denied, 1);
    return true;
}

bool limiter_try(struct limiter *limiter, struct limit_call *call)
{
    uint64_t now_us = clock_mono_us();

    assert(call->count && call->count <= LIMIT_ASKS_MAX);
    for (size_t i = 0; i < call->count; i++) {
        struct limit_ask *ask = &call->asks[i];
        ask->degraded = false;
        ask->known = limit_find(limiter, ask->spec, ask->key);
        if (!ask->known || call->id.ptr ||
            !limit_is_same(ask->known->spec, ask->spec))
            return false;
    }
    return try_leases(limiter, call, now_us) ||
           (limiter->live && limiter->options.deny_cache &&
            try_denials(limiter, call, now_us));
}

uint64_t limit_call_wait_us(const struct limit_call *call)
{
    uint64_t longest = 0;

    for (size_t i = 0; i < call->count; i++)
        if (!call->asks[i].allowed && call->asks[i].left.retry_us > longest)
            longest = call->asks[i].left.retry_us;
    return longest;
}

int limiter_ask(struct limiter *limiter, struct limit_call *call)
{
    if (limiter->closing)
        return UV_ECANCELED;
    for (size_t i = 0; i < call->count; i++) {
        struct limit_ask *ask = &call->asks[i];
        ask->allowed = ask->degraded = false;
        ask->known = limit_know(limiter, ask->spec, ask->key);
        if (!ask->known) {
            while (i-- > 0)
                call->asks[i].known->busy--;
            return UV_ENOBUFS;
        }
        ask->known->busy++;
    }
    int err = limit_enqueue(limiter, call);
    for (size_t i = 0; err < 0 && i < call->count; i++)
        call->asks[i].known->busy--;
    return err;
}

static void give_shares_back(struct limiter *limiter,
                             const struct limit_group *group)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct limit_ask *ask = &group->call->asks[group->at[i]];
        if (ask->allowed && ask->spec->policy == LIMIT_LOCAL)
            limit_share_give(&ask->known->share_full_us, &ask->spec->numbers,
                             limiter->sharers, ask->cost);
    }
}

/* All groups have their answer: undo what was charged in vain, and tell. */
void limit_finish(struct limiter *limiter, struct limit_call *call)
{
    call->allowed = true;
    for (size_t i = 0; i < call->group_count; i++)
        call->allowed = call->allowed && call->groups[i].passed;
    for (size_t i = 0; i < call->group_count && !call->allowed; i++) {
        struct limit_group *group = &call->groups[i];
        if (group->passed && group->charged)
            limit_undo(limiter, group);
        if (group->passed && group->shared)
            give_shares_back(limiter, group);
    }
    for (size_t i = 0; i < call->count; i++)
        call->asks[i].known->busy--;
    if (call->status == 0)
        metrics_add(call->allowed ? limiter->allowed : limiter->denied, 1);
    call->cb(call, call->status);
}
