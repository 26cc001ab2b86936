/* buf.c - see buf.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"

/* Doubled twice it is, with its heads, within what malloc keeps at hand. */
#define FIRST_CAP 240

void buf_init(struct buf *buf, enum mem_tag tag)
{
    *buf = (struct buf){.tag = tag};
}

void buf_deinit(struct buf *buf)
{
    mem_free(buf->ptr);
    buf_init(buf, buf->tag);
}

void buf_grow(struct buf *buf, size_t n)
{
    size_t cap = buf->cap ? buf->cap : FIRST_CAP;

    while (cap < buf->len + n)
        cap *= 2;
    buf->ptr = mem_realloc(buf->tag, buf->ptr, cap);
    buf->cap = cap;
}

void buf_append_u64(struct buf *buf, uint64_t value)
{
    char digits[SPAN_U64_MAX];

    if (value < 10)
        buf_append_char(buf, (char)('0' + value));
    else
        buf_append(buf, span_from_u64(digits, value));
}

void buf_append_i64(struct buf *buf, int64_t value)
{
    if (value < 0)
        buf_append_char(buf, '-');
    buf_append_u64(buf, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_list again;

    va_start(args, format);
    va_copy(again, args);
    size_t room = buf->cap - buf->len;
    int len =
        vsnprintf(buf->ptr ? buf->ptr + buf->len : NULL, room, format, args);
    va_end(args);
    if (len < 0)
        abort();
    char *out = buf_reserve(buf, (size_t)len + 1);
    if ((size_t)len >= room)
        vsnprintf(out, (size_t)len + 1, format, again);
    va_end(again);
    buf->len += (size_t)len;
}

void buf_consume(struct buf *buf, size_t n)
{
    buf->len -= n;
    if (buf->len)
        memmove(buf->ptr, buf->ptr + n, buf->len);
}
