/* scripts.h - the service's Lua scripts, compiled in from *.lua. */
#pragma once

#include "common/redis.h"

extern struct redis_script script_age, script_create, script_erasure,
    script_events, script_heads, script_heir, script_index, script_member,
    script_names, script_register, script_reseal_read, script_reseal_rooms,
    script_reseal_write, script_room, script_session, script_user, script_write,
    script_wrote;
