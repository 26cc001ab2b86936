/*
 * pubsub.c - see pubsub.h.
 *
 *   on_up() -- CLIENT ID --> CLIENT TRACKING … REDIRECT <id>, SUBSCRIBE all,
 *   PING --> the first pong: a new epoch -- PING every 200 ms -->
 *   no byte for 1 s, or the link's end: the epoch is over
 */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/list.h"
#include "common/pubsub.h"
#include "common/redis_link.h"

#define PING_MS 200
#define SILENCE_US 1000000
#define MAX_TRACKED 8
#define BUCKETS 128 /* of channels, which each message is looked up in */

static const struct span invalidate = {"__redis__:invalidate", 20};

struct channel {
    struct list node, in_bucket;
    pubsub_message_cb cb;
    void *arg;
    size_t len;
    char name[];
};

struct pubsub {
    struct stream_loop *loop;
    struct redis_link *link;
    const char *const *track;
    const struct pubsub_events *events;
    void *arg;
    struct list channels, buckets[BUCKETS];
    struct hash_key hash_key;
    size_t count;
    struct wheel_timer timer;
    uint64_t heard_us;
    bool identified; /* the reply of CLIENT ID has come */
    bool tracking;   /* and that of CLIENT TRACKING */
    bool live, closing;
    pubsub_close_cb close_cb;
    void *close_arg;
};

static void on_up(void *arg);
static void on_reply(void *arg, const struct redisReply *reply);
static void on_down(void *arg);
static void on_timer(struct wheel_timer *timer);

static const struct redis_link_events link_events = {
    .on_up = on_up, .on_reply = on_reply, .on_down = on_down};

struct pubsub *pubsub_open(struct stream_loop *loop,
                           const struct redis_options *options,
                           const char *const *track,
                           const struct pubsub_events *events, void *arg)
{
    struct pubsub *pubsub = mem_zalloc(MEM_REDIS, sizeof(*pubsub));

    pubsub->loop = loop;
    pubsub->track = track;
    pubsub->events = events;
    pubsub->arg = arg;
    pubsub->hash_key = hash_random_key();
    list_init(&pubsub->channels);
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&pubsub->buckets[i]);
    pubsub->link = redis_link_open(loop, options, &link_events, pubsub);
    return pubsub;
}

static void command(struct pubsub *pubsub, const struct span *argv, size_t argc)
{
    struct buf out;

    buf_init(&out, MEM_REDIS);
    resp_append(&out, argv, argc);
    redis_link_write(pubsub->link, buf_span(&out));
    buf_deinit(&out);
}

static void on_up(void *arg)
{
    struct pubsub *pubsub = arg;
    struct span argv[] = {SPAN("CLIENT"), SPAN("ID")};

    pubsub->identified = pubsub->tracking = false;
    pubsub->heard_us = clock_mono_us();
    command(pubsub, argv, 2);
    wheel_start(stream_loop_wheel(pubsub->loop), &pubsub->timer, PING_MS,
                on_timer);
}

static void track(struct pubsub *pubsub, long long id)
{
    struct span argv[6 + 2 * MAX_TRACKED] = {SPAN("CLIENT"), SPAN("TRACKING"),
                                             SPAN("ON"), SPAN("REDIRECT")};
    char text[24];
    size_t argc = 4;

    int len = snprintf(text, sizeof(text), "%lld", id);
    argv[argc++] = (struct span){text, (size_t)len};
    argv[argc++] = SPAN("BCAST");
    for (size_t i = 0; i < MAX_TRACKED && pubsub->track[i]; i++) {
        argv[argc++] = SPAN("PREFIX");
        argv[argc++] = span_str(pubsub->track[i]);
    }
    command(pubsub, argv, argc);
}

/*
 * Channels are sharded: on a cluster a message goes to the nodes of its own
 * slot, not to all.
 */
static void subscribe_all(struct pubsub *pubsub)
{
    struct span argv[1 + PUBSUB_MAX_CHANNELS] = {SPAN("SSUBSCRIBE")};
    struct span tracked[] = {SPAN("SUBSCRIBE"), invalidate};
    size_t argc = 1;

    command(pubsub, tracked, 2);
    for (struct list *n = pubsub->channels.next; n != &pubsub->channels;
         n = n->next) {
        struct channel *channel = LIST_ENTRY(n, struct channel, node);
        argv[argc++] = (struct span){channel->name, channel->len};
    }
    if (argc > 1)
        command(pubsub, argv, argc);
}

static void ping(struct pubsub *pubsub)
{
    struct span argv[] = {SPAN("PING")};

    command(pubsub, argv, 1);
}

static void set_live(struct pubsub *pubsub, bool live)
{
    if (pubsub->live == live)
        return;
    pubsub->live = live;
    if (!pubsub->closing)
        pubsub->events->on_epoch(pubsub->arg, live);
}

static void begin_epoch(struct pubsub *pubsub)
{
    redis_link_proven(pubsub->link);
    set_live(pubsub, true);
}

/* CLIENT ID, then CLIENT TRACKING, answer before anything is subscribed. */
static void take_setup(struct pubsub *pubsub, const struct redisReply *reply)
{
    bool tracks = pubsub->track && pubsub->track[0];

    if (reply->type == REDIS_REPLY_ERROR) {
        redis_link_drop(pubsub->link, reply->str);
        return;
    }
    if (!pubsub->identified) {
        pubsub->identified = true;
        if (tracks) {
            track(pubsub, reply->integer);
            return;
        }
    }
    pubsub->tracking = true;
    subscribe_all(pubsub);
    ping(pubsub);
}

