/*
 * redis_link.h - a connection to Redis that comes back; for redis and pubsub.
 *
 *   connect -- AUTH, SELECT, INFO --> on_up() -- replies --> on_reply()
 *   -- end, error, link_drop() --> on_down() -- back-off --> connect
 */
#pragma once

#include "common/redis.h"
#include "common/resp.h"

#define LINK_BACKOFF_FIRST_MS 50
#define LINK_BACKOFF_MAX_MS 2000
#define LINK_MAX_KEPT (64u << 20)

struct redis_link;

struct redis_link_events {
    void (*on_up)(void *arg);
    void (*on_reply)(void *arg, const struct redisReply *reply);
    /* All replies of one read have been told. */
    void (*on_read_end)(void *arg);
    void (*on_down)(void *arg);
};

struct redis_link *redis_link_open(struct stream_loop *loop,
                                   const struct redis_options *options,
                                   const struct redis_link_events *events,
                                   void *arg);

bool redis_link_is_up(const struct redis_link *link);
/* Why it is not; "" when it is. */
const char *redis_link_reason(const struct redis_link *link);
/* What Redis is set up for that it must not be; "" when nothing. */
const char *redis_link_warning(const struct redis_link *link);

/* Look for that in what INFO says. */
void redis_link_examine(struct redis_link *link, struct span info);

/*
 * While up.  False: too much is unsent, and nothing of this was taken; any
 * other error is followed by on_down(), later.
 */
bool redis_link_write(struct redis_link *link, struct span bytes);
size_t redis_link_unsent(const struct redis_link *link);

/* Stay away until it is let go: for the lab's experiments. */
void redis_link_hold(struct redis_link *link, bool hold);

/* The link is of use: the next one need not wait for long. */
void redis_link_proven(struct redis_link *link);

/* Give the connection up; on_down() runs inside, if it was up. */
void redis_link_drop(struct redis_link *link, const char *reason);

/* No event runs from now on; memory goes later, then cb runs. */
void redis_link_close(struct redis_link *link, void (*cb)(void *arg));

/*
 * redis.c, for redis_script.c: where a command may be put together, and that it
 * stands there whole and runs script.
 */
struct buf *redis_draft(struct redis *redis);
int redis_send_draft(struct redis *redis, struct redis_script *script,
                     const struct redis_call *call);
