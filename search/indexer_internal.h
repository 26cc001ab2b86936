/*
 * indexer_internal.h - what the files of the indexer share.
 *
 *   indexer.c        one pass after the other
 *   indexer_names.c  shards are opened, and closed; dropped ones go
 */
#pragma once

#include "search/service.h"
#include "search/shard.h"

struct indexer {
    struct app *app;
    struct redis *redis;
    const struct service_config *config;
    struct list shards, done; /* done: in this pass */
    struct shard *current;
    uint64_t most; /* entries to be read at once */
    uint64_t seq;  /* of the current one, as Redis says */
    struct wheel_timer timer;
    uv_work_t work;
    struct shard *merging; /* that the pool works on */
    struct buf ailing;     /* uuids of shards that it has been said of */
    int merge_err, lock;
    bool busy, again, closing;
    void (*on_drained)(void *arg);
    void *drain_arg;
    uint64_t *documents, *segments, *merges;
};

/* By a reply of HGETALL; at the beginning of a pass. */
void indexer_take_names(struct indexer *indexer,
                        const struct redisReply *reply);
void indexer_close_shard(struct shard *shard);
/* Said once, until the shard has been through a pass. */
void indexer_ails(struct indexer *indexer, struct span uuid, const char *what,
                  const char *why);
void indexer_is_well(struct indexer *indexer, struct span uuid);
