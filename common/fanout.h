/*
 * fanout.h - topics, who follows them, and messages on their way to each.
 *
 *   fanout_publish() -- the topic's ring -- the turn ends --> its readers, in
 *   slices: one write for each, of all that it has not had
 *
 * A message is in memory once, however many follow.  What a reader has had is
 * its place in each topic's ring, so there is no queue for each of them: one
 * that does not read lags behind, and when the ring has no room any more for
 * what it has not had, it is overtaken.
 */
#pragma once

#include "common/list.h"
#include "common/stream.h"

#define FANOUT_SLICE 32     /* readers that are served in a turn, at least */
#define FANOUT_OWN 16384    /* bytes of a write that are its reader's own */
#define FANOUT_OWN_MAX 8192 /* of them of one message */
#define FANOUT_PARTS_MAX 4  /* pieces of one message */

struct fanout; /* of one loop */

/* Inside the service's struct for a message. */
struct fanout_message {
    uint64_t number; /* in the order of publishing, over all topics */
    size_t size;     /* bytes that it counts for in rings; set by its maker,
                        and fixed once it is in one */
    unsigned refs;
    void (*free)(struct fanout_message *message);
};

/* Inside the service's struct for a topic. */
struct fanout_topic {
    struct fanout *fanout;
    struct list due;    /* follows to be served; their topic is due then */
    struct list served; /* the others */
    struct list node;   /* of the topics that are due, or alone */
    struct fanout_message **ring; /* capacity: a power of two */
    size_t capacity, bytes;
    uint64_t first, next; /* places: the oldest one's, the next one's */
    size_t max_count, max_bytes;
    bool newest; /* one that was overtaken goes on at the newest message */
};

/* Inside the service's struct for a subscriber. */
struct fanout_reader {
    struct list follows;
    struct stream *stream; /* borrowed; NULL: nothing can be written */
    const struct fanout_reader_events *events;
};

/* One reader's place in one topic; the service may keep more behind it. */
struct fanout_follow {
    struct list node; /* of the topic's due or served */
    struct list mine; /* of the reader's */
    struct fanout_topic *topic;
    struct fanout_reader *reader;
    uint64_t place;
};

/* What one write is made of. */
struct fanout_write;

struct fanout_reader_events {
    /*
     * Put the message into the write, in at most FANOUT_PARTS_MAX pieces, or
     * nothing if it is not for this reader.  It may not follow or unfollow.
     */
    void (*put)(struct fanout_follow *follow, struct fanout_message *message,
                struct fanout_write *write);
    /*
     * It was overtaken: messages from follow->place on are not in the ring any
     * more.  True: it goes on at the oldest there is.  False: the reader is
     * gone, and follows nothing.  Never for a topic that keeps the newest.
     */
    bool (*on_overtaken)(struct fanout_follow *follow);
};

/* max_bytes: of all rings together; past it, a ring that is published to keeps
   the newest alone. */
struct fanout *fanout_open(struct stream_loop *loop, size_t max_bytes);
/* No topic is due; memory goes as the loop turns. */
void fanout_close(struct fanout *fanout);

/* At most so many messages and bytes of them stay; at least one does. */
void fanout_topic_init(struct fanout *fanout, struct fanout_topic *topic,
                       size_t max_count, size_t max_bytes, bool newest);
/* What is in the ring goes, and the next message has this place.  Nobody
   follows it. */
void fanout_topic_begin(struct fanout_topic *topic, uint64_t place);
/* Nobody follows it. */
void fanout_topic_deinit(struct fanout_topic *topic);
bool fanout_is_followed(const struct fanout_topic *topic);

/* The ring takes a reference. */
void fanout_publish(struct fanout_topic *topic, struct fanout_message *message);
/* The one at a place that is in the ring goes; who has not had it gets this
   one. The ring takes a reference. */
void fanout_replace(struct fanout_topic *topic, uint64_t place,
                    struct fanout_message *message);
/* What stands at a place that is in the ring. */
struct fanout_message *fanout_at(const struct fanout_topic *topic,
                                 uint64_t place);

static inline void fanout_message_ref(struct fanout_message *message)
{
    message->refs++;
}

static inline void fanout_message_unref(struct fanout_message *message)
{
    if (--message->refs == 0)
        message->free(message);
}

void fanout_reader_init(struct fanout_reader *reader, struct stream *stream,
                        const struct fanout_reader_events *events);
/* From place on, which is topic->next for what comes, or is in the ring. */
void fanout_follow(struct fanout_follow *follow, struct fanout_reader *reader,
                   struct fanout_topic *topic, uint64_t place);
void fanout_unfollow(struct fanout_follow *follow);
/* Its stream has drained: what it has not had is written when the turn ends. */
void fanout_reader_drained(struct fanout_reader *reader);

/* In put(): bytes that live as long as the message. */
void fanout_put(struct fanout_write *write, struct span bytes);
/* Room for at most FANOUT_OWN_MAX bytes of its own, and how many they are. */
char *fanout_own(struct fanout_write *write);
void fanout_put_own(struct fanout_write *write, size_t len);
