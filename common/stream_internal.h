/* stream_internal.h - what the files of the stream room share. */
#pragma once

#include "common/buf.h"
#include "common/stream.h"

#define STREAM_READ_MAX 65536
#define STREAM_PLAIN_MAX 16384                 /* the largest TLS record */
#define STREAM_CIPHER_MAX ((size_t)256 * 1024) /* gathered for one write */
#define STREAM_HANDSHAKE_MS 10000

struct stream_connect; /* while connecting; stream_connect.c */
struct stream_out;     /* while bytes are kept; stream.c */
struct stream_session; /* TLS of one stream; stream_tls.c */

struct stream_loop {
    uv_loop_t *uv;
    struct wheel *wheel;
    size_t streams;
    uint64_t callbacks;
    struct buf cipher; /* what OpenSSL wants sent, within one call */
    char read[STREAM_READ_MAX];
    char plain[STREAM_PLAIN_MAX];
};

struct stream {
    union {
        uv_handle_t handle;
        uv_stream_t uv;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    };
    struct stream_loop *loop;
    const struct stream_events *events;
    void *arg;
    struct stream_out *out;
    struct stream_session *session;
    struct stream_connect *connect;
    stream_close_cb close_cb;
    size_t max_kept;
    uint64_t given; /* bytes, to libuv */
    bool open;      /* bytes may be written */
    bool ended;     /* on_end has run */
    bool ending;    /* stream_end() was called */
    bool sealed;    /* stream_seal() was called */
    bool shut;      /* and uv_shutdown() too */
    bool broken;    /* a write failed */
    bool closing;   /* stream_close() was called */
    bool paused;    /* stream_read_stop() was called */
};

/* A stream without a peer yet; its handle is initialised. */
struct stream *stream_new(struct stream_loop *loop,
                          const struct stream_options *options, bool pipe);

/* Bytes may flow: agree on TLS within timeout_ms, else the stream is open. */
void stream_start(struct stream *stream, uint64_t timeout_ms);
/* Both sides have agreed; on_open is told. */
void stream_tell_open(struct stream *stream);

/* To the socket, past TLS. */
int stream_write_raw(struct stream *stream, struct span bytes);

/* Nothing more will be read; tells once. */
void stream_tell_end(struct stream *stream, int err);

/* The handle is gone: free, and tell who closed. */
void stream_free(struct stream *stream);

/* stream_connect.c */
void stream_connect_cancel(struct stream *stream);

/* stream_tls.c */
int stream_session_create(struct stream *stream, struct stream_tls *tls);
/* A client's peer must prove to be host.  0, or UV_EINVAL. */
int stream_session_expect(struct stream *stream, const char *host);
void stream_session_destroy(struct stream *stream);
/* Begin the handshake; a server waits for bytes. */
void stream_session_start(struct stream *stream, uint64_t timeout_ms);
void stream_session_read(struct stream *stream, struct span cipher);
/* Reading goes on; false: its end has come, and will be told. */
bool stream_session_go_on(struct stream *stream);
void stream_session_eof(struct stream *stream, int err);
int stream_session_write(struct stream *stream, struct span plain);
void stream_session_end(struct stream *stream);
