/*
 * people.h - the members of a room, by name: one call of names.lua.
 *
 *   people_ask() --> cb: people_put(), or why not
 */
#pragma once

#include "chat/write.h"
#include "common/json.h"

struct redisReply;

#define PEOPLE_MAX 1000 /* members of an answer */

/* In the asker's arena, with all it points to, until cb has run. */
struct people {
    struct span user, room;
    struct span after; /* the name to go on behind; "": the first */
    uint32_t limit;
    struct arena *arena;
    /* Once, later.  status 0: they are there until cb returns, or refusal says
       why not. */
    void (*cb)(struct people *people, int status);
    void *arg;

    char refusal[REFUSAL_MAX];
    const struct redisReply *reply;
};

/* 0, or what redis_eval() refuses by: cb never runs then. */
int people_ask(struct chat *chat, struct people *people);
/* Members items and next of an object that is open. */
void people_put(struct json_writer *w, const struct people *people);
/* The name of one of them; false: there are no more. */
bool people_name(const struct people *people, size_t index, struct span *name);
