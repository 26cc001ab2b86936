/* common_scripts.h - the Lua scripts of this folder, compiled in. */
#pragma once

#include "common/redis.h"

extern struct redis_script script_idempotency_begin;
extern struct redis_script script_idempotency_keep;
extern struct redis_script script_limit_change;
extern struct redis_script script_limit_check;
extern struct redis_script script_limit_buckets;
extern struct redis_script script_limit_give;
extern struct redis_script script_limit_lease;
extern struct redis_script script_nodes_beat;
extern struct redis_script script_nodes_list;
extern struct redis_script script_roster_all;
extern struct redis_script script_roster_change;
