/*
 * state.h - what a member is in a room and no log says: one call of member.lua.
 *
 *   state_send() --> cb: the member as it is now, or why not
 */
#pragma once

#include "chat/record.h"
#include "chat/write.h"

#define STATE_ARGS 2

/* In the asker's arena, with all it points to, until cb has run. */
struct state {
    const char *what; /* member.lua's word for it */
    struct span user, room;
    struct span about; /* whose state; ptr NULL: the user's */
    struct span args[STATE_ARGS];
    size_t arg_count;
    struct arena *arena;
    /* Once, later.  status 0: it is so, or refusal says why not. */
    void (*cb)(struct state *state, int status);
    void *arg;
    bool tells; /* the asker's: read and delivered are of interest */

    char refusal[REFUSAL_MAX];
    struct member member;
    uint64_t count; /* of the room's messages */
};

/* 0, or what redis_eval() refuses by: cb never runs then. */
int state_send(struct chat *chat, struct state *state);
