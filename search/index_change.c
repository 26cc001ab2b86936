/*
 * index_change.c - indexes.h: indexes are made, deleted and listed.
 *
 *   index_create() -- [the shard's hash] on_shard() -- [names.lua] on_added()
 *   index_delete() -- [names.lua] on_dropped() -- [its keys go] on_emptied()
 *
 * Failure modes: a shard whose name was taken meanwhile goes again; one whose
 * maker died is in no list, and nobody asks for it.  What is left of a deleted
 * index, if its deleter dies, is for the indexer to remove.
 */
#include <openssl/rand.h>
#include <stdlib.h>

#include "search/indexes.h"
#include "search/scripts.h"

struct change {
    struct arena arena;
    struct indexes *indexes;
    struct service *service;
    struct index *index; /* that is deleted */
    struct span name, uuid, about, keys[INDEX_KEYS];
    int status;
    void (*cb)(void *arg, int status);
    void *arg;
};

static void on_shard(void *arg, int status, const struct redisReply *reply);
static void on_added(void *arg, int status, const struct redisReply *reply);
static void on_dropped(void *arg, int status, const struct redisReply *reply);
static void on_emptied(void *arg, int status, const struct redisReply *reply);

static void end(struct change *change, int status)
{
    void (*cb)(void *arg, int status) = change->cb;
    void *arg = change->arg;

    index_drop(change->index);
    arena_deinit(&change->arena);
    mem_free(change);
    cb(arg, status);
}

static struct change *begin(struct indexes *indexes,
                            void (*cb)(void *arg, int status), void *arg)
{
    struct change *change = mem_zalloc(MEM_JOB, sizeof(*change));

    arena_init(&change->arena, MEM_JOB, 0);
    change->indexes = indexes;
    change->service = indexes_service(indexes);
    change->cb = cb;
    change->arg = arg;
    return change;
}

static void eval_names(struct change *change, struct redis_call *call)
{
    call->key = SERVICE_INDEXES;
    call->arg = change;
    int err = redis_eval(change->service->redis, &script_names, 1, call);
    if (err < 0)
        end(change, err);
}

static void del(struct change *change, const struct span *keys, size_t count)
{
    struct span argv[4] = {SPAN("UNLINK")};

    memcpy(argv + 1, keys, count * sizeof(keys[0]));
    int err = redis_send(change->service->redis,
                         &(struct redis_call){.key = keys[0],
                                              .argv = argv,
                                              .argc = count + 1,
                                              .repeatable = true,
                                              .cb = on_emptied,
                                              .arg = change});
    if (err < 0)
        end(change, change->status ? change->status : err);
}

/* Letters and digits: it is a directory's name, too. */
static struct span make_uuid(struct arena *arena)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    unsigned char bytes[INDEX_UUID_LEN] = {0};
    char *text = arena_zalloc(arena, INDEX_UUID_LEN + 1);

    RAND_bytes(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        text[i] = letters[bytes[i] % (sizeof(letters) - 1)];
    return (struct span){text, INDEX_UUID_LEN};
}

void index_create(struct indexes *indexes, const struct index_plan *plan,
                  void (*cb)(void *arg, int status), void *arg)
{
    struct change *change = begin(indexes, cb, arg);
    struct arena *arena = &change->arena;

    change->name = arena_copy(arena, plan->name);
    change->about = arena_copy(arena, plan->about);
    change->uuid = make_uuid(arena);
    index_name_keys(arena, change->uuid, change->keys);
    struct span argv[] = {SPAN("HSET"),
                          change->keys[INDEX_SHARD],
                          SPAN("generation"),
                          SPAN("0"),
                          SPAN("seq"),
                          SPAN("0"),
                          SPAN("bytes"),
                          SPAN("0"),
                          SPAN("mapping"),
                          index_put_mapping(arena, plan->schema),
                          SPAN("mapping_version"),
                          SPAN("1")};
    int err =
        redis_send(change->service->redis,
                   &(struct redis_call){.key = change->keys[INDEX_SHARD],
                                        .argv = argv,
                                        .argc = sizeof(argv) / sizeof(argv[0]),
                                        .cb = on_shard,
                                        .arg = change});
    if (err < 0)
        end(change, err);
}

static void on_shard(void *arg, int status, const struct redisReply *reply)
{
    struct change *change = arg;
    struct span most = arena_printf(&change->arena, "%d", INDEXES_MAX);
    struct span argv[] = {SERVICE_INDEXES, SPAN("add"),   change->name,
                          change->uuid,    change->about, most};

    (void)reply;
    if (status < 0) {
        end(change, status);
        return;
    }
    app_crash_point(change->service->app, "create-shard");
    eval_names(change,
               &(struct redis_call){.argv = argv, .argc = 6, .cb = on_added});
}

