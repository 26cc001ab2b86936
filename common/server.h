/*
 * server.h - the HTTP/1.1 server: connections in, requests to their routes.
 *
 *   read -> http_parser -> struct request -> router -> handler -> answer
 *
 * Answers to pipelined requests keep their order and leave in one write per
 * read.  Limits and deadlines are those of struct server_options; what breaks
 * one is answered (400, 408, 413, 414, 431, 503) and closed.
 */
#pragma once

#include "common/limit.h"
#include "common/route.h"
#include "common/stream.h"

struct server;
struct metrics;
struct auth;

struct server_options {
    const char *service;         /* prefix of metrics and problems */
    const struct router *router; /* borrowed, outlives the server */
    void *arg;                   /* of the handlers */
    struct auth *auth;           /* NULL: everybody is anonymous, may all */
    struct metrics *metrics;
    size_t max_request_line, max_header, max_head, max_body;
    uint32_t max_headers;
    uint32_t max_connections, max_connections_per_address; /* 0: no limit */
    uint32_t max_pipelined; /* unanswered requests of one connection; past it
                               reading stops */
    uint32_t header_timeout_ms, body_timeout_ms, idle_timeout_ms,
        write_timeout_ms, request_timeout_ms;
    uint64_t max_lag_us;   /* lasting loop lag past which requests are shed;
                              0: never */
    uint32_t max_inflight; /* unanswered requests likewise */
    size_t max_memory;     /* of connections and requests likewise */
    const char *const *trusted_proxies; /* CIDRs, NULL-ended; may be NULL */
    const char *const *cors_origins;    /* likewise */
    const char *public_url;             /* may be NULL */
    struct limiter *limiter;            /* of writing routes */
    struct limit_spec *write_limit;     /* theirs, of each caller; NULL: none */
    const char *authority; /* host:port that it listens on; may be NULL */
    const char *headers;   /* lines of every answer, with CRLF; may be NULL */
    /* What answers where something is wrong, in JSON; NULL: problem+json. */
    void (*problem)(struct request *req, int status, const char *slug,
                    const char *detail);
    bool access_log;
};

struct server *server_open(struct stream_loop *loop,
                           const struct server_options *options);

/* Serve what the bound socket fd accepts; tls NULL: plain.  0 or UV_E*. */
int server_listen(struct server *server, uv_os_sock_t fd,
                  struct stream_tls *tls);
/* New connections of the TLS listeners use this one from now on. */
void server_set_tls(struct server *server, struct stream_tls *tls);

/*
 * Stop accepting; answer the next request of each connection with
 * Connection: close; close idle ones idle_ms from now, all end_ms from now.
 * Guests are asked to be gone within idle_ms.
 * cb runs once, when the last connection is gone.
 */
void server_drain(struct server *server, uint64_t idle_ms, uint64_t end_ms,
                  void (*cb)(void *arg), void *arg);

/*
 * A connection that has left HTTP, for an event stream or a WebSocket, by
 * request_leave().  It counts as one until it is gone.  Inside its owner's
 * struct; nothing of HTTP is kept.
 */
struct server_guest {
    struct list node;
    struct server *server;
    struct address *address;
    const struct server_guest_events *events;
};

struct server_guest_events {
    /*
     * Once, later: the answer is on its way and the stream is the guest's, who
     * takes it by stream_hand_over() and starts reading; behind is what came
     * behind the request.  NULL: the client is gone, and so is the guest.
     */
    void (*on_left)(struct server_guest *guest, struct stream *stream,
                    struct span behind);
    /* Be gone within_ms from now; again with 0 when that has passed. */
    void (*on_drain)(struct server_guest *guest, uint64_t within_ms);
};

/* Its stream has closed; the last use of the guest. */
void server_guest_gone(struct server_guest *guest);

/* How late the loop's last timer was, or the latest of all. */
uint64_t server_lag_us(const struct server *server, bool most);
size_t server_connections(const struct server *server);
size_t server_inflight(const struct server *server);

/*
 * Drop every connection; when handlers have ended what they hold, memory goes
 * and cb runs.
 */
void server_close(struct server *server, void (*cb)(void *arg), void *arg);

/*
 * The slowest recent requests as a JSON array, for /debug/slow, and where the
 * time went: until the body was here, in the handler, waiting for others.
 */
void server_write_slow(const struct server *server, struct buf *out);
