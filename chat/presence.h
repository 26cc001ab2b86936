/*
 * presence.h - who is there: told to those alone who asked for a room's roster.
 *
 *   a user's first client here -- presence_enter() --> its roster, over all
 * nodes a watch with a roster -- presence_look() --> the room's members, each
 * one's roster --> told, and whenever one changes: once a turn
 *
 * Nothing is told on connecting but a word between workers; where nobody looks,
 * no frame is sent.  Of a room the first PRESENCE_MEMBERS_MAX members by name
 * are looked at.
 */
#pragma once

#include "chat/rooms.h"
#include "common/roster.h"

struct chat;
struct presence;
struct watch;

#define PRESENCE_MEMBERS_MAX 1000

struct presence *presence_create(struct chat *chat);
/* Nobody is here and nobody looks. */
void presence_destroy(struct presence *presence);
void presence_set_live(struct presence *presence, bool live);
/* A word of the rosters, with its @. */
void presence_hear(struct presence *presence, struct span word);

/* A user that is connected to this worker. */
struct here {
    struct roster_entry entry;
    struct presence *presence;
    bool away;
};
/* user: its name. */
void presence_enter(struct presence *presence, struct here *here,
                    struct span user);
void presence_change(struct here *here, struct span user, bool is_away);
void presence_leave(struct here *here);

/* Its client is told who is there of the room, from the next turn on. */
void presence_look(struct presence *presence, struct watch *watch);
void presence_unlook(struct presence *presence, struct watch *watch);
/* Somebody came into the room, or went out of it. */
void presence_member(struct presence *presence, struct room *room,
                     const struct entry *entry);
