/* scripts.h - the service's Lua scripts, compiled in from *.lua. */
#pragma once

#include "common/redis.h"

extern struct redis_script script_append, script_get, script_names, script_trim;
