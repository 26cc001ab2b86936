/*
 * limit_internal.h - what the files of the limit room share.
 *
 *   limit_law.c    arithmetic alone
 *   limit.c        specs, what is decided here
 *   limit_table.c  what is known here
 *   limit_claim.c  ids of checks
 *   limit_batch.c  checks that go to Redis, and its answers
 *   limit_lease.c  tokens that this worker holds
 *   limit_replay.c answers that were given before
 *   limit_carry.c  states of earlier versions
 *   limit_give.c   refunds and resets
 */
#pragma once

#include "common/clock.h"
#include "common/common_scripts.h"
#include "common/hash.h"
#include "common/key.h"
#include "common/limit.h"

#define LIMIT_BATCH_MAX 128      /* checks of one script call */
#define LIMIT_WAITING_MAX 4096   /* checks that one batch has waiting */
#define LIMIT_ID_KEPT_MS "60000" /* how long an id and its answer are */
#define LIMIT_REFUND_KEPT_MS "86400000"

/* What this worker knows of one limit and key. */
struct limit_known {
    struct limit_known *chain; /* of its bucket */
    uint64_t hash;
    struct list recent;  /* in limiter->recent, the longest unused first */
    struct list leased;  /* in limiter->leased while it holds tokens */
    struct list batches; /* that begin with it */
    struct limit_spec *spec;
    unsigned busy; /* checks and calls under way: not to be evicted */

    /* What Redis last said, in this worker's time; a denial holds for costs
       from denied_cost on. */
    struct limit_state state;
    uint64_t state_us, denied_cost, denied_until_us;
    uint64_t told_us; /* when a refund of it was heard of */
    uint64_t epoch;   /* of the link by which we would have heard */
    bool has_state, has_denial;

    /* Tokens that are held. */
    uint64_t held, want, sequence, window;
    uint64_t low; /* more are asked for when so many are left */
    uint64_t lease_until_us, lease_from_us, renew_us, spent_us;
    uint64_t lease_now;    /* when it was given, by Redis's clock */
    uint64_t lease_per_us; /* of the window's limit then; 0: a bucket's */
    bool leasing;

    uint64_t share_full_us; /* of the local policy's bucket */
    size_t name_len, key_len;
    char name[]; /* the state's key in Redis, which ends with its own */
};

/* All that are known, by limit and key. */
struct limit_table {
    struct hash_key hash_key;
    struct limit_known **buckets;
    size_t low, used, room; /* low: a power of two; used: below twice that */
    size_t count;           /* of those in it */
};

/* The asks of a call that have one key: one script's. */
struct limit_group {
    struct list node; /* of its batch */
    struct limit_call *call;
    size_t count;
    unsigned char at[LIMIT_ASKS_MAX]; /* into call->asks */
    bool passed, charged;             /* charged: by the script */
    bool shared;                      /* charged to shares, by policy */
    uint64_t now;                     /* when, by Redis's clock */
    uint64_t window[LIMIT_ASKS_MAX];  /* that was charged, of windows */
};

/* Groups of the same limits and key, on their way together. */
struct limit_batch {
    struct list node;  /* of its first one's batches */
    struct list ready; /* in limiter->ready, or alone */
    struct limiter *limiter;
    struct list waiting, sent;
    size_t waiting_count;
    bool out;
    bool alone; /* one call with an id */
    bool whole; /* limit_buckets.lua would not answer */
    size_t stale_steps;
    uint64_t sent_us, sent_epoch;
    size_t count;
    struct {
        struct limit_known *known;
        struct limit_spec *spec; /* its own reference */
    } of[];
};

struct limiter {
    struct limiter_options options;
    uv_prepare_t prepare;
    struct wheel_timer tick;
    struct limit_table table;
    struct list recent, leased, ready;
    struct list claims; /* calls whose id is to be asked for */
    uint64_t undo;      /* number of the last one */
    uint64_t sharers, epoch;
    bool live, closing;
    void (*drained)(void *arg);
    void *drained_arg;
    size_t returning; /* leases on their way back */
    uint64_t *by_redis, *by_lease, *by_denial, *by_policy, *allowed, *denied,
        *leased_tokens, *returned_tokens, *scripts, *states;
};

