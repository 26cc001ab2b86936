/*
 * resp.h - the codec of Redis's protocol: commands out, replies in.
 *
 * Commands are written straight from spans (hiredis would make a copy of its
 * own for each); replies are hiredis's, bounded here in size, in the reader's
 * memory.
 */
#pragma once

#include <hiredis/hiredis.h>

#include "common/buf.h"
#include "common/span.h"

#define RESP_MAX_REPLY (64u << 20) /* bytes of one reply, not whole yet */

void resp_append(struct buf *out, const struct span *argv, size_t argc);
/* Its parts, for who changes one of them. */
void resp_append_count(struct buf *out, size_t argc);
void resp_append_arg(struct buf *out, struct span arg);

struct resp_reader;

struct resp_reader *resp_reader_create(void);
void resp_reader_destroy(struct resp_reader *reader);

/* UV_EPROTO when these are no replies; the link is of no more use then. */
int resp_reader_feed(struct resp_reader *reader, struct span bytes);

/* The next whole reply, lent until the next call; NULL: none; or UV_EPROTO. */
int resp_reader_next(struct resp_reader *reader, struct redisReply **reply);
