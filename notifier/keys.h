/* keys.h - names of the notifier's keys in Redis. */
#pragma once

#include "common/key.h"

#define NOTIFIER_PREFIX "no"

/* All in arena. */
struct span keys_log(struct arena *arena, struct span topic);
struct span keys_once(struct arena *arena, struct span topic, struct span id);
/* What stands before a topic in the key of its log. */
struct span keys_log_prefix(struct arena *arena, uint32_t partition);
struct span keys_references(struct arena *arena, uint32_t partition);
/* A partition's places in sources. */
struct span keys_places(struct arena *arena, uint32_t partition);
/* What is known of a source, in the slot of its stream. */
struct span keys_source(struct arena *arena, struct span stream);
struct span keys_wake(struct arena *arena, uint32_t partition);
