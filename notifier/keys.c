/* keys.c - see keys.h. */
#include "notifier/keys.h"
#include "common/hash.h"

struct span keys_log(struct arena *arena, struct span topic)
{
    return key_name(arena, NOTIFIER_PREFIX, "log", topic, topic);
}

struct span keys_once(struct arena *arena, struct span topic, struct span id)
{
    return key_name(arena, NOTIFIER_PREFIX, "once", topic,
                    key_pair(arena, topic, id));
}

struct span keys_log_prefix(struct arena *arena, uint32_t partition)
{
    return arena_printf(arena, NOTIFIER_PREFIX ":log:{p%03u}:", partition);
}

struct span keys_references(struct arena *arena, uint32_t partition)
{
    return arena_printf(arena, NOTIFIER_PREFIX ":refs:{p%03u}", partition);
}

struct span keys_places(struct arena *arena, uint32_t partition)
{
    return arena_printf(arena, NOTIFIER_PREFIX ":places:{p%03u}", partition);
}

struct span keys_source(struct arena *arena, struct span stream)
{
    bool has_tag = stream.len && memchr(stream.ptr, '{', stream.len);

    return arena_printf(arena,
                        has_tag ? NOTIFIER_PREFIX ":source:%.*s"
                                : NOTIFIER_PREFIX ":source:{%.*s}",
                        (int)stream.len, stream.ptr);
}

struct span keys_wake(struct arena *arena, uint32_t partition)
{
    return arena_printf(arena, NOTIFIER_PREFIX ":wake:{p%03u}", partition);
}
