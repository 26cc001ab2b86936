/* resp.c - see resp.h. */
#include <uv.h>

#include "common/resp.h"

struct resp_reader {
    redisReader *reader;
};

void resp_append_count(struct buf *out, size_t argc)
{
    buf_append_char(out, '*');
    buf_append_u64(out, argc);
    buf_append(out, SPAN("\r\n"));
}

void resp_append_arg(struct buf *out, struct span arg)
{
    buf_append_char(out, '$');
    buf_append_u64(out, arg.len);
    buf_append(out, SPAN("\r\n"));
    buf_append(out, arg);
    buf_append(out, SPAN("\r\n"));
}

void resp_append(struct buf *out, const struct span *argv, size_t argc)
{
    resp_append_count(out, argc);
    for (size_t i = 0; i < argc; i++)
        resp_append_arg(out, argv[i]);
}

struct resp_reader *resp_reader_create(void)
{
    struct resp_reader *reader = mem_alloc(MEM_REDIS, sizeof(*reader));

    reader->reader = redisReaderCreate();
    return reader;
}

void resp_reader_destroy(struct resp_reader *reader)
{
    if (!reader)
        return;
    redisReaderFree(reader->reader);
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

    if (redisReaderGetReply(reader->reader, &found) != REDIS_OK)
        return UV_EPROTO;
    *reply = found;
    return 0;
}
