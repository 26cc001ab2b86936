/*
 * url.c - see url.h.
 *
 *   scheme "://" authority path ["?" query] ["#" fragment]
 *
 * Nothing is mended by guess: bytes that two parsers could read differently
 * are refused before the URL is split, so that ours and the browser's cannot
 * disagree about the host.
 */
#include "shortener/url_internal.h"

struct url {
    bool https;
    struct span authority, path, query, fragment; /* as written */
    bool has_query, has_fragment;
    struct url_host host;
};

/* Has room for the longest spelling from the start. */
struct text {
    char *ptr;
    size_t len;
};

const char *url_verdict_text(enum url_verdict verdict)
{
    static const char *const texts[URL_VERDICTS] = {
        [URL_OK] = "",
        [URL_TOO_LONG] = "a target has at most 8192 bytes",
        [URL_NOT_ABSOLUTE] = "a target is an absolute URL, such as "
                             "https://example.com/page",
        [URL_BAD_SCHEME] = "a target begins with http:// or https://",
        [URL_HAS_SPACE] = "the target has a space: write it as %20",
        [URL_HAS_CONTROL] = "the target has a control character",
        [URL_HAS_BACKSLASH] = "the target has a backslash: write / or %5C",
        [URL_NOT_UTF8] = "the target is not UTF-8",
        [URL_BAD_ESCAPE] = "a % in the target is not followed by two hex "
                           "digits: write it as %25",
        [URL_HAS_CREDENTIALS] = "a target must not carry a user or password",
        [URL_NO_HOST] = "the target has no host",
        [URL_BAD_HOST] = "the target's host is not a name that DNS could know",
        [URL_LONG_LABEL] = "a part of the target's host is empty or has more "
                           "than 63 bytes",
        [URL_LONG_HOST] = "the target's host has more than 253 bytes",
        [URL_BAD_IPV4] = "the target's host looks like an IPv4 address and is "
                         "none",
        [URL_BAD_IPV6] = "the target's host in brackets is not an IPv6 address",
        [URL_BAD_PORT] = "the target's port is not 1 to 65535",
        [URL_OWN_HOST] = "the target is this service itself: a redirect "
                         "loop",
    };

    return texts[verdict];
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_unreserved(char c)
{
    return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' ||
           c == '~';
}

int url_hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int url_read_escape(struct span s)
{
    int high = s.len > 2 ? url_hex_value(s.ptr[1]) : -1;
    int low = s.len > 2 ? url_hex_value(s.ptr[2]) : -1;

    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static enum url_verdict check_bytes(struct span in)
{
    for (size_t i = 0; i < in.len;) {
        unsigned char c = (unsigned char)in.ptr[i];
        size_t len = span_utf8_length(span_skip(in, i));
        if (c == ' ')
            return URL_HAS_SPACE;
        if (c < ' ' || c == 0x7f)
            return URL_HAS_CONTROL;
        if (c == '\\')
            return URL_HAS_BACKSLASH;
        if (len == 0)
            return URL_NOT_UTF8;
        if (c == '%' && url_read_escape(span_skip(in, i)) < 0)
            return URL_BAD_ESCAPE;
        i += len;
    }
    return URL_OK;
}

/* Cut what stands before the first of a, b and c off *rest. */
static struct span take_until(struct span *rest, const char set[3])
{
    size_t i = 0;

    while (i < rest->len && !memchr(set, rest->ptr[i], 3))
        i++;
    struct span head = {rest->ptr, i};
    *rest = span_skip(*rest, i);
    return head;
}

static bool is_scheme(struct span s)
{
    if (s.len == 0 || !is_alpha(s.ptr[0]))
        return false;
    for (size_t i = 1; i < s.len; i++)
        if (!is_alpha(s.ptr[i]) && !is_digit(s.ptr[i]) && s.ptr[i] != '+' &&
            s.ptr[i] != '-' && s.ptr[i] != '.')
            return false;
    return true;
}

static enum url_verdict split(struct span in, struct url *url)
{
    size_t colon = span_find(in, ':');
    struct span scheme = {in.ptr, colon};

    if (colon == in.len || !is_scheme(scheme))
        return URL_NOT_ABSOLUTE;
    struct span rest = span_skip(in, colon + 1);
    url->https = span_eq_nocase(scheme, SPAN("https"));
    if (!url->https && !span_eq_nocase(scheme, SPAN("http")))
        return URL_BAD_SCHEME;
    if (!span_has_prefix(rest, SPAN("//")))
        return URL_NOT_ABSOLUTE;
    rest = span_skip(rest, 2);
    url->authority = take_until(&rest, "/?#");
    url->path = take_until(&rest, "??#");
    url->has_query = rest.len > 0 && rest.ptr[0] == '?';
    if (url->has_query) {
        rest = span_skip(rest, 1);
        url->query = take_until(&rest, "###");
    }
    url->has_fragment = rest.len > 0;
    url->fragment = span_skip(rest, 1);
    return URL_OK;
}

/* Ours at its scheme's port is ours whatever the target's scheme. */
static bool is_own(struct arena *arena, const struct url *url,
                   const struct span *own, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct url_host host;
        if (own[i].len > 0 &&
            url_read_host(arena, own[i], url->https, &host) == URL_OK &&
            url_same_host(&url->host, &host))
            return true;
    }
    return false;
}

static void put_char(struct text *out, char c)
{
    out->ptr[out->len++] = c;
}

static void put(struct text *out, struct span bytes)
{
    memcpy(out->ptr + out->len, bytes.ptr, bytes.len);
    out->len += bytes.len;
}

static void put_port(struct text *out, unsigned port)
{
    char digits[6];
    size_t i = sizeof(digits);

    for (; port > 0; port /= 10)
        digits[--i] = (char)('0' + port % 10);
    digits[--i] = ':';
    put(out, (struct span){digits + i, sizeof(digits) - i});
}

static void put_escape(struct text *out, unsigned char c)
{
    static const char hex[] = "0123456789ABCDEF";

    put_char(out, '%');
    put_char(out, hex[c >> 4]);
    put_char(out, hex[c & 15]);
}

/* Escapes in one spelling; what may not stand bare is escaped. */
static void put_part(struct text *out, struct span part)
{
    for (size_t i = 0; i < part.len; i++) {
        char c = part.ptr[i];
        if (c == '%') {
            int byte = url_read_escape(span_skip(part, i));
            if (is_unreserved((char)byte))
                put_char(out, (char)byte);
            else
                put_escape(out, (unsigned char)byte);
            i += 2;
        } else if ((unsigned char)c >= 0x80 || strchr("\"<>^`{|}", c)) {
            put_escape(out, (unsigned char)c);
        } else {
            put_char(out, c);
        }
    }
}

/* RFC 3986, 5.2.4, in place, on a path that begins with a slash. */
static size_t remove_dot_segments(char *path, size_t len)
{
    struct span rest = {path + 1, len - 1};
    struct span segment;
    size_t to = 0; /* path[0 .. to) is done and ends before a slash */

    while (span_cut(&rest, '/', &segment)) {
        bool last = rest.ptr == NULL;
        if (span_eq(segment, SPAN(".."))) {
            while (to > 0 && path[--to] != '/')
                ;
        } else if (!span_eq(segment, SPAN("."))) {
            path[to++] = '/';
            memmove(path + to, segment.ptr, segment.len);
            to += segment.len;
            continue;
        }
        if (last)
            path[to++] = '/';
    }
    return to;
}

static void put_path(struct text *out, struct span path)
{
    size_t start = out->len;

    if (path.len == 0)
        put_char(out, '/');
    put_part(out, path);
    out->len = start + remove_dot_segments(out->ptr + start, out->len - start);
}

static void put_url(struct text *out, const struct url *url)
{
    put(out, url->https ? SPAN("https://") : SPAN("http://"));
    put(out, url->host.name);
    if (url->host.port != URL_DEFAULT_PORT)
        put_port(out, url->host.port);
    put_path(out, url->path);
    if (url->has_query) {
        put_char(out, '?');
        put_part(out, url->query);
    }
    if (url->has_fragment) {
        put_char(out, '#');
        put_part(out, url->fragment);
    }
}

/* Each byte may become three; a host may grow, but to no more than its most. */
static struct text make_text(struct arena *arena, struct span in)
{
    size_t most = 3 * in.len + URL_HOST_MAX + sizeof("https://.:65535/");

    return (struct text){.ptr = arena_alloc(arena, most)};
}

enum url_verdict url_normalise(struct arena *arena, struct span in,
                               const struct span *own, size_t own_count,
                               struct span *out)
{
    struct url url = {0};

    if (in.len > URL_MAX)
        return URL_TOO_LONG;
    enum url_verdict verdict = check_bytes(in);
    if (verdict == URL_OK)
        verdict = split(in, &url);
    if (verdict == URL_OK)
        verdict = url_read_host(arena, url.authority, url.https, &url.host);
    if (verdict != URL_OK)
        return verdict;
    if (is_own(arena, &url, own, own_count))
        return URL_OWN_HOST;

    struct text text = make_text(arena, in);
    put_url(&text, &url);
    if (text.len > URL_MAX)
        return URL_TOO_LONG;
    text.ptr[text.len] = '\0';
    *out = (struct span){text.ptr, text.len};
    return URL_OK;
}

struct span url_authority(struct span url)
{
    struct url parts = {0};

    return split(url, &parts) == URL_OK ? parts.authority
                                        : (struct span){NULL, 0};
}
