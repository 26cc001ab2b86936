/* span.c - see span.h. */
#include "common/span.h"

static char to_lower(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c | 0x20);
    return c;
}

/* Of eight bytes at once: those of A to Z get the bit that tells a from A. */
static uint64_t to_lower_all(const char *from)
{
    const uint64_t each = UINT64_C(0x0101010101010101);
    uint64_t all;

    memcpy(&all, from, sizeof(all));
    uint64_t low = all & 0x7f * each;
    uint64_t from_a = low + (0x80 - 'A') * each;
    uint64_t past_z = low + (0x7f - 'Z') * each;
    return all | (from_a & ~past_z & ~all & 0x80 * each) >> 2;
}

#define SAFE_DIGITS 19 /* of which 64 bits hold any number */

bool span_eq_nocase(struct span a, struct span b)
{
    if (a.len != b.len)
        return false;
    size_t i = 0;
    for (; i + 8 <= a.len; i += 8)
        if (to_lower_all(a.ptr + i) != to_lower_all(b.ptr + i))
            return false;
    for (; i < a.len; i++)
        if (to_lower(a.ptr[i]) != to_lower(b.ptr[i]))
            return false;
    return true;
}

bool span_has_prefix(struct span s, struct span prefix)
{
    return s.len >= prefix.len &&
           span_eq((struct span){s.ptr, prefix.len}, prefix);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct span span_trim(struct span s)
{
    while (s.len && is_blank(s.ptr[0]))
        s = (struct span){s.ptr + 1, s.len - 1};
    while (s.len && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

int span_compare(struct span a, struct span b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

bool span_cut(struct span *rest, char sep, struct span *head)
{
    if (!rest->ptr)
        return false;
    size_t at = span_find(*rest, sep);
    *head = (struct span){rest->ptr, at};
    *rest = at == rest->len ? (struct span){NULL, 0} : span_skip(*rest, at + 1);
    return true;
}

bool span_to_u64(struct span s, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        uint64_t digit = (unsigned char)s.ptr[i] - (uint64_t)'0';
        if (digit > 9)
            return false;
        if (i >= SAFE_DIGITS &&
            (value > max / 10 || (value == max / 10 && digit > max % 10)))
            return false;
        value = value * 10 + digit;
    }
    if (value > max)
        return false;
    *out = value;
    return true;
}

/* Two digits at a time: half the divisions. */
struct span span_from_u64(char room[SPAN_U64_MAX], uint64_t value)
{
    static const char pairs[] = "00010203040506070809"
                                "10111213141516171819"
                                "20212223242526272829"
                                "30313233343536373839"
                                "40414243444546474849"
                                "50515253545556575859"
                                "60616263646566676869"
                                "70717273747576777879"
                                "80818283848586878889"
                                "90919293949596979899";
    size_t at = SPAN_U64_MAX;

    while (value >= 100) {
        at -= 2;
        memcpy(room + at, pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(room + at, pairs + 2 * value, 2);
    } else {
        room[--at] = (char)('0' + value);
    }
    return (struct span){room + at, SPAN_U64_MAX - at};
}

void span_hex(char *out, struct span bytes)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < bytes.len; i++) {
        out[2 * i] = digits[(unsigned char)bytes.ptr[i] >> 4];
        out[2 * i + 1] = digits[(unsigned char)bytes.ptr[i] & 15];
    }
}

size_t span_utf8_length(struct span s)
{
    unsigned char first = s.len ? (unsigned char)s.ptr[0] : 0xff;
    /* The second byte's bounds keep out overlong forms, surrogates and what is
       past U+10FFFF. */
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    size_t len = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4 || s.len < len ||
        (unsigned char)s.ptr[1] < low || (unsigned char)s.ptr[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if (((unsigned char)s.ptr[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

bool span_is_utf8(struct span s)
{
    for (size_t len; s.len; s = span_skip(s, len)) {
        len = span_utf8_length(s);
        if (len == 0)
            return false;
    }
    return true;
}

size_t span_find(struct span s, char c)
{
    const char *at = s.len ? memchr(s.ptr, c, s.len) : NULL;

    return at ? (size_t)(at - s.ptr) : s.len;
}
