/* http.c - see http.h: heads. */
#include <arpa/inet.h>
#include <llhttp.h>
#include <string.h>
#include <uv.h>

#include "common/http.h"

#define MAX_LENGTH (UINT64_C(1) << 53)
#define HOST_MAX 261 /* a name of 255 bytes and a port */

static int check_line(struct http_scan *scan, const struct http_limits *limits,
                      size_t length)
{
    if (scan->lines == 0)
        return length > limits->max_line ? 414 : 0;
    if (length > limits->max_header)
        return 431;
    return 0;
}

/* A line ends at lf: what it breaks, or 0. */
static int end_line(struct http_scan *scan, const struct http_limits *limits,
                    struct span bytes, size_t lf)
{
    char first = bytes.ptr[scan->line];

    if (lf == scan->line || bytes.ptr[lf - 1] != '\r')
        return 400; /* a bare LF */
    if (lf == scan->line + 1)
        return 0;
    if (first == ' ' || first == '\t')
        return 400; /* a folded line */
    if (scan->lines > limits->max_headers)
        return 431;
    return check_line(scan, limits, lf - 1 - scan->line);
}

int http_scan_head(struct http_scan *scan, const struct http_limits *limits,
                   struct span bytes, size_t *length)
{
    const char *found;

    while ((found = memchr(bytes.ptr + scan->at, '\n', bytes.len - scan->at))) {
        size_t lf = (size_t)(found - bytes.ptr);
        bool empty = lf == scan->line + 1;
        int status = end_line(scan, limits, bytes, lf);
        scan->at = lf + 1;
        if (status)
            return status;
        if (empty && scan->lines > 0) {
            *length = scan->at - scan->skip;
            return *length > limits->max_head ? 431 : 0;
        }
        scan->line = scan->at;
        if (empty) {
            if (++scan->blanks > HTTP_MAX_BLANKS)
                return UV_EOF;
            scan->skip = scan->at;
        } else {
            scan->lines++;
        }
    }
    scan->at = bytes.len;
    size_t begun = bytes.len - scan->line; /* of a line; its CR may be there */
    int status = check_line(scan, limits, begun ? begun - 1 : 0);
    if (status == 0 && bytes.len - scan->skip > limits->max_head)
        status = 431;
    return status ? status : UV_EAGAIN;
}

/* A head that is being parsed. */
struct parser {
    llhttp_t llhttp;
    struct http_header *headers;
    uint32_t count, max;
    const char *base;
    struct span url;
    uint32_t hosts, lengths, codings;
    int status; /* to refuse with */
};

static struct parser *parser_of(llhttp_t *llhttp)
{
    return llhttp->data;
}

static uint16_t at(const struct parser *parser, const char *ptr)
{
    return (uint16_t)(ptr - parser->base);
}

static int on_url(llhttp_t *llhttp, const char *ptr, size_t len)
{
    parser_of(llhttp)->url = (struct span){ptr, len};
    return 0;
}

static int on_name(llhttp_t *llhttp, const char *ptr, size_t len)
{
    struct parser *parser = parser_of(llhttp);

    if (parser->count == parser->max || len == 0) {
        parser->status = len == 0 ? 400 : 431;
        return -1;
    }
    parser->headers[parser->count++] = (struct http_header){
        .name = at(parser, ptr),
        .name_len = (uint16_t)len,
        .value = at(parser, ptr + len),
    };
    return 0;
}

static int on_value(llhttp_t *llhttp, const char *ptr, size_t len)
{
    struct parser *parser = parser_of(llhttp);
    struct http_header *header = &parser->headers[parser->count - 1];

    header->value = at(parser, ptr);
    header->value_len = (uint16_t)len;
    return 0;
}

static int on_head(llhttp_t *llhttp)
{
    (void)llhttp;
    return HPE_PAUSED; /* bodies are not its to read */
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
};

static bool map_method(uint8_t method, enum request_method *out)
{
    switch (method) {
    case HTTP_GET:
        *out = REQUEST_GET;
        return true;
    case HTTP_HEAD:
        *out = REQUEST_HEAD;
        return true;
    case HTTP_POST:
        *out = REQUEST_POST;
        return true;
    case HTTP_PUT:
        *out = REQUEST_PUT;
        return true;
    case HTTP_PATCH:
        *out = REQUEST_PATCH;
        return true;
    case HTTP_DELETE:
        *out = REQUEST_DELETE;
        return true;
    case HTTP_OPTIONS:
        *out = REQUEST_OPTIONS;
        return true;
    default:
        return false;
    }
}

