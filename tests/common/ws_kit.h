/*
 * ws_kit.h - streams of WebSocket frames, and what is read from them, as text.
 *
 * What is read is a log: "text 5 hello;", "binary", "ping" and "pong" likewise,
 * "close 1000 3 bye;" (1005: without a code), and "fail 1002;" where the reader
 * gives up.  No cmocka: fuzzers use it, too.
 */
#pragma once

#include "common/ws.h"

/* SPAN() for static tables. */
#define BYTES(literal)                 \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }

struct ws_kit {
    bool is_client; /* the reader */
    size_t max_message;
    size_t first, step; /* bytes of the first piece, of all others */
};

/*
 * Read bytes, each piece on the heap in its exact size, and append to log.
 * True: a message or frame is not whole at the end.  Ends the process where
 * memory is held without need.
 */
bool ws_kit_read(const struct ws_kit *kit, struct span bytes, struct buf *log);

void ws_kit_log(struct buf *log, unsigned opcode, struct span bytes);
void ws_kit_log_close(struct buf *log, unsigned code, struct span reason);
void ws_kit_log_fail(struct buf *log, unsigned code);

/*
 * A server's frames, right or wrong ones, as a client would send them: those
 * that have a mask they should not have lose it.
 */
void ws_kit_mask(struct buf *out, struct span frames, uint32_t key);
