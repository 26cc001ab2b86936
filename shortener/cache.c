/* cache.c - see cache.h. */
#include <assert.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "shortener/cache.h"
#include "shortener/clicks.h"

#define TYPICAL_BYTES 256 /* of an entry: sizes the bucket table */
#define MIN_BUCKETS 1024

struct cache {
    struct cache_entry **buckets;
    size_t mask;
    struct hash_key key;
    struct list clock; /* stored entries; the hand is at its front */
    size_t bytes, max_bytes, count;
    uint64_t *bytes_cell, *count_cell;
    uint64_t stale_for_us, ended_us;
    uint32_t epoch;
    bool live;
};

struct cache *cache_create(const struct cache_options *options)
{
    struct cache *cache = mem_zalloc(MEM_CACHE, sizeof(*cache));
    size_t buckets = MIN_BUCKETS;

    while (buckets < options->max_bytes / TYPICAL_BYTES)
        buckets *= 2;
    *cache = (struct cache){
        .buckets =
            mem_zalloc(MEM_CACHE, buckets * sizeof(struct cache_entry *)),
        .mask = buckets - 1,
        .key = hash_random_key(),
        .max_bytes = options->max_bytes,
        .bytes_cell = options->bytes,
        .count_cell = options->entries,
        .stale_for_us = options->stale_for_ms * 1000,
    };
    list_init(&cache->clock);
    return cache;
}

static struct cache_entry **bucket_of(struct cache *cache, struct span code)
{
    return &cache->buckets[hash_bucket(&cache->key, code) & cache->mask];
}

static struct cache_entry **find_slot(struct cache *cache, struct span code)
{
    struct cache_entry **slot = bucket_of(cache, code);

    while (*slot && !span_eq(cache_code(*slot), code))
        slot = &(*slot)->chain;
    return slot;
}

static size_t entry_size(const struct cache_entry *entry)
{
    return sizeof(*entry) + entry->code_len + entry->head_len;
}

static void weigh(struct cache *cache, size_t bytes, size_t count)
{
    cache->bytes += bytes;
    cache->count += count;
    metrics_set(cache->bytes_cell, cache->bytes);
    metrics_set(cache->count_cell, cache->count);
}

/* Take the entry out of its bucket and free it. */
static void drop_slot(struct cache *cache, struct cache_entry **slot)
{
    struct cache_entry *entry = *slot;

    *slot = entry->chain;
    list_remove(&entry->clock);
    if (!entry->filling)
        weigh(cache, -entry_size(entry), (size_t)-1);
    if (entry->cell)
        clicks_detach(entry->cell);
    mem_free(entry);
}

static void drop_entry(struct cache *cache, struct cache_entry *entry)
{
    struct cache_entry **slot = bucket_of(cache, cache_code(entry));

    while (*slot != entry)
        slot = &(*slot)->chain;
    drop_slot(cache, slot);
}

void cache_destroy(struct cache *cache)
{
    if (!cache)
        return;
    while (!list_is_empty(&cache->clock))
        drop_entry(cache,
                   LIST_ENTRY(cache->clock.next, struct cache_entry, clock));
    mem_free(cache->buckets);
    mem_free(cache);
}

static bool is_too_stale(const struct cache *cache)
{
    return clock_mono_us() - cache->ended_us > cache->stale_for_us;
}

enum cache_verdict cache_find(struct cache *cache, struct span code,
                              struct cache_entry **entry)
{
    struct cache_entry **slot = find_slot(cache, code);

    *entry = *slot;
    if (!*slot)
        return CACHE_MISS;
    if ((*slot)->filling)
        return CACHE_FILLING;
    if ((*slot)->epoch == cache->epoch &&
        (cache->live || !is_too_stale(cache))) {
        (*slot)->referenced = true;
        return cache->live ? CACHE_HIT : CACHE_STALE;
    }
    drop_slot(cache, slot);
    *entry = NULL;
    return CACHE_MISS;
}

static struct cache_entry *insert(struct cache *cache, struct span code,
                                  struct span head)
{
    struct cache_entry *entry =
        mem_alloc(MEM_CACHE, sizeof(*entry) + code.len + head.len);
    struct cache_entry **bucket = bucket_of(cache, code);

    *entry = (struct cache_entry){
        .chain = *bucket,
        .epoch = cache->epoch,
        .code_len = (uint8_t)code.len,
        .head_len = (uint32_t)head.len,
    };
    memcpy(entry->bytes, code.ptr, code.len);
    if (head.len)
        memcpy(entry->bytes + code.len, head.ptr, head.len);
    list_init(&entry->clock);
    list_init(&entry->waiters);
    *bucket = entry;
    return entry;
}

struct cache_entry *cache_begin_fill(struct cache *cache, struct span code)
{
    struct cache_entry *entry = insert(cache, code, (struct span){0});

    entry->filling = true;
    entry->spoiled = !cache->live;
    return entry;
}

/* Turn the hand: a second chance for what was used since it last came by. */
static void make_room(struct cache *cache, size_t size)
{
    while (cache->bytes + size > cache->max_bytes) {
        struct list *hand = cache->clock.next;
        struct cache_entry *entry = LIST_ENTRY(hand, struct cache_entry, clock);

        if (!entry->referenced) {
            drop_entry(cache, entry);
            continue;
        }
        entry->referenced = false;
        list_remove(hand);
        list_append(&cache->clock, hand);
    }
}

static struct cache_entry *store(struct cache *cache, struct span code,
                                 const struct cache_fill *fill)
{
    size_t size = sizeof(struct cache_entry) + code.len + fill->head.len;

    if (size > cache->max_bytes)
        return NULL;
    make_room(cache, size);

    struct cache_entry *entry = insert(cache, code, fill->head);
    entry->state = (uint8_t)fill->state;
    entry->expires_ms = fill->expires_ms;
    entry->status = fill->status;
    entry->forward_query = fill->forward_query;
    list_append(&cache->clock, &entry->clock);
    weigh(cache, size, 1);
    return entry;
}

struct cache_entry *cache_end_fill(struct cache *cache,
                                   struct cache_entry *filling,
                                   const struct cache_fill *fill)
{
    char code[CODE_ALIAS_MAX];
    struct span key = {code, filling->code_len};
    bool spoiled =
        filling->spoiled || !cache->live || filling->epoch != cache->epoch;

    assert(list_is_empty(&filling->waiters));
    memcpy(code, filling->bytes, key.len);
    drop_entry(cache, filling);
    return fill && !spoiled ? store(cache, key, fill) : NULL;
}

void cache_invalidate(struct cache *cache, struct span code)
{
    if (!code.ptr) {
        cache->epoch++; /* reads in flight are of the old one */
        return;
    }
    struct cache_entry **slot = find_slot(cache, code);
    if (*slot && (*slot)->filling)
        (*slot)->spoiled = true;
    else if (*slot)
        drop_slot(cache, slot);
}

void cache_set_live(struct cache *cache, bool live)
{
    if (live)
        cache->epoch++;
    else if (cache->live)
        cache->ended_us = clock_mono_us();
    cache->live = live;
}
