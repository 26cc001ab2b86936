/*
 * limit_give.c - refunds and resets, and what a call was charged in vain.
 *
 *   limiter_give() -- limit_give.lua -- its channel: every worker forgets that
 *   the key was denied --> on_given()
 *   -- a state of an earlier version --> limit_carry(), and again
 */
#include <inttypes.h>
#include <stdio.h>

#include "common/limit_internal.h"

#define MAX_STEPS 16          /* versions that a state is carried over */
#define UNDO_KEPT_MS "120000" /* longer than it may be sent again */

/* One that is under way; in its own arena. */
struct give {
    struct arena arena;
    struct limiter *limiter;
    struct limit_spec *spec; /* its own reference */
    struct span name, id, id_key, window, channel;
    uint64_t cost;
    bool undo; /* of a check that did not pass */
    unsigned steps;
    limit_given_cb cb; /* NULL: nobody waits */
    void *arg;
};

static int send_give(struct give *give);
static void on_given(void *arg, int status, const struct redisReply *reply);
static void on_carried(void *arg, int status, const struct redisReply *reply);

static struct give *make(struct limiter *limiter, struct limit_spec *spec,
                         struct span key, struct span id)
{
    struct arena arena;

    arena_init(&arena, MEM_LIMIT, 1024);
    struct give *give = arena_zalloc(&arena, sizeof(*give));
    give->limiter = limiter;
    give->spec = spec;
    limit_spec_ref(spec);
    give->name = limit_state_name(limiter, &arena, spec, key);
    give->channel = arena_printf(&arena, "%s:wake:{p%03u}",
                                 limiter->options.prefix, hash_partition(key));
    if (id.ptr) {
        give->id = arena_copy(&arena, id);
        give->id_key = key_name(&arena, limiter->options.prefix, "refund", key,
                                key_pair(&arena, id, give->name));
    }
    give->arena = arena;
    return give;
}

static void destroy(struct give *give)
{
    struct arena arena = give->arena;

    limit_spec_unref(give->spec);
    arena_deinit(&arena);
}

static int send_give(struct give *give)
{
    struct span argv[2 + LIMIT_ARGS + 5] = {give->name};
    struct arena arena;
    size_t argc = 1;

    arena_init(&arena, MEM_LIMIT, 0);
    if (give->id.ptr)
        argv[argc++] = give->id_key;
    size_t keys = argc;
    argc += limit_put_spec(argv + argc, give->spec);
    argv[argc++] = give->cost == LIMIT_ALL ? SPAN("all")
                                           : limit_number(&arena, give->cost);
    argv[argc++] = give->id.ptr ? give->id : SPAN("");
    argv[argc++] = give->undo ? SPAN(UNDO_KEPT_MS) : SPAN(LIMIT_REFUND_KEPT_MS);
    argv[argc++] = give->window.ptr ? give->window : SPAN("");
    argv[argc++] = give->channel;
    bool twice = give->id.ptr || give->cost == LIMIT_ALL;
    int err = redis_eval(give->limiter->options.redis, &script_limit_give, keys,
                         &(struct redis_call){.key = limit_tag(give->name),
                                              .argv = argv,
                                              .argc = argc,
                                              .repeatable = twice,
                                              .cb = on_given,
                                              .arg = give});
    arena_deinit(&arena);
    return err;
}

int limiter_give(struct limiter *limiter, struct limit_spec *spec,
                 struct span key, uint64_t cost, struct span id,
                 limit_given_cb cb, void *arg)
{
    struct give *give = make(limiter, spec, key, id);
    struct limit_known *known = limit_find(limiter, spec, key);

    if (known)
        limit_forget(known);
    give->cost = cost;
    give->cb = cb;
    give->arg = arg;
    int err = send_give(give);
    if (err < 0)
        destroy(give);
    return err;
}

static void finish(struct give *give, int status, const struct limit_left *left)
{
    if (give->cb)
        give->cb(give->arg, status, left);
    destroy(give);
}

static int carry(struct give *give, const struct redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
        ++give->steps > MAX_STEPS)
        return UV_EAGAIN;
    return limit_carry(give->limiter, give->spec, give->name,
                       (uint64_t)reply->element[2]->integer, 0, on_carried,
                       give);
}

static void on_given(void *arg, int status, const struct redisReply *reply)
{
    struct give *give = arg;
    struct limit_left left = {0};

    if (status == 0 &&
        (reply->type != REDIS_REPLY_ARRAY || reply->elements != 5)) {
        status = carry(give, reply);
        if (status == 0)
            return;
    }
    if (status == 0) {
        struct limit_state state = {.now = (uint64_t)reply->element[0]->integer,
                                    .a = (uint64_t)reply->element[2]->integer,
                                    .b = (uint64_t)reply->element[3]->integer,
                                    .c = (uint64_t)reply->element[4]->integer};
        limit_left(&give->spec->numbers, &state, 0, &left);
    }
    finish(give, status, &left);
}

static void on_carried(void *arg, int status, const struct redisReply *reply)
{
    struct give *give = arg;

    (void)reply;
    if (status == 0)
        status = send_give(give);
    if (status < 0)
        finish(give, status, NULL);
}

static bool is_window(enum limit_algorithm algorithm)
{
    return algorithm == LIMIT_FIXED_WINDOW || algorithm == LIMIT_SLIDING_WINDOW;
}

/* Sent and forgotten; the window is the one of that time. */
static int give_back(struct give *give, uint64_t cost, uint64_t window)
{
    give->cost = cost;
    give->undo = true;
    if (is_window(give->spec->numbers.algorithm))
        give->window = limit_number(&give->arena, window);
    int err = send_give(give);
    if (err < 0)
        destroy(give);
    return err;
}

bool limit_give_held(struct limiter *limiter, const struct limit_known *known,
                     uint64_t count, uint64_t now)
{
    const struct limit_numbers *n = &known->spec->numbers;
    const char *key = known->name + known->name_len - known->key_len;
    char id[96];
    int len = snprintf(id, sizeof(id), "undo:%s:%" PRIu64,
                       limiter->options.worker, ++limiter->undo);
    struct give *give =
        make(limiter, known->spec, (struct span){key, known->key_len},
             (struct span){id, (size_t)len});

    return give_back(give, count, n->per_us ? now / n->per_us : 0) == 0;
}

/*
 * Once, though it may be sent twice: the id is the call's own, and of that
 * time, for it may be another's later.
 */
static struct span undo_id(struct limiter *limiter,
                           const struct limit_group *group)
{
    const struct limit_call *call = group->call;

    if (call->id.ptr)
        return arena_printf(call->arena, "undo:%" PRIu64 ":%.*s", group->now,
                            (int)call->id.len, call->id.ptr);
    return arena_printf(call->arena, "undo:%s:%" PRIu64,
                        limiter->options.worker, ++limiter->undo);
}

void limit_undo(struct limiter *limiter, struct limit_group *group)
{
    const struct limit_call *call = group->call;
    struct span id = undo_id(limiter, group);

    for (size_t i = 0; i < group->count; i++) {
        const struct limit_ask *ask = &call->asks[group->at[i]];
        if (!ask->allowed || !ask->cost)
            continue;
        struct limit_spec *spec = ask->known->spec; /* ask's may be of then */
        give_back(make(limiter, spec, ask->key, id), ask->cost,
                  group->window[i]);
    }
}
