/* reply.h - what history.lua and references.lua answer. */
#pragma once

#include <hiredis/hiredis.h>

#include "notifier/message.h"

/* Of one answer: entries, and bytes of records after which it stops. */
#define REPLY_MAX_ENTRIES "128"
#define REPLY_MAX_BYTES "1048576"

struct reply_log {
    struct log_id last; /* all zero: there is no log */
    size_t count;
    struct redisReply **entries; /* borrowed from the reply */
};

/* False: it is no such answer. */
bool reply_log(const struct redisReply *reply, struct reply_log *log);

/* An entry of history.lua's; NULL: it is none. */
struct message *reply_message(const struct redisReply *entry);

/* An entry of references.lua's. */
struct reply_reference {
    struct log_id id; /* of the reference */
    struct span topic;
    struct log_id log_id;
    uint64_t ts;
    struct span record; /* "": the log does not hold it any more */
};
bool reply_reference(const struct redisReply *entry,
                     struct reply_reference *reference);
