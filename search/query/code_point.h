/* code_point.h - bytes as code points; each byte that belongs to none counts as
 * one of its own. */
#pragma once

#include "common/span.h"

#define CODE_POINT_BAD 0x110000 /* and the byte; valid ones are below */

/* The first one of s, which is not empty; len: its bytes. */
static inline uint32_t code_point_read(struct span s, size_t *len)
{
    unsigned char first = (unsigned char)s.ptr[0];

    *len = first < 0x80 ? 1 : span_utf8_length(s);
    if (*len == 1)
        return first;
    if (*len == 0) {
        *len = 1;
        return CODE_POINT_BAD + first;
    }
    uint32_t value = first & (0x7fU >> *len);
    for (size_t i = 1; i < *len; i++)
        value = value << 6 | ((unsigned char)s.ptr[i] & 0x3fU);
    return value;
}

static inline size_t code_point_count(struct span s)
{
    size_t count = 0;

    for (size_t len; s.len > 0; s = span_skip(s, len), count++)
        code_point_read(s, &len);
    return count;
}
