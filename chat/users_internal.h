/* users_internal.h - what the files of users.h share. */
#pragma once

#include "chat/chat.h"

struct users {
    struct chat *chat;
    const struct users_events *events;
    void *arg;
    struct hash_key hash_key;
    struct list buckets[USERS_BUCKETS];
    struct list queued; /* to be loaded */
    struct wheel_timer turn;
    unsigned loads;
    uint64_t *gauge, *loaded;
    size_t count;
};

#define ROOMS_OF_CALL 64 /* of one heads.lua */

/* Rooms of one user in one partition, to be asked for together. */
struct asking {
    struct user *user;
    size_t count;
    struct seat *seats[ROOMS_OF_CALL];
    uint64_t added[ROOMS_OF_CALL]; /* to the index, us; 0: unknown */
    bool of_load;
    bool timed; /* Redis is to say when it is */
};

/* It holds its user. */
struct asking *asking_create(struct user *user);
/* 0, or what Redis refuses by. */
int asking_send(struct asking *asking);
/* One of them has its answer; status: 0, or why it is no seat. */
void asking_settle(struct asking *asking, size_t i, int status, uint64_t now);
void asking_free(struct asking *asking);

struct seat *user_add_seat(struct user *user, struct span id);
void user_unref(struct user *user);
/* Its index names a room that it is not in, since added (us). */
void user_repair(struct user *user, struct span room, uint64_t added);
/* All that its loading waits for is there. */
void user_end_load(struct user *user);

/* Nothing is asked about it any more. */
void user_drop_seat(struct seat *seat);
/* NULL: there is none. */
struct seat *user_seat_in(const struct room *room, const struct user *user);
/* What Redis says of it, when its room's log was at seq. */
void seat_take_member(struct seat *seat, const struct member *member,
                      uint64_t seq);
/* All its rooms again, for nobody who waits. */
void user_reload(struct user *user);
