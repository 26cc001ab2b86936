/*
 * limit_batch.c - checks that go to Redis, and its answers.
 *
 *   limit_enqueue() -- a group for each key -- its batch waits, while one like
 *   it is out --> end of the loop's turn --> send_batch() -- limit_check.lua
 *   or limit_buckets.lua --> on_reply() -- each group in turn --> the end
 *                  -- a state of an earlier version --> carry it over, again
 *
 * Failure modes: Redis does not answer in the limit's time, or is away (each
 * limit's own policy decides, of those that wait as well); a limit is newer in
 * Redis than here (UV_EAGAIN: whoever asks must learn of it).
 */
#include <inttypes.h>
#include <stdio.h>

#include "common/limit_internal.h"

#define HEAD_ARGS 4
#define REPLY_A_LIMIT 4 /* passed, a, b, c */
#define STALE_STEPS 16  /* versions that a state is carried over, at most */
#define LEASED_DENIAL_US 100000
#define RETRY_DEGRADED_US 1000000 /* that a closed limit asks to wait */
#define ARGS_MAX                                                        \
    (2 * LIMIT_ASKS_MAX + 1 + HEAD_ARGS + LIMIT_ASKS_MAX * LIMIT_ARGS + \
     LIMIT_BATCH_MAX * LIMIT_ASKS_MAX)

static void send_batch(struct limit_batch *batch);
static void on_reply(void *arg, int status, const struct redisReply *reply);
static void on_carried(void *arg, int status, const struct redisReply *reply);

size_t limit_put_spec(struct span *argv, const struct limit_spec *spec)
{
    memcpy(argv, spec->args, sizeof(spec->args));
    return LIMIT_ARGS;
}

struct span limit_number(struct arena *arena, uint64_t number)
{
    static const char digits[] = "0123456789";

    if (number < 10)
        return (struct span){digits + number, 1};
    return span_from_u64(arena_alloc(arena, SPAN_U64_MAX), number);
}

/* ---- groups and their batches */

static bool is_like(const struct limit_batch *batch,
                    const struct limit_call *call,
                    const struct limit_group *group)
{
    if (batch->count != group->count || batch->alone || call->id.ptr)
        return false;
    for (size_t i = 0; i < group->count; i++) {
        const struct limit_ask *ask = &call->asks[group->at[i]];
        if (batch->of[i].known != ask->known ||
            !limit_is_same(batch->of[i].spec, ask->spec))
            return false;
    }
    return true;
}

static struct limit_batch *find_batch(const struct limit_call *call,
                                      const struct limit_group *group)
{
    struct list *batches = &call->asks[group->at[0]].known->batches;

    for (struct list *n = batches->next; n != batches; n = n->next) {
        struct limit_batch *batch = LIST_ENTRY(n, struct limit_batch, node);
        if (is_like(batch, call, group))
            return batch;
    }
    return NULL;
}

static struct limit_batch *make_batch(struct limiter *limiter,
                                      const struct limit_call *call,
                                      const struct limit_group *group)
{
    struct limit_batch *batch = mem_alloc(
        MEM_LIMIT, sizeof(*batch) + group->count * sizeof(batch->of[0]));

    *batch = (struct limit_batch){.limiter = limiter,
                                  .alone = call->id.ptr ||
                                           !limiter->options.coalesce,
                                  .count = group->count};
    list_init(&batch->waiting);
    list_init(&batch->sent);
    list_init(&batch->ready);
    for (size_t i = 0; i < group->count; i++) {
        batch->of[i].known = call->asks[group->at[i]].known;
        batch->of[i].spec = call->asks[group->at[i]].spec;
        limit_spec_ref(batch->of[i].spec);
    }
    list_append(&batch->of[0].known->batches, &batch->node);
    return batch;
}

static void join(struct limiter *limiter, struct limit_group *group)
{
    struct limit_batch *batch = find_batch(group->call, group);

    if (!batch)
        batch = make_batch(limiter, group->call, group);
    list_append(&batch->waiting, &group->node);
    batch->waiting_count++;
    if (!batch->out && list_is_empty(&batch->ready))
        list_append(&limiter->ready, &batch->ready);
}

