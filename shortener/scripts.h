/* scripts.h - the service's Lua scripts, compiled in from *.lua. */
#pragma once

#include "common/redis.h"

extern struct redis_script script_change, script_clicks, script_reuse,
    script_reuse_more, script_stats, script_unreuse;
