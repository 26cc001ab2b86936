/*
 * ids.h - ids that no other worker has, from blocks leased by INCRBY.
 *
 * A crash wastes at most what is left of one block.
 */
#pragma once

#include "common/redis.h"

#define IDS_BLOCK 4096

struct ids;

/* Runs once, never inside ids_wait(): status as of redis_reply_cb. */
typedef void (*ids_cb)(void *arg, int status, uint64_t id);

/* redis must be closed before ids_destroy(). */
struct ids *ids_create(struct redis *redis);
void ids_destroy(struct ids *ids);

/* True, and an id at once, while the block lasts. */
bool ids_next(struct ids *ids, uint64_t *id);

/* Else lease a block and wait: 0, or what redis_send() refused with. */
int ids_wait(struct ids *ids, ids_cb cb, void *arg);
