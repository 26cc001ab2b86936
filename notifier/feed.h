/*
 * feed.h - all updates of all nodes, in the order of each partition's
 * references, and the patterns that some of them match.
 *
 *   a wake-up -- the next reference --> topics_hear(), patterns' rings
 *             -- a later one: some were lost --> references.lua --> the same
 *
 * What was lost for good is told to topics, which read their logs, and to
 * patterns by a gap.
 */
#pragma once

#include "common/hash.h"
#include "notifier/position.h"
#include "notifier/topics.h"

#define FEED_PATTERNS_MAX 1024 /* that are followed at once, of all readers */

struct feed;
struct app;

struct feed_options {
    struct app *app;
    struct fanout *fanout;
    struct topics *topics;
    /* A wake-up that is about no update, but begins with '@'. */
    void (*on_other)(void *arg, struct span payload);
    void *arg;
};

/* Listens to all partitions. */
struct feed *feed_create(const struct feed_options *options);
/* Nobody uses a pattern any more, and the app's links are closed. */
void feed_destroy(struct feed *feed);

/* The link is gone, or there again: what was published meanwhile is read. */
void feed_set_live(struct feed *feed, bool live);
/* What positions are sealed with; once, before anybody uses a pattern. */
void feed_set_key(struct feed *feed, struct position_key *key);

/* A selector that is followed, and what it matched lately. */
struct pattern {
    struct fanout_topic ring;
    struct list node;
    struct feed *feed;
    struct selector *selector;
    unsigned uses;
};

/* Made if it is not there, used until pattern_leave(); NULL: too many. */
struct pattern *feed_use(struct feed *feed, struct selector *selector);
void pattern_leave(struct pattern *pattern);

/* Where all partitions stand; all zero: there is nothing in one yet. */
const struct log_id *feed_places(const struct feed *feed);
/* Somebody says that one stands further on: read on. */
void feed_read_on(struct feed *feed, uint32_t partition);
/* Is that known of all of them? */
bool feed_is_known(const struct feed *feed);
/* And was it so just now: the link is there, and nothing is being read? */
bool feed_is_current(const struct feed *feed);
struct log_id feed_place(const struct feed *feed, uint32_t partition);

/* In its owner's struct; cb runs once, later, when the feed is current. */
struct feed_wait {
    struct list node;
    void (*cb)(struct feed_wait *wait);
};
void feed_await(struct feed *feed, struct feed_wait *wait);
