/* stream.c - see stream.h. */
#include "tests/fake/stream.h"

uv_loop_t *stream_loop_uv(struct stream_loop *loop)
{
    return loop->uv;
}

size_t stream_kept(const struct stream *stream)
{
    return stream->kept;
}

int stream_write_parts(struct stream *stream, const struct span *parts,
                       size_t count)
{
    if (stream->err)
        return stream->err;
    for (size_t i = 0; i < count; i++)
        buf_append(&stream->got, parts[i]);
    stream->writes++;
    stream->parts += (int)count;
    return 0;
}

void stream_fetch(const struct stream *stream)
{
    (void)stream;
}
