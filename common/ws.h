/*
 * ws.h - the codec of WebSocket frames (RFC 6455): bytes in, messages out.
 *
 * Both roles, no extensions.  Nobody else knows of heads, masks, fragments and
 * UTF-8 that is cut in the middle.  A connection between two messages holds
 * nothing but its struct ws; one whose message is not whole holds what came of
 * it, whatever length was announced.  No sockets, and of HTTP the two keys.
 *
 *   ws_init(), ws_feed() with all that is read, ws_deinit()
 */
#pragma once

#include "common/buf.h"

enum ws_opcode {
    WS_TEXT = 1,
    WS_BINARY = 2,
    WS_CLOSE = 8,
    WS_PING = 9,
    WS_PONG = 10,
};

/* Those of RFC 6455, 7.4.1, that are given or looked at here and by owners. */
enum ws_code {
    WS_CODE_NORMAL = 1000,
    WS_CODE_GOING_AWAY = 1001,
    WS_CODE_PROTOCOL = 1002,
    WS_CODE_UNSUPPORTED = 1003,
    WS_CODE_NONE = 1005,     /* never sent: a close frame without a code */
    WS_CODE_ABNORMAL = 1006, /* never sent: an end without a close frame */
    WS_CODE_NOT_UTF8 = 1007,
    WS_CODE_TOO_BIG = 1009,
};

/*
 * Shared by all connections of a kind, and borrowed while one of them lives.
 *
 * bytes and reason are borrowed until the callback returns, even if it calls
 * ws_deinit().  Text and reason are whole UTF-8.  Callbacks run inside
 * ws_feed(); they answer whether to go on.  After false nothing more is
 * delivered and ws is not touched again: the callback may deinitialise it and
 * free what it is in.  on_close is the last of all callbacks and may do so,
 * too.  No callback may feed a connection that has the same scratch.
 */
struct ws_options {
    bool (*on_message)(void *arg, enum ws_opcode opcode, struct span bytes);
    bool (*on_ping)(void *arg, struct span bytes);
    bool (*on_pong)(void *arg, struct span bytes);
    void (*on_close)(void *arg, unsigned code, struct span reason);
    size_t max_message; /* bytes of one, all its fragments together */
    /*
     * Frames that are whole when they are read are unmasked into it; it grows
     * to what is read at once.  A client has no need of it: NULL is fine.
     */
    struct buf *scratch;
    bool is_client; /* reads frames of a server, which are not masked */
};

struct ws_partial;

/* All of it is ws.c's. */
struct ws {
    const struct ws_options *options;
    void *arg;
    struct ws_partial *partial; /* a message or frame that is not whole */
    bool ended;                 /* no more is read */
};

_Static_assert(sizeof(struct ws) <= 64, "of many connections most are idle");

void ws_init(struct ws *ws, const struct ws_options *options, void *arg);
void ws_deinit(struct ws *ws);

/*
 * Read all of bytes.  0: go on.  UV_EOF: a close frame came, now or before,
 * or an earlier call failed; what follows is dropped.  UV_ECANCELED: a callback
 * answered false; if ws still is, later calls give UV_EOF.  Above 0: what came
 * is wrong, close with this code: WS_CODE_PROTOCOL, WS_CODE_NOT_UTF8 or
 * WS_CODE_TOO_BIG.
 */
int ws_feed(struct ws *ws, struct span bytes);

/* Has a message, or a frame, begun that is not whole?  Then it holds memory. */
static inline bool ws_is_partial(const struct ws *ws)
{
    return ws->partial != NULL;
}

#define WS_HEADER_MAX 10 /* bytes, not masked */
#define WS_CONTROL_MAX 125

/*
 * The header of a server's frame that is a whole message, or control frame, of
 * len bytes; what it returns is its length.  Control frames have at most
 * WS_CONTROL_MAX.
 */
size_t ws_put_header(char out[WS_HEADER_MAX], enum ws_opcode opcode,
                     uint64_t len);
void ws_append(struct buf *buf, enum ws_opcode opcode, struct span bytes);

/* A client's frame; key is random, and another one for each frame. */
void ws_append_masked(struct buf *buf, enum ws_opcode opcode, struct span bytes,
                      uint32_t key);

/*
 * The payload of a close frame, in room.  reason, which is UTF-8, is cut
 * between two characters where it is too long; WS_CODE_NONE gives no payload.
 */
struct span ws_close_payload(char room[WS_CONTROL_MAX], unsigned code,
                             struct span reason);
void ws_append_close(struct buf *buf, unsigned code, struct span reason);

#define WS_KEY_LEN 24
#define WS_ACCEPT_LEN 28

/* Is it base64 of 16 bytes, as Sec-WebSocket-Key must be? */
bool ws_key_is_valid(struct span key);
/* Sec-WebSocket-Accept for a valid key; no NUL follows. */
void ws_accept_key(struct span key, char out[WS_ACCEPT_LEN]);
