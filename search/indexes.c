/*
 * indexes.c - see indexes.h.
 *
 *   index_get() -- names are known --> find it -- its mapping is --> its view
 *               -- else --> [HGETALL] on_names() -- else --> [HMGET]
 * on_mapping()
 *
 * Failure modes: word of a change is lost with its link (nothing that was known
 * counts then), an index is deleted while it is used (whoever holds it goes on
 * with what there was; its shard says that it is gone), its files cannot be
 * read (it is broken, which is logged once; whoever describes or deletes it has
 * it all the same, and each look at it tries again).
 */
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "search/indexes.h"
#include "search/scripts.h"

#define POLL_MS 50    /* while somebody waits for a view */
#define SPARE_MS 3000 /* of a request's time, for its answer */
#define TRIES 3

struct indexes {
    struct service *service;
    struct list all, waiting; /* waiting: lookups, to ask for names; */
    struct list asked;        /* those of them that the answer is for */
    struct wheel_timer poll;
    bool live, fresh, loading, changed;
};

struct lookup {
    struct list node;
    struct indexes *indexes;
    struct index *index; /* whose mapping is on its way */
    struct span name;
    index_cb cb;
    void (*known)(void *arg, int status); /* instead */
    void *arg;
    unsigned tries;
    bool loaded, any; /* any: a broken one, too */
    char text[NAMES_MAX + 1];
};

struct waiter {
    struct list node;
    uint64_t position, until_us;
    void (*cb)(void *arg, int status);
    void *arg;
};

static void step(struct lookup *lookup);
static void on_names(void *arg, int status, const struct redisReply *reply);
static void on_mapping(void *arg, int status, const struct redisReply *reply);
static void on_poll(struct wheel_timer *timer);

static struct wheel *wheel_of(const struct indexes *indexes)
{
    return stream_loop_wheel(app_loop(indexes->service->app));
}

/* ---- one index */

static char *arena_text(struct arena *arena, struct span text)
{
    char *copy = arena_zalloc(arena, text.len + 1);

    memcpy(copy, text.ptr, text.len);
    return copy;
}

static struct index *add(struct indexes *indexes, struct span name,
                         struct span about)
{
    struct index *index = mem_zalloc(MEM_CACHE, sizeof(*index));

    arena_init(&index->arena, MEM_CACHE, 0);
    index->indexes = indexes;
    index->hold = 1; /* the list's */
    memcpy(index->uuid, about.ptr, INDEX_UUID_LEN);
    index->name = arena_text(&index->arena, name);
    index->dir = arena_text(&index->arena,
                            arena_printf(&index->arena, "%s/%s",
                                         app_data_dir(indexes->service->app),
                                         index->uuid));
    index->about =
        arena_copy(&index->arena, span_skip(about, INDEX_UUID_LEN + 1));
    index_name_keys(&index->arena, span_str(index->uuid), index->keys);
    schema_init(&index->schema);
    list_init(&index->waiters);
    list_append(&indexes->all, &index->node);
    return index;
}

struct index *index_hold(struct index *index)
{
    index->hold++;
    return index;
}

void index_drop(struct index *index)
{
    if (!index || --index->hold > 0)
        return;
    view_unref(index->view);
    schema_deinit(&index->schema);
    arena_deinit(&index->arena);
    mem_free(index);
}

static void end_waiter(struct waiter *waiter, int status)
{
    list_remove(&waiter->node);
    waiter->cb(waiter->arg, status);
    mem_free(waiter);
}

static void wake(struct index *index)
{
    uint64_t now = clock_mono_us();
    struct list due;

    list_init(&due);
    for (struct list *n = index->waiters.next, *next; n != &index->waiters;
         n = next) {
        struct waiter *waiter = LIST_ENTRY(n, struct waiter, node);
        next = n->next;
        bool ready = index->view && index->view->position >= waiter->position;
        if (ready || index->gone || now > waiter->until_us) {
            list_remove(n);
            list_append(&due, n);
        }
    }
    index_hold(index);
    for (struct list *n; (n = list_pop(&due));) {
        struct waiter *waiter = LIST_ENTRY(n, struct waiter, node);
        bool ready = index->view && index->view->position >= waiter->position;
        end_waiter(waiter, ready ? 0 : index->gone ? UV_ENOENT : UV_ETIMEDOUT);
    }
    index_drop(index);
}

static void forget(struct index *index)
{
    index->gone = true;
    list_remove(&index->node);
    wake(index);
    index_drop(index);
}

