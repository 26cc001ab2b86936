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

/* Nothing is asked about it any more. */
void user_drop_seat(struct seat *seat);
/* NULL: there is none. */
struct seat *user_seat_in(const struct room *room, const struct user *user);
/* What Redis says of it, when its room's log was at seq. */
void seat_take_member(struct seat *seat, const struct member *member,
                      uint64_t seq);
/* All its rooms again, for nobody who waits. */
void user_reload(struct user *user);
