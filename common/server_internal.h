/*
 * server_internal.h - what the files of the server and request rooms share.
 *
 *   server.c       listeners, limits, drain, what is counted
 *   server_address.c  how many connections an address has
 *   server_conn.c  a connection: its life, its deadlines, bytes out in order
 *   server_input.c   bytes in: heads, bodies, what is refused
 *   request.c      what handlers read of a request
 *   request_peer.c   who asks
 *   request_admit.c  who gets to its handler
 *   request_reply.c  how handlers end it
 *   request_problem.c  what is wrong, and why
 */
#pragma once

#include "common/auth.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/hash.h"
#include "common/http.h"
#include "common/metrics.h"
#include "common/request.h"
#include "common/server.h"

#define CONN_MAX_KEPT (4u << 20)   /* unsent bytes that its stream keeps */
#define CONN_OUT_HIGH (256u << 10) /* unsent bytes that stop reading */
#define CONN_LINGER_MS 1000        /* for the client to read its refusal */
#define CONN_LINGER_BYTES 1048576  /* that are read and dropped meanwhile */
#define REQUEST_CHUNK 3072         /* first chunk of a request's arena */
#define REQUEST_CHUNKS 64          /* of them kept for the next ones */
#define REQUEST_ID_MAX 64
#define SERVER_DATE_LINE (6 + CLOCK_HTTP_LEN + 2 + 14)
#define SERVER_SLOW 16    /* requests that /debug/slow remembers */
#define SERVER_COUNTED 16 /* kinds of a route's answers with a cell at hand */
#define SERVER_ADDRESSES 1024 /* chains of the table of addresses */

/* A request's way: being read, with its handler, answered. */
enum request_state { REQUEST_READING, REQUEST_HANDLED, REQUEST_ANSWERED };

/* What a connection's timer is for. */
enum conn_wait {
    CONN_WAIT_IDLE,
    CONN_WAIT_HEAD,
    CONN_WAIT_BODY,
    CONN_WAIT_ANSWER,
    CONN_WAIT_WRITE,
    CONN_WAIT_LINGER,
};

/* A peer that has connections. */
struct address {
    struct list node; /* of its chain */
    uint32_t conns;
    char text[STREAM_ADDRESS_MAX];
};

struct conn {
    struct list node;     /* of the server's connections */
    struct list dirty;    /* of those with answers to send, or alone */
    struct list requests; /* not sent yet, oldest first */
    struct server *server;
    struct stream *stream;
    struct wheel_timer timer;
    struct request *reading; /* whose body is being read */
    struct buf tail;         /* what was read of the next head */
    struct buf out;          /* answers outside a read */
    struct http_scan scan;
    struct address *address; /* of the peer itself */
    size_t in_line;          /* bytes of answers that others stand before */
    uint64_t sent;           /* when the present wait began */
    enum conn_wait wait;
    struct server_guest *guest; /* who gets the stream, once all is sent */
    uint32_t waiting;           /* requests in the list */
    uint32_t lingered;
    bool tls;
    bool corked;    /* on_read() will send what is answered now */
    bool last;      /* behind what is being read no request is read */
    bool ended;     /* the client will send no more */
    bool lingering; /* the last answer is out; input is dropped */
    bool more;      /* behind the request being read there is more */
    bool paused;    /* reading stopped: too many wait, or too much is unsent */
    bool upgrading; /* nothing is read behind a request that asks for it */
    bool closing;
};

struct request {
    struct arena arena; /* this struct lives in it */
    struct list node;   /* of the connection's requests, or alone */
    struct conn *conn;  /* NULL once the client is gone */
    struct server *server;
    struct http_head head;
    struct http_body *reader; /* while there is a body to read */
    struct route_match match;
    json_t *document; /* of the body, where a handler read it as one */
    struct buf body;
    struct buf extra;  /* header lines to add */
    struct buf answer; /* while others stand before it */
    struct wheel_timer timer;
    uint64_t started_us;
    uint64_t handled_us; /* when its handler began */
    uint64_t waits_us;   /* since when it waits for an answer; 0: never did */
    struct span id, trace, address;
    struct auth_identity identity; /* once identified; in the arena */
    struct server_guest *guest;    /* request_leave() */
    int status;
    unsigned retry_after_s; /* 0: the default */
    enum request_state state;
    bool admitted; /* route, load, scope and origin let it pass */
    bool late;     /* answered by its deadline; its handler has not ended it */
    bool started;  /* request_begin() */
    bool chunked;  /* and its pieces are chunks */
    bool keep_alive; /* the connection goes on behind it */
    bool identified, by_cookie;
    void (*on_drain)(void *arg);
    void *drain_arg;
};

/* body, handler and wait: where the time went. */
struct slow {
    uint64_t us, at_us, body_us, handler_us, wait_us;
    int status;
    size_t route;
    char id[REQUEST_ID_MAX + 1];
};