/* ---- mappings and views */

/* Said once.  why: NULL: it can be read. */
static void mark(struct index *index, const char *why)
{
    if (why && !index->broken)
        log_write(LOG_ERROR, "index cannot be read",
                  LOG_STR("index", index->name), LOG_STR("reason", why));
    else if (!why && index->broken)
        log_write(LOG_INFO, "index can be read again",
                  LOG_STR("index", index->name));
    index->broken = why != NULL;
}

bool index_take_mapping(struct index *index, struct span version,
                        struct span json)
{
    struct schema schema;
    uint64_t number = 0;

    span_to_u64(version, INT64_MAX, &number);
    if (number == 0 || (number != index->mapping_version &&
                        !index_read_mapping(&schema, json))) {
        mark(index, "its mapping is none");
        return false;
    }
    if (number != index->mapping_version) {
        schema_deinit(&index->schema);
        index->schema = schema;
        index->mapping_version = number;
    }
    return index_refresh_view(index);
}

bool index_refresh_view(struct index *index)
{
    struct view *older = index->view;
    char why[VIEW_WHY] = "";
    struct view *view = view_open(index->dir, older, &index->schema, why);

    if (!view) {
        mark(index, why);
        return false;
    }
    bool lost = view->opened.manifest.generation < index->needed;
    mark(index, lost ? "its files are older than its log" : NULL);
    if (older && view->schema.count == older->schema.count &&
        view->schema.dynamic == older->schema.dynamic &&
        view->opened.manifest.generation == older->opened.manifest.generation) {
        older->manifest = view->manifest;
        view_unref(view); /* it is the same */
        return !lost;
    }
    index->view = view;
    view_unref(older);
    wake(index);
    return !lost;
}

void index_wait(struct index *index, uint64_t position,
                const struct request *req, void (*cb)(void *arg, int status),
                void *arg)
{
    struct indexes *indexes = index->indexes;
    uint64_t left = request_time_left(req);
    struct waiter *waiter;

    if (index->view->position >= position) {
        cb(arg, 0);
        return;
    }
    waiter = mem_alloc(MEM_JOB, sizeof(*waiter));
    left = left > SPARE_MS ? left - SPARE_MS : 0;
    *waiter = (struct waiter){.position = position,
                              .until_us = clock_mono_us() + left * 1000,
                              .cb = cb,
                              .arg = arg};
    list_append(&index->waiters, &waiter->node);
    if (!wheel_is_started(&indexes->poll))
        wheel_start(wheel_of(indexes), &indexes->poll, POLL_MS, on_poll);
}

void index_hurry(struct index *index)
{
    service_tell(index->indexes->service, SERVICE_WORK, span_str(index->uuid));
}

/* Word may not come, or be lost. */
static void on_poll(struct wheel_timer *timer)
{
    struct indexes *indexes = LIST_ENTRY(timer, struct indexes, poll);
    bool waits = false;

    for (struct list *n = indexes->all.next, *next; n != &indexes->all;
         n = next) {
        struct index *index = LIST_ENTRY(n, struct index, node);
        next = n->next;
        if (list_is_empty(&index->waiters))
            continue;
        index_refresh_view(index);
        wake(index);
        waits |= !list_is_empty(&index->waiters);
    }
    if (waits)
        wheel_start(wheel_of(indexes), timer, POLL_MS, on_poll);
}

/* ---- looking one up */

static struct index *find(const struct indexes *indexes, struct span name)
{
    for (struct list *n = indexes->all.next; n != &indexes->all; n = n->next) {
        struct index *index = LIST_ENTRY(n, struct index, node);
        if (span_eq(span_str(index->name), name))
            return index;
    }
    return NULL;
}

static void end_lookup(struct lookup *lookup, int status, struct index *index)
{
    struct lookup was = *lookup;

    mem_free(lookup);
    if (was.known)
        was.known(was.arg, status);
    else
        was.cb(was.arg, status, index);
}

static void end_found(struct lookup *lookup, struct index *index)
{
    if (index->broken && !lookup->any)
        end_lookup(lookup, UV_EIO, NULL);
    else
        end_lookup(lookup, 0, index_hold(index));
}

/* Its mapping is to be asked for. */
static void doubt(struct index *index)
{
    index->mapped = index->asked = false;
}

