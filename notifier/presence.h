/*
 * presence.h - who is there: the users of a selector's roster, and changes of
 * that for who watches.
 *
 *   presence_watch() -- roster_read() --> the count; then, at the end of each
 *   turn that changed something, who joined and who left
 *
 * A user with several subscriptions is there once.
 */
#pragma once

#include "common/json.h"
#include "common/roster.h"

#define PRESENCE_NAMES_MAX 100 /* of an answer */

struct app;
struct presence;
struct room;

struct presence *presence_create(struct app *app, struct roster *roster);
/* Nobody watches. */
void presence_destroy(struct presence *presence);

/* What the roster's events tell. */
void presence_change(struct presence *presence,
                     const struct roster_change *change);
void presence_again(struct presence *presence);

/* In its owner's struct. */
struct presence_watch {
    struct list node;
    struct room *room;
    bool told; /* how many are there */
    /* {"type":"presence",…}; it may end any watch, also this one. */
    void (*cb)(struct presence_watch *watch, struct span event);
};
void presence_watch(struct presence *presence, struct presence_watch *watch,
                    struct span selector);
void presence_unwatch(struct presence_watch *watch);

/*
 * Members count, exact and users of an answer of Redis to roster_read(), put
 * into an object that is open.  Of this worker's own it knows better: they
 * may be on their way.
 */
void presence_put(const struct roster *roster, struct span selector,
                  const struct redisReply *reply, struct json_writer *w);
