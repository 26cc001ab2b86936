/* redis.h - a Redis that notes what it is sent and answers when told. */
#pragma once

#include "common/redis.h"

struct redis {
    int refuse;             /* what the next sends return; 0: they are taken */
    int sent;               /* how many were taken */
    char wire[512];         /* the last of them: its words, a blank between */
    struct redis_call call; /* its argv is not kept */
    bool waiting;           /* for its answer */
};

/* The answer to the last call. */
void fake_redis_answer(struct redis *redis, int status,
                       const struct redisReply *reply);
