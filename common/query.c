/* query.c - see query.h. */
#include "common/query.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool has_code(struct span in, bool plus_is_space)
{
    return span_find(in, '%') < in.len ||
           (plus_is_space && span_find(in, '+') < in.len);
}

/* Does in.ptr[i], a %, stand before two hex digits? */
static bool is_escape(struct span in, size_t i)
{
    return in.len - i > 2 && hex_digit(in.ptr[i + 1]) >= 0 &&
           hex_digit(in.ptr[i + 2]) >= 0;
}

bool query_is_whole(struct span in)
{
    size_t i = span_find(in, '%');

    while (i < in.len && is_escape(in, i))
        i += 3 + span_find(span_skip(in, i + 3), '%');
    return i >= in.len;
}

bool query_decode(struct arena *arena, struct span in, bool plus_is_space,
                  struct span *out)
{
    if (!has_code(in, plus_is_space)) {
        *out = in;
        return true;
    }
    char *text = arena_alloc(arena, in.len);
    size_t len = 0;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == '%') {
            if (!is_escape(in, i))
                return false;
            c = (char)(hex_digit(in.ptr[i + 1]) << 4 |
                       hex_digit(in.ptr[i + 2]));
            i += 2;
        }
        text[len++] = c;
    }
    *out = (struct span){text, len};
    return true;
}

bool query_next(struct arena *arena, struct span *rest, struct span *name,
                struct span *value)
{
    struct span pair;

    while (span_cut(rest, '&', &pair)) {
        size_t equals = span_find(pair, '=');
        struct span key = {pair.ptr, equals};
        struct span text = span_skip(pair, equals + 1);
        if (pair.len && query_decode(arena, key, true, name) &&
            query_decode(arena, text, true, value))
            return true;
    }
    return false;
}

struct span query_find(struct arena *arena, struct span query, struct span name)
{
    struct span rest = query;
    struct span key;
    struct span value;

    while (query_next(arena, &rest, &key, &value))
        if (span_eq(key, name))
            return value;
    return (struct span){NULL, 0};
}
