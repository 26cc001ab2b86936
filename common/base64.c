/* base64.c - see base64.h. */
#include "common/base64.h"

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64_encode(struct span bytes, char *out)
{
    const unsigned char *in = (const unsigned char *)bytes.ptr;
    size_t n = 0;

    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        unsigned bits = (unsigned)in[i] << 16 |
                        (left > 1 ? (unsigned)in[i + 1] << 8 : 0) |
                        (left > 2 ? in[i + 2] : 0);
        size_t count = left < 3 ? left + 1 : 4;
        for (size_t k = 0; k < count; k++)
            out[n++] = digits[bits >> (18 - 6 * k) & 63];
    }
    return n;
}

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '-' || c == '_')
        return c == '-' ? 62 : 63;
    return -1;
}

/* Bits that are left over must be less than a digit, and zero. */
bool base64_decode(struct span text, unsigned char *out, size_t *len)
{
    unsigned bits = 0;
    unsigned count = 0;
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_of(text.ptr[i]);
        if (digit < 0)
            return false;
        bits = (bits << 6 | (unsigned)digit) & 0xffff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[n++] = (unsigned char)(bits >> count);
        }
    }
    if (count >= 6 || (bits & ((1u << count) - 1)) != 0)
        return false;
    *len = n;
    return true;
}
