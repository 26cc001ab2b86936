/*
 * url_host.c - the host of a target: a name, an IPv4 or an IPv6 address.
 *
 * A name may be written in Unicode or as percent-escapes.  One whose last
 * label is a number is an IPv4 address or nothing, in whatever form (0x7f.1,
 * 2130706433): what a browser would connect to is what is stored.
 */
#include <arpa/inet.h>
#include <idn2.h>
#include <stdio.h>

#include "shortener/url_internal.h"

#define LABEL_MAX 63

static bool is_ascii(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] >= 0x80)
            return false;
    return true;
}

static struct span without_dot(struct span name)
{
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    return name;
}

/* "%XX" decoded, ASCII in lower case, a NUL behind. */
static struct span decode(struct arena *arena, struct span in)
{
    char *text = arena_alloc(arena, in.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < in.len; i++) {
        int c = (unsigned char)in.ptr[i];
        if (c == '%') {
            c = url_read_escape(span_skip(in, i));
            i += 2;
        }
        text[len++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    text[len] = '\0';
    return (struct span){text, len};
}

/* One number of an IPv4 address: decimal, 0x hex or 0 octal. */
static bool read_number(struct span text, uint64_t *out)
{
    int base = 10;
    uint64_t value = 0;

    if (text.len == 0)
        return false;
    if (text.len > 1 && text.ptr[0] == '0') {
        base = text.ptr[1] == 'x' ? 16 : 8;
        text = span_skip(text, base == 16 ? 2 : 1);
    }
    for (size_t i = 0; i < text.len; i++) {
        int digit = url_hex_value(text.ptr[i]);
        if (digit < 0 || digit >= base || value > UINT32_MAX)
            return false;
        value = value * (uint64_t)base + (uint64_t)digit;
    }
    *out = value;
    return true;
}

static bool is_decimal(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.len > 0;
}

static bool ends_in_number(struct span name)
{
    struct span rest = without_dot(name);
    struct span last = {NULL, 0};
    uint64_t number;

    while (span_cut(&rest, '.', &last))
        ;
    return is_decimal(last) || read_number(last, &number);
}

/* Each part but the last is one byte; the last fills what is left. */
static enum url_verdict read_ipv4(struct arena *arena, struct span name,
                                  struct span *out)
{
    struct span rest = without_dot(name);
    struct span part;
    uint64_t parts[4];
    uint64_t value = 0;
    size_t count = 0;

    for (; span_cut(&rest, '.', &part); count++)
        if (count == 4 || !read_number(part, &parts[count]))
            return URL_BAD_IPV4;
    if (count == 0)
        return URL_BAD_IPV4;
    for (size_t i = 0; i + 1 < count; i++) {
        if (parts[i] > 255)
            return URL_BAD_IPV4;
        value |= parts[i] << (24 - 8 * i);
    }
    if (parts[count - 1] >> (8 * (5 - count)))
        return URL_BAD_IPV4;
    value |= parts[count - 1];
    *out = arena_printf(arena, "%u.%u.%u.%u", (unsigned)(value >> 24),
                        (unsigned)(value >> 16 & 255),
                        (unsigned)(value >> 8 & 255), (unsigned)(value & 255));
    return URL_OK;
}

/* The first longest run of two or more zero pieces; len 0: there is none. */
static void find_zeros(const unsigned pieces[8], size_t *start, size_t *len)
{
    *start = *len = 0;
    for (size_t i = 0; i < 8; i++) {
        size_t n = 0;
        while (i + n < 8 && pieces[i + n] == 0)
            n++;
        if (n > *len && n > 1) {
            *start = i;
            *len = n;
        }
    }
}

/* RFC 5952, but hexadecimal throughout, as WHATWG does. */
static struct span format_ipv6(struct arena *arena, const struct in6_addr *from)
{
    unsigned pieces[8];
    size_t start;
    size_t zeros;
    char text[INET6_ADDRSTRLEN + 2];
    size_t len = 0;

    for (size_t i = 0; i < 8; i++)
        pieces[i] = (unsigned)from->s6_addr[2 * i] << 8 |
                    (unsigned)from->s6_addr[2 * i + 1];
    find_zeros(pieces, &start, &zeros);
    text[len++] = '[';
    for (size_t i = 0; i < 8; i++) {
        if (zeros > 0 && i == start) {
            text[len++] = ':';
            if (i == 0)
                text[len++] = ':';
            i += zeros - 1;
            continue;
        }
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%x%s",
                                pieces[i], i < 7 ? ":" : "");
    }
    text[len++] = ']';
    return arena_copy(arena, (struct span){text, len});
}

static enum url_verdict read_ipv6(struct arena *arena, struct span bracketed,
                                  struct span *out)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    size_t len = bracketed.len - 2;

    if (bracketed.len < 2 || bracketed.ptr[bracketed.len - 1] != ']' ||
        len >= sizeof(text))
        return URL_BAD_IPV6;
    memcpy(text, bracketed.ptr + 1, len);
    text[len] = '\0';
    if (inet_pton(AF_INET6, text, &address) != 1)
        return URL_BAD_IPV6;
    *out = format_ipv6(arena, &address);
    return URL_OK;
}

