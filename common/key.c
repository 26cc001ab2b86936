/* key.c - see key.h. */
#include "common/key.h"
#include "common/hash.h"

#define LENGTH_MAX 20 /* digits */

static char *put(char *at, struct span bytes)
{
    if (bytes.len)
        memcpy(at, bytes.ptr, bytes.len);
    return at + bytes.len;
}

/* Every look-up makes one: no printf. */
struct span key_name(struct arena *arena, const char *prefix, const char *type,
                     struct span together, struct span id)
{
    struct span service = span_str(prefix);
    struct span kind = span_str(type);
    uint32_t partition = hash_partition(together);
    char *out = arena_alloc(arena, service.len + sizeof("::{pNNN}:") +
                                       kind.len + id.len);
    char *at = put(put(put(out, service), SPAN(":")), kind);

    at = put(at, SPAN(":{p"));
    *at++ = (char)('0' + partition / 100);
    *at++ = (char)('0' + partition / 10 % 10);
    *at++ = (char)('0' + partition % 10);
    at = put(put(at, SPAN("}:")), id);
    return (struct span){out, (size_t)(at - out)};
}

struct span key_pair(struct arena *arena, struct span a, struct span b)
{
    char digits[LENGTH_MAX];
    size_t first = sizeof(digits);
    size_t left = a.len;

    do
        digits[--first] = (char)('0' + left % 10);
    while ((left /= 10));
    struct span length = {digits + first, sizeof(digits) - first};
    char *out = arena_alloc(arena, length.len + a.len + b.len + 2);
    char *at = put(put(put(out, length), SPAN(":")), a);
    at = put(put(at, SPAN(":")), b);
    return (struct span){out, (size_t)(at - out)};
}
