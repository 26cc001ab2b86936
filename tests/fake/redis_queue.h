/*
 * redis_queue.h - a Redis that takes many calls and answers each when told;
 * instead of redis.h, which takes one at a time.
 */
#pragma once

#include "common/redis.h"

#define FAKE_CALLS_MAX 1024

struct fake_call {
    char wire[512]; /* the script or command, and its words, a blank between */
    struct redis_call call; /* its argv is not kept */
    bool is_waiting;
};

struct redis {
    int refuse; /* what the next calls return; 0: they are taken */
    size_t refused, sent;
    size_t waiting;
    struct fake_call calls[FAKE_CALLS_MAX];
};

/* The oldest that waits; there must be one. */
struct fake_call *fake_redis_oldest(struct redis *redis);
/* Its answer; reply is freed, and may be NULL. */
void fake_redis_answer(struct redis *redis, int status,
                       struct redisReply *reply);

/* Replies made by hand, for fake_redis_answer(). */
struct redisReply *fake_array(size_t count, ...);
struct redisReply *fake_empty(void); /* an array of nothing */
void fake_append(struct redisReply *array, struct redisReply *element);
struct redisReply *fake_text(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
struct redisReply *fake_number(long long number);
