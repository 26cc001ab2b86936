/*
 * catalog.c - see catalog.h.
 *
 *   catalog_find() -- CATALOG_ASK --> catalog_load() -- HGETALL -->
 * on_record(): kept, unless a change was told of meanwhile; every waiter looks
 * again
 *
 * An entry whose read was overtaken is usable once, by those who waited for it,
 * and then read again.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/hash.h"
#include "common/list.h"
#include "ratelimit/catalog.h"
#include "ratelimit/limit_record.h"

#define BUCKETS 1024
#define MAX_KNOWN 16384 /* names; see make_room() */
#define FILE_MAX ((size_t)1 << 20)

struct known {
    struct known *chain;
    struct list waiters;
    struct limit_spec *spec; /* NULL: there is no such limit */
    char *description;       /* of a file's; NULL: none */
    uint64_t epoch;          /* in which it was read; 0: never, UINT64_MAX: of
                                the file */
    bool loading;
    bool spoiled;  /* told of a change while loading */
    bool outdated; /* told of a change since it was read */
    bool once;     /* good for those who wait now */
    size_t name_len;
    char name[];
};

struct waiter {
    struct list node;
    catalog_cb cb;
    void *arg;
};

struct catalog {
    struct redis *redis;
    struct limiter *limiter;
    struct hash_key key;
    struct known *buckets[BUCKETS];
    size_t count, limits; /* limits: those that are one */
    uint64_t *limits_known;
    uint64_t epoch; /* of the tracking link */
    bool live;
};

/* A read that is under way. */
struct load {
    struct catalog *catalog;
    size_t name_len;
    char name[];
};

static int read_record(struct catalog *catalog, struct span name);
static void on_record(void *arg, int status, const struct redisReply *reply);

struct catalog *catalog_create(struct redis *redis, struct limiter *limiter,
                               struct metrics *metrics)
{
    struct catalog *catalog = mem_zalloc(MEM_APP, sizeof(*catalog));

    catalog->redis = redis;
    catalog->limiter = limiter;
    catalog->key = hash_random_key();
    catalog->epoch = 1;
    catalog->limits_known =
        metrics_cell(metrics, METRICS_GAUGE, "ratelimit_limits", "",
                     "Limits that workers know.");
    return catalog;
}

static struct known **slot_of(struct catalog *catalog, struct span name)
{
    struct known **slot =
        &catalog->buckets[hash_bucket(&catalog->key, name) % BUCKETS];

    while (*slot &&
           !span_eq((struct span){(*slot)->name, (*slot)->name_len}, name))
        slot = &(*slot)->chain;
    return slot;
}

static void count_limit(struct catalog *catalog, const struct limit_spec *old,
                        const struct limit_spec *new)
{
    catalog->limits += (new != NULL);
    catalog->limits -= (old != NULL);
    metrics_set(catalog->limits_known, catalog->limits);
}

static void drop(struct catalog *catalog, struct known **slot)
{
    struct known *known = *slot;

    *slot = known->chain;
    count_limit(catalog, known->spec, NULL);
    limit_spec_unref(known->spec);
    mem_free(known->description);
    mem_free(known);
    catalog->count--;
}

enum which { NO_LIMITS, NO_FILES, ALL };

static bool is_one(const struct known *known, enum which which)
{
    if (known->loading)
        return false;
    return which == ALL || (which == NO_FILES ? known->epoch != UINT64_MAX
                                              : known->spec == NULL);
}

static void drop_all(struct catalog *catalog, enum which which)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct known **slot = &catalog->buckets[i]; *slot;)
            if (is_one(*slot, which))
                drop(catalog, slot);
            else
                slot = &(*slot)->chain;
}

/* Names of no limit go, then all but a file's, so that a caller who makes up
 * names costs a look in Redis at the most. */
static void make_room(struct catalog *catalog)
{
    if (catalog->count >= MAX_KNOWN)
        drop_all(catalog, NO_LIMITS);
    if (catalog->count >= MAX_KNOWN)
        drop_all(catalog, NO_FILES);
}

void catalog_destroy(struct catalog *catalog)
{
    if (!catalog)
        return;
    drop_all(catalog, ALL);
    mem_free(catalog);
}

static struct known *make(struct catalog *catalog, struct span name)
{
    make_room(catalog);
    struct known **slot = slot_of(catalog, name);
    struct known *known = mem_zalloc(MEM_APP, sizeof(*known) + name.len);

    list_init(&known->waiters);
    known->name_len = name.len;
    memcpy(known->name, name.ptr, name.len);
    *slot = known;
    catalog->count++;
    return known;
}

void catalog_set_live(struct catalog *catalog, bool live)
{
    catalog->epoch += live;
    catalog->live = live;
}

