/*
 * nodes.h - who else serves: the registry of a service's living nodes.
 *
 * One hash in Redis, nodes:<service>, a field per node (its id), its value
 *
 *     <seen> <started> <load> <version> <address>
 *
 * (milliseconds of Redis's clock, so that no host's matters).  A node writes
 * its own each second; the same script drops those not seen for three seconds
 * and counts the rest, so no node's death needs anybody's care.  One key, since
 * a script's keys must share a slot of a cluster; it goes by itself, three
 * seconds after the last node.
 *
 *   on_beat() -- nodes_beat.lua --> on_counted() ... nodes_close() -- HDEL
 */
#pragma once

#include "common/redis.h"

#define NODES_BEAT_MS 1000
#define NODES_GONE_MS 3000

struct nodes;

struct nodes_options {
    const char *service;
    const char *id; /* unique among all processes that ever ran */
    const char *address, *version; /* without blanks; all four are copied */
    uint64_t (*load)(void *arg);   /* unanswered requests, or the like; read at
                                      each beat; NULL: 0 */
    void *arg;
};

/* Registers at once, or as soon as Redis is there. */
struct nodes *nodes_open(struct stream_loop *loop, struct redis *redis,
                         const struct nodes_options *options);

/* Living nodes, this one among them; 0: no answer of the last 3 s tells. */
size_t nodes_count(const struct nodes *nodes);

struct node {
    struct span id, address, version;
    uint64_t seen_ms, started_ms, load;
};

/*
 * Ask Redis for the living nodes, by id.  0, or what redis_send() refuses by,
 * and cb never runs; nodes are borrowed until cb returns, count is 0 when
 * status is not.  Runs before nodes_close() tells.
 */
typedef void (*nodes_list_cb)(void *arg, int status, const struct node *nodes,
                              size_t count);
int nodes_list(struct nodes *nodes, nodes_list_cb cb, void *arg);

/*
 * Leave the registry.  Before redis_close(): waits for Redis, for a second at
 * most; then frees, and runs cb, never inside the call.
 */
void nodes_close(struct nodes *nodes, void (*cb)(void *arg), void *arg);
