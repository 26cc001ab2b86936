/* keys.c - see keys.h. */
#include "chat/keys.h"
#include "common/hash.h"

static struct span name(struct arena *arena, const char *type, struct span id)
{
    return key_name(arena, CHAT_PREFIX, type, id, id);
}

struct room_keys keys_of_room(struct arena *arena, struct span room)
{
    return (struct room_keys){
        .room = name(arena, "room", room),
        .members = name(arena, "members", room),
        .log = name(arena, "log", room),
        .changes = name(arena, "changes", room),
        .names = name(arena, "names", room),
        .bans = name(arena, "bans", room),
        .wake = keys_wake(arena, hash_partition(room)),
    };
}

struct span keys_once(struct arena *arena, struct span room, struct span user,
                      struct span client_id)
{
    return key_name(arena, CHAT_PREFIX, "once", room,
                    key_pair(arena, room, key_pair(arena, user, client_id)));
}

/* As write.lua names it. */
struct span keys_mentions(struct arena *arena, struct span room,
                          struct span user)
{
    return arena_printf(arena, CHAT_PREFIX ":mentions:{p%03u}:%.*s:%.*s",
                        hash_partition(room), (int)room.len, room.ptr,
                        (int)user.len, user.ptr);
}

struct span keys_public(struct arena *arena, uint32_t partition)
{
    return arena_printf(arena, CHAT_PREFIX ":public:{p%03u}", partition);
}

struct span keys_aging(struct arena *arena, uint32_t partition)
{
    return arena_printf(arena, CHAT_PREFIX ":aging:{p%03u}", partition);
}

struct span keys_all(struct arena *arena, uint32_t partition)
{
    return arena_printf(arena, CHAT_PREFIX ":all:{p%03u}", partition);
}

struct span keys_relog(struct arena *arena, struct span room)
{
    return name(arena, "relog", room);
}

struct span keys_erasures(struct arena *arena, uint32_t partition)
{
    return arena_printf(arena, CHAT_PREFIX ":erasures:{p%03u}", partition);
}

struct span keys_wake(struct arena *arena, uint32_t partition)
{
    return arena_printf(arena, CHAT_PREFIX ":wake:{p%03u}", partition);
}

struct span keys_user(struct arena *arena, struct span user)
{
    return name(arena, "user", user);
}

struct span keys_sessions(struct arena *arena, struct span user)
{
    return name(arena, "sessions", user);
}

struct span keys_rooms(struct arena *arena, struct span user)
{
    return name(arena, "rooms", user);
}

struct span keys_beside(struct arena *arena, const char *type, struct span room,
                        uint64_t number)
{
    return key_name(arena, CHAT_PREFIX, type, room,
                    arena_printf(arena, "%.*s:%llu", (int)room.len, room.ptr,
                                 (unsigned long long)number));
}

struct span keys_roster(struct arena *arena, struct span user)
{
    return key_name(arena, CHAT_PREFIX, "roster", user, user);
}
