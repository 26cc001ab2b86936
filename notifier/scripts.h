/* scripts.h - the service's Lua scripts, compiled in from *.lua. */
#pragma once

#include "common/redis.h"

extern struct redis_script script_publish, script_history, script_references,
    script_source_leave, script_source_read;
