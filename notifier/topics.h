/*
 * topics.h - the topics that this worker knows: where their logs stand, what
 * they said lately, who follows them.
 *
 *   topics_hear() -- of the place that comes next --> the topic's ring, and so
 *                    to its readers
 *                 -- of a later one --> history.lua --> the ring
 *
 * A reader misses nothing, or there is a gap in the ring that tells it so.
 */
#pragma once

#include "common/redis.h"
#include "notifier/message.h"
#include "notifier/settings.h"

struct topics;
struct metrics;

struct topics_options {
    struct stream_loop *loop;
    struct redis *redis;
    struct fanout *fanout;
    const struct settings *settings;
    struct metrics *metrics;
};

struct topic {
    struct fanout_topic ring;
    struct list bucket;  /* of its chain */
    struct list idle;    /* of those that nobody uses, or alone */
    struct list waiting; /* for it to be live */
    struct wheel_timer retry;
    struct topics *topics;
    const struct topic_setting *setting;
    struct log_id next;   /* what comes next; epoch 0: there is no log */
    struct log_id target; /* what was heard of and is not there yet */
    struct log_id sought; /* the same as the reading began */
    bool known;           /* where its log stands */
    bool reading;
    bool fresh;    /* something was appended since the reading began */
    int refused;   /* why it could not begin */
    unsigned uses; /* topics_use(), and readings */
    uint32_t partition;
    size_t name_len;
    char name[];
};

struct topics *topics_create(const struct topics_options *options);
/* Nobody uses a topic any more. */
void topics_destroy(struct topics *topics);

/* A topic, made if it is not there; used until topic_leave(). */
struct topic *topics_use(struct topics *topics, struct span name);
void topic_leave(struct topic *topic);
const struct topic_setting *topics_setting(const struct topics *topics,
                                           struct span name);
/* NULL: it is not there. */
struct topic *topics_find(struct topics *topics, struct span name);

static inline struct span topic_name(const struct topic *topic)
{
    return (struct span){topic->name, topic->name_len};
}

/* Where its log stands; all zero: there is none, or that is not known. */
struct log_id topic_last(const struct topic *topic);

/* Its log has this entry, somebody says: read on to it. */
void topic_expect(struct topic *topic, struct log_id id);

/* Known, and nothing is missing in its ring. */
static inline bool topic_is_live(const struct topic *topic)
{
    return topic->known && !topic->reading && !wheel_is_started(&topic->retry);
}

/* In its owner's struct; cb runs once, later: 0, or why it cannot be read; it
   is tried again then. */
struct topic_wait {
    struct list node;
    void (*cb)(struct topic_wait *wait, int status);
};
/* Not for a topic that is live. */
void topic_await(struct topic *topic, struct topic_wait *wait);

/* Of its topic's log, heard in the order of its partition's references. */
void topics_hear(struct topics *topics, struct message *message);
/* The same of an update that the log does not hold any more. */
void topics_hear_lost(struct topics *topics, struct span name,
                      struct log_id id);
/* Some references of the partition were lost: logs are read again. */
void topics_distrust(struct topics *topics, uint32_t partition);
