/*
 * sessions.h - sessions of users: tokens that can be ended before their time.
 *
 *   session_guard() -- no session's token, or one that is known --> handler
 *                   -- else Redis --> handler, or 401
 *
 * What was found good is good until a word says that it was ended, while the
 * link that would bring it is there; then it is asked for again.
 */
#pragma once

#include "common/request.h"
#include "common/route.h"

struct chat;
struct client;
struct op;
struct auth_identity;
struct sessions;

#define SESSIONS_MAX 100 /* of a user: the oldest one goes */
#define DEVICE_MAX 64
#define SESSION_ID_MAX 32

struct sessions *sessions_create(struct chat *chat);
void sessions_destroy(struct sessions *sessions);
/* The link that brings words is there, or is not: nothing is known any more. */
void sessions_set_live(struct sessions *sessions, bool live);
/* A word, "SESSION USER": it was ended. */
void sessions_on_end(struct sessions *sessions, struct span word);

/* Goes on to the handler, now or later, if the session holds. */
void session_guard(struct request *req, struct chat *chat,
                   route_handler handler);

/* Is it known to be good, or no session's token? */
bool session_is_known(const struct sessions *sessions,
                      const struct auth_identity *identity);
/* It is a client's from now on. */
void session_enter(struct client *client, const struct auth_identity *identity);
/* When the device that a client's session is of is known, go runs once, inside
   or later, or the op is answered.  Its client is there then. */
void session_when_device(struct op *op, void (*go)(struct op *op));
/* Ask for the one of a client's first message. */
void session_ask_client(struct client *client,
                        const struct auth_identity *identity);
/* Of a token; 0: it is no session's. */
uint64_t session_mark(const struct sessions *sessions, struct span jti);
