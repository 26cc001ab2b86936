/* keys.h - names of the chat's keys in Redis. */
#pragma once

#include "common/key.h"

#define CHAT_PREFIX "ch"

/*
 * Of a room: all in its partition, <prefix>:<type>:{pNNN}:<room>.  write.lua
 * names more beside them.  All in arena.
 */
struct room_keys {
    struct span room, members, log, changes, names, bans, wake;
};
struct room_keys keys_of_room(struct arena *arena, struct span room);

/* Which entry a client_id of a user's stands for. */
struct span keys_once(struct arena *arena, struct span room, struct span user,
                      struct span client_id);
/* The messages that mention a member, by number. */
struct span keys_mentions(struct arena *arena, struct span room,
                          struct span user);
/* What hangs on one message of a room, by its number. */
struct span keys_beside(struct arena *arena, const char *type, struct span room,
                        uint64_t number);
/* Of a partition: the public rooms in it. */
struct span keys_public(struct arena *arena, uint32_t partition);
/* Of a partition: rooms that keep entries for a time; write.lua names it, too.
 */
struct span keys_aging(struct arena *arena, uint32_t partition);
/* Of a partition: all rooms in it. */
struct span keys_all(struct arena *arena, uint32_t partition);
/* The log of a room, as far as it is written anew: reseal.h. */
struct span keys_relog(struct arena *arena, struct span room);
/* Of a partition: users that are deleted, of whom something may be left. */
struct span keys_erasures(struct arena *arena, uint32_t partition);
struct span keys_wake(struct arena *arena, uint32_t partition);

/* Of a user, in that one's partition. */
struct span keys_user(struct arena *arena, struct span user);
struct span keys_sessions(struct arena *arena, struct span user);
/* Where it is connected: common/roster.h. */
struct span keys_roster(struct arena *arena, struct span user);
/* The rooms of a user: all of them, perhaps with some that it is not in.
   index.lua names those that it was in beside it. */
struct span keys_rooms(struct arena *arena, struct span user);
