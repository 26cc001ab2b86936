/*
 * limit_table.c - what a worker knows of each limit and key.
 *
 * A hash table that grows by one bucket with each newcomer (linear hashing:
 * Litwin, "Linear hashing: a new tool for file and table addressing", 1980),
 * so that it is as small as what is in it, and growing stops nobody.  When it
 * is full the one that was not used for longest makes room, unless a check of
 * it is under way or tokens of it are held.
 */
#include "common/limit_internal.h"

#define FIRST_BUCKETS 64 /* a power of two */

/* Who is looked for: its limit by name and type. */
struct wanted {
    uint64_t hash;
    struct span type, limit, key;
};

void limit_table_init(struct limit_table *table)
{
    *table = (struct limit_table){.hash_key = hash_random_key(),
                                  .low = FIRST_BUCKETS,
                                  .used = FIRST_BUCKETS,
                                  .room = FIRST_BUCKETS};
    table->buckets =
        mem_zalloc(MEM_LIMIT, FIRST_BUCKETS * sizeof(struct limit_known *));
}

/* Of used buckets: the first low ones, and those split off from them. */
static size_t bucket_of(const struct limit_table *table, uint64_t hash)
{
    size_t bucket = hash & (2 * table->low - 1);

    return bucket < table->used ? bucket : bucket - table->low;
}

/* The next bucket takes over its part of the one that it is split off from. */
static void split(struct limit_table *table)
{
    size_t next = table->used++;
    struct limit_known **from;

    if (table->used > table->room) {
        table->room *= 2;
        table->buckets =
            mem_realloc(MEM_LIMIT, table->buckets,
                        table->room * sizeof(struct limit_known *));
    }
    table->buckets[next] = NULL;
    from = &table->buckets[next - table->low];
    while (*from) {
        struct limit_known *known = *from;
        if (bucket_of(table, known->hash) != next) {
            from = &known->chain;
            continue;
        }
        *from = known->chain;
        known->chain = table->buckets[next];
        table->buckets[next] = known;
    }
    if (table->used == 2 * table->low)
        table->low = table->used;
}

/* ---- names */

struct span limit_state_name(struct limiter *limiter, struct arena *arena,
                             const struct limit_spec *spec, struct span key)
{
    return key_name(arena, limiter->options.prefix, spec->type, key,
                    key_pair(arena, span_str(spec->name), key));
}

struct span limit_tag(struct span name)
{
    return (struct span){name.ptr + span_find(name, '{'), sizeof("{pNNN}") - 1};
}

/* "<prefix>:<type>:{pNNN}:<length>:<limit>:<key>" taken apart. */
static bool split_name(struct span name, struct wanted *wanted)
{
    struct span rest = name;
    struct span part;
    uint64_t len;

    if (!span_cut(&rest, ':', &part) || !span_cut(&rest, ':', &wanted->type) ||
        !span_cut(&rest, ':', &part) || !span_cut(&rest, ':', &part) ||
        !span_to_u64(part, LIMIT_NAME_MAX, &len) || rest.len <= len)
        return false;
    wanted->limit = (struct span){rest.ptr, len};
    wanted->key = span_skip(rest, len + 1);
    return true;
}

/* ---- one of them */

static bool is_wanted(const struct limit_known *known,
                      const struct wanted *wanted)
{
    const char *key = known->name + known->name_len - known->key_len;

    return known->hash == wanted->hash &&
           span_eq((struct span){key, known->key_len}, wanted->key) &&
           span_eq(span_str(known->spec->name), wanted->limit) &&
           span_eq(span_str(known->spec->type), wanted->type);
}

static struct limit_known *find(const struct limit_table *table,
                                const struct wanted *wanted)
{
    struct limit_known *known = table->buckets[bucket_of(table, wanted->hash)];

    while (known && !is_wanted(known, wanted))
        known = known->chain;
    return known;
}

