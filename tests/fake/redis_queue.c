/* redis_queue.c - see redis_queue.h. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fake/redis_queue.h"
#include "tests/test.h"

static void note(struct fake_call *to, struct span first,
                 const struct redis_call *call, size_t from)
{
    size_t at = (size_t)snprintf(to->wire, sizeof(to->wire), "%.*s",
                                 (int)first.len, first.ptr);

    for (size_t i = from; i < call->argc; i++) {
        at += (size_t)snprintf(to->wire + at, sizeof(to->wire) - at, " %.*s",
                               (int)call->argv[i].len, call->argv[i].ptr);
        assert_in_range(at, 0, sizeof(to->wire) - 1);
    }
}

/* The words behind first begin at an index of argv. */
static int take(struct redis *redis, struct span first,
                const struct redis_call *call, size_t from)
{
    if (redis->refuse) {
        redis->refused++;
        return redis->refuse;
    }
    assert_in_range(redis->sent, 0, FAKE_CALLS_MAX - 1);
    struct fake_call *to = &redis->calls[redis->sent++];
    note(to, first, call, from);
    to->call = *call;
    to->call.argv = NULL;
    to->is_waiting = true;
    redis->waiting++;
    return 0;
}

int redis_send(struct redis *redis, const struct redis_call *call)
{
    return take(redis, call->argv[0], call, 1);
}

int redis_eval(struct redis *redis, struct redis_script *script, size_t nkeys,
               const struct redis_call *call)
{
    assert_in_range(nkeys, 0, call->argc);
    return take(redis, span_str(script->name), call, 0);
}

struct fake_call *fake_redis_oldest(struct redis *redis)
{
    size_t i = 0;

    while (i < redis->sent && !redis->calls[i].is_waiting)
        i++;
    assert_true(i < redis->sent);
    return &redis->calls[i];
}

void fake_redis_answer(struct redis *redis, int status,
                       struct redisReply *reply)
{
    struct fake_call *call = fake_redis_oldest(redis);

    call->is_waiting = false;
    redis->waiting--;
    call->call.cb(call->call.arg, status, reply);
    freeReplyObject(reply);
}

/* By malloc(), as hiredis frees. */
static struct redisReply *make(int type)
{
    struct redisReply *reply = calloc(1, sizeof(*reply));

    if (!reply)
        abort();
    reply->type = type;
    return reply;
}

static struct redisReply *make_array(size_t count)
{
    struct redisReply *reply = make(REDIS_REPLY_ARRAY);

    reply->elements = count;
    reply->element = calloc(count + 1, sizeof(struct redisReply *));
    if (!reply->element)
        abort();
    return reply;
}

struct redisReply *fake_empty(void)
{
    return make_array(0);
}

void fake_append(struct redisReply *array, struct redisReply *element)
{
    array->element = realloc(array->element, (array->elements + 1) *
                                                 sizeof(struct redisReply *));
    assert_non_null(array->element);
    array->element[array->elements++] = element;
}

struct redisReply *fake_array(size_t count, ...)
{
    struct redisReply *reply = make_array(count);
    va_list args;

    va_start(args, count);
    for (size_t i = 0; i < count; i++)
        reply->element[i] = va_arg(args, struct redisReply *);
    va_end(args);
    return reply;
}

struct redisReply *fake_text(const char *format, ...)
{
    struct redisReply *reply = make(REDIS_REPLY_STRING);
    va_list args;

    va_start(args, format);
    int len = vasprintf(&reply->str, format, args);
    va_end(args);
    assert_true(len >= 0);
    reply->len = (size_t)len;
    return reply;
}

struct redisReply *fake_number(long long number)
{
    struct redisReply *reply = make(REDIS_REPLY_INTEGER);

    reply->integer = number;
    return reply;
}
