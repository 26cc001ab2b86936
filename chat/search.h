/*
 * search.h - messages that have some words: the seam to a search service.
 *
 *   search_ask() --> cb: search_put(), or why not
 *
 * What it asks for is the last SEARCH_MESSAGES of each room that the user is
 * in, the newest first, rooms by when the user came in; SEARCH_READINGS
 * pages of a history at most, then it says where to go on.
 */
#pragma once

#include "chat/history.h"
#include "common/buf.h"

#define SEARCH_MESSAGES 1000
#define SEARCH_READINGS 16
#define SEARCH_QUERY_MAX 256
#define SEARCH_LIMIT_MAX 100

/* In the asker's arena, with all it points to, until cb has run. */
struct search {
    struct span user, query;
    struct span reach; /* of its token, see reach.h */
    struct span room;  /* ptr NULL: all of the user's */
    struct span
        cursor; /* "ROOM:SEQ" that an answer gave; ptr NULL: the first */
    uint32_t limit;
    struct arena *arena;
    /* Once, later.  status 0: it is there until cb returns, or refusal says why
       not. */
    void (*cb)(struct search *search, int status);
    void *arg;

    char refusal[REFUSAL_MAX];
    struct chat *chat; /* search.c's, as what follows */
    struct span *rooms;
    size_t room_count, at;
    uint64_t before; /* in that room */
    uint32_t readings, seen, found;
    struct history history;
    struct buf items;
    struct json_writer w;
    struct span next;
};

/* Has it a word, and is it short enough? */
bool search_is_query(struct span query);
/* 0, or why it cannot be asked: cb never runs then. */
int search_ask(struct chat *chat, struct search *search);
/* Members items and next of an object that is open. */
void search_put(struct json_writer *w, const struct search *search);
