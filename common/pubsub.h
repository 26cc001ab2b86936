/*
 * pubsub.h - the second link to Redis: subscriptions and cache invalidation.
 *
 * The link is subscriber and tracker at once, so that losing one is losing
 * both.  It is PINGed every 200 ms; EOF, or no byte for 1 s, ends its epoch.
 */
#pragma once

#include "common/redis.h"

struct pubsub;

struct pubsub_events {
    /* A tracked key changed; key.ptr NULL: any may have (FLUSHALL). */
    void (*on_invalidate)(void *arg, struct span key);
    /*
     * live: a new epoch begins (tracking is on, everything is subscribed
     * again, the first PONG is here): nothing cached before may be served.
     * Not live: the epoch is over.
     */
    void (*on_epoch)(void *arg, bool live);
};
typedef void (*pubsub_message_cb)(void *arg, struct span channel,
                                  struct span payload);
typedef void (*pubsub_close_cb)(void *arg);

/* track: key prefixes under CLIENT TRACKING … BCAST; NULL-ended; may be NULL */
struct pubsub *pubsub_open(struct stream_loop *loop,
                           const struct redis_options *options,
                           const char *const *track,
                           const struct pubsub_events *events, void *arg);

/*
 * A channel, of sharded pub/sub (SPUBLISH), has one subscriber here.  Kept over
 * reconnects; messages between are lost, which on_epoch tells.  UV_EEXIST,
 * UV_ENOBUFS past PUBSUB_MAX_CHANNELS.
 */
#define PUBSUB_MAX_CHANNELS 256
int pubsub_subscribe(struct pubsub *pubsub, struct span channel,
                     pubsub_message_cb cb, void *arg);
void pubsub_unsubscribe(struct pubsub *pubsub, struct span channel);

bool pubsub_is_live(const struct pubsub *pubsub);
/* Why not, as far as the link knows; "" if live. */
const char *pubsub_reason(const struct pubsub *pubsub);
/* As redis_hold(). */
void pubsub_hold(struct pubsub *pubsub, bool hold);
void pubsub_close(struct pubsub *pubsub, pubsub_close_cb cb, void *arg);
