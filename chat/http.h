/* http.h - what the chat's HTTP handlers share. */
#pragma once

#include "chat/chat.h"
#include "chat/membership.h"
#include "chat/room_json.h"
#include "chat/state.h"
#include "common/json.h"

/* Of who asks, in its request's arena. */
struct span http_user(struct request *req);
/* The rooms that the token covers, see reach.h. */
struct span http_reach(struct request *req);
/* False: not this one; answered. */
bool http_covers(struct request *req, struct span room);
/* False: it does not cover all, so none that is new; answered. */
bool http_may_create(struct request *req);
/* What concerns all that a user is: not by a narrowed token.  False: answered.
 */
bool http_is_whole(struct request *req);
/* Values of the path; false: it can be none, or the token does not cover it,
   and the request is answered. */
bool http_room(struct request *req, struct span *room);
bool http_name(struct request *req, struct span *name);
bool http_number(struct request *req, struct span *number);

/* The answer, kept if there is a record of the request; else record is NULL. */
struct idempotency; /* "common/idempotency.h" */
void http_finish(struct request *req, struct idempotency *record, int status,
                 struct span json);
/* The same of a problem: type as write.h's refusals. */
void http_refuse(struct request *req, struct idempotency *record,
                 struct span type);

/* A write of who asks, answered by {room, seq, ts}. */
struct write *http_write(struct request *req, const char *what);
void http_send_write(struct chat *chat, struct write *write);

/*
 * When a limit lets somebody pass (spec NULL: there is none) go runs once,
 * inside or later; else the request is answered (429 and the like).
 */
struct http_pace {
    struct limit_spec *spec;
    struct span key; /* in the request's arena */
    const char *slug, *detail;
    void (*go)(void *arg);
    void *arg;
};
void http_pace(struct request *req, struct chat *chat,
               const struct http_pace *pace);
