/* indexer_names.c - which indexes there are, and which are to go. */
#include "common/log.h"
#include "search/indexer_internal.h"
#include "search/indexes.h"

/* ---- what is wrong with a shard is the same in each pass */

/* Where it is among those that ail; NULL: nowhere. */
static char *find_ailing(const struct indexer *indexer, struct span uuid)
{
    for (size_t at = 0; at < indexer->ailing.len; at += INDEX_UUID_LEN)
        if (memcmp(indexer->ailing.ptr + at, uuid.ptr, INDEX_UUID_LEN) == 0)
            return indexer->ailing.ptr + at;
    return NULL;
}

static bool forget_ailing(struct indexer *indexer, struct span uuid)
{
    struct buf *ailing = &indexer->ailing;
    char *at = find_ailing(indexer, uuid);

    if (!at)
        return false;
    ailing->len -= INDEX_UUID_LEN;
    memmove(at, ailing->ptr + ailing->len, INDEX_UUID_LEN);
    return true;
}

void indexer_ails(struct indexer *indexer, struct span uuid, const char *what,
                  const char *why)
{
    if (find_ailing(indexer, uuid))
        return;
    buf_append(&indexer->ailing, uuid);
    log_write(LOG_ERROR, what, LOG_TEXT("shard", uuid), LOG_STR("reason", why));
}

void indexer_is_well(struct indexer *indexer, struct span uuid)
{
    if (forget_ailing(indexer, uuid))
        log_write(LOG_INFO, "an index can be written again",
                  LOG_TEXT("shard", uuid));
}

/* ---- shards */

static struct shard *find(struct indexer *indexer, struct span uuid)
{
    for (struct list *n = indexer->shards.next; n != &indexer->shards;
         n = n->next) {
        struct shard *shard = LIST_ENTRY(n, struct shard, node);
        if (span_eq(span_str(shard->uuid), uuid))
            return shard;
    }
    return NULL;
}

static void open_shard(struct indexer *indexer, struct span uuid)
{
    char why[320] = "";
    struct shard *shard = shard_open(indexer->app, uuid, why, sizeof(why));

    if (!shard) {
        indexer_ails(indexer, uuid, "index cannot be opened", why);
        return;
    }
    index_name_keys(&shard->arena, uuid, shard->keys);
    shard->listed = true;
    list_append(&indexer->shards, &shard->node);
}

void indexer_close_shard(struct shard *shard)
{
    list_remove(&shard->node);
    shard_close(shard);
}

/* Its files go, then what says that they are to. */
static void remove_dropped(struct indexer *indexer, struct span field)
{
    struct span uuid = span_skip(field, 2);
    struct span argv[] = {SPAN("HDEL"), SERVICE_INDEXES, field};
    struct shard *shard = find(indexer, uuid);
    struct span keys[INDEX_KEYS + 1] = {SPAN("UNLINK")};
    struct arena arena;

    if (uuid.len != INDEX_UUID_LEN)
        return;
    if (shard && shard == indexer->merging) {
        merger_cancel(shard->merger);
        return; /* in a later pass */
    }
    if (shard)
        indexer_close_shard(shard);
    forget_ailing(indexer, uuid);
    app_crash_point(indexer->app, "indexer-dropping");
    shard_remove(indexer->app, uuid);
    arena_init(&arena, MEM_JOB, 0);
    index_name_keys(&arena, uuid, keys + 1);
    redis_send(indexer->redis, &(struct redis_call){.key = keys[1],
                                                    .argv = keys,
                                                    .argc = INDEX_KEYS + 1,
                                                    .cb = service_told});
    redis_send(indexer->redis, &(struct redis_call){.key = SERVICE_INDEXES,
                                                    .argv = argv,
                                                    .argc = 3,
                                                    .cb = service_told});
    arena_deinit(&arena);
}

void indexer_take_names(struct indexer *indexer, const struct redisReply *reply)
{
    for (struct list *n = indexer->shards.next; n != &indexer->shards;
         n = n->next)
        LIST_ENTRY(n, struct shard, node)->listed = false;
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        struct span field = service_text(reply->element[i]);
        struct span uuid = service_text(reply->element[i + 1]);
        if (span_has_prefix(field, SPAN("d:")))
            remove_dropped(indexer, field);
        if (!span_has_prefix(field, SPAN("i:")) || uuid.len <= INDEX_UUID_LEN)
            continue;
        uuid.len = INDEX_UUID_LEN;
        struct shard *shard = find(indexer, uuid);
        if (shard)
            shard->listed = true;
        else
            open_shard(indexer, uuid);
    }
    for (struct list *n = indexer->shards.next, *next; n != &indexer->shards;
         n = next) {
        struct shard *shard = LIST_ENTRY(n, struct shard, node);
        next = n->next;
        if (!shard->listed && shard != indexer->merging)
            indexer_close_shard(shard); /* of another Redis: its files stay */
    }
}