void catalog_invalidate(struct catalog *catalog, struct span name)
{
    if (!name.ptr) {
        catalog->epoch++;
        return;
    }
    struct known *known = *slot_of(catalog, name);
    if (!known || known->epoch == UINT64_MAX)
        return;
    known->spoiled = true;
    known->outdated = true;
    known->epoch = 0;
}

void catalog_outdated(struct catalog *catalog, struct span name)
{
    catalog_invalidate(catalog, name);
}

static bool is_current(const struct catalog *catalog, const struct known *known)
{
    if (known->loading)
        return false;
    return known->epoch == UINT64_MAX || known->once ||
           (catalog->live && known->epoch == catalog->epoch);
}

/*
 * While nobody tells of changes a limit is read again behind the check that
 * goes by what was known last: a Redis that hangs holds up no check.  Once
 * somebody does, what was known before is asked for first: Redis may have lost
 * it.
 */
static bool serves_meanwhile(struct catalog *catalog, struct known *known,
                             struct span name)
{
    if (!known->spec)
        return false;
    if (!redis_is_up(catalog->redis))
        return true;
    if (known->outdated || catalog->live)
        return false;
    if (!known->loading && read_record(catalog, name) == 0) {
        known->loading = true;
        known->spoiled = false;
    }
    return true;
}

enum catalog_verdict catalog_find(struct catalog *catalog, struct span name,
                                  struct limit_spec **spec)
{
    struct known *known = *slot_of(catalog, name);

    if (!known)
        return CATALOG_ASK;
    if (!is_current(catalog, known) && !serves_meanwhile(catalog, known, name))
        return CATALOG_ASK;
    *spec = known->spec;
    return known->spec ? CATALOG_KNOWN : CATALOG_UNKNOWN;
}

struct span catalog_description(struct catalog *catalog, struct span name)
{
    const struct known *known = *slot_of(catalog, name);

    return known && known->description ? span_str(known->description)
                                       : (struct span){NULL, 0};
}

bool catalog_is_of_file(const struct catalog *catalog, struct span name)
{
    struct catalog *mine = (struct catalog *)(uintptr_t)catalog;
    const struct known *known = *slot_of(mine, name);

    return known && known->epoch == UINT64_MAX;
}

bool catalog_has(const struct catalog *catalog, struct span name)
{
    struct catalog *mine = (struct catalog *)(uintptr_t)catalog;
    const struct known *known = *slot_of(mine, name);

    return known && (known->spec || known->loading);
}

bool catalog_has_room(const struct catalog *catalog)
{
    return catalog->limits < MAX_KNOWN;
}

void catalog_each_of_file(struct catalog *catalog,
                          void (*cb)(void *arg, struct limit_spec *spec),
                          void *arg)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct known *known = catalog->buckets[i]; known;
             known = known->chain)
            if (known->epoch == UINT64_MAX)
                cb(arg, known->spec);
}

/* One that is known waits no longer than its checks would. */
static int read_record(struct catalog *catalog, struct span name)
{
    const struct known *known = *slot_of(catalog, name);
    struct load *load = mem_alloc(MEM_APP, sizeof(*load) + name.len);
    struct arena arena;

    *load = (struct load){.catalog = catalog, .name_len = name.len};
    memcpy(load->name, name.ptr, name.len);
    arena_init(&arena, MEM_APP, 256);
    struct span argv[] = {SPAN("HGETALL"), limit_record_key(&arena, name)};
    uint32_t timeout_ms = known && known->spec ? known->spec->deadline_ms : 0;
    int err = redis_send(catalog->redis,
                         &(struct redis_call){.key = name,
                                              .argv = argv,
                                              .argc = 2,
                                              .timeout_ms = timeout_ms,
                                              .repeatable = true,
                                              .cb = on_record,
                                              .arg = load});
    arena_deinit(&arena);
    if (err < 0)
        mem_free(load);
    return err;
}

static void add_waiter(struct known *known, catalog_cb cb, void *arg)
{
    struct waiter *waiter = mem_alloc(MEM_APP, sizeof(*waiter));

    *waiter = (struct waiter){.cb = cb, .arg = arg};
    list_append(&known->waiters, &waiter->node);
}

int catalog_load(struct catalog *catalog, struct span name, catalog_cb cb,
                 void *arg)
{
    struct known *known = *slot_of(catalog, name);

    if (!known || !known->loading) {
        int err = read_record(catalog, name);
        if (err < 0)
            return err;
        if (!known)
            known = make(catalog, name);
        known->loading = true;
        known->spoiled = false;
    }
    add_waiter(known, cb, arg);
    return 0;
}