static struct span text_of(const struct redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING
               ? (struct span){reply->str, reply->len}
               : (struct span){NULL, 0};
}

static void on_keys(struct pubsub *pubsub, const struct redisReply *keys)
{
    if (!pubsub->events->on_invalidate)
        return;
    if (keys->type != REDIS_REPLY_ARRAY) { /* FLUSHALL: all of them */
        pubsub->events->on_invalidate(pubsub->arg, (struct span){NULL, 0});
        return;
    }
    for (size_t i = 0; i < keys->elements; i++) {
        struct span key = text_of(keys->element[i]);
        if (key.ptr)
            pubsub->events->on_invalidate(pubsub->arg, key);
    }
}

static struct list *bucket_of(struct pubsub *pubsub, struct span name)
{
    return &pubsub->buckets[hash_bucket(&pubsub->hash_key, name) % BUCKETS];
}

static struct channel *find(struct pubsub *pubsub, struct span name)
{
    struct list *bucket = bucket_of(pubsub, name);

    for (struct list *n = bucket->next; n != bucket; n = n->next) {
        struct channel *channel = LIST_ENTRY(n, struct channel, in_bucket);
        if (span_eq(name, (struct span){channel->name, channel->len}))
            return channel;
    }
    return NULL;
}

static void on_message(struct pubsub *pubsub, struct span name,
                       const struct redisReply *payload)
{
    struct channel *channel = find(pubsub, name);

    if (channel)
        channel->cb(channel->arg, name, text_of(payload));
}

static void on_reply(void *arg, const struct redisReply *reply)
{
    struct pubsub *pubsub = arg;

    pubsub->heard_us = clock_mono_us();
    if (!pubsub->tracking) {
        take_setup(pubsub, reply);
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        redis_link_drop(pubsub->link, reply->str);
        return;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2)
        return;
    struct span kind = text_of(reply->element[0]);
    if (span_eq(kind, SPAN("smessage")) && reply->elements == 3)
        on_message(pubsub, text_of(reply->element[1]), reply->element[2]);
    else if (span_eq(kind, SPAN("message")) && reply->elements == 3)
        on_keys(pubsub, reply->element[2]);
    else if (span_eq(kind, SPAN("pong")))
        begin_epoch(pubsub);
}

static void on_timer(struct wheel_timer *timer)
{
    struct pubsub *pubsub = LIST_ENTRY(timer, struct pubsub, timer);

    if (clock_mono_us() - pubsub->heard_us > SILENCE_US) {
        redis_link_drop(pubsub->link, "silent");
        return;
    }
    if (pubsub->tracking)
        ping(pubsub);
    wheel_start(stream_loop_wheel(pubsub->loop), timer, PING_MS, on_timer);
}

static void on_down(void *arg)
{
    struct pubsub *pubsub = arg;

    wheel_stop(stream_loop_wheel(pubsub->loop), &pubsub->timer);
    set_live(pubsub, false);
}

int pubsub_subscribe(struct pubsub *pubsub, struct span channel,
                     pubsub_message_cb cb, void *arg)
{
    struct span argv[] = {SPAN("SSUBSCRIBE"), channel};

    if (find(pubsub, channel))
        return UV_EEXIST;
    if (pubsub->count == PUBSUB_MAX_CHANNELS)
        return UV_ENOBUFS;
    struct channel *added = mem_alloc(MEM_REDIS, sizeof(*added) + channel.len);
    *added = (struct channel){.cb = cb, .arg = arg, .len = channel.len};
    memcpy(added->name, channel.ptr, channel.len);
    list_append(&pubsub->channels, &added->node);
    list_append(bucket_of(pubsub, channel), &added->in_bucket);
    pubsub->count++;
    if (pubsub->tracking && redis_link_is_up(pubsub->link))
        command(pubsub, argv, 2);
    return 0;
}

static void free_channel(struct pubsub *pubsub, struct channel *channel)
{
    list_remove(&channel->node);
    list_remove(&channel->in_bucket);
    mem_free(channel);
    pubsub->count--;
}

void pubsub_unsubscribe(struct pubsub *pubsub, struct span name)
{
    struct span argv[] = {SPAN("SUNSUBSCRIBE"), name};
    struct channel *channel = find(pubsub, name);

    if (!channel)
        return;
    if (pubsub->tracking && redis_link_is_up(pubsub->link))
        command(pubsub, argv, 2);
    free_channel(pubsub, channel);
}

bool pubsub_is_live(const struct pubsub *pubsub)
{
    return pubsub->live;
}

const char *pubsub_reason(const struct pubsub *pubsub)
{
    return pubsub->live ? "" : redis_link_reason(pubsub->link);
}

void pubsub_hold(struct pubsub *pubsub, bool hold)
{
    redis_link_hold(pubsub->link, hold);
}

static void on_closed(void *arg)
{
    struct pubsub *pubsub = arg;
    pubsub_close_cb cb = pubsub->close_cb;
    void *cb_arg = pubsub->close_arg;

    mem_free(pubsub);
    cb(cb_arg);
}

void pubsub_close(struct pubsub *pubsub, pubsub_close_cb cb, void *arg)
{
    pubsub->closing = true;
    pubsub->close_cb = cb;
    pubsub->close_arg = arg;
    wheel_stop(stream_loop_wheel(pubsub->loop), &pubsub->timer);
    while (!list_is_empty(&pubsub->channels))
        free_channel(pubsub,
                     LIST_ENTRY(pubsub->channels.next, struct channel, node));
    redis_link_close(pubsub->link, on_closed);
}