static void send_names(struct indexes *indexes)
{
    struct span argv[] = {SPAN("HGETALL"), SERVICE_INDEXES};

    indexes->loading = true;
    indexes->changed = false;
    list_move(&indexes->waiting, &indexes->asked);
    int err = redis_send(indexes->service->redis,
                         &(struct redis_call){.key = SERVICE_INDEXES,
                                              .argv = argv,
                                              .argc = 2,
                                              .repeatable = true,
                                              .cb = on_names,
                                              .arg = indexes});
    if (err < 0)
        on_names(indexes, err, NULL);
}

/* One that is there under the same name and uuid stays as it is. */
static void take_names(struct indexes *indexes, const struct redisReply *reply)
{
    struct list older;

    list_init(&older);
    list_move(&indexes->all, &older);
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        struct span name = service_text(reply->element[i]);
        struct span about = service_text(reply->element[i + 1]);
        struct list *n = older.next;
        if (!span_has_prefix(name, SPAN("i:")) || about.len <= INDEX_UUID_LEN)
            continue;
        name = span_skip(name, 2);
        while (n != &older && memcmp(LIST_ENTRY(n, struct index, node)->uuid,
                                     about.ptr, INDEX_UUID_LEN) != 0)
            n = n->next;
        if (n == &older) {
            add(indexes, name, about);
            continue;
        }
        list_remove(n);
        list_append(&indexes->all, n);
        if (!indexes->live) /* nobody would say that it changed */
            doubt(LIST_ENTRY(n, struct index, node));
    }
    while (!list_is_empty(&older))
        forget(LIST_ENTRY(older.next, struct index, node));
}

static void on_names(void *arg, int status, const struct redisReply *reply)
{
    struct indexes *indexes = arg;
    struct list asked;

    indexes->loading = false;
    if (status == 0 && reply->type == REDIS_REPLY_ARRAY) {
        take_names(indexes, reply);
        indexes->fresh = indexes->live && !indexes->changed;
    } else if (status == 0) {
        status = UV_EPROTO;
    }
    list_init(&asked);
    list_move(&indexes->asked, &asked);
    for (struct list *n; (n = list_pop(&asked));) {
        struct lookup *lookup = LIST_ENTRY(n, struct lookup, node);
        lookup->loaded = true;
        if (status < 0)
            end_lookup(lookup, status, NULL);
        else
            step(lookup);
    }
    if (!indexes->loading && !list_is_empty(&indexes->waiting))
        send_names(indexes); /* for those that came since it was asked */
}

static void load(struct lookup *lookup)
{
    struct indexes *indexes = lookup->indexes;

    list_append(&indexes->waiting, &lookup->node);
    if (!indexes->loading)
        send_names(indexes);
}

static void ask_mapping(struct lookup *lookup, struct index *index)
{
    struct span argv[] = {SPAN("HMGET"), index->keys[INDEX_SHARD],
                          SPAN("mapping_version"), SPAN("mapping"),
                          SPAN("generation")};

    lookup->index = index_hold(index);
    index->asked = true;
    int err = redis_send(lookup->indexes->service->redis,
                         &(struct redis_call){.key = index->keys[INDEX_SHARD],
                                              .argv = argv,
                                              .argc = 5,
                                              .repeatable = true,
                                              .cb = on_mapping,
                                              .arg = lookup});
    if (err < 0)
        on_mapping(lookup, err, NULL);
}

static void on_mapping(void *arg, int status, const struct redisReply *reply)
{
    struct lookup *lookup = arg;
    struct index *index = lookup->index;

    lookup->index = NULL;
    if (status == 0 &&
        (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3))
        status = UV_EPROTO;
    if (status < 0) {
        end_lookup(lookup, status, NULL);
    } else if (reply->element[0]->type == REDIS_REPLY_NIL) {
        /* Being deleted. */
        lookup->indexes->fresh = false;
        lookup->loaded = false;
        if (++lookup->tries < TRIES)
            step(lookup);
        else
            end_lookup(lookup, UV_ENOENT, NULL);
    } else {
        span_to_u64(service_text(reply->element[2]), INT64_MAX, &index->needed);
        bool fine = index_take_mapping(index, service_text(reply->element[0]),
                                       service_text(reply->element[1]));
        index->mapped = index->asked && fine;
        end_found(lookup, index);
    }
    index_drop(index);
}

