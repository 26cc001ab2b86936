/* reply.h - what the chat's scripts answer, taken apart. */
#pragma once

#include <hiredis/hiredis.h>

#include "chat/rooms.h"

/* Of one answer of events.lua: entries, and bytes after which it stops. */
#define REPLY_ENTRIES "128"
#define REPLY_BYTES "262144"

static inline struct span reply_text(const struct redisReply *reply)
{
    return reply && reply->type == REDIS_REPLY_STRING
               ? (struct span){reply->str, reply->len}
               : (struct span){NULL, 0};
}
/* Bytes of its texts, and of those in it, two deep. */
size_t reply_size(const struct redisReply *reply);
/* An integer, or a text that is one. */
bool reply_number(const struct redisReply *reply, uint64_t *out);

/* Why a script refused: a problem's type, else ptr NULL. */
struct span reply_refusal(const struct redisReply *reply);

/* What events.lua answers when it does not refuse; borrows. */
struct reply_events {
    struct room_head head;
    size_t count;
    struct redisReply **entries;
};
bool reply_events(const struct redisReply *reply, struct reply_events *events);

/* An entry of events.lua's; borrows. */
bool reply_entry(const struct redisReply *reply, struct entry *entry,
                 struct text *text);
