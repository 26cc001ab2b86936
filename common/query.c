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

/* The byte that in.ptr[i], a %, and two digits stand for; -1: they do not. */
static int read_escape(struct span in, size_t i)
{
    int high = in.len - i > 2 ? hex_digit(in.ptr[i + 1]) : -1;
    int low = in.len - i > 2 ? hex_digit(in.ptr[i + 2]) : -1;

    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

bool query_is_whole(struct span in)
{
    size_t i = span_find(in, '%');

    while (i < in.len && read_escape(in, i) >= 0)
        i += 3 + span_find(span_skip(in, i + 3), '%');
    return i >= in.len;
}

/* Printable ASCII but for "#<>\^`{|} and a lone % */
static bool may_stand(struct span in, size_t i)
{
    static const uint64_t low = UINT64_C(0xafffffd200000000);
    static const uint64_t high = UINT64_C(0x47fffffeafffffff);
    unsigned char byte = (unsigned char)in.ptr[i];

    if (byte == '%')
        return read_escape(in, i) >= 0;
    if (byte < 64)
        return low >> byte & 1;
    return byte < 128 && (high >> (byte - 64) & 1);
}

struct span query_escape(struct arena *arena, struct span in)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t i = 0;

    while (i < in.len && may_stand(in, i))
        i++;
    if (i == in.len)
        return in;
    char *text = arena_alloc(arena, i + 3 * (in.len - i));
    size_t len = i;
    memcpy(text, in.ptr, i);
    for (; i < in.len; i++) {
        unsigned char byte = (unsigned char)in.ptr[i];
        if (may_stand(in, i)) {
            text[len++] = in.ptr[i];
            continue;
        }
        text[len++] = '%';
        text[len++] = hex[byte >> 4];
        text[len++] = hex[byte & 15];
    }
    return (struct span){text, len};
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
            int byte = read_escape(in, i);
            if (byte < 0)
                return false;
            c = (char)byte;
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

void query_take(struct arena *arena, struct span query,
                const char *const *names, size_t count, struct span *values,
                struct json_errors *errors)
{
    struct span name;
    struct span value;

    memset(values, 0, count * sizeof(values[0]));
    while (query_next(arena, &query, &name, &value)) {
        size_t i = 0;
        while (i < count && !span_eq(name, span_str(names[i])))
            i++;
        if (i < count && !values[i].ptr)
            values[i] = value;
        else
            json_errors_add_name(
                errors,
                arena_printf(arena, "%.*s", (int)name.len, name.ptr).ptr,
                i < count ? "stands there twice" : "unknown parameter");
    }
}