static void on_added(void *arg, int status, const struct redisReply *reply)
{
    struct change *change = arg;

    if (status < 0) {
        end(change, status);
        return;
    }
    indexes_changed(change->indexes);
    if (reply->len == 0) {
        app_crash_point(change->service->app, "create-listed");
        service_tell(change->service, SERVICE_NEWS, SPAN("r"));
        end(change, 0);
        return;
    }
    change->status = strcmp(reply->str, "full") == 0 ? UV_ENOSPC : UV_EEXIST;
    del(change, change->keys, 1);
}

void index_delete(struct index *index, void (*cb)(void *arg, int status),
                  void *arg)
{
    struct change *change = begin(index->indexes, cb, arg);
    struct span argv[] = {SERVICE_INDEXES, SPAN("drop"), span_str(index->name),
                          span_str(index->uuid)};

    change->index = index_hold(index);
    eval_names(change,
               &(struct redis_call){.argv = argv, .argc = 4, .cb = on_dropped});
}

static void on_dropped(void *arg, int status, const struct redisReply *reply)
{
    struct change *change = arg;

    if (status < 0) {
        end(change, status);
        return;
    }
    app_crash_point(change->service->app, "delete-listed");
    indexes_changed(change->indexes);
    service_tell(change->service, SERVICE_NEWS, SPAN("r"));
    service_tell(change->service, SERVICE_WORK, SPAN("r"));
    if (reply->integer == 0)
        change->status = UV_ENOENT;
    del(change, change->index->keys, 3);
}

static void on_emptied(void *arg, int status, const struct redisReply *reply)
{
    struct change *change = arg;

    (void)reply;
    end(change, change->status ? change->status : status);
}

/* ---- several */

struct listing {
    struct indexes *indexes;
    struct index **list;
    size_t count, most, got;
    indexes_cb cb;
    void *arg;
    int status;
    struct span *names;
    struct arena arena;
};

static void get_next(struct listing *listing);

static void end_listing(struct listing *listing)
{
    if (listing->status < 0) {
        for (size_t i = 0; i < listing->got; i++)
            index_drop(listing->list[i]);
        listing->got = 0;
    }
    listing->cb(listing->arg, listing->status, listing->list, listing->got);
    mem_free(listing->list);
    arena_deinit(&listing->arena);
    mem_free(listing);
}

/* One that was deleted meanwhile is passed over. */
static void on_got(void *arg, int status, struct index *index)
{
    struct listing *listing = arg;

    if (status == 0)
        listing->list[listing->got++] = index;
    else if (status != UV_ENOENT)
        listing->status = status;
    get_next(listing);
}

static void get_next(struct listing *listing)
{
    if (listing->status < 0 || listing->count == listing->most)
        end_listing(listing);
    else
        index_get_any(listing->indexes, listing->names[listing->count++],
                      on_got, listing);
}

static int compare_names(const void *a, const void *b)
{
    return span_compare(*(const struct span *)a, *(const struct span *)b);
}

static void on_known(void *arg, int status)
{
    struct listing *listing = arg;

    listing->status = status;
    if (status == 0)
        listing->most = indexes_names(listing->indexes, &listing->arena,
                                      listing->names[0], &listing->names);
    if (listing->most)
        qsort(listing->names, listing->most, sizeof(struct span),
              compare_names);
    listing->list =
        mem_alloc(MEM_JOB, (listing->most + 1) * sizeof(struct index *));
    get_next(listing);
}

void indexes_list(struct indexes *indexes, struct span expression,
                  indexes_cb cb, void *arg)
{
    struct listing *listing = mem_zalloc(MEM_JOB, sizeof(*listing));

    arena_init(&listing->arena, MEM_JOB, 0);
    listing->indexes = indexes;
    listing->cb = cb;
    listing->arg = arg;
    listing->names = arena_alloc(&listing->arena, sizeof(struct span));
    listing->names[0] = arena_copy(&listing->arena, expression);
    indexes_know(indexes, on_known, listing);
}

const struct index *indexes_broken(struct index *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (list[i]->broken)
            return list[i];
    return NULL;
}

int indexes_allow(const struct request *req, const char *scope,
                  struct index *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!request_allows(req, span_str(scope), span_str(list[i]->name)))
            return UV_EACCES;
    return 0;
}
