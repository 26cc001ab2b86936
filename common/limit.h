/*
 * limit.h - rate limits over all workers: checks, leases, refunds.
 *
 * Hides where a decision is made: by one script in Redis, by tokens that this
 * worker holds (a lease), by a denial that still stands, or, with Redis away,
 * by the limit's policy.  Checks of the same limits and key share a script
 * call, one at a time.
 *
 *   limiter_try() -- known here --> answered
 *                 -- else limiter_ask() -- script or policy --> call->cb
 */
#pragma once

#include "common/arena.h"
#include "common/limit_law.h"
#include "common/list.h"
#include "common/metrics.h"
#include "common/pubsub.h"
#include "common/redis.h"

#define LIMIT_ASKS_MAX 16 /* limits of one call */
#define LIMIT_ARGS 9      /* of a limit, to the scripts */

/* A limit, shared: whoever uses one holds a reference. */
struct limit_spec {
    unsigned refs;
    char name[LIMIT_NAME_MAX + 1];
    struct limit_numbers numbers;
    struct limit_numbers *earlier; /* versions before, the last one first */
    size_t earlier_count;
    enum limit_mode mode;
    enum limit_policy policy;
    uint32_t deadline_ms; /* 0: as long as the link to Redis waits */
    bool shadow;          /* charged apart, reported, never denies */
    bool loose;           /* states of other versions count as they are */
    uint64_t max_cost;    /* for who asks; not checked here */
    const char *type;     /* of its states' keys */
    uint64_t mark;        /* the limiter's own, as what follows */
    struct span args[LIMIT_ARGS];
    struct span spelled; /* these, as Redis reads them */
    char args_text[192], spelled_text[256];
};

/* A copy with one reference, earlier[count] copied too. */
struct limit_spec *limit_spec_create(const struct limit_spec *like);
void limit_spec_ref(struct limit_spec *spec);
void limit_spec_unref(struct limit_spec *spec);

struct limiter;

struct limiter_options {
    struct stream_loop *loop;
    struct redis *redis;
    struct pubsub
        *pubsub; /* tells of refunds and resets; NULL: there are none */
    size_t (*sharers)(void *arg); /* living workers, 0: not known now; NULL: it
                                     is alone */
    void *arg;
    struct metrics *metrics;
    const char *service; /* of the metrics' names */
    const char *prefix;  /* of the keys */
    const char *worker;  /* letters and digits, unique among living ones */
    size_t max_states;   /* of keys known here */
    bool coalesce, leases,
        deny_cache; /* false: to measure what they are worth */
};

struct limiter *limiter_open(const struct limiter_options *options);

/* One limit of a call, and its part of the answer. */
struct limit_ask {
    /* Of a call with an id a reference: one to the limit as it was, when the
       answer is that of then. */
    struct limit_spec *spec;
    struct span key; /* at most LIMIT_KEY_MAX bytes */
    uint64_t cost;   /* 0 looks; at most the burst */
    bool allowed;    /* by this limit alone */
    bool degraded;   /* by its policy: Redis did not say */
    struct limit_left left;
    struct limit_known *known; /* the limiter's own */
};

/*
 * One check: every limit passes, or none is charged.  The caller's memory,
 * arena included, until it is answered.  No two asks have both name and key in
 * common.
 */
struct limit_call {
    struct limit_ask *asks;
    size_t count;
    struct arena *arena;
    struct span id; /* a call that was seen is answered as it was; ptr NULL */
    /* status: 0; UV_EEXIST: the id was another call's; UV_EAGAIN: a limit has
       changed since its spec was made; UV_ECANCELED. */
    void (*cb)(struct limit_call *call, int status);
    void *arg;
    bool allowed;
    unsigned waiting; /* the limiter's own from here on */
    int status;
    struct limit_group *groups;
    size_t group_count;
    struct limiter *limiter; /* of a call with an id */
    struct list node;
    struct span digest;
};

/* With options.pubsub: what its on_epoch tells. */
void limiter_set_live(struct limiter *limiter, bool live);

/* A limit is another one now: what is held of the old one goes back. */
void limiter_changed(struct limiter *limiter, struct limit_spec *spec);

/* Redis may have lost its data: what was heard of keys counts no more. */
void limiter_forget(struct limiter *limiter);

/* True if the call is answered at once; then cb never runs. */
bool limiter_try(struct limiter *limiter, struct limit_call *call);

/*
 * 0, and cb runs later, once; or UV_ENOBUFS (too many keys are busy),
 * UV_ECANCELED.
 */
int limiter_ask(struct limiter *limiter, struct limit_call *call);

/* Of a call that is not allowed: until its limits may let it pass, us. */
uint64_t limit_call_wait_us(const struct limit_call *call);

/*
 * Give cost back, once for each id (ptr NULL: always); LIMIT_ALL: a reset.
 * left is what is there then.  0, or what redis_eval() refuses by; status as of
 * a redis_reply_cb, or UV_EAGAIN.  spec and key are borrowed for the call.
 */
#define LIMIT_ALL UINT64_MAX
typedef void (*limit_given_cb)(void *arg, int status,
                               const struct limit_left *left);
int limiter_give(struct limiter *limiter, struct limit_spec *spec,
                 struct span key, uint64_t cost, struct span id,
                 limit_given_cb cb, void *arg);

/* Workers that share what Redis has, this one among them. */
uint64_t limiter_sharers(const struct limiter *limiter);

/* Give leases back, then run cb; within a deadline of theirs. */
void limiter_drain(struct limiter *limiter, void (*cb)(void *arg), void *arg);

/*
 * After the link to Redis has closed, which ends what waits: free.  Memory goes
 * as the loop turns.
 */
void limiter_close(struct limiter *limiter);
