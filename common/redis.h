/*
 * redis.h - one pipelined link to Redis, and scripts over it.
 *
 * Hides the codec, the transport, reconnection with jittered back-off,
 * deadlines and the circuit breaker: no other file calls hiredis.  Commands
 * gather during a loop turn and leave in one write; replies are matched first
 * in, first out.  A reply that comes after its command's deadline is matched
 * and dropped.
 */
#pragma once

#include <hiredis/hiredis.h>

#include "common/stream.h"

struct redis;
struct metrics;

/* redis://[user:pass@]host:port[/db], rediss://…, unix:///path[?db=N] */
struct redis_url {
    char host[256], path[108];
    char user[128], password[256];
    uint16_t port;
    uint8_t db;
    bool tls;
};

/* 0, or UV_EINVAL. */
int redis_url_parse(struct span text, struct redis_url *url);

struct redis_options {
    struct redis_url url;
    const char *tls_ca;   /* rediss: PEM file, or NULL for the system's */
    uint32_t timeout_ms;  /* from redis_send() to its callback */
    uint32_t max_pending; /* commands; past it redis_send() refuses */
    size_t max_bytes;     /* of unsent commands; likewise */
    bool alone; /* each command in a write of its own, to see what that costs */
    struct metrics *metrics; /* may be NULL */
    const char *prefix;      /* of the metrics' names: the service */
};

/*
 * Ends one redis_send(): runs exactly once, never before redis_send() has
 * returned.  status is 0, UV_ETIMEDOUT, UV_ECONNRESET (sent, and the link
 * broke: it may have run), UV_ECANCELED, or UV_EPROTO if Redis answered with
 * an error (reply is that error then).  reply is borrowed until the callback
 * returns, NULL on the other errors.
 */
typedef void (*redis_reply_cb)(void *arg, int status,
                               const struct redisReply *reply);
typedef void (*redis_close_cb)(void *arg);

struct redis_call {
    struct span key;         /* what the command is about: chooses the node */
    const struct span *argv; /* copied before redis_send() returns */
    size_t argc;
    struct span spelled; /* for redis_eval(): more arguments, as they were put
                            by resp_append_arg() */
    size_t spelled_count;
    uint32_t timeout_ms; /* 0: the link's */
    bool repeatable;     /* safe to run twice: sent again when the link breaks,
                            until its deadline */
    redis_reply_cb cb;
    void *arg;
};

/* Never blocks; commands sent before the link is up wait for it. */
struct redis *redis_open(struct stream_loop *loop,
                         const struct redis_options *options);

/*
 * 0, UV_ENOBUFS past a bound, UV_ENOTCONN while the breaker is open,
 * UV_ECANCELED when closing; after an error cb never runs.
 */
int redis_send(struct redis *redis, const struct redis_call *call);

/*
 * A Lua script, sent by its SHA; on NOSCRIPT it is loaded and the call sent
 * again, within the same deadline.  Static memory; redis_eval() fills head.
 */
struct redis_script {
    const char *name;
    struct span source;
    char head[61]; /* "EVALSHA" and the SHA, spelled */
};

/* As redis_send(); call->argv holds the keys (nkeys of them), then the args. */
int redis_eval(struct redis *redis, struct redis_script *script, size_t nkeys,
               const struct redis_call *call);

bool redis_is_up(const struct redis *redis);
/* Why not: "connecting", "connection refused", "breaker open", …; "" if up. */
const char *redis_reason(const struct redis *redis);

/* What Redis must not be set up for (eviction, an old version); "" if fine. */
const char *redis_warning(const struct redis *redis);

/* Ask again: somebody may have set it so since the link came up. */
void redis_examine(struct redis *redis);

/* Keep Redis away until let go: for the lab's experiments. */
void redis_hold(struct redis *redis, bool hold);

/* For load shedding and tests. */
size_t redis_pending(const struct redis *redis);

/* End what is pending with UV_ECANCELED; later free redis, then run cb. */
void redis_close(struct redis *redis, redis_close_cb cb, void *arg);
