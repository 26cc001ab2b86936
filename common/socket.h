/*
 * socket.h - a WebSocket (RFC 6455), the server's side, from its handshake to
 * its close.
 *
 *   handler: socket_accept() -> on_open -> on_message … -> on_close
 *
 * Hides the handshake, frames, pings and the way to close.  A socket between
 * two messages costs its struct and its stream, and nothing else; the buffers
 * are those of its kind.
 *
 * What a peer may do to it has an end: a message has max_message bytes and two
 * ping intervals to become whole, a pong pong_ms, a close frame close_ms.  Of
 * a peer that does not read no more than max_kept is kept, and the pongs of
 * one read; while half of it is kept nothing is read, and when nothing of it
 * has gone out between two pings it is late, too.
 */
#pragma once

#include "common/server.h"
#include "common/ws.h"

struct socket;

/* None of them runs inside a call about the socket that it is about. */
struct socket_events {
    void (*on_open)(struct socket *socket); /* may send from now on */
    /* bytes are borrowed until it returns; text is UTF-8.  It may send, and
       what it sends to this socket leaves in one write when what was read at
       once has been handled.  It may close. */
    void (*on_message)(struct socket *socket, enum ws_opcode opcode,
                       struct span bytes);
    /* Nothing is kept unsent any more.  May be NULL. */
    void (*on_drain)(struct socket *socket);
    /* The server drains: be closed within_ms from now.  NULL: 1001 at once. */
    void (*on_leave)(struct socket *socket, uint64_t within_ms);
    /*
     * Once, the last of all, and after every socket_accept() that was true:
     * the socket's memory may go.  code is what the first close frame said,
     * theirs or ours; WS_CODE_ABNORMAL when there was none.
     */
    void (*on_close)(struct socket *socket, unsigned code);
};

struct socket_options {
    const struct socket_events *events; /* static */
    /* Static: must be offered, and is echoed.  NULL: none need be, the first
       one that is offered is echoed. */
    const char *subprotocol;
    size_t max_message; /* bytes; more: close 1009 */
    size_t max_kept;    /* unsent bytes that socket_send() leaves behind */
    uint32_t ping_ms;   /* from one pong to the next ping */
    uint32_t pong_ms;   /* later: close SOCKET_CODE_LATE */
    uint32_t close_ms;  /* from a close frame to the end, whoever waits */
    bool text_only;     /* binary: close 1003 */
};

#define SOCKET_CODE_LATE 4408

/* What the sockets of one loop and one use share.  All of it is socket.c's. */
struct socket_kind {
    struct socket_options options;
    struct ws_options ws;
    struct stream_loop *loop;
    struct buf scratch;    /* what is unmasked */
    struct buf out;        /* what leaves when a read has been handled */
    struct socket *corked; /* whose read that is */
};

void socket_kind_init(struct socket_kind *kind, struct stream_loop *loop,
                      const struct socket_options *options);
/* No socket of it is left. */
void socket_kind_deinit(struct socket_kind *kind);

/* Inside its owner's struct; all of it is socket.c's. */
struct socket {
    struct server_guest guest;
    struct ws ws;
    struct wheel_timer timer;
    struct socket_kind *kind;
    struct stream *stream; /* NULL until it is open */
    uint32_t sent;         /* bytes until the last ping, modulo 2^32 */
    uint16_t code;         /* of the first close frame, 0: none */
    uint8_t state;
    bool pinged;     /* a pong is due */
    bool stale;      /* the message being read was so at the last ping */
    bool paused;     /* reading stopped: too much is kept */
    bool peer_ended; /* nothing more will be read */
};

_Static_assert(sizeof(struct socket) <= 160, "of many most are idle");

/*
 * Answer a request for an upgrade.  False: it was refused (400, and 426 for
 * another version), or its client is gone: the request is over, the socket is
 * told nothing and holds nothing.
 */
bool socket_accept(struct request *req, struct socket *socket,
                   struct socket_kind *kind);

/*
 * A message, WS_TEXT (UTF-8) or WS_BINARY: as a whole or not at all.
 * UV_ENOBUFS: bytes are kept and it would go past max_kept; the peer is slow.
 * UV_ENOTCONN: not open yet, or closing.
 */
int socket_send(struct socket *socket, enum ws_opcode opcode,
                struct span bytes);

/*
 * For whole frames that are written beside socket_send(), but not inside
 * on_message of the same socket.  Once a close frame was sent the stream is
 * sealed.  From on_open on, until on_close.
 */
struct stream *socket_stream(struct socket *socket);

/*
 * Begin to close: what was sent goes out, then the close frame (code
 * WS_CODE_NONE: an empty one); reason is UTF-8, and cut where it is too long.
 * No message comes any more.  Nothing happens where it is closing already.
 */
void socket_close(struct socket *socket, unsigned code, struct span reason);
