/*
 * cache.h - what is known about codes, as answers ready to send.
 *
 * Bounded in bytes, with CLOCK eviction (Corbato, 1968).  An entry belongs to
 * the epoch of the invalidation link in which its read began; when an epoch is
 * over its entries are stale (served for a while), when the next one begins
 * they are gone.  A read in flight is an entry too: an invalidation that comes
 * before its reply keeps the reply from being stored.
 */
#pragma once

#include "common/hash.h"
#include "common/list.h"
#include "common/span.h"
#include "shortener/code.h"
#include "shortener/link.h"

struct cache;
struct click_cell;

enum cache_verdict {
    CACHE_MISS,
    CACHE_FILLING, /* a read is on its way */
    CACHE_HIT,
    CACHE_STALE, /* of the epoch that ended, not too long ago */
};

struct cache_entry {
    struct cache_entry *chain; /* same bucket */
    struct list clock;         /* stored: the ring; filling: alone */
    struct list waiters;       /* filling: who waits (the caller's nodes) */
    struct click_cell *cell;   /* where clicks count now, or NULL */
    int64_t expires_ms;        /* 0: never */
    uint32_t epoch;
    uint32_t head_len;
    uint16_t status; /* of the redirect */
    uint8_t code_len;
    uint8_t state; /* enum link_state */
    bool filling, spoiled, forward_query, referenced;
    char bytes[]; /* code, then the head of the answer */
};

struct cache_options {
    size_t max_bytes; /* 0: nothing is ever stored */
    uint64_t stale_for_ms;
    uint64_t *bytes, *entries; /* metric cells that follow what is stored */
};

struct cache *cache_create(const struct cache_options *options);
/* No read may be in flight. */
void cache_destroy(struct cache *cache);

/* *entry is borrowed until the next call; NULL on CACHE_MISS. */
enum cache_verdict cache_find(struct cache *cache, struct span code,
                              struct cache_entry **entry);

/* Note that a read of code begins; ended by cache_end_fill(). */
struct cache_entry *cache_begin_fill(struct cache *cache, struct span code);

/* What a read found. */
struct cache_fill {
    enum link_state state;
    int64_t expires_ms;
    uint16_t status;
    bool forward_query;
    struct span head;
};

/*
 * The read is over: fill NULL when it failed.  Frees filling (its waiters must
 * be gone) and returns the stored entry, or NULL where it must not be stored.
 */
struct cache_entry *cache_end_fill(struct cache *cache,
                                   struct cache_entry *filling,
                                   const struct cache_fill *fill);

/* code changed; ptr NULL: any may have. */
void cache_invalidate(struct cache *cache, struct span code);

/* The link of invalidations lives (a new epoch) or is away. */
void cache_set_live(struct cache *cache, bool live);

static inline struct span cache_code(const struct cache_entry *entry)
{
    return (struct span){entry->bytes, entry->code_len};
}

static inline struct span cache_head(const struct cache_entry *entry)
{
    return (struct span){entry->bytes + entry->code_len, entry->head_len};
}
