/*
 * sessions.h - sessions of users: tokens that can be ended before their time.
 *
 *   session_guard() -- a token that is known to hold --> handler
 *                   -- else Redis --> handler, or 401
 *
 * A token that others signed holds as long as its user is not deleted.
 *
 * What was found good is good until a word says that it was ended, while the
 * link that would bring it is there; then it is asked for again.
 */
#pragma once

#include "common/redis.h"
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
/* A word, "SESSION USER": it was ended; "* USER": the user was deleted. */
void sessions_on_end(struct sessions *sessions, struct span word);
/* This worker deleted the user of that token, and knows before the word. */
void sessions_on_deleted(struct sessions *sessions,
                         const struct auth_identity *identity);

/* A new one's, with a NUL; false: there is no randomness. */
bool session_new_id(char out[SESSION_ID_MAX]);
/* How often a name's password may be tried. */
struct limit_spec;
struct limit_spec *sessions_tries(const struct sessions *sessions);

/* Goes on to the handler, now or later, if the session holds. */
void session_guard(struct request *req, struct chat *chat,
                   route_handler handler);
/* The same for what ends a token: what is known may just have been ended
   elsewhere, so Redis is asked. */
void session_guard_anew(struct request *req, struct chat *chat,
                        route_handler handler);

/* Is its token known to hold? */
bool session_is_known(const struct sessions *sessions,
                      const struct auth_identity *identity);
/* It is a client's from now on. */
void session_enter(struct client *client, const struct auth_identity *identity);
/* It is gone. */
void session_leave(struct client *client);
/* "": none, or not known. */
struct span session_device(const struct client *client);
/* When the device that a client's session is of is known, go runs once, inside
   or later, or the op is answered.  Its client is there then. */
void session_when_device(struct op *op, void (*go)(struct op *op));
/* Ask for the one of a client's first message. */
void session_ask_client(struct client *client,
                        const struct auth_identity *identity);
/*
 * session_check.c: when the link that brings words was away, some may have been
 * missed; so the tokens of all clients are looked at again, a few at a time.
 */
struct session_check;
struct session_check *session_check_create(struct chat *chat);
void session_check_destroy(struct session_check *check);
void session_check_all(struct session_check *check);

/* For it: ask whether a token of that jti holds; what session_found() says is
   1: it does, 0: it does not, less: Redis does not say. */
int session_look(struct chat *chat, struct span user, struct span jti,
                 redis_reply_cb cb, void *arg);
int session_found(int status, const struct redisReply *reply);
/* Those of a user's with that mark; 0: all. */
void session_end_clients(struct chat *chat, struct span name, uint64_t mark);

/* Of a token: of its session, or, where it has none, of its user; never 0. */
uint64_t session_mark(const struct sessions *sessions,
                      const struct auth_identity *identity);
