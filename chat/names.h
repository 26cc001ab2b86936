/* names.h - what users, rooms, client_ids and emoji may look like. */
#pragma once

#include "common/arena.h"
#include "common/span.h"

#define NAME_MAX_LEN 32 /* bytes of a user's or a room's name */
#define NAME_GUEST "guest-"
#define ROOM_ID_MAX 32
#define ROOM_ID_LEN 17 /* of those that are made here */
#define CLIENT_ID_MAX 64
#define EMOJI_MAX 32
#define TEXT_MAX 16384 /* bytes of a message */
#define TOPIC_MAX 1024
#define MENTIONS_MAX 50 /* of one message */

/* The roles, by the letter that Redis has; NULL: it is none. */
const char *role_name(char letter);
/* 0: there is no such role. */
char role_letter(struct span name);

/* [a-z0-9._-]{1,32}; not . or .., which no path can name. */
bool name_is_valid(struct span name);
/* One of our own making, or that could be. */
bool room_id_is_valid(struct span id);
/* 1 to 64 printable characters of ASCII, no blank. */
bool client_id_is_valid(struct span id);
/* 1 to 32 bytes of UTF-8, no blank, no control character. */
bool emoji_is_valid(struct span emoji);

/* A random one, 80 bits. */
void room_id_new(char out[ROOM_ID_LEN]);
/* Of the direct room of two users: always the same for the two of them; key is
   the service's secret, so that nobody can tell who talks to whom by it. */
void room_id_direct(const unsigned char key[32], struct span a, struct span b,
                    char out[ROOM_ID_LEN]);

/*
 * The names that a text mentions, "a,b", without from's own, each once; in
 * arena.  A mention is @name with no letter or digit before it.
 */
struct span names_mentioned(struct arena *arena, struct span text,
                            struct span from);
