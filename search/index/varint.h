/* varint.h - numbers in seven bits a byte, the lowest first; the high bit says
 * that more follow (LEB128). */
#pragma once

#include "common/buf.h"

#define VARINT_MAX 10 /* bytes */

static inline void varint_append(struct buf *buf, uint64_t value)
{
    char *at = buf_reserve(buf, VARINT_MAX);
    size_t len = 0;

    for (; value > 127; value >>= 7)
        at[len++] = (char)(value | 128);
    at[len++] = (char)value;
    buf_commit(buf, len);
}

/* The bytes behind it; NULL: there is no whole one up to end. */
static inline const unsigned char *
varint_read(const unsigned char *at, const unsigned char *end, uint64_t *value)
{
    uint64_t read = 0;

    for (unsigned shift = 0; at < end && shift < 64; shift += 7) {
        read |= (uint64_t)(*at & 127) << shift;
        if (*at++ < 128) {
            *value = read;
            return at;
        }
    }
    return NULL;
}

/* The same of 32 bits, of bytes that are known to be sound. */
static inline const unsigned char *varint_take(const unsigned char *at,
                                               uint32_t *value)
{
    uint32_t read = *at & 127;

    for (unsigned shift = 7; *at++ > 127 && shift < 35; shift += 7)
        read |= (uint32_t)(*at & 127) << shift;
    *value = read;
    return at;
}

/* The same where another number follows: one and two bytes are read without a
   branch that depends on which it is. */
static inline const unsigned char *varint_take_inner(const unsigned char *at,
                                                     uint32_t *value)
{
    uint32_t more = *at >> 7;
    uint32_t second = at[1] & -more;

    if (second > 127)
        return varint_take(at, value);
    *value = (*at & 127) | second << 7;
    return at + 1 + more;
}
