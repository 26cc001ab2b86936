/*
 * roster.h - who subscribes to what, over all nodes: a hash in Redis for each
 * selector.
 *
 *   roster_enter() -- roster_change.lua --> a wake-up --> on_change of each
 *   worker
 *
 * A selector is what others ask about (a topic, a user, a room), a subscriber
 * whatever is there by itself (a subscription, a connection), its payload what
 * others may know of it.
 *
 * An entry is renewed while its worker lives, and told again after Redis was
 * away, as is that one has left meanwhile; entries of workers that are gone are
 * swept by the others, one of which tells that they have left.  So a roster is
 * exact but for the seconds until a death is seen.
 *
 * Keys: <prefix>:roster:{pNNN}:<selector>, a field for each subscriber, in the
 * field '' a version that counts its changes and, while it has nobody, in the
 * field '-' (ROSTER_EMPTIED) since when (ms), if that is remembered;
 * <prefix>:selectors:{pNNN}, a partition's selectors that have a roster.
 * Wake-ups go to
 * <prefix>:wake:{pNNN}, to which the service listens, and begin with '@'.
 */
#pragma once

#include "common/list.h"
#include "common/redis.h"

#define ROSTER_ID_MAX 45        /* bytes of a subscriber's: urn:uuid:… */
#define ROSTER_LISTED_MAX 10000 /* subscribers of one answer */
#define ROSTER_EMPTIED "-"

struct nodes;
struct roster;

/* What is said of a subscriber, one line each: worker, user, since, payload. */
struct roster_said {
    struct span worker, user, since; /* since: ms since 1970 */
    struct span payload;             /* JSON, or "" */
};
bool roster_said_parse(struct span text, struct roster_said *said);

struct roster_change {
    struct span selector, subscriber, text;
    struct roster_said said; /* of text */
    uint64_t version;
    bool entered;
};

struct roster_events {
    /* Some worker's subscriber came or went. */
    void (*on_change)(void *arg, const struct roster_change *change);
    /* A worker died, and this one has taken its subscriber off: only one does.
     */
    void (*on_swept)(void *arg, const struct roster_change *change);
    /* Changes may have been missed. */
    void (*on_again)(void *arg);
};

struct roster_options { /* texts are borrowed */
    struct stream_loop *loop;
    struct redis *redis;
    const char *prefix;   /* of the service's keys */
    const char *worker;   /* this one, as its nodes know it */
    uint64_t remember_ms; /* of a roster that has emptied; 0: not at all */
    /* The registry of workers; NULL: this one is not in it now. */
    struct nodes *(*nodes)(void *arg);
    const struct roster_events *events;
    void *arg;
};

struct roster *roster_open(const struct roster_options *options);
/* No entry is left, and redis calls no more. */
void roster_close(struct roster *roster);
/* The link that hears of wake-ups is there, or not. */
void roster_set_live(struct roster *roster, bool live);
/* A wake-up that begins with '@'. */
void roster_hear(struct roster *roster, struct span payload);

/* One subscriber of a selector; its owner's memory. */
struct roster_entry {
    struct list node;
    struct roster *roster;
    char *selector, *said; /* NUL-terminated copies */
    size_t selector_len, said_len;
    char subscriber[ROSTER_ID_MAX];
    uint8_t subscriber_len;
};

/*
 * All are copied.  subscriber: 1 to ROSTER_ID_MAX bytes without a blank, unlike
 * any other's of the selector and ROSTER_EMPTIED; user: without a line end;
 * payload: JSON, or "".
 */
void roster_enter(struct roster *roster, struct roster_entry *entry,
                  struct span selector, struct span subscriber,
                  struct span user, struct span payload);
void roster_leave(struct roster_entry *entry);

/*
 * Ask Redis for a selector's roster, or all of a partition.  cb runs once,
 * later; reply is as of HGETALL, or of roster_all.lua.  0, or what redis_send()
 * refuses by.
 */
int roster_read(struct roster *roster, struct span selector, redis_reply_cb cb,
                void *arg);
int roster_read_all(struct roster *roster, uint32_t partition,
                    redis_reply_cb cb, void *arg);
/* Is it of this worker? */
bool roster_is_own(const struct roster *roster, const struct roster_said *said);
/* All entries of this worker's, of a selector. */
void roster_each_own(const struct roster *roster, struct span selector,
                     void (*cb)(void *arg, const struct roster_said *said),
                     void *arg);
/* Is its worker alive, or so young that it may not be known yet? */
bool roster_counts(const struct roster *roster, const struct roster_said *said);
