/* client.h - a WebSocket of /v1/ws: a user's device, and the rooms it watches.
 */
#pragma once

#include "chat/chat.h"
#include "chat/sessions.h"
#include "chat/watch.h"

#define CLIENT_WRITING_MAX 64 /* writes on their way */

struct client {
    struct ops_client base;
    struct list of_user;
    struct chat *chat;
    struct user *user; /* NULL: it has not said who it is */
    struct watches watches;
    struct span reach;     /* of its token, its own: see reach.h */
    struct typing *typing; /* where; NULL: nowhere */
    uint64_t session;      /* its token's mark; 0: none yet */
    char *session_id;      /* NULL: its token is no session's */
    char *device;          /* of its session; NULL: it is not known */
    uint32_t writing;
    uint32_t told; /* presence.c's: the last mark that it was told of */
    bool asking;   /* for rooms: holds up what comes behind */
    bool away;     /* it says so */
    bool synced;   /* hears of rooms that it does not watch */
};

static inline struct client *client_of(struct ops_client *base)
{
    return LIST_ENTRY(base, struct client, base);
}

/* Does its token cover this room? */
bool client_covers(const struct client *client, struct span room);

/* For the clients of all connections. */
extern const struct ops_service client_service;

/* A user is away when all its clients here are. */
void client_tell_presence(struct user *user);
/* It types no more, in that room; ptr NULL: anywhere. */
void client_stop_typing(struct client *client, struct span room);
/* It reads too slowly, or what it asks for cannot be had now. */
void client_is_late(struct client *client);
void client_end(struct client *client, unsigned code, const char *reason);
/* {"type":"gone",…}: nothing of that room comes after it. */
void client_tell_gone(struct client *client, const struct room *room,
                      const char *reason);
/* {"type":"unread",…} */
void client_tell_unread(struct client *client, const struct seat *seat);