static void make_groups(struct limit_call *call)
{
    for (size_t i = 0; i < call->count; i++) {
        size_t g = 0;
        while (
            g < call->group_count &&
            !span_eq(call->asks[call->groups[g].at[0]].key, call->asks[i].key))
            g++;
        struct limit_group *group = &call->groups[g];
        if (g == call->group_count) {
            *group = (struct limit_group){.call = call};
            call->group_count++;
        }
        group->at[group->count++] = (unsigned char)i;
    }
}

int limit_enqueue(struct limiter *limiter, struct limit_call *call)
{
    call->groups =
        arena_alloc(call->arena, call->count * sizeof(call->groups[0]));
    call->group_count = 0;
    call->status = 0;
    make_groups(call);
    for (size_t g = 0; g < call->group_count; g++) {
        const struct limit_batch *batch = find_batch(call, &call->groups[g]);
        if (batch && batch->waiting_count >= LIMIT_WAITING_MAX)
            return UV_ENOBUFS;
    }
    call->waiting = (unsigned)call->group_count;
    if (call->id.ptr)
        limit_claim(limiter, call);
    else
        limit_join(limiter, call);
    return 0;
}

void limit_join(struct limiter *limiter, struct limit_call *call)
{
    for (size_t g = 0; g < call->group_count; g++)
        join(limiter, &call->groups[g]);
}

void limit_send_ready(struct limiter *limiter)
{
    for (struct list *node; (node = list_pop(&limiter->ready));)
        send_batch(LIST_ENTRY(node, struct limit_batch, ready));
}

/* A group has its answer. */
static void drop_group(struct limiter *limiter, struct limit_group *group,
                       int status)
{
    struct limit_call *call = group->call;

    if (status < 0)
        call->status = status;
    if (--call->waiting == 0)
        limit_finish(limiter, call);
}

/* Nothing is out: on with what waits, or the end. */
static void go_on(struct limit_batch *batch)
{
    batch->out = false;
    if (!list_is_empty(&batch->waiting)) {
        if (list_is_empty(&batch->ready))
            list_append(&batch->limiter->ready, &batch->ready);
        return;
    }
    list_remove(&batch->node);
    list_remove(&batch->ready);
    for (size_t i = 0; i < batch->count; i++)
        limit_spec_unref(batch->of[i].spec);
    mem_free(batch);
}

/* ---- by policy */

/* A share is as empty as the bucket was when Redis was last heard of it. */
static void note_state(struct limit_known *known)
{
    const struct limit_state *state = &known->state;

    if (!known->has_state || !limit_is_bucket(known->spec->numbers.algorithm) ||
        state->a <= state->now)
        return;
    uint64_t full = known->state_us + (state->a - state->now);
    if (known->share_full_us < full)
        known->share_full_us = full;
}

static bool policy_says(struct limiter *limiter, struct limit_ask *ask,
                        bool take)
{
    struct limit_spec *spec = ask->spec;

    ask->degraded = true;
    switch (spec->policy) {
    case LIMIT_OPEN:
        ask->left = (struct limit_left){.remaining = spec->numbers.burst};
        return true;
    case LIMIT_CLOSED:
        ask->left = (struct limit_left){.reset_us = RETRY_DEGRADED_US,
                                        .retry_us = RETRY_DEGRADED_US};
        return false;
    case LIMIT_LOCAL:
        break;
    }
    note_state(ask->known);
    return limit_share_take(&ask->known->share_full_us, &spec->numbers,
                            limiter->sharers, ask->cost, clock_mono_us(), take,
                            &ask->left);
}