static void step(struct lookup *lookup)
{
    struct index *index;

    if (!lookup->loaded && !lookup->indexes->fresh) {
        load(lookup);
        return;
    }
    index = find(lookup->indexes, lookup->name);
    if (lookup->known) {
        end_lookup(lookup, 0, NULL);
    } else if (!index && !lookup->loaded) {
        load(lookup);
    } else if (!index) {
        end_lookup(lookup, UV_ENOENT, NULL);
    } else if (!index->mapped) {
        ask_mapping(lookup, index);
    } else {
        if (index->broken || !view_is_current(index->view))
            index_refresh_view(index);
        end_found(lookup, index);
    }
}

static void get(struct indexes *indexes, struct span name, bool any,
                index_cb cb, void *arg)
{
    struct lookup *lookup;

    if (name.len > NAMES_MAX) {
        cb(arg, UV_ENOENT, NULL);
        return;
    }
    lookup = mem_zalloc(MEM_JOB, sizeof(*lookup));
    lookup->indexes = indexes;
    lookup->any = any;
    lookup->cb = cb;
    lookup->arg = arg;
    memcpy(lookup->text, name.ptr, name.len);
    lookup->name = (struct span){lookup->text, name.len};
    list_init(&lookup->node);
    step(lookup);
}

void index_get(struct indexes *indexes, struct span name, index_cb cb,
               void *arg)
{
    get(indexes, name, false, cb, arg);
}

void index_get_any(struct indexes *indexes, struct span name, index_cb cb,
                   void *arg)
{
    get(indexes, name, true, cb, arg);
}

void indexes_know(struct indexes *indexes, void (*cb)(void *arg, int status),
                  void *arg)
{
    struct lookup *lookup = mem_zalloc(MEM_JOB, sizeof(*lookup));

    lookup->indexes = indexes;
    lookup->known = cb;
    lookup->arg = arg;
    list_init(&lookup->node);
    step(lookup);
}

size_t indexes_names(const struct indexes *indexes, struct arena *arena,
                     struct span expression, struct span **names)
{
    size_t count = 0;

    *names = arena_alloc(arena, INDEXES_MAX * sizeof(struct span));
    for (struct list *n = indexes->all.next;
         n != &indexes->all && count < INDEXES_MAX; n = n->next) {
        struct span name = span_str(LIST_ENTRY(n, struct index, node)->name);
        if (names_match(expression, name))
            (*names)[count++] = arena_copy(arena, name);
    }
    return count;
}

/* ---- word of changes */

void index_tell_mapping(struct index *index)
{
    char text[INDEX_UUID_LEN + 3];

    snprintf(text, sizeof(text), "m %s", index->uuid);
    service_tell(index->indexes->service, SERVICE_NEWS, span_str(text));
}

/* "r": indexes come and go; "m UUID": its mapping, "p UUID": its segments. */
static void on_news(void *arg, struct span channel, struct span payload)
{
    struct indexes *indexes = arg;
    struct span uuid = span_skip(payload, 2);

    (void)channel;
    if (span_eq(payload, SPAN("r"))) {
        indexes_changed(indexes);
        return;
    }
    for (struct list *n = indexes->all.next; n != &indexes->all; n = n->next) {
        struct index *index = LIST_ENTRY(n, struct index, node);
        if (!span_eq(span_str(index->uuid), uuid))
            continue;
        if (payload.ptr[0] == 'm')
            doubt(index);
        else if (index->view)
            index_refresh_view(index);
        return;
    }
}

void indexes_on_epoch(struct indexes *indexes, bool live)
{
    indexes->live = live;
    indexes_doubt(indexes);
}

void indexes_doubt(struct indexes *indexes)
{
    indexes_changed(indexes);
    for (struct list *n = indexes->all.next; n != &indexes->all; n = n->next)
        doubt(LIST_ENTRY(n, struct index, node));
}

void indexes_changed(struct indexes *indexes)
{
    indexes->fresh = false;
    indexes->changed = true;
}

struct service *indexes_service(const struct indexes *indexes)
{
    return indexes->service;
}

/* ---- life */

struct indexes *indexes_open(struct service *service)
{
    struct indexes *indexes = mem_zalloc(MEM_APP, sizeof(*indexes));

    indexes->service = service;
    list_init(&indexes->all);
    list_init(&indexes->waiting);
    list_init(&indexes->asked);
    pubsub_subscribe(app_pubsub(service->app), SERVICE_NEWS, on_news, indexes);
    return indexes;
}

void indexes_close(struct indexes *indexes)
{
    wheel_stop(wheel_of(indexes), &indexes->poll);
    while (!list_is_empty(&indexes->all))
        forget(LIST_ENTRY(indexes->all.next, struct index, node));
    mem_free(indexes);
}