struct counted {
    int status; /* 0: free */
    enum request_method method;
    uint64_t *cell;
};

struct listener {
    struct list node;
    struct server *server;
    struct stream_tls *tls;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
    };
};

struct server {
    struct stream_loop *loop;
    struct wheel *wheel;
    struct server_options options;
    struct http_limits limits;
    struct list listeners, conns, guests, dirty;
    struct list addresses[SERVER_ADDRESSES];
    struct hash_key address_key;
    size_t conn_count, listener_count, inflight;
    uv_prepare_t prepare; /* sends what the turn of the loop has answered */
    uv_idle_t idle;       /* keeps it turning while there is more to send */
    struct wheel_timer lag_timer, drain_timer;
    struct arena_pool chunks;
    struct buf out; /* answers of the read that is being handled */
    char date_line[SERVER_DATE_LINE + 1];
    uint64_t date_s; /* of the loop's clock, when it was made */
    uint64_t lag_us, lag_max_us, lag_from_us, next_id, next_trace, span_base;
    uint32_t late_ticks; /* in a row, past max_lag_us */
    uint64_t read_us;    /* when the read that is being handled came */
    uint64_t now_us;     /* the clock, read once for its answers; 0: not yet */
    char id_prefix[17];
    struct counted *counts;           /* SERVER_COUNTED of each route */
    struct metrics_histogram **times; /* by route */
    struct metrics_histogram *lag;
    uint64_t *gauge_conns, *shed;
    struct slow slow[SERVER_SLOW];
    uint64_t slow_floor_us;  /* what is faster is not looked at */
    struct request *current; /* with its handler, if that has not ended it */
    bool draining, closing;
    uint64_t drain_idle_ms;
    uint64_t drain_rest_ms; /* from closing idle connections to all */
    void (*on_drained)(void *arg);
    void *drained_arg;
    void (*on_closed)(void *arg);
    void *closed_arg;
    unsigned handles; /* open uv handles of its own */
};

/* server.c */
void server_count(struct server *server, const struct request *req);
bool server_is_overloaded(struct server *server);
void server_conn_gone(struct server *server);
/* "Date: …\r\nX-Request-Id: ", of SERVER_DATE_LINE bytes. */
const char *server_date_line(struct server *server);

/* server_address.c */
struct address *server_address_take(struct server *server, const char *text);
void server_address_drop(struct address *address);

/* server_conn.c */
void conn_accept(struct listener *listener);
void conn_close(struct conn *conn);
/* The timer that fits what the connection waits for. */
void conn_rearm(struct conn *conn);
/* Answers that are whole go on their way, in order. */
void conn_answered(struct conn *conn);
/* Where the bytes of the first request in line go. */
struct buf *conn_out(struct conn *conn);
void conn_mark_dirty(struct conn *conn);
/* Bytes on their way that the socket has not taken. */
size_t conn_unsent(const struct conn *conn);
/* Send out; what the stream does not take now goes to conn->out. */
void conn_send(struct conn *conn, struct buf *out);
void conn_flush_dirty(struct server *server);
void conn_drain_idle(struct server *server);
/* Its client is gone before it had the stream. */
void guest_lose(struct server_guest *guest);

/* server_input.c */
void conn_read(struct conn *conn, struct span bytes);
/* Go on reading if that was stopped and there is room again. */
void conn_resume(struct conn *conn);
/* Answer what is no request, or comes in vain. */
void conn_refuse(struct conn *conn, int status, const char *slug,
                 const char *detail);

/* request.c */
struct request *request_create(struct conn *conn, struct span head,
                               uint64_t now_us);
void request_free(struct request *req);
/* The client is gone. */
void request_detach(struct request *req);

/* request_peer.c */
bool request_is_trusted(const struct request *req); /* behind our own proxy */
bool request_is_local(const struct request *req);
/* Who asks; false: a token is missing or bad. */
bool request_identify(struct request *req);
/* Its Origin, if that is one of --cors-origin; ptr NULL otherwise. */
struct span request_allowed_origin(const struct request *req);
/* Does it come from a page that is neither ours nor allowed? */
bool request_is_foreign(const struct request *req);

/* request_admit.c */
/* Route, load, scope and origin; false: it has been answered. */
bool request_admit(struct request *req);
void request_dispatch(struct request *req);
/* Its handler, at last. */
void request_run(struct request *req);
/* It is not answered yet: from now on its deadline runs. */
void request_wait(struct request *req);

/* request_limit.c */
/* A writing route's limit; true: it has been answered, or waits to be. */
bool request_limit(struct request *req);

/* request_reply.c */
const char *status_phrase(int status);
/* The deadline of a request that is with its handler. */
void request_on_late(struct wheel_timer *timer);

/* request_problem.c */
/* Refuse what is no request, or one too many, before a handler has it. */
void request_refuse(struct request *req, int status, const char *slug,
                    const char *detail);