static void decide_by_policy(struct limiter *limiter, struct limit_group *group)
{
    struct limit_call *call = group->call;

    group->passed = group->shared = true;
    group->charged = false;
    for (size_t i = 0; i < group->count; i++) {
        struct limit_ask *ask = &call->asks[group->at[i]];
        ask->allowed = policy_says(limiter, ask, false);
        if (!ask->allowed && !ask->spec->shadow)
            group->passed = false;
    }
    for (size_t i = 0; i < group->count && group->passed; i++) {
        struct limit_ask *ask = &call->asks[group->at[i]];
        if (ask->allowed)
            policy_says(limiter, ask, true);
    }
    metrics_add(limiter->by_policy, 1);
    drop_group(limiter, group, 0);
}

/* Redis would not answer it. */
static void fail_group(struct limiter *limiter, struct limit_group *group,
                       int status)
{
    if (status == UV_ECANCELED || status == UV_EEXIST || status == UV_EAGAIN)
        drop_group(limiter, group, status);
    else
        decide_by_policy(limiter, group);
}

void limit_refuse(struct limiter *limiter, struct limit_call *call, int status)
{
    struct limit_group *groups = call->groups;
    size_t count = call->group_count;

    for (size_t g = 0; g < count; g++) /* the last one is the call's end */
        fail_group(limiter, &groups[g], status);
}

/* Those that were sent and those that wait. */
static void fail_batch(struct limit_batch *batch, int status)
{
    struct limiter *limiter = batch->limiter;
    struct list all;

    list_init(&all);
    list_move(&batch->sent, &all);
    list_move(&batch->waiting, &all);
    batch->waiting_count = 0;
    for (struct list *node; (node = list_pop(&all));)
        fail_group(limiter, LIST_ENTRY(node, struct limit_group, node), status);
    go_on(batch);
}

/* ---- out */

static uint32_t deadline_of(const struct limit_batch *batch)
{
    uint32_t least = LIMIT_DEADLINE_MAX_MS;

    for (size_t i = 0; i < batch->count; i++)
        if (batch->of[i].spec->deadline_ms < least)
            least = batch->of[i].spec->deadline_ms;
    return least;
}

static void seal(struct limit_batch *batch)
{
    size_t most = batch->alone ? 1 : LIMIT_BATCH_MAX;

    for (size_t n = 0; n < most && !list_is_empty(&batch->waiting); n++) {
        list_append(&batch->sent, list_pop(&batch->waiting));
        batch->waiting_count--;
    }
}

static struct limit_group *first_sent(const struct limit_batch *batch)
{
    return LIST_ENTRY(batch->sent.next, struct limit_group, node);
}

/* KEYS and ARGV of limit_check.lua; how many keys. */
static size_t check_args(struct limit_batch *batch, struct arena *arena,
                         struct span *argv, size_t *argc)
{
    const struct limit_call *call = first_sent(batch)->call;
    size_t keys = batch->count;
    size_t at = 0;
    uint64_t checks = 0;

    for (struct list *n = batch->sent.next; n != &batch->sent; n = n->next)
        checks++;
    for (; at < keys; at++)
        argv[at] = (struct span){batch->of[at].known->name,
                                 batch->of[at].known->name_len};
    if (call->id.ptr) {
        struct span together = call->asks[first_sent(batch)->at[0]].key;
        argv[at++] = key_name(
            arena, batch->limiter->options.prefix, "seen", together,
            key_pair(arena, call->digest, key_pair(arena, call->id, together)));
        keys++;
    }
    argv[at++] = limit_number(arena, batch->count);
    argv[at++] = limit_number(arena, checks);
    argv[at++] = call->id.ptr ? SPAN(LIMIT_ID_KEPT_MS) : SPAN("");
    argv[at++] = call->id.ptr ? limit_replay_words(batch, arena) : SPAN("");
    for (size_t i = 0; i < batch->count; i++)
        at += limit_put_spec(argv + at, batch->of[i].spec);
    for (struct list *n = batch->sent.next; n != &batch->sent; n = n->next) {
        const struct limit_group *group =
            LIST_ENTRY(n, struct limit_group, node);
        for (size_t i = 0; i < group->count; i++)
            argv[at++] =
                limit_number(arena, group->call->asks[group->at[i]].cost);
    }
    *argc = at;
    return keys;
}

