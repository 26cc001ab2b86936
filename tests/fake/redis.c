/* redis.c - see redis.h. */
#include <stdio.h>

#include "tests/fake/redis.h"
#include "tests/test.h"

static void note(struct redis *redis, const char *first,
                 const struct redis_call *call)
{
    size_t at = 0;

    if (first)
        at = (size_t)snprintf(redis->wire, sizeof(redis->wire), "%s", first);
    for (size_t i = 0; i < call->argc; i++) {
        at += (size_t)snprintf(redis->wire + at, sizeof(redis->wire) - at,
                               "%s%.*s", at ? " " : "", (int)call->argv[i].len,
                               call->argv[i].ptr);
        assert_true(at < sizeof(redis->wire));
    }
}

static int take(struct redis *redis, const char *first,
                const struct redis_call *call)
{
    if (redis->refuse)
        return redis->refuse;
    assert_false(redis->waiting);
    note(redis, first, call);
    redis->call = *call;
    redis->call.argv = NULL;
    redis->waiting = true;
    redis->sent++;
    return 0;
}

int redis_send(struct redis *redis, const struct redis_call *call)
{
    return take(redis, NULL, call);
}

int redis_eval(struct redis *redis, struct redis_script *script, size_t nkeys,
               const struct redis_call *call)
{
    assert_in_range(nkeys, 0, call->argc);
    return take(redis, script->name, call);
}

void fake_redis_answer(struct redis *redis, int status,
                       const struct redisReply *reply)
{
    assert_true(redis->waiting);
    redis->waiting = false;
    redis->call.cb(redis->call.arg, status, reply);
}
