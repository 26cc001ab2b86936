/*
 * ids.c - see ids.h.
 *
 *   ids_wait() -- INCRBY sh:ids 4096 --> on_block(): every waiter gets an id,
 *   or asks for the next block where this one did not reach.
 */
#include "shortener/ids.h"
#include "common/list.h"
#include "common/mem.h"
#include "shortener/code.h"

#define KEY "sh:ids"
#define BLOCK_TEXT "4096"

struct ids {
    struct redis *redis;
    uint64_t next, end;
    struct list waiters;
    bool leasing;
};

struct waiter {
    struct list node;
    ids_cb cb;
    void *arg;
};

static void on_block(void *arg, int status, const struct redisReply *reply);

struct ids *ids_create(struct redis *redis)
{
    struct ids *ids = mem_zalloc(MEM_JOB, sizeof(*ids));

    ids->redis = redis;
    list_init(&ids->waiters);
    return ids;
}

void ids_destroy(struct ids *ids)
{
    mem_free(ids);
}

bool ids_next(struct ids *ids, uint64_t *id)
{
    if (ids->next == ids->end)
        return false;
    *id = ids->next++;
    return true;
}

static int lease(struct ids *ids)
{
    struct span argv[] = {SPAN("INCRBY"), SPAN(KEY), SPAN(BLOCK_TEXT)};
    int err = redis_send(ids->redis, &(struct redis_call){.key = SPAN(KEY),
                                                          .argv = argv,
                                                          .argc = 3,
                                                          .repeatable = true,
                                                          .cb = on_block,
                                                          .arg = ids});
    ids->leasing = err == 0;
    return err;
}

int ids_wait(struct ids *ids, ids_cb cb, void *arg)
{
    int err = ids->leasing ? 0 : lease(ids);
    if (err < 0)
        return err;

    struct waiter *waiter = mem_alloc(MEM_JOB, sizeof(*waiter));
    *waiter = (struct waiter){.cb = cb, .arg = arg};
    list_append(&ids->waiters, &waiter->node);
    return 0;
}

static void end_waiter(struct ids *ids, int status, uint64_t id)
{
    struct waiter *waiter = LIST_ENTRY(ids->waiters.next, struct waiter, node);
    struct waiter copy = *waiter;

    list_remove(&waiter->node);
    mem_free(waiter);
    copy.cb(copy.arg, status, id);
}

static int take_block(struct ids *ids, int status,
                      const struct redisReply *reply)
{
    if (status < 0)
        return status;
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer < IDS_BLOCK ||
        (uint64_t)reply->integer > CODE_SPACE)
        return UV_ERANGE;
    ids->end = (uint64_t)reply->integer;
    ids->next = ids->end - IDS_BLOCK;
    return 0;
}

static void on_block(void *arg, int status, const struct redisReply *reply)
{
    struct ids *ids = arg;
    uint64_t id;

    ids->leasing = false;
    status = take_block(ids, status, reply);
    while (status == 0 && !list_is_empty(&ids->waiters) && ids_next(ids, &id))
        end_waiter(ids, 0, id);
    if (status == 0 && !list_is_empty(&ids->waiters) && !ids->leasing)
        status = lease(ids);
    while (status < 0 && !list_is_empty(&ids->waiters))
        end_waiter(ids, status, 0);
}
