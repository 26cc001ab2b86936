/*
 * limit_record.h - a limit as Redis keeps it: the hash that define.lua writes.
 */
#pragma once

#include <hiredis/hiredis.h>

#include "ratelimit/limit_json.h"

#define RECORD_FIELDS 10
#define RECORD_EARLIER 8 /* versions kept beside the one that counts */

struct span limit_record_key(struct arena *arena, struct span name);

/* Fields and values for define.lua: 2 * RECORD_FIELDS; texts in arena. */
void limit_record_write(struct arena *arena, const struct limit_text *limit,
                        struct span *argv);

/*
 * The reply to HGETALL: a spec with one reference, or NULL when there is no
 * limit (or none that makes sense).  description is borrowed from the reply.
 */
struct limit_spec *limit_record_read(const struct redisReply *reply,
                                     struct span name,
                                     struct span *description);
