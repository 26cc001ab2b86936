/*
 * stream.h - bytes over TCP, a unix socket, or TLS on either.
 *
 * Hides uv handles and OpenSSL.  Reads land in one buffer that all streams of
 * a loop share; a write goes to the socket at once and only what that does
 * not take is kept, up to a bound.
 */
#pragma once

#include <uv.h>

#include "common/span.h"
#include "common/wheel.h"

struct stream;

/* What all streams of one loop share: read buffer, wheel. */
struct stream_loop;

/* SIGPIPE is ignored from then on: a peer that left is an error to return. */
struct stream_loop *stream_loop_open(uv_loop_t *loop);
/* Every stream must be closed; memory goes as the loop turns. */
void stream_loop_close(struct stream_loop *loop);
uv_loop_t *stream_loop_uv(struct stream_loop *loop);
struct wheel *stream_loop_wheel(struct stream_loop *loop);
/* Milliseconds, as of this turn of the loop; only differences mean something.
 */
uint64_t stream_loop_now(const struct stream_loop *loop);
/* How many reads, writes and timers of it have run. */
uint64_t stream_loop_callbacks(const struct stream_loop *loop);

/* A TLS context, server or client; swapped whole on reload. */
struct stream_tls;

/* PEM files; TLS 1.2 and 1.3.  NULL and a line in reason on failure. */
struct stream_tls *stream_tls_server(const char *cert, const char *key,
                                     char *reason, size_t reason_size);
/* Verifies the peer's name against ca (a PEM file) or the system's store. */
struct stream_tls *stream_tls_client(const char *ca, char *reason,
                                     size_t reason_size);
void stream_tls_ref(struct stream_tls *tls);
/* Streams that use it keep it alive. */
void stream_tls_unref(struct stream_tls *tls);

struct stream_events {
    /* bytes are borrowed until it returns.  Never after on_end. */
    void (*on_read)(void *arg, struct span bytes);
    /* Once: nothing more will be read.  0 is the peer's orderly end (a write
       may still reach it), else UV_E*: UV_EPROTO is TLS that failed (peer not
       proven, not TLS), UV_ECONNRESET also TLS cut off without its end.  The
       stream still wants its close.  Of an open stream never while reading
       is stopped, nor inside the call that starts it again. */
    void (*on_end)(void *arg, int err);
    /* No bytes are kept any more: they have gone out, or were lost with the
       connection and stream_write() says so.  May be NULL. */
    void (*on_drain)(void *arg);
    /* Connected and, where there is TLS, agreed; a plain accepted stream is
       open from the start and does not tell.  May be NULL. */
    void (*on_open)(void *arg);
};
typedef void (*stream_close_cb)(void *arg);

struct stream_options {
    const struct stream_events *events; /* static */
    void *arg;
    size_t max_kept;        /* unsent bytes that may be kept */
    struct stream_tls *tls; /* NULL: plain */
};

/*
 * Accept the connection that the callback of uv_listen() tells of; reads at
 * once.  NULL and *err when there is none.  When descriptors run out libuv
 * closes what waits, by one that it keeps for that: nothing is told, and the
 * loop does not spin.
 */
struct stream *stream_accept(struct stream_loop *loop, uv_stream_t *listener,
                             const struct stream_options *options, int *err);

/*
 * Connect to "host" and port (resolved off the loop thread), or to the unix
 * socket at path when that is not NULL.  Tries each address of the name.  Ends
 * in on_open, or in on_end (UV_EAI_*, UV_ECONNREFUSED, …) timeout_ms from now
 * at the latest, TLS included.
 */
struct stream *stream_connect(struct stream_loop *loop, const char *host,
                              uint16_t port, const char *path,
                              uint64_t timeout_ms,
                              const struct stream_options *options);

/* Who is at the other end, as text; "" on a unix socket. */
#define STREAM_ADDRESS_MAX 64
void stream_peer(const struct stream *stream, char out[STREAM_ADDRESS_MAX]);

/*
 * Send bytes; what the socket does not take is copied.  UV_ENOBUFS when bytes
 * are kept already and these would go past max_kept (nothing of them was sent
 * then): so never more is kept than max_kept or a single write.  UV_ENOTCONN
 * before on_open, after stream_end(), or when a write has failed.
 */
int stream_write(struct stream *stream, struct span bytes);
/*
 * The same for bytes in several places, at most STREAM_PARTS, as one write.
 * What was to be sent is sent as a whole or not at all, but for an error.
 */
#define STREAM_PARTS 64
int stream_write_parts(struct stream *stream, const struct span *parts,
                       size_t count);
/* Have it in the processor's caches when it is written to soon. */
void stream_fetch(const struct stream *stream);
/* As they go out: ciphertext, with TLS. */
size_t stream_kept(const struct stream *stream);
/* Bytes that the socket has taken since the stream is open, as they go out. */
uint64_t stream_sent(const struct stream *stream);

/* From now on another's: its events, what it may keep. */
void stream_hand_over(struct stream *stream, const struct stream_events *events,
                      void *arg, size_t max_kept);

/* Stop and go on reading (backpressure); what was read already still comes. */
void stream_read_stop(struct stream *stream);
void stream_read_start(struct stream *stream);

/* Nothing more is written, by whomever: UV_ENOTCONN.  What is kept is sent. */
void stream_seal(struct stream *stream);

/* Send what is kept, then an end of stream; reading goes on. */
void stream_end(struct stream *stream);

/* Drop what is kept and close, in any state; once.  No event comes any more;
   cb (or NULL) runs later, and is the last use of arg. */
void stream_close(struct stream *stream, stream_close_cb cb);