static bool is_label_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_'; /* not a host name's, yet found in many */
}

static enum url_verdict check_label(struct span label)
{
    if (label.len == 0 || label.len > LABEL_MAX)
        return URL_LONG_LABEL;
    if (label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
        return URL_BAD_HOST;
    for (size_t i = 0; i < label.len; i++)
        if (!is_label_char(label.ptr[i]))
            return URL_BAD_HOST;
    return URL_OK;
}

static enum url_verdict check_name(struct span name)
{
    struct span rest = without_dot(name);
    struct span label;

    if (rest.len > URL_HOST_MAX)
        return URL_LONG_HOST;
    while (span_cut(&rest, '.', &label)) {
        enum url_verdict verdict = check_label(label);
        if (verdict != URL_OK)
            return verdict;
    }
    return URL_OK;
}

/*
 * A name in ASCII is on the wire as it is: libidn2, stricter than DNS, would
 * refuse the second and third hyphen of "r3---sn.example".
 */
static enum url_verdict to_ascii(struct arena *arena, struct span name,
                                 struct span *out)
{
    char *ascii = NULL;

    if (is_ascii(name)) {
        *out = name;
        return URL_OK;
    }
    switch (idn2_to_ascii_8z(name.ptr, &ascii,
                             IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL)) {
    case IDN2_OK:
        *out = arena_copy(arena, span_str(ascii));
        idn2_free(ascii);
        return URL_OK;
    case IDN2_TOO_BIG_DOMAIN:
        return URL_LONG_HOST;
    case IDN2_TOO_BIG_LABEL:
    case IDN2_PUNYCODE_BIG_OUTPUT:
        return URL_LONG_LABEL;
    default:
        return URL_BAD_HOST;
    }
}

static enum url_verdict read_name(struct arena *arena, struct span written,
                                  struct span *out)
{
    struct span name = decode(arena, written);

    if (memchr(name.ptr, '\0', name.len))
        return URL_BAD_HOST;
    enum url_verdict verdict = to_ascii(arena, name, &name);
    if (verdict == URL_OK && ends_in_number(name))
        return read_ipv4(arena, name, out);
    if (verdict == URL_OK)
        verdict = check_name(name);
    if (verdict == URL_OK)
        *out = name;
    return verdict;
}

static enum url_verdict read_port(struct span text, bool https, uint16_t *out)
{
    uint64_t port;
    uint16_t usual = https ? 443 : 80;

    *out = URL_DEFAULT_PORT;
    if (text.len == 0)
        return URL_OK;
    if (!span_to_u64(text, UINT16_MAX, &port) || port == 0)
        return URL_BAD_PORT;
    if (port != usual)
        *out = (uint16_t)port;
    return URL_OK;
}

enum url_verdict url_read_host(struct arena *arena, struct span text,
                               bool https, struct url_host *host)
{
    struct span name = text;
    struct span port = {NULL, 0};
    struct url_host read = {{NULL, 0}, URL_DEFAULT_PORT};

    if (span_find(text, '@') < text.len)
        return URL_HAS_CREDENTIALS;
    bool bracket = text.len > 0 && text.ptr[0] == '[';
    size_t from = bracket ? span_find(text, ']') : 0;
    size_t colon = from + span_find(span_skip(text, from), ':');
    if (colon < text.len) {
        name = (struct span){text.ptr, colon};
        port = span_skip(text, colon + 1);
    }
    if (name.len == 0)
        return URL_NO_HOST;
    enum url_verdict verdict = bracket ? read_ipv6(arena, name, &read.name)
                                       : read_name(arena, name, &read.name);
    if (verdict == URL_OK)
        verdict = read_port(port, https, &read.port);
    if (verdict == URL_OK)
        *host = read;
    return verdict;
}

static bool has_suffix(struct span s, struct span suffix)
{
    return s.len >= suffix.len &&
           span_eq(span_skip(s, s.len - suffix.len), suffix);
}

/* "[::ffff:7fxx:…]": four digits, or it would be another address. */
static bool is_mapped_loopback(struct span name)
{
    struct span rest = span_skip(name, sizeof("[::ffff:") - 1);

    return span_has_prefix(name, SPAN("[::ffff:7f")) &&
           span_find(rest, ':') == 4;
}

/* Names and addresses of this very machine, whatever it is called. */
static bool is_local(struct span name)
{
    return span_eq(name, SPAN("localhost")) ||
           has_suffix(name, SPAN(".localhost")) || is_mapped_loopback(name) ||
           span_eq(name, SPAN("[::ffff:0:0]")) ||
           span_eq(name, SPAN("[::1]")) || span_eq(name, SPAN("[::]")) ||
           span_eq(name, SPAN("0.0.0.0")) ||
           (span_has_prefix(name, SPAN("127.")) && ends_in_number(name));
}

bool url_same_host(const struct url_host *a, const struct url_host *b)
{
    struct span left = without_dot(a->name);
    struct span right = without_dot(b->name);

    return a->port == b->port &&
           (span_eq(left, right) || (is_local(left) && is_local(right)));
}
