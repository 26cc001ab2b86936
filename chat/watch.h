/*
 * watch.h - the rooms that one client watches: from where it has been, over
 * what it missed, to what comes.
 *
 *   watch_add() -- behind: chunks of the log, one after the other --> the ring
 *               -- not: the ring
 *
 * One watch of a client catches up at a time, and no faster than the client
 * reads.
 */
#pragma once

#include "chat/users.h"
#include "common/chunks.h"
#include "common/fanout.h"

struct client;
struct catchup;

struct watch {
    struct fanout_follow base; /* once it is live */
    struct fanout_follow signals;
    struct list of_client;
    struct list behind;   /* of those that catch up, or alone */
    struct list newcomer; /* presence.c's */
    struct client *client;
    struct room *room;
    uint64_t have; /* the last number it has had; until it is live */
    bool live, roster;
};

/* Of a client's. */
struct watches {
    struct list all;
    struct fanout_reader reader;
    struct catchup *catchup; /* NULL: nothing is to be caught up with */
    uint32_t count;
};

void watches_init(struct watches *watches);
/* When it can be written to; NULL: not any more. */
void watches_set_stream(struct watches *watches, struct stream *stream);
/* Watches nothing any more. */
void watches_stop(struct watches *watches);
/* Its stream has drained. */
void watches_drained(struct watches *watches);

struct watch *watches_find(const struct watches *watches,
                           const struct room *room);
/* The room is known, and after is one to go on from. */
void watch_add(struct client *client, struct room *room, uint64_t after,
               bool roster);
void watch_remove(struct watch *watch);
/* All that has passed in the room is written now, then it is removed. */
void watch_finish(struct watch *watch);
