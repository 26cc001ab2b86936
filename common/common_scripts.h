/* common_scripts.h - the Lua scripts of this folder, compiled in. */
#pragma once

#include "common/redis.h"

extern struct redis_script script_idempotency_begin;
extern struct redis_script script_idempotency_keep;
extern struct redis_script script_nodes_beat;
extern struct redis_script script_nodes_list;