/* What limit_buckets.lua answers, unless it finds that it cannot. */
static bool is_plain(const struct limit_batch *batch)
{
    if (batch->whole || batch->sent.next != batch->sent.prev ||
        first_sent(batch)->call->id.ptr)
        return false;
    for (size_t i = 0; i < batch->count; i++) {
        const struct limit_spec *spec = batch->of[i].spec;
        if (spec->mode != LIMIT_STRICT ||
            !limit_is_bucket(spec->numbers.algorithm))
            return false;
    }
    return true;
}

/* The limits' own arguments are spelled already. */
static size_t buckets_args(const struct limit_batch *batch, struct arena *arena,
                           struct span *argv, struct redis_call *call)
{
    const struct limit_group *group = first_sent(batch);
    char *spelled = arena_alloc(
        arena, batch->count * sizeof(batch->of[0].spec->spelled_text));
    size_t len = 0;

    for (size_t i = 0; i < batch->count; i++) {
        struct span own = batch->of[i].spec->spelled;
        argv[i] = limit_name_of(batch->of[i].known);
        argv[batch->count + i] =
            limit_number(arena, group->call->asks[group->at[i]].cost);
        memcpy(spelled + len, own.ptr, own.len);
        len += own.len;
    }
    call->argc = 2 * batch->count;
    call->spelled = (struct span){spelled, len};
    call->spelled_count = batch->count * LIMIT_ARGS;
    return batch->count;
}

static void send_again(struct limit_batch *batch)
{
    struct span argv[ARGS_MAX];
    struct redis_call call = {.argv = argv,
                              .timeout_ms = deadline_of(batch),
                              .cb = on_reply,
                              .arg = batch};
    struct arena arena;
    bool plain = is_plain(batch);

    arena_init(&arena, MEM_LIMIT, 0);
    size_t keys = plain ? buckets_args(batch, &arena, argv, &call)
                        : check_args(batch, &arena, argv, &call.argc);
    call.key = limit_tag(limit_name_of(batch->of[0].known));
    batch->out = true;
    batch->sent_us = clock_mono_us();
    batch->sent_epoch = batch->limiter->epoch;
    metrics_add(batch->limiter->scripts, 1);
    int err = redis_eval(batch->limiter->options.redis,
                         plain ? &script_limit_buckets : &script_limit_check,
                         keys, &call);
    arena_deinit(&arena);
    if (err < 0)
        fail_batch(batch, err);
}

static void send_batch(struct limit_batch *batch)
{
    batch->stale_steps = 0;
    batch->whole = false;
    seal(batch);
    send_again(batch);
}

/* ---- in */

/* Numbers of a reply, one after the other: of an array, or of a kept text. */
struct numbers {
    const struct redisReply *array;
    size_t at;
    struct span text;
};

static uint64_t next_number(struct numbers *numbers)
{
    uint64_t value = 0;
    struct span word;

    if (!numbers->array) {
        if (span_cut(&numbers->text, ' ', &word))
            span_to_u64(word, UINT64_MAX, &value);
    } else if (numbers->at < numbers->array->elements) {
        value = (uint64_t)numbers->array->element[numbers->at++]->integer;
    }
    return value;
}

/* Remember a denial from the moment the question was asked: never too long. */
static void note_denial(const struct limit_batch *batch,
                        const struct limit_ask *ask)
{
    struct limit_known *known = ask->known;

    if (ask->cost == 0 ||
        (known->has_denial && known->denied_cost <= ask->cost))
        return;
    uint64_t wait_us = ask->left.retry_us;
    if (ask->spec->mode == LIMIT_LEASED && wait_us > LEASED_DENIAL_US)
        wait_us = LEASED_DENIAL_US; /* others may give back what they hold */
    known->has_denial = true;
    known->denied_cost = ask->cost;
    known->denied_until_us = batch->sent_us + wait_us;
}

