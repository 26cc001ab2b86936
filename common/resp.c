/*
 * resp.c - see resp.h.
 *
 * A reply is many small objects that end together: an arena's, not malloc's.
 */
#include <uv.h>

#include "common/arena.h"
#include "common/resp.h"

#define CHUNK 2048 /* that most replies fit into */

#if HIREDIS_MAJOR >= 1
typedef size_t array_size;
#else
typedef int array_size;
#endif

struct resp_reader {
    redisReader *reader;
    struct arena_pool chunks;
    struct arena arena; /* of the reply that is read, or lent */
    bool lent;
};

void resp_append_count(struct buf *out, size_t argc)
{
    buf_append_char(out, '*');
    buf_append_u64(out, argc);
    buf_append(out, SPAN("\r\n"));
}

static char *put(char *at, struct span bytes)
{
    memcpy(at, bytes.ptr, bytes.len);
    return at + bytes.len;
}

void resp_append_arg(struct buf *out, struct span arg)
{
    char room[SPAN_U64_MAX];
    struct span len = span_from_u64(room, arg.len);
    char *at = buf_reserve(out, 1 + len.len + 2 + arg.len + 2);

    *at++ = '$';
    at = put(put(at, len), SPAN("\r\n"));
    if (arg.len)
        at = put(at, arg);
    at = put(at, SPAN("\r\n"));
    buf_commit(out, (size_t)(at - buf_span(out).ptr) - out->len);
}

void resp_append(struct buf *out, const struct span *argv, size_t argc)
{
    resp_append_count(out, argc);
    for (size_t i = 0; i < argc; i++)
        resp_append_arg(out, argv[i]);
}

/* ---- what hiredis asks for as it reads */

/* An object, put in its place in the array that it is of. */
static redisReply *add(const redisReadTask *task)
{
    struct resp_reader *reader = task->privdata;
    redisReply *reply = arena_zalloc(&reader->arena, sizeof(*reply));

    reply->type = task->type;
    if (task->parent)
        ((redisReply *)task->parent->obj)->element[task->idx] = reply;
    return reply;
}

static void *add_string(const redisReadTask *task, char *text, size_t len)
{
    struct resp_reader *reader = task->privdata;
    redisReply *reply = add(task);
    char *copy = arena_alloc(&reader->arena, len + 1);

    memcpy(copy, text, len);
    copy[len] = '\0';
    reply->str = copy;
    reply->len = len;
    return reply;
}

/* NULL, which ends the reading: no reply that would be taken is so long. */
static void *add_array(const redisReadTask *task, array_size elements)
{
    struct resp_reader *reader = task->privdata;

    if ((size_t)elements > RESP_MAX_REPLY / sizeof(redisReply *))
        return NULL;
    redisReply *reply = add(task);
    reply->elements = (size_t)elements;
    reply->element =
        arena_zalloc(&reader->arena, reply->elements * sizeof(redisReply *));
    return reply;
}

static void *add_integer(const redisReadTask *task, long long value)
{
    redisReply *reply = add(task);

    reply->integer = value;
    return reply;
}

/* The task's type is of what could have been there. */
static void *add_nil(const redisReadTask *task)
{
    redisReply *reply = add(task);

    reply->type = REDIS_REPLY_NIL;
    return reply;
}

static void leave(void *reply)
{
    (void)reply;
}

static redisReplyObjectFunctions functions = {.createString = add_string,
                                              .createArray = add_array,
                                              .createInteger = add_integer,
                                              .createNil = add_nil,
                                              .freeObject = leave};

/* ---- the reader */

struct resp_reader *resp_reader_create(void)
{
    struct resp_reader *reader = mem_zalloc(MEM_REDIS, sizeof(*reader));

    reader->chunks = (struct arena_pool){.size = CHUNK, .max = 1};
    arena_init_pooled(&reader->arena, MEM_REDIS, &reader->chunks);
    reader->reader = redisReaderCreateWithFunctions(&functions);
    reader->reader->privdata = reader;
    return reader;
}

void resp_reader_destroy(struct resp_reader *reader)
{
    if (!reader)
        return;
    redisReaderFree(reader->reader);
    arena_deinit(&reader->arena);
    arena_pool_deinit(&reader->chunks);
    mem_free(reader);
}

int resp_reader_feed(struct resp_reader *reader, struct span bytes)
{
    if (redisReaderFeed(reader->reader, bytes.ptr, bytes.len) != REDIS_OK ||
        reader->reader->len - reader->reader->pos > RESP_MAX_REPLY)
        return UV_EPROTO;
    return 0;
}

int resp_reader_next(struct resp_reader *reader, struct redisReply **reply)
{
    void *found = NULL;

    if (reader->lent) {
        arena_deinit(&reader->arena);
        arena_init_pooled(&reader->arena, MEM_REDIS, &reader->chunks);
        reader->lent = false;
    }
    if (redisReaderGetReply(reader->reader, &found) != REDIS_OK)
        return UV_EPROTO;
    reader->lent = found;
    *reply = found;
    return 0;
}
