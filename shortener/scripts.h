/* scripts.h - the service's Lua scripts, compiled in from *.lua. */
#pragma once

#include "common/redis.h"

extern struct redis_script script_clicks, script_create, script_delete,
    script_reuse, script_stats, script_unreuse, script_update;