/* limit.c */
/* Nine of the scripts' arguments, spelled into text; see limit_state.lua. */
void limit_write_args(const struct limit_numbers *n, bool shadow, bool loose,
                      char *text, size_t size, struct span args[LIMIT_ARGS]);
/* Are they the same version of a limit, asked in the same way? */
bool limit_is_same(const struct limit_spec *a, const struct limit_spec *b);
/* What tells states of one limit and type from others, for hashes. */
uint64_t limit_mark(struct span type, struct span limit);
/*
 * Redis has answered a call of spec that was sent then.  False: what it said
 * may be past already, since a refund or a change was heard of meanwhile.
 */
bool limit_note(struct limit_known *known, const struct limit_spec *spec,
                const struct limit_state *state, uint64_t sent_us,
                uint64_t sent_epoch);
static inline struct span limit_name_of(const struct limit_known *known)
{
    return (struct span){known->name, known->name_len};
}
void limit_finish(struct limiter *limiter, struct limit_call *call);

/* limit_table.c */
void limit_table_init(struct limit_table *table);
/* NULL: nothing is known. */
struct limit_known *limit_find(struct limiter *limiter,
                               const struct limit_spec *spec, struct span key);
/* By a state's name in Redis. */
struct limit_known *limit_find_named(struct limiter *limiter, struct span name);
/* The one of that limit and key, made if need be; NULL: no room. */
struct limit_known *limit_know(struct limiter *limiter, struct limit_spec *spec,
                               struct span key);
void limit_forget(struct limit_known *known);
/* Its limit has changed: what was said of the old one counts no more. */
void limit_use_spec(struct limiter *limiter, struct limit_known *known,
                    struct limit_spec *spec);
struct span limit_state_name(struct limiter *limiter, struct arena *arena,
                             const struct limit_spec *spec, struct span key);
/* The tag of the partition of a state's name, "{pNNN}". */
struct span limit_tag(struct span name);

/* limit_batch.c */
int limit_enqueue(struct limiter *limiter, struct limit_call *call);
/* Its groups wait in their batches. */
void limit_join(struct limiter *limiter, struct limit_call *call);
/* It is not sent: by policy, or the end. */
void limit_refuse(struct limiter *limiter, struct limit_call *call, int status);
void limit_send_ready(struct limiter *limiter);
/* Its LIMIT_ARGS arguments. */
size_t limit_put_spec(struct span *argv, const struct limit_spec *spec);
struct span limit_number(struct arena *arena, uint64_t number);

/* limit_claim.c */
void limit_claim(struct limiter *limiter, struct limit_call *call);
void limit_send_claims(struct limiter *limiter);

/* limit_replay.c */
/* What its limits are, to be kept beside an answer. */
struct span limit_replay_words(const struct limit_batch *batch,
                               struct arena *arena);
/* The answer that was kept, also its limits as they were.  False: it is none.
 */
bool limit_replay(struct limit_group *group, struct span text);

/* limit_carry.c */
/*
 * A state of version becomes one of the next that spec knows; one that nobody
 * remembers is taken as it is.  UV_EAGAIN: it is newer than spec.  Else as of
 * redis_eval().
 */
int limit_carry(struct limiter *limiter, const struct limit_spec *spec,
                struct span name, uint64_t version, uint32_t timeout_ms,
                redis_reply_cb cb, void *arg);

/* limit_lease.c */
bool limit_lease_covers(const struct limit_known *known, uint64_t cost,
                        uint64_t now_us);
void limit_lease_spend(struct limiter *limiter, struct limit_known *known,
                       uint64_t cost, uint64_t now_us);
/* A check had to ask Redis: tokens to hold would have served it. */
void limit_lease_wanted(struct limiter *limiter, struct limit_known *known);
void limit_lease_tick(struct limiter *limiter);
/* Give back what is held; false: nothing is. */
bool limit_lease_return(struct limiter *limiter, struct limit_known *known);

/* limit_give.c */
/* Take back what a group was charged: another group of its call did not pass.
 */
void limit_undo(struct limiter *limiter, struct limit_group *group);
/*
 * Give back tokens that were held of a limit that is of another kind now, once;
 * now: when they were given.  False: they are lost.
 */
bool limit_give_held(struct limiter *limiter, const struct limit_known *known,
                     uint64_t count, uint64_t now);
