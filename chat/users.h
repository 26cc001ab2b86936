/*
 * users.h - who is connected here, and the rooms that each of them is in.
 *
 *   users_enter() -- a client of the user -- user_load() --> heads.lua of each
 *   partition --> a seat in each room; from then on the rooms' logs tell
 *
 * A seat is what one user is in one room: its role, how far it has read.  It
 * is right while its room is known, for all that changes it passes there, in
 * the log or as a word.
 */
#pragma once

#include "chat/presence.h"
#include "chat/rooms.h"

struct chat;
struct users;
struct user;

struct seat {
    struct list of_room, of_user;
    struct list told; /* of those whose counts are to be told, or alone */
    struct room *room;
    struct user *user;
    uint64_t read, delivered;
    uint64_t since; /* what passed up to this number is in it already */
    int64_t muted;
    uint32_t read_n, mentions;
    uint32_t number; /* grows with each seat of the user's */
    char role;       /* 0: nothing is known of it yet */
    bool asked;      /* of Redis; and something about it ... */
    bool touched;    /* ... passed meanwhile */
    bool awaited;    /* by the loading, beside what it asks for itself */
};

struct user {
    struct list bucket;
    struct list clients; /* see client.h */
    struct list seats;   /* by number */
    struct list waiting; /* for its rooms */
    struct list asks;    /* seat_ask's */
    struct list node;    /* of those that are to be loaded, or alone */
    struct users *users;
    struct here here; /* while it has clients */
    unsigned refs;    /* clients, and what is asked of Redis */
    uint32_t last_number, seat_count;
    uint32_t asked; /* heads.lua's that the loading waits for */
    int status;     /* of the loading */
    bool loaded, loading;
    bool again; /* words may have been missed while it was loaded */
    uint8_t name_len;
    char name[];
};

static inline struct span user_name(const struct user *user)
{
    return (struct span){user->name, user->name_len};
}

/* Messages that it has not read, its own not counted. */
static inline uint64_t seat_unread(const struct seat *seat)
{
    return seat->room->count > seat->read_n ? seat->room->count - seat->read_n
                                            : 0;
}

struct users_events {
    /* A user is in the room no more: no entry after this one is its. */
    void (*on_gone)(void *arg, struct seat *seat, const char *reason);
    /* What it has not read has changed, or its role has. */
    void (*on_counts)(void *arg, struct seat *seat);
};

struct users *users_create(struct chat *chat, const struct users_events *events,
                           void *arg);
void users_destroy(struct users *users);

#define USERS_BUCKETS 16384
/* Those of one bucket of so many; cb may not make or end any. */
void users_visit(struct users *users, unsigned bucket,
                 void (*cb)(void *arg, struct user *user), void *arg);

/* Made if it is not there; it stays while it has clients. */
struct user *users_enter(struct users *users, struct span name,
                         struct list *client);
void user_leave(struct user *user, struct list *client);
struct user *users_find(struct users *users, struct span name);

/* In its owner's struct; cb runs once, later: 0, or why not. */
struct user_wait {
    struct list node;
    void (*cb)(struct user_wait *wait, int status);
};
/* All its rooms. */
void user_load(struct user *user, struct user_wait *wait);

/* NULL: it is not in it, as far as is known here. */
struct seat *user_seat(const struct user *user, struct span room);

/*
 * Ask what the user is in a room; not where there is a seat with a role.  0:
 * cb runs once, later: 0 and the seat, UV_ENOENT: there is no such room, or
 * none for this user; UV_EACCES: it is in it not; or why Redis does not say.
 * What is negative at once is why it cannot be asked; cb never runs then.
 */
struct seat_ask {
    struct list node;
    void (*cb)(struct seat_ask *ask, int status, struct seat *seat);
    struct seat *seat; /* users.c's */
};
int user_ask_seat(struct user *user, struct span room, struct seat_ask *ask);
/* Its cb does not run any more. */
void user_forget(struct seat_ask *ask);

/* For chat.c, what rooms.h tells of. */
void users_on_entry(struct users *users, struct room *room,
                    const struct entry *entry);
void users_on_lost(struct room *room);
void users_on_joined(struct users *users, struct span room, struct span user);
/* "ROOM USER MEMBER": what a member is now.  NULL: nobody's here. */
struct seat *users_on_state(struct users *users, struct span text);
/* Words may have been missed: all is asked for again. */
void users_reload(struct users *users);
