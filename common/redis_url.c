/* redis_url.c - where Redis is. */
#include <uv.h>

#include "common/redis.h"

#define DEFAULT_PORT 6379
#define MAX_DB 255

static bool copy(char *out, size_t size, struct span text)
{
    if (text.len >= size)
        return false;
    if (text.len)
        memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return true;
}

static bool read_db(struct span text, struct redis_url *url)
{
    uint64_t db = 0;

    if (text.len && !span_to_u64(text, MAX_DB, &db))
        return false;
    url->db = (uint8_t)db;
    return true;
}

/* unix:///path[?db=N] */
static bool read_unix(struct span rest, struct redis_url *url)
{
    size_t mark = span_find(rest, '?');
    struct span path = {rest.ptr, mark};
    struct span query = span_skip(rest, mark + 1);

    if (path.len == 0 || path.ptr[0] != '/' ||
        !copy(url->path, sizeof(url->path), path))
        return false;
    if (mark == rest.len)
        return true;
    return span_has_prefix(query, SPAN("db=")) &&
           read_db(span_skip(query, 3), url);
}

static bool read_user(struct span text, struct redis_url *url)
{
    size_t colon = span_find(text, ':');
    struct span user = {text.ptr, colon};

    return colon < text.len && copy(url->user, sizeof(url->user), user) &&
           copy(url->password, sizeof(url->password),
                span_skip(text, colon + 1));
}

static bool read_host(struct span text, struct redis_url *url)
{
    struct span host;
    struct span port = {NULL, 0};
    uint64_t number = DEFAULT_PORT;

    if (text.len && text.ptr[0] == '[') {
        size_t end = span_find(text, ']');
        if (end == text.len)
            return false;
        host = (struct span){text.ptr + 1, end - 1};
        struct span rest = span_skip(text, end + 1);
        if (rest.len && rest.ptr[0] != ':')
            return false;
        if (rest.len)
            port = span_skip(rest, 1);
    } else {
        size_t colon = span_find(text, ':');
        host = (struct span){text.ptr, colon};
        if (colon < text.len)
            port = span_skip(text, colon + 1);
    }
    if (port.ptr && (!span_to_u64(port, 65535, &number) || number == 0))
        return false;
    url->port = (uint16_t)number;
    return host.len > 0 && copy(url->host, sizeof(url->host), host);
}

/* [user:pass@]host[:port][/db] */
static bool read_tcp(struct span rest, struct redis_url *url)
{
    size_t slash = span_find(rest, '/');
    struct span authority = {rest.ptr, slash};
    size_t at = authority.len;

    while (at > 0 && authority.ptr[at - 1] != '@')
        at--; /* the last @: a password may have one */
    if (at > 0 && !read_user((struct span){authority.ptr, at - 1}, url))
        return false;
    return read_host(span_skip(authority, at), url) &&
           read_db(span_skip(rest, slash + 1), url);
}

int redis_url_parse(struct span text, struct redis_url *url)
{
    struct redis_url read = {0};
    bool good = false;

    if (span_has_prefix(text, SPAN("unix://"))) {
        good = read_unix(span_skip(text, 7), &read);
    } else if (span_has_prefix(text, SPAN("redis://"))) {
        good = read_tcp(span_skip(text, 8), &read);
    } else if (span_has_prefix(text, SPAN("rediss://"))) {
        read.tls = true;
        good = read_tcp(span_skip(text, 9), &read);
    }
    if (!good)
        return UV_EINVAL;
    *url = read;
    return 0;
}