static void read_ask(struct limit_batch *batch, struct limit_ask *ask,
                     uint64_t now, struct numbers *numbers, uint64_t *window)
{
    struct limit_state state = {.now = now};

    ask->allowed = next_number(numbers) == 1;
    state.a = next_number(numbers);
    state.b = next_number(numbers);
    state.c = next_number(numbers);
    *window = state.a;
    limit_left(&ask->spec->numbers, &state, ask->allowed ? 0 : ask->cost,
               &ask->left);
    if (limit_note(ask->known, ask->spec, &state, batch->sent_us,
                   batch->sent_epoch) &&
        !ask->allowed)
        note_denial(batch, ask);
    if (ask->spec->mode == LIMIT_LEASED && ask->cost && ask->allowed)
        limit_lease_wanted(batch->limiter, ask->known);
}

static void read_group(struct limit_batch *batch, struct limit_group *group,
                       uint64_t now, struct numbers *numbers)
{
    group->now = now;
    group->passed = group->charged = next_number(numbers) == 1;
    for (size_t i = 0; i < group->count; i++)
        read_ask(batch, &group->call->asks[group->at[i]], now, numbers,
                 &group->window[i]);
    metrics_add(batch->limiter->by_redis, 1);
}

static void read_checks(struct limit_batch *batch, uint64_t now,
                        struct numbers *numbers)
{
    struct list done;

    list_init(&done);
    list_move(&batch->sent, &done);
    for (struct list *n = done.next; n != &done; n = n->next)
        read_group(batch, LIST_ENTRY(n, struct limit_group, node), now,
                   numbers);
    struct limiter *limiter = batch->limiter;
    go_on(batch);
    for (struct list *node; (node = list_pop(&done));)
        drop_group(limiter, LIST_ENTRY(node, struct limit_group, node), 0);
}

/* at: of its limits, the one with a state of that version. */
static void carry_over(struct limit_batch *batch, size_t at, uint64_t version)
{
    int err = UV_EAGAIN;

    if (++batch->stale_steps <= STALE_STEPS)
        err = limit_carry(batch->limiter, batch->of[at].spec,
                          limit_name_of(batch->of[at].known), version,
                          deadline_of(batch), on_carried, batch);
    if (err < 0)
        fail_batch(batch, err);
}

static void on_carried(void *arg, int status, const struct redisReply *reply)
{
    struct limit_batch *batch = arg;

    (void)reply;
    if (status < 0)
        fail_batch(batch, status);
    else
        send_again(batch);
}

/* A call with an id is alone. */
static void replay(struct limit_batch *batch, struct span text)
{
    struct limiter *limiter = batch->limiter;
    struct limit_group *group = first_sent(batch);

    if (!limit_replay(group, text)) {
        fail_batch(batch, UV_EPROTO);
        return;
    }
    metrics_add(limiter->by_redis, 1);
    list_pop(&batch->sent);
    go_on(batch);
    drop_group(limiter, group, 0);
}

static void on_reply(void *arg, int status, const struct redisReply *reply)
{
    struct limit_batch *batch = arg;
    struct numbers numbers = {0};

    if (status < 0) {
        fail_batch(batch, status);
        return;
    }
    if (reply->type == REDIS_REPLY_NIL && !batch->whole) {
        batch->whole = true;
        send_again(batch);
        return;
    }
    if (reply->type == REDIS_REPLY_STRING && first_sent(batch)->call->id.ptr) {
        replay(batch, (struct span){reply->str, reply->len});
        return;
    }
    if (reply->type == REDIS_REPLY_STRING)
        numbers.text = (struct span){reply->str, reply->len};
    else
        numbers.array = reply;
    uint64_t now = next_number(&numbers);
    if (now) {
        read_checks(batch, now, &numbers);
        return;
    }
    uint64_t limit = next_number(&numbers);
    if (limit == 0 || limit > batch->count)
        fail_batch(batch, UV_EPROTO);
    else
        carry_over(batch, limit - 1, next_number(&numbers));
}