static void tell_waiters(struct known *known, int status)
{
    struct list waiters;

    list_init(&waiters);
    list_move(&known->waiters, &waiters);
    for (struct list *node; (node = list_pop(&waiters));) {
        struct waiter waiter = *LIST_ENTRY(node, struct waiter, node);
        mem_free(LIST_ENTRY(node, struct waiter, node));
        waiter.cb(waiter.arg, status);
    }
}

static void keep(struct catalog *catalog, struct known *known,
                 struct limit_spec *spec)
{
    count_limit(catalog, known->spec, spec);
    if (spec && known->spec &&
        spec->numbers.version != known->spec->numbers.version)
        limiter_changed(catalog->limiter, spec);
    limit_spec_unref(known->spec);
    known->spec = spec;
    known->outdated = known->spoiled;
    known->epoch = catalog->live && !known->spoiled ? catalog->epoch : 0;
}

/* So that it is known also if nobody asks. */
static void read_overtaken(struct catalog *catalog, struct known *known,
                           struct span name)
{
    if (!known->outdated || known->loading || read_record(catalog, name) < 0)
        return;
    known->loading = true;
    known->spoiled = false;
}

static void on_record(void *arg, int status, const struct redisReply *reply)
{
    struct load *load = arg;
    struct catalog *catalog = load->catalog;
    struct span name = {load->name, load->name_len};
    struct known *known = *slot_of(catalog, name);
    struct span description;

    bool read = status == 0;
    known->loading = false;
    if (read)
        keep(catalog, known, limit_record_read(reply, name, &description));
    else if (known->spec)
        status = 0; /* what was known last still counts */
    known->once = true;
    tell_waiters(known, status);
    known = *slot_of(catalog, name);
    if (known) {
        known->once = false;
        if (read)
            read_overtaken(catalog, known, name);
    }
    mem_free(load);
}

/* ---- --limits FILE */

static bool read_all(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "re");
    size_t n = 1;

    if (!file)
        return false;
    while (n > 0 && out->len <= FILE_MAX) {
        n = fread(buf_reserve(out, 65536), 1, 65536, file);
        buf_commit(out, n);
    }
    bool fine = !ferror(file) && out->len <= FILE_MAX;
    fclose(file);
    return fine;
}

/* catalog may be NULL; names: those before it, and its own afterwards. */
static bool take_one(struct catalog *catalog, const json_t *object,
                     json_t *names, struct json_errors *errors)
{
    struct limit_text text;

    if (!limit_from_json(object, true, &text, errors))
        return false;
    struct span name = span_str(text.spec.name);
    if (json_object_get(names, text.spec.name)) {
        json_errors_add(errors, "/name", "\"%s\" stands there twice",
                        text.spec.name);
        return false;
    }
    json_object_set_new(names, text.spec.name, json_true());
    if (!catalog)
        return true;
    text.spec.loose = true; /* nobody remembers what it was before */
    struct known *known = make(catalog, name);
    known->spec = limit_spec_create(&text.spec);
    known->epoch = UINT64_MAX;
    count_limit(catalog, NULL, known->spec);
    if (text.description.ptr) {
        known->description = mem_zalloc(MEM_APP, text.description.len + 1);
        memcpy(known->description, text.description.ptr, text.description.len);
    }
    return true;
}

static bool take_all(struct catalog *catalog, const char *path,
                     const json_t *list, json_t *names, char *reason,
                     size_t reason_size)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct json_errors errors = {0};
        if (take_one(catalog, json_array_get(list, i), names, &errors))
            continue;
        snprintf(reason, reason_size, "%.100s: limit %zu: %.32s %.80s", path,
                 i + 1, errors.at[0].pointer, errors.at[0].detail);
        return false;
    }
    return true;
}

static bool take_file(struct catalog *catalog, const char *path,
                      const json_t *list, char *reason, size_t reason_size)
{
    if (!json_is_array(list)) {
        snprintf(reason, reason_size, "%.120s: must be an array of limits",
                 path);
        return false;
    }
    json_t *names = json_object();
    bool fine = take_all(catalog, path, list, names, reason, reason_size);
    json_decref(names);
    return fine;
}

bool catalog_read_file(struct catalog *catalog, const char *path, char *reason,
                       size_t reason_size)
{
    struct json_errors errors = {0};
    json_t *list = NULL;
    struct buf text;
    bool fine = false;

    buf_init(&text, MEM_APP);
    if (!read_all(path, &text))
        snprintf(reason, reason_size, "%.160s: cannot be read", path);
    else if (json_read(buf_span(&text), &list, &errors) < 0)
        snprintf(reason, reason_size, "%.100s: %.120s", path,
                 errors.at[0].detail);
    else
        fine = take_file(catalog, path, list, reason, reason_size);
    json_decref(list);
    buf_deinit(&text);
    return fine;
}
