/* stream_kit.h - a loop, a listener, and both ends of a connection. */
#pragma once

#include "common/buf.h"
#include "common/stream.h"
#include "tests/test.h"

enum peer_event { PEER_OPEN = 1, PEER_READ, PEER_END, PEER_DRAIN };

/* One end; counts what it is told. */
struct peer {
    struct stream *stream;
    struct buf got;
    int opens, reads, ends, drains, closes;
    int err; /* of on_end */
    bool closing;
    bool echo;                /* writes what it reads */
    bool stop;                /* stops reading inside on_read */
    enum peer_event close_at; /* closes inside this callback */
};

struct kit {
    uv_loop_t uv;
    uv_timer_t tick; /* no turn waits longer */
    struct stream_loop *loop;
    union {
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } listener;
    uint16_t port;
    char dir[32], path[256]; /* of a unix socket; "" with TCP */
    struct peer client, server;
    struct stream_tls *accept; /* the server's; NULL: plain */
    struct stream_tls *connect;
    const char *host;
    uint64_t timeout_ms;
    size_t max_kept;
    int accepted;
};

/* For cmocka: *state is the kit. */
int kit_setup(void **state);
int kit_setup_unix(void **state);
int kit_teardown(void **state); /* closes what is open; the loop must close */

/* Of a listener that is the kit's own. */
void kit_on_connection(uv_stream_t *listener, int status);

/* The port refuses; the listener may be bound anew. */
void kit_stop_listening(struct kit *kit);

/* And on each address of this host, at the same port. */
void kit_listen_everywhere(struct kit *kit);

/* The client begins to connect; no callback may run inside. */
void kit_connect(struct kit *kit);
/* Until both ends are open. */
void kit_open(struct kit *kit);
void kit_close(struct peer *peer);
/* It reads on; no callback may run inside. */
void kit_read_start(struct peer *peer);
/* Both ends closed and as new, for another round. */
void kit_reset(struct kit *kit);

/*
 * Turn the loop until the condition holds; a wait without end fails.
 * UV_RUN_ONCE polls even when a timer has just run, hence the kit's tick.
 */
#define UNTIL(kit, condition)                  \
    do {                                       \
        for (int n_ = 0; !(condition); n_++) { \
            assert_true(n_ < 20000);           \
            uv_run(&(kit)->uv, UV_RUN_ONCE);   \
        }                                      \
    } while (0)

/* The server sends bytes in parts, a few and past what the socket takes. */
void kit_send_parts(struct kit *kit, struct span bytes);

static inline struct span peer_got(const struct peer *peer)
{
    return buf_span(&peer->got);
}
