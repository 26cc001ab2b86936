/*
 * membership.h - coming into a room and going out of it: two partitions.
 *
 *   membership_enter() -- of another: may who asks? -- the user's index of
 * rooms, then the room --> cb membership_depart() -- the room, then the index
 * --> cb
 *
 * The index may name a room that the user is not in, where a step was cut off;
 * never the other way round.  users.c puts it right.
 */
#pragma once

#include "chat/write.h"

struct chat;

/* In the asker's arena until cb has run. */
struct membership {
    struct write write; /* what, user, room and args are the asker's */
    struct span about;  /* whose membership it is */
    struct chat *chat;
    void (*cb)(struct membership *membership, int status);
    void *arg;
    uint64_t added; /* to the index, us; 0: it was there */
};

/* 0, or why it cannot be asked: cb never runs then.  What was refused is in
   write.refusal. */
int membership_enter(struct chat *chat, struct membership *membership);
int membership_depart(struct chat *chat, struct membership *membership);