static struct wanted want(const struct limit_table *table,
                          const struct limit_spec *spec, struct span key)
{
    return (struct wanted){.hash =
                               hash_bucket(&table->hash_key, key) + spec->mark,
                           .type = span_str(spec->type),
                           .limit = span_str(spec->name),
                           .key = key};
}

struct limit_known *limit_find(struct limiter *limiter,
                               const struct limit_spec *spec, struct span key)
{
    struct wanted wanted = want(&limiter->table, spec, key);

    return find(&limiter->table, &wanted);
}

struct limit_known *limit_find_named(struct limiter *limiter, struct span name)
{
    struct wanted wanted;

    if (!split_name(name, &wanted))
        return NULL;
    wanted.hash = hash_bucket(&limiter->table.hash_key, wanted.key) +
                  limit_mark(wanted.type, wanted.limit);
    return find(&limiter->table, &wanted);
}

void limit_forget(struct limit_known *known)
{
    known->has_state = known->has_denial = false;
}

static void evict(struct limiter *limiter, struct limit_known *known)
{
    struct limit_table *table = &limiter->table;
    struct limit_known **slot = &table->buckets[bucket_of(table, known->hash)];

    while (*slot != known)
        slot = &(*slot)->chain;
    *slot = known->chain;
    list_remove(&known->recent);
    limit_spec_unref(known->spec);
    mem_free(known);
    metrics_set(limiter->states, --table->count);
}

/* The longest unused one goes; those that may not go back to the end. */
static bool make_room(struct limiter *limiter)
{
    const size_t *count = &limiter->table.count;

    for (size_t tries = 0; *count >= limiter->options.max_states && tries < 64;
         tries++) {
        struct limit_known *known =
            LIST_ENTRY(limiter->recent.next, struct limit_known, recent);
        if (known->busy || known->held || !list_is_empty(&known->batches)) {
            list_remove(&known->recent);
            list_append(&limiter->recent, &known->recent);
            continue;
        }
        evict(limiter, known);
    }
    return *count < limiter->options.max_states;
}

static struct limit_known *add(struct limiter *limiter, struct limit_spec *spec,
                               struct span key, uint64_t hash)
{
    struct limit_table *table = &limiter->table;
    struct arena arena;

    if (!make_room(limiter))
        return NULL;
    if (table->count >= table->used)
        split(table);
    arena_init(&arena, MEM_LIMIT, 0);
    struct span name = limit_state_name(limiter, &arena, spec, key);
    struct limit_known *known = mem_alloc(MEM_LIMIT, sizeof(*known) + name.len);
    struct limit_known **slot = &table->buckets[bucket_of(table, hash)];
    *known = (struct limit_known){.chain = *slot,
                                  .hash = hash,
                                  .spec = spec,
                                  .want = 1,
                                  .key_len = key.len,
                                  .name_len = name.len};
    memcpy(known->name, name.ptr, name.len);
    arena_deinit(&arena);
    *slot = known;
    list_init(&known->recent);
    list_init(&known->leased);
    list_init(&known->batches);
    limit_spec_ref(spec);
    metrics_set(limiter->states, ++table->count);
    return known;
}

void limit_use_spec(struct limiter *limiter, struct limit_known *known,
                    struct limit_spec *spec)
{
    if (known->spec == spec)
        return;
    if (!limit_is_same(known->spec, spec)) {
        limit_forget(known);
        limit_lease_return(limiter, known);
        known->share_full_us = 0;
    }
    limit_spec_unref(known->spec);
    known->spec = spec;
    limit_spec_ref(spec);
}

struct limit_known *limit_know(struct limiter *limiter, struct limit_spec *spec,
                               struct span key)
{
    struct wanted wanted = want(&limiter->table, spec, key);
    struct limit_known *known = find(&limiter->table, &wanted);

    if (known)
        limit_use_spec(limiter, known, spec);
    else
        known = add(limiter, spec, key, wanted.hash);
    if (known) {
        list_remove(&known->recent);
        list_append(&limiter->recent, &known->recent);
    }
    return known;
}
