/*
 * message.h - an update in a worker's memory, or a gap where some should be.
 *
 * What goes to subscribers is made once for each form, when the first one
 * needs it.
 */
#pragma once

#include "common/fanout.h"
#include "notifier/log_id.h"
#include "notifier/record.h"

enum message_gap { MESSAGE_GAP_NONE, MESSAGE_GAP_TRIMMED, MESSAGE_GAP_EPOCH };

struct message {
    struct fanout_message base;
    struct log_id id; /* in its topic's log; of a gap: the last that is gone */
    struct log_id reference; /* of its partition's; of logs' readers: none */
    uint32_t partition;
    uint64_t from; /* of a gap: the first offset that is gone */
    enum message_gap gap;
    uint64_t ts;          /* ms since 1970 */
    struct record record; /* of text; of a gap only the topic */
    struct buf event;     /* of an event stream, without its id */
    struct buf alone;     /* whole, of who follows nothing but its topic */
    struct buf all_line;  /* "id: …\n", of who follows patterns */
    struct buf named;     /* a position like that of alone, with its name */
    struct buf frame;     /* of a WebSocket, up to the position's value */
    size_t len;
    char text[];
};

/* One reference.  NULL: text is no record. */
struct message *message_create(struct log_id id, uint64_t ts, struct span text);
struct message *message_create_gap(struct span topic, uint64_t from,
                                   struct log_id to, enum message_gap gap);

static inline void message_unref(struct message *message)
{
    if (message)
        fanout_message_unref(&message->base);
}

static inline struct message *message_of(struct fanout_message *base)
{
    return LIST_ENTRY(base, struct message, base);
}

/* "trimmed" or "epoch". */
struct span message_reason(const struct message *message);

/* What follows the id in an event stream, the empty line too. */
void message_append_event(const struct message *message, struct buf *out);
struct span message_event(struct message *message);
/* A JSON object without what closes it: …"position": */
struct span message_frame(struct message *message);