static struct span name_of(const struct http_head *head,
                           const struct http_header *header)
{
    return (struct span){head->bytes.ptr + header->name, header->name_len};
}

static struct span value_of(const struct http_head *head,
                            const struct http_header *header)
{
    return span_trim(
        (struct span){head->bytes.ptr + header->value, header->value_len});
}

/* Letters, digits and -._~ */
static bool is_host_char(char c)
{
    static const uint64_t low = UINT64_C(0x03ff600000000000);
    static const uint64_t high = UINT64_C(0x47fffffe87fffffe);
    unsigned char byte = (unsigned char)c;

    if (byte < 64)
        return low >> byte & 1;
    return byte < 128 && (high >> (byte - 64) & 1);
}

/* The length of "[<IPv6 address>]" that host begins with; 0: it is none. */
static size_t measure_ipv6(struct span host)
{
    unsigned char bytes[16];
    char text[INET6_ADDRSTRLEN];
    size_t end = span_find(host, ']');

    if (end == host.len || end > sizeof(text))
        return 0;
    memcpy(text, host.ptr + 1, end - 1);
    text[end - 1] = '\0';
    return inet_pton(AF_INET6, text, bytes) == 1 ? end + 1 : 0;
}

/* Nothing, or a colon and a port, which may be left out. */
static bool is_port(struct span text)
{
    uint64_t port;

    if (text.len == 0)
        return true;
    return text.ptr[0] == ':' && text.len <= sizeof(":65535") - 1 &&
           (text.len == 1 || span_to_u64(span_skip(text, 1), 65535, &port));
}

/*
 * uri-host [":" port]: a name, or an address with IPv6 in brackets.  RFC 3986
 * would let names have !$&'()*+,;= and escapes, which no name has: links are
 * made of it.
 */
static bool is_host(struct span host)
{
    size_t len = 0;

    if (host.len == 0 || host.len > HOST_MAX)
        return false;
    if (host.ptr[0] == '[')
        len = measure_ipv6(host);
    else
        while (len < host.len && is_host_char(host.ptr[len]))
            len++;
    return len && is_port(span_skip(host, len));
}

/* Lengths, codings and hosts decide where a message ends: no doubt is let be.
 */
static int check_header(struct parser *parser, struct http_head *head,
                        struct span name, struct span value)
{
    switch (name.len) {
    case 4:
        if (!span_eq_nocase(name, SPAN("host")))
            break;
        head->host = value;
        return parser->hosts++ || !is_host(value) ? 400 : 0;
    case 6:
        if (!span_eq_nocase(name, SPAN("expect")))
            break;
        head->expects_continue = span_eq_nocase(value, SPAN("100-continue"));
        return head->expects_continue ? 0 : 417;
    case 14:
        if (!span_eq_nocase(name, SPAN("content-length")))
            break;
        return parser->lengths++ ||
                       !span_to_u64(value, MAX_LENGTH, &head->content_length)
                   ? 400
                   : 0;
    case 17:
        if (!span_eq_nocase(name, SPAN("transfer-encoding")))
            break;
        head->chunked = true;
        return parser->codings++ || !span_eq_nocase(value, SPAN("chunked"))
                   ? 400
                   : 0;
    default:
        break;
    }
    return 0;
}

static int check_headers(struct parser *parser, struct http_head *head)
{
    for (uint32_t i = 0; i < parser->count; i++) {
        const struct http_header *header = &parser->headers[i];
        head->name_lengths |= UINT64_C(1) << (header->name_len & 63);
        int status = check_header(parser, head, name_of(head, header),
                                  value_of(head, header));
        if (status)
            return status;
    }
    if (head->chunked && (parser->lengths || head->is_1_0))
        return 400;
    if (!parser->hosts && !head->is_1_0)
        return 400;
    return 0;
}

static size_t count_blanks(struct span line)
{
    size_t count = 0;

    for (size_t i = 0; i < line.len; i++)
        count += line.ptr[i] == ' ' || line.ptr[i] == '\t';
    return count;
}

/*
 * "… HTTP/1.0" or 1.1 ends the first line, which has two spaces; 505 for
 * another version.
 */
