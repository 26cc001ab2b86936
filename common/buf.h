/* buf.h - a growing run of bytes that its holder owns. */
#pragma once

#include "common/mem.h"
#include "common/span.h"

struct buf {
    char *ptr; /* NULL while cap is 0 */
    size_t len, cap;
    enum mem_tag tag;
};

void buf_init(struct buf *buf, enum mem_tag tag);
void buf_deinit(struct buf *buf); /* and leaves it empty, ready for use */

/* What follows is what answers are made of: inline. */
void buf_grow(struct buf *buf, size_t n); /* buf_reserve()'s slow way */

/* Room for n more bytes at the returned end; buf_commit() makes them count. */
static inline char *buf_reserve(struct buf *buf, size_t n)
{
    if (buf->cap - buf->len < n)
        buf_grow(buf, n);
    return buf->ptr + buf->len;
}

static inline void buf_commit(struct buf *buf, size_t n)
{
    buf->len += n;
}

static inline void buf_append(struct buf *buf, struct span bytes)
{
    if (bytes.len == 0)
        return;
    memcpy(buf_reserve(buf, bytes.len), bytes.ptr, bytes.len);
    buf->len += bytes.len;
}

/* As they lie in memory. */
static inline void buf_append_bytes(struct buf *buf, const void *bytes,
                                    size_t len)
{
    buf_append(buf, (struct span){bytes, len});
}

static inline void buf_append_char(struct buf *buf, char c)
{
    *buf_reserve(buf, 1) = c;
    buf->len++;
}

void buf_append_u64(struct buf *buf, uint64_t value);
void buf_append_i64(struct buf *buf, int64_t value);
void buf_printf(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Drop the first n bytes; the rest moves to the front. */
void buf_consume(struct buf *buf, size_t n);

static inline struct span buf_span(const struct buf *buf)
{
    return (struct span){buf->ptr, buf->len};
}
