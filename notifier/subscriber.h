/*
 * subscriber.h - one client's subscriptions: from a position, over what it
 * missed, to what comes; whatever its updates travel by.
 *
 *   subscriber_add() -- where topics stand --> on_ready() -- what was missed,
 *   from the logs --> the rings, by fanout
 *
 * Each update comes once, though several of its topics, or several selectors
 * of the subscriber, match: by the least topic that it follows, by its exact
 * subscription if there is one, else by the first pattern.
 */
#pragma once

#include "notifier/feed.h"
#include "notifier/rights.h"

#define SUBSCRIBER_SELECTORS_MAX 100 /* of one subscriber */

struct notifier;
struct resume;
struct roster_entry;
struct subscriber;

/* A message as one subscriber gets it: the pieces of a write, in this order. */
struct form {
    char *own; /* room for FANOUT_OWN_MAX bytes: head, then tail */
    size_t head_len;
    struct span shared[2]; /* live as long as the message */
    size_t tail_len;
};

struct subscriber_events {
    /* Once for each subscriber_add(), later: 0, or why it cannot be; what was
       asked for is followed not at all then.  It may end the subscriber. */
    void (*on_ready)(struct subscriber *subscriber, int status);
    /* After a good one: all that was missed is written, what comes follows.  Of
       who asks more than once; it may end the subscriber, too. */
    void (*on_live)(struct subscriber *subscriber);
    void (*form)(struct subscriber *subscriber, struct message *message,
                 struct form *form);
    /* It is too slow, and follows nothing any more. */
    void (*on_late)(struct subscriber *subscriber);
    /* Who is there has changed, as JSON; it may end the subscriber. */
    void (*on_presence)(struct subscriber *subscriber, struct span event);
    /* An event stream: asks once, and waits for Redis as long as that takes. */
    bool is_stream;
};

struct subscriber {
    struct fanout_reader reader;
    struct list follows;
    struct notifier *app;
    struct rights *rights;
    struct resume *resume; /* NULL: nothing is to be caught up with */
    char *id;              /* urn:uuid:…, NULL: nobody asked for it yet */
    struct log_id *places; /* of partitions, while they are not the feed's */
    const struct subscriber_events *events;
    unsigned topic_count, pattern_count;
};

enum since_kind {
    SINCE_NOW,
    SINCE_EARLIEST,
    SINCE_POSITION,
    SINCE_UNKNOWN, /* a position that is not ours: all there is, behind a gap */
};

struct since {
    enum since_kind kind;
    const struct position *position;
};

/* What it follows, and how far that has come. */
struct follow {
    struct fanout_follow base; /* once it is live */
    struct list node;
    struct subscriber *subscriber;
    struct topic *topic; /* one of these two */
    struct pattern *pattern;
    struct roster_entry *entry; /* NULL: nobody is told that it is there */
    struct watch *watch;        /* NULL: it hears not who else is */
    struct log_id have;         /* of a topic: the last it has had */
    union {
        uint64_t start;      /* of a pattern: where it joins */
        uint64_t lost_epoch; /* of a topic: of what is lost, ... */
    };
    uint64_t lost_from; /* ... and the first offset of it */
    uint8_t since;      /* enum since_kind */
    bool live;
    bool expected; /* have is ahead of this worker, which has looked */
    bool lost; /* have was of a log that is gone; the client is to be told */
    bool recovered; /* nothing that it missed was gone */
    bool quiet;     /* what is gone at the beginning is not worth a word */
};

static inline struct span follow_text(const struct follow *follow)
{
    return follow->topic ? topic_name(follow->topic)
                         : selector_text(follow->pattern->selector);
}

/* Takes the rights' reference over. */
void subscriber_init(struct subscriber *subscriber, struct notifier *app,
                     struct rights *rights,
                     const struct subscriber_events *events);
/* When it can be written to; NULL: not any more. */
void subscriber_set_stream(struct subscriber *subscriber,
                           struct stream *stream);
/* No event comes any more. */
void subscriber_deinit(struct subscriber *subscriber);

/*
 * Follow what is not followed yet.  Not while another is not live.  False:
 * FEED_PATTERNS_MAX; nothing has changed.  Borrows the selectors; position is
 * copied as far as it is needed.
 */
bool subscriber_add(struct subscriber *subscriber,
                    struct selector *const *selectors, size_t count,
                    const struct since *since);
void subscriber_remove(struct subscriber *subscriber, struct span selector);
struct follow *subscriber_find(const struct subscriber *subscriber,
                               struct span selector);

/* Put a follow on the roster, if it is not there. */
void follow_enter(struct follow *follow, struct span user);
/* And hear who is there, by on_presence. */
void follow_watch(struct follow *follow);

/* Its stream has drained. */
void subscriber_drained(struct subscriber *subscriber);

/* Follows nothing any more, but is there. */
void subscriber_stop(struct subscriber *subscriber);

/* Where it stands, as text; what it returns is its length. */
size_t subscriber_position(const struct subscriber *subscriber, bool named,
                           char out[POSITION_MAX]);

/* For resume.c. */

/* Is the message the follow's to bring, and may it be read? */
bool follow_wants(const struct follow *follow, const struct message *message);
/* The pattern follows do not stand where the feed does. */
struct log_id *subscriber_places(struct subscriber *subscriber);
/* From a place of the ring on. */
void follow_join(struct follow *follow, uint64_t place);
void follow_drop(struct follow *follow);

/* resume.c: bring the follows that are not live to where they are. */
void resume_start(struct subscriber *subscriber, const struct since *since);
void resume_drained(struct subscriber *subscriber);
void resume_cancel(struct subscriber *subscriber);
