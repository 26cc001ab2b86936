/* record.c - see record.h. */
#include "shortener/record.h"

#define NUMBER_MAX ((size_t)20) /* digits of 64 bits */
#define FIELD_OVERHEAD                                           \
    ((size_t)22)        /* a letter, digits of a length, a colon \
                         */
#define NUMBER_FIELDS 7 /* r f a e c m d */
#define TEXT_FIELDS 5   /* u o t g p */

static int64_t to_number(struct span text)
{
    uint64_t value = 0;

    span_to_u64(text, INT64_MAX, &value);
    return (int64_t)value;
}

static void read_field(struct link *link, char field, struct span value)
{
    switch (field) {
    case 'u':
        link->url = value;
        break;
    case 'o':
        link->owner = value;
        break;
    case 't':
        link->title = value;
        break;
    case 'g':
        link->tags = value;
        break;
    case 'r':
        link->redirect = (int)to_number(value);
        break;
    case 'f':
        link->forward_query = true;
        break;
    case 'a':
        link->alias = true;
        break;
    case 'c':
        link->created_us = to_number(value);
        break;
    case 'm':
        link->updated_us = to_number(value);
        break;
    case 'e':
        link->expires_ms = to_number(value);
        break;
    case 'd':
        link->deleted_us = to_number(value);
        break;
    case 'p':
        link->operation = value;
        break;
    default: /* of a newer version */
        break;
    }
}

/* Take "<letter><length>:<bytes>" off *rest. */
static bool cut_field(struct span *rest, char *field, struct span *value)
{
    size_t colon = span_find(*rest, ':');
    uint64_t len;

    if (colon < 2 || colon == rest->len ||
        !span_to_u64((struct span){rest->ptr + 1, colon - 1},
                     rest->len - colon - 1, &len))
        return false;
    *field = rest->ptr[0];
    *value = (struct span){rest->ptr + colon + 1, (size_t)len};
    *rest = span_skip(*rest, colon + 1 + (size_t)len);
    return true;
}

bool record_read(struct span text, struct link *link)
{
    struct link read = {.redirect = 302};
    struct span value;
    char field;

    while (text.len) {
        if (!cut_field(&text, &field, &value))
            return false;
        read_field(&read, field, value);
    }
    if (!read.url.ptr && !read.deleted_us)
        return false;
    *link = read;
    return true;
}

static char *put(char *at, struct span bytes)
{
    memcpy(at, bytes.ptr, bytes.len);
    return at + bytes.len;
}

static char *put_digits(char *at, uint64_t number)
{
    char digits[NUMBER_MAX];
    size_t first = sizeof(digits);

    do
        digits[--first] = (char)('0' + number % 10);
    while ((number /= 10));
    return put(at, (struct span){digits + first, sizeof(digits) - first});
}

static char *put_text(char *at, char field, struct span value)
{
    if (value.len == 0)
        return at;
    *at++ = field;
    at = put_digits(at, value.len);
    *at++ = ':';
    return put(at, value);
}

static char *put_number(char *at, char field, int64_t number)
{
    char digits[NUMBER_MAX];

    if (number == 0)
        return at;
    size_t len = (size_t)(put_digits(digits, (uint64_t)number) - digits);
    return put_text(at, field, (struct span){digits, len});
}

struct span record_write(struct arena *arena, const struct link *link)
{
    size_t most = link->url.len + link->owner.len + link->title.len +
                  link->tags.len + link->operation.len +
                  TEXT_FIELDS * FIELD_OVERHEAD +
                  NUMBER_FIELDS * (FIELD_OVERHEAD + NUMBER_MAX);
    char *text = arena_alloc(arena, most);
    char *at = put_text(text, 'u', link->url);

    at = put_number(at, 'd', link->deleted_us);
    at = put_number(at, 'r', link->redirect);
    at = put_text(at, 'o', link->owner);
    at = put_text(at, 't', link->title);
    at = put_text(at, 'g', link->tags);
    at = put_number(at, 'f', link->forward_query);
    at = put_number(at, 'a', link->alias);
    at = put_number(at, 'e', link->expires_ms);
    at = put_number(at, 'c', link->created_us);
    at = put_number(at, 'm', link->updated_us);
    at = put_text(at, 'p', link->operation);
    return (struct span){text, (size_t)(at - text)};
}
