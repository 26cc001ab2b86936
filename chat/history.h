/*
 * history.h - messages of a room as they are now.
 *
 *   history_ask() --> cb: history_put(), or why not
 */
#pragma once

#include "chat/bodies.h"
#include "chat/record.h"
#include "chat/write.h"
#include "common/json.h"

#define HISTORY_MAX 200      /* messages of an answer */
#define HISTORY_BYTES 196608 /* of them, about */
#define HISTORY_HOW "one of before, after, around; of a thread not around"

/* In the asker's arena, with all it points to, until cb has run. */
struct history {
    struct span user, room;
    const char *how; /* before, after, around */
    uint64_t number; /* of that */
    uint64_t thread; /* the message that began it; 0: all of the room */
    uint32_t limit;
    struct arena *arena;
    /* Once, later.  status 0: it is there until cb returns, or refusal says why
       not: a problem's type. */
    void (*cb)(struct history *history, int status);
    void *arg;

    char refusal[REFUSAL_MAX];
    struct room_head head;
    struct bodies *bodies;
    const struct history_found *found;
    size_t count;
    uint64_t next; /* where to go on; 0: there are no more that way */
};

/* how NULL: the newest of the room, or a thread (0: none) from its beginning.
   False: a thread is not read around a number. */
bool history_aim(struct history *history, const char *how, uint64_t number,
                 uint64_t thread);

/* 0, or why Redis cannot be asked: cb never runs then. */
int history_ask(struct chat *chat, struct history *history);
/* What the user wrote there, be it in it or not: messages, edits and reactions
   that stand, behind number; how is not read. */
int history_ask_own(struct chat *chat, struct history *history);
/* What Redis has of a message: write.lua says how it is spelled. */
struct history_found {
    struct span id, head, said, change;
    struct span *reactions; /* "EMOJI USER" */
    size_t reaction_count;
    bool deleted;
};
/* One of its messages, as it is now. */
struct history_item {
    struct entry entry;
    uint64_t edited;  /* by which edit; 0: none */
    struct text text; /* until the next one is taken; empty: it was deleted */
};
/* False: it is none. */
bool history_item(const struct history *history, size_t index,
                  struct history_item *item);
/* Members items, seq, oldest_seq and next of an object that is open. */
void history_put(struct json_writer *w, const struct history *history);
