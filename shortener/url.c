/*
 * url.c - see url.h.
 *
 *   scheme "://" authority path ["?" query] ["#" fragment]
 */
#include <arpa/inet.h>
#include <idn2.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"
#include "shortener/url.h"

#define HOST_MAX 253
#define NO_PORT (-1)

struct url {
    bool https;
    struct span authority, path, query, fragment; /* as written */
    bool has_query, has_fragment;
    struct span host; /* normalised */
    int port;         /* NO_PORT: the scheme's own */
};

const char *url_verdict_text(enum url_verdict verdict)
{
    static const char *const texts[] = {
        [URL_OK] = "",
        [URL_TOO_LONG] = "a target has at most 8192 bytes",
        [URL_NOT_ABSOLUTE] = "a target is an absolute URL, such as "
                             "https://example.com/page",
        [URL_BAD_SCHEME] = "a target begins with http:// or https://",
        [URL_HAS_CREDENTIALS] = "a target must not carry a user or password",
        [URL_NO_HOST] = "the target has no host",
        [URL_BAD_HOST] = "the target's host is not a name or an address",
        [URL_BAD_PORT] = "the target's port is not 1 to 65535",
        [URL_BAD_CHARACTER] = "the target has a space, a control character, a "
                              "backslash or bytes that are not UTF-8",
        [URL_BAD_ESCAPE] = "a % in the target is not followed by two hex "
                           "digits",
        [URL_OWN_HOST] = "the target is this service itself: a redirect loop",
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

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The first of any of the bytes, or the length. */
static size_t find_any(struct span s, const char *any)
{
    size_t i = 0;

    while (i < s.len && !(s.ptr[i] && strchr(any, s.ptr[i])))
        i++;
    return i;
}

static bool is_utf8(struct span s)
{
    for (size_t i = 0; i < s.len;) {
        unsigned char c = (unsigned char)s.ptr[i];
        size_t more = c < 0x80   ? 0
                      : c < 0xc2 ? 4
                      : c < 0xe0 ? 1
                      : c < 0xf0 ? 2
                      : c < 0xf5 ? 3
                                 : 4;
        if (more == 4 || s.len - i <= more)
            return false;
        for (size_t k = 1; k <= more; k++)
            if (((unsigned char)s.ptr[i + k] & 0xc0) != 0x80)
                return false;
        unsigned char next = more ? (unsigned char)s.ptr[i + 1] : 0;
        if ((c == 0xe0 && next < 0xa0) || (c == 0xed && next > 0x9f) ||
            (c == 0xf0 && next < 0x90) || (c == 0xf4 && next > 0x8f))
            return false;
        i += more + 1;
    }
    return true;
}

static bool has_bad_character(struct span in)
{
    for (size_t i = 0; i < in.len; i++) {
        unsigned char c = (unsigned char)in.ptr[i];
        if (c <= 0x20 || c == 0x7f || c == '\\')
            return true;
    }
    return !is_utf8(in);
}

static enum url_verdict split(struct span in, struct url *url)
{
    size_t colon = span_find(in, ':');
    struct span scheme = {in.ptr, colon}, rest = span_skip(in, colon + 1);

    if (colon == 0 || colon == in.len || !is_alpha(in.ptr[0]) ||
        find_any(scheme, "/?#") < scheme.len)
        return URL_NOT_ABSOLUTE;
    url->https = span_eq_nocase(scheme, SPAN("https"));
    if (!url->https && !span_eq_nocase(scheme, SPAN("http")))
        return URL_BAD_SCHEME;
    if (!span_has_prefix(rest, SPAN("//")))
        return URL_NOT_ABSOLUTE;
    rest = span_skip(rest, 2);
    url->authority = (struct span){rest.ptr, find_any(rest, "/?#")};
    rest = span_skip(rest, url->authority.len);
    url->path = (struct span){rest.ptr, find_any(rest, "?#")};
    rest = span_skip(rest, url->path.len);
    url->has_query = rest.len && rest.ptr[0] == '?';
    if (url->has_query) {
        rest = span_skip(rest, 1);
        url->query = (struct span){rest.ptr, span_find(rest, '#')};
        rest = span_skip(rest, url->query.len);
    }
    url->has_fragment = rest.len > 0;
    url->fragment = span_skip(rest, 1);
    return URL_OK;
}

static enum url_verdict read_port(struct span text, struct url *url)
{
    uint64_t port;

    url->port = NO_PORT;
    if (text.len == 0)
        return URL_OK;
    if (!span_to_u64(text, 65535, &port) || port == 0)
        return URL_BAD_PORT;
    if (port != (url->https ? 443u : 80u))
        url->port = (int)port;
    return URL_OK;
}

/* One number of an address: decimal, 0x hex or 0 octal. */
static bool read_part(struct span text, uint64_t *out)
{
    int base = 10;
    uint64_t value = 0;

    if (text.len > 1 && text.ptr[0] == '0') {
        base = text.ptr[1] == 'x' || text.ptr[1] == 'X' ? 16 : 8;
        text = span_skip(text, base == 16 ? 2 : 1);
    } else if (text.len == 0) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        int digit = hex_value(text.ptr[i]);
        if (digit < 0 || digit >= base || value > UINT32_MAX)
            return false;
        value = value * (uint64_t)base + (uint64_t)digit;
    }
    *out = value;
    return true;
}

/* A host whose last label is a number is an address, or nothing. */
static bool ends_in_number(struct span host)
{
    struct span rest = host, label, last = {NULL, 0};
    uint64_t number;

    if (rest.len && rest.ptr[rest.len - 1] == '.')
        rest.len--;
    while (span_cut(&rest, '.', &label))
        last = label;
    if (last.len && span_to_u64(last, UINT64_MAX, &number))
        return true;
    return read_part(last, &number);
}

static enum url_verdict read_ipv4(struct arena *arena, struct span host,
                                  struct url *url)
{
    struct span rest = host, part;
    uint64_t parts[4], value = 0;
    size_t count = 0;

    if (rest.ptr[rest.len - 1] == '.')
        rest.len--;
    while (span_cut(&rest, '.', &part))
        if (count == 4 || !read_part(part, &parts[count++]))
            return URL_BAD_HOST;
    for (size_t i = 0; i + 1 < count; i++) {
        if (parts[i] > 255)
            return URL_BAD_HOST;
        value |= parts[i] << (24 - 8 * i);
    }
    uint64_t last = parts[count - 1];
    if (last >= UINT64_C(1) << (8 * (5 - count)))
        return URL_BAD_HOST;
    value |= last;
    url->host =
        arena_printf(arena, "%u.%u.%u.%u", (unsigned)(value >> 24 & 255),
                     (unsigned)(value >> 16 & 255),
                     (unsigned)(value >> 8 & 255), (unsigned)(value & 255));
    return URL_OK;
}

static enum url_verdict read_ipv6(struct arena *arena, struct span host,
                                  struct url *url)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (host.len < 4 || host.ptr[host.len - 1] != ']' ||
        host.len - 2 >= sizeof(text))
        return URL_BAD_HOST;
    memcpy(text, host.ptr + 1, host.len - 2);
    text[host.len - 2] = '\0';
    if (inet_pton(AF_INET6, text, &address) != 1 ||
        !inet_ntop(AF_INET6, &address, text, sizeof(text)))
        return URL_BAD_HOST;
    url->host = arena_printf(arena, "[%s]", text);
    return URL_OK;
}