static int check_version(struct http_head *head)
{
    struct span line = {head->bytes.ptr, span_find(head->bytes, '\r')};
    static const size_t len = sizeof(" HTTP/1.1") - 1;

    if (line.len <= len || count_blanks(line) != 2)
        return 400;
    struct span end = span_skip(line, line.len - len);
    head->is_1_0 = span_eq(end, SPAN(" HTTP/1.0"));
    if (head->is_1_0 || span_eq(end, SPAN(" HTTP/1.1")))
        return 0;
    return span_has_prefix(end, SPAN(" HTTP/")) && end.ptr[7] == '.' ? 505
                                                                     : 400;
}

/* What stands behind the scheme of an absolute form, else ptr NULL. */
static struct span skip_scheme(struct span target)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(schemes[i]);
        if (target.len > len && span_eq_nocase((struct span){target.ptr, len},
                                               span_str(schemes[i])))
            return span_skip(target, len);
    }
    return (struct span){NULL, 0};
}

/* Origin form, absolute form (its host counts), or * for OPTIONS. */
static int split_target(struct http_head *head, struct span target)
{
    struct span rest = skip_scheme(target);

    if (rest.ptr) {
        size_t end = 0;
        while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?')
            end++;
        head->host = (struct span){rest.ptr, end};
        rest = span_skip(rest, end);
        if (!is_host(head->host))
            return 400;
    } else if (span_eq(target, SPAN("*"))) {
        head->path = target;
        return head->method == REQUEST_OPTIONS ? 0 : 400;
    } else if (target.len == 0 || target.ptr[0] != '/') {
        return 400;
    } else {
        rest = target;
    }
    if (span_find(rest, '#') < rest.len)
        return 400;
    size_t mark = span_find(rest, '?');
    head->path = mark ? (struct span){rest.ptr, mark} : SPAN("/");
    head->query =
        mark < rest.len ? span_skip(rest, mark + 1) : (struct span){NULL, 0};
    return 0;
}

/* A method that llhttp has never heard of is a method all the same. */
static int refusal_of(const struct parser *parser, struct span bytes)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    size_t len = span_find(bytes, ' ');

    if (llhttp_get_errno(&parser->llhttp) != HPE_INVALID_METHOD)
        return parser->status ? parser->status : 400;
    for (size_t i = 0; i < len; i++) {
        char c = bytes.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            !(c >= '0' && c <= '9') && !strchr(marks, c))
            return 400;
    }
    return len ? 501 : 400;
}

static bool keeps_alive(const llhttp_t *llhttp)
{
    return llhttp_should_keep_alive(llhttp) &&
           !(llhttp->flags & F_CONNECTION_CLOSE);
}

int http_parse_head(struct span bytes, struct http_header *headers,
                    uint32_t max, struct http_head *head)
{
    struct parser parser;

    *head = (struct http_head){.bytes = bytes, .headers = headers};
    int status = check_version(head);
    if (status)
        return status;

    parser = (struct parser){.headers = headers, .max = max, .base = bytes.ptr};
    llhttp_init(&parser.llhttp, HTTP_REQUEST, &settings);
    parser.llhttp.data = &parser;
    if (llhttp_execute(&parser.llhttp, bytes.ptr, bytes.len) != HPE_PAUSED)
        return refusal_of(&parser, bytes);
    head->header_count = parser.count;
    if (!map_method(parser.llhttp.method, &head->method))
        return 501;
    head->keep_alive = keeps_alive(&parser.llhttp);
    status = check_headers(&parser, head);
    return status ? status : split_target(head, parser.url);
}

bool http_header_next(const struct http_head *head, const char *name,
                      uint32_t *index, struct span *value)
{
    struct span wanted = span_str(name);

    if (!(head->name_lengths >> (wanted.len & 63) & 1))
        return false;
    for (uint32_t i = *index; i < head->header_count; i++) {
        const struct http_header *header = &head->headers[i];
        if (header->name_len != wanted.len ||
            !span_eq_nocase(name_of(head, header), wanted))
            continue;
        *value = value_of(head, header);
        *index = i + 1;
        return true;
    }
    return false;
}

struct span http_header(const struct http_head *head, const char *name)
{
    struct span value = {NULL, 0};
    uint32_t index = 0;

    http_header_next(head, name, &index, &value);
    return value;
}

bool http_list_has(struct span list, struct span token)
{
    struct span item;

    while (span_cut(&list, ',', &item))
        if (span_eq_nocase(span_trim(item), token))
            return true;
    return false;
}
