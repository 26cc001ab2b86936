/*
 * write.h - whatever changes a room: one call of write.lua.
 *
 *   write_send() --> cb: its number, or why not
 *
 * A write may be sent twice: one with a client_id is done once, and the others
 * are what they were.
 */
#pragma once

#include "common/arena.h"
#include "common/span.h"

struct chat;

#define WRITE_ARGS 6
#define REFUSAL_MAX 32

/* In the asker's arena, with all it points to, until cb has run. */
struct write {
    const char *what; /* write.lua's word for it */
    struct span user, room;
    struct span client_id; /* ptr NULL: none */
    struct span args[WRITE_ARGS];
    size_t arg_count;
    struct arena *arena;
    /* Once, later.  status 0: it is done, or refusal says why not. */
    void (*cb)(struct write *write, int status);
    void *arg;

    char refusal[REFUSAL_MAX]; /* a problem's type, or "" */
    uint64_t seq, ts;
    bool replayed;
    bool changed; /* false: it was so already */
    bool is_role; /* what has changed is the role of a member */
};

/* 0, or what redis_eval() refuses by: cb never runs then. */
int write_send(struct chat *chat, struct write *write);

/* What a refusal is over HTTP, and in words. */
struct refusal {
    const char *type;
    int status;
    const char *detail;
};
/* Never NULL. */
const struct refusal *refusal_of(struct span type);