/* %XX in a host stands for the byte; false where that is no host's. */
static bool decode_host(struct arena *arena, struct span in, struct span *out)
{
    char *text = arena_alloc(arena, in.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c == '%') {
            int high = in.len - i > 2 ? hex_value(in.ptr[i + 1]) : -1;
            int low = in.len - i > 2 ? hex_value(in.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0')
            return false;
        text[len++] = c;
    }
    text[len] = '\0';
    *out = (struct span){text, len};
    return true;
}

static bool is_name(struct span host)
{
    struct span rest = host, label;

    if (rest.len && rest.ptr[rest.len - 1] == '.')
        rest.len--;
    if (rest.len == 0 || rest.len > HOST_MAX)
        return false;
    while (span_cut(&rest, '.', &label)) {
        if (label.len == 0 || label.len > 63 || label.ptr[0] == '-' ||
            label.ptr[label.len - 1] == '-')
            return false;
        for (size_t i = 0; i < label.len; i++)
            if (!is_alpha(label.ptr[i]) && !is_digit(label.ptr[i]) &&
                label.ptr[i] != '-' && label.ptr[i] != '_')
                return false;
    }
    return true;
}

static enum url_verdict read_name(struct arena *arena, struct span written,
                                  struct url *url)
{
    struct span decoded;
    char *ascii = NULL;

    if (!decode_host(arena, written, &decoded))
        return URL_BAD_ESCAPE;
    if (idn2_to_ascii_8z(decoded.ptr, &ascii,
                         IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
        return URL_BAD_HOST;
    struct span host = arena_copy(arena, span_str(ascii));
    idn2_free(ascii);
    if (!is_name(host))
        return URL_BAD_HOST;
    if (ends_in_number(host))
        return read_ipv4(arena, host, url);
    url->host = host;
    return URL_OK;
}

static enum url_verdict read_authority(struct arena *arena, struct url *url)
{
    struct span text = url->authority, host = text, port = {NULL, 0};

    if (span_find(text, '@') < text.len)
        return URL_HAS_CREDENTIALS;
    bool bracket = text.len && text.ptr[0] == '[';
    size_t from = bracket ? span_find(text, ']') : 0;
    size_t colon = from + span_find(span_skip(text, from), ':');
    if (colon < text.len) {
        host = (struct span){text.ptr, colon};
        port = span_skip(text, colon + 1);
    }
    enum url_verdict verdict = read_port(port, url);
    if (verdict != URL_OK)
        return verdict;
    if (host.len == 0)
        return URL_NO_HOST;
    return bracket ? read_ipv6(arena, host, url) : read_name(arena, host, url);
}

/* Escapes in one spelling; what may not stand bare is escaped. */
static bool put_part(struct buf *out, struct span part)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < part.len; i++) {
        unsigned char c = (unsigned char)part.ptr[i];
        bool escape = c >= 0x80 || strchr("\"<>^`{|}", c);
        if (c == '%') {
            int high = part.len - i > 2 ? hex_value(part.ptr[i + 1]) : -1;
            int low = part.len - i > 2 ? hex_value(part.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (unsigned char)(high << 4 | low);
            escape = !is_unreserved((char)c);
            i += 2;
        }
        if (escape) {
            buf_append_char(out, '%');
            buf_append_char(out, hex[c >> 4]);
            buf_append_char(out, hex[c & 15]);
        } else {
            buf_append_char(out, (char)c);
        }
    }
    return true;
}

/* RFC 3986, 5.2.4, on a path that begins with a slash. */
static void put_path(struct buf *out, struct span path)
{
    struct span rest = span_skip(path, 1), segment;
    size_t start = out->len;
    bool slash = false; /* the path ends in a directory */

    while (span_cut(&rest, '/', &segment)) {
        slash = false;
        if (span_eq(segment, SPAN("."))) {
            slash = true;
        } else if (span_eq(segment, SPAN(".."))) {
            while (out->len > start && out->ptr[--out->len] != '/')
                ;
            slash = true;
        } else {
            buf_append_char(out, '/');
            buf_append(out, segment);
        }
    }
    if (slash || out->len == start)
        buf_append_char(out, '/');
}

static bool put_url(struct buf *out, const struct url *url)
{
    struct buf path;

    buf_init(&path, MEM_REQUEST);
    buf_append(out, url->https ? SPAN("https://") : SPAN("http://"));
    buf_append(out, url->host);
    if (url->port != NO_PORT)
        buf_printf(out, ":%d", url->port);
    bool good = put_part(&path, url->path);
    put_path(out, buf_span(&path));
    buf_deinit(&path);
    if (url->has_query) {
        buf_append_char(out, '?');
        good = put_part(out, url->query) && good;
    }
    if (url->has_fragment) {
        buf_append_char(out, '#');
        good = put_part(out, url->fragment) && good;
    }
    return good;
}

/* All names of this very host are one. */
static struct span same_host(struct span host)
{
    bool loopback = span_eq(host, SPAN("localhost")) ||
                    span_eq(host, SPAN("[::1]")) ||
                    span_has_prefix(host, SPAN("127."));

    return loopback ? SPAN("localhost") : host;
}

/* The same host and port as one of ours? */
static bool is_own(struct arena *arena, const struct url *url,
                   const struct span *own, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct url self = {.https = url->https, .authority = own[i]};
        if (own[i].len && read_authority(arena, &self) == URL_OK &&
            span_eq(same_host(self.host), same_host(url->host)) &&
            self.port == url->port)
            return true;
    }
    return false;
}

enum url_verdict url_normalise(struct arena *arena, struct span in,
                               const struct span *own, size_t own_count,
                               struct span *out)
{
    struct url url = {0};
    struct buf text;

    if (in.len > URL_MAX)
        return URL_TOO_LONG;
    if (has_bad_character(in))
        return URL_BAD_CHARACTER;
    enum url_verdict verdict = split(in, &url);
    if (verdict == URL_OK)
        verdict = read_authority(arena, &url);
    if (verdict != URL_OK)
        return verdict;
    if (is_own(arena, &url, own, own_count))
        return URL_OWN_HOST;
    buf_init(&text, MEM_REQUEST);
    if (!put_url(&text, &url))
        verdict = URL_BAD_ESCAPE;
    else if (text.len > URL_MAX)
        verdict = URL_TOO_LONG;
    else
        *out = arena_copy(arena, buf_span(&text));
    buf_deinit(&text);
    return verdict;
}

struct span url_authority(struct span url)
{
    struct url split_url = {0};

    return split(url, &split_url) == URL_OK ? split_url.authority
                                            : (struct span){NULL, 0};
}
