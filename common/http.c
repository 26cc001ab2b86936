/* http.c - see http.h. */
#include <string.h>
#include <uv.h>

#include "common/http.h"

#define MAX_LENGTH (UINT64_C(1) << 53)

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
    if (first == ' ' || first == '\t')
        return 400; /* folded */
    if (lf == scan->line + 1)
        return 0;
    if (scan->lines > limits->max_headers)
        return 431;
    return check_line(scan, limits, lf - 1 - scan->line);
}

int http_scan_head(struct http_scan *scan, const struct http_limits *limits,
                   struct span bytes, size_t *skip, size_t *length)
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
            *length = scan->at - *skip;
            return *length > limits->max_head ? 431 : 0;
        }
        if (empty && scan->line > 0)
            return 400; /* a second empty line before the request */
        if (empty)
            *skip = scan->at;
        else
            scan->lines++;
        scan->line = scan->at;
    }
    scan->at = bytes.len;
    int status = check_line(scan, limits, bytes.len - scan->line);
    if (status == 0 && bytes.len > limits->max_head)
        status = 431;
    return status ? status : UV_EAGAIN;
}

static struct http_parser *parser_of(llhttp_t *llhttp)
{
    return llhttp->data;
}

static uint16_t at(const struct http_parser *parser, const char *ptr)
{
    return (uint16_t)(ptr - parser->base);
}

static int on_url(llhttp_t *llhttp, const char *ptr, size_t len)
{
    struct http_parser *parser = parser_of(llhttp);

    parser->url = at(parser, ptr);
    parser->url_len = len;
    return 0;
}

static int on_name(llhttp_t *llhttp, const char *ptr, size_t len)
{
    struct http_parser *parser = parser_of(llhttp);

    if (!parser->headers) /* a trailer, which nobody reads */
        return 0;
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
    struct http_parser *parser = parser_of(llhttp);

    if (!parser->headers)
        return 0;
    struct http_header *header = &parser->headers[parser->count - 1];
    header->value = at(parser, ptr);
    header->value_len = (uint16_t)len;
    return 0;
}

/* Upgrades are not ours to take: what follows is the next request. */
static int on_head(llhttp_t *llhttp)
{
    llhttp->upgrade = 0;
    return HPE_PAUSED;
}

static int on_body(llhttp_t *llhttp, const char *ptr, size_t len)
{
    struct http_parser *parser = parser_of(llhttp);

    parser->on_body(parser->arg, (struct span){ptr, len});
    return 0;
}

static int on_complete(llhttp_t *llhttp)
{
    parser_of(llhttp)->complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_complete,
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

/* Letters, digits and -._~!$&'()*+,;=:[]% */
static bool is_host_char(char c)
{
    static const uint64_t low = UINT64_C(0x2fff7ff200000000);
    static const uint64_t high = UINT64_C(0x47fffffeaffffffe);
    unsigned char byte = (unsigned char)c;

    if (byte < 64)
        return low >> byte & 1;
    return byte < 128 && (high >> (byte - 64) & 1);
}

static bool is_host(struct span host)
{
    for (size_t i = 0; i < host.len; i++)
        if (!is_host_char(host.ptr[i]))
            return false;
    return host.len > 0 && host.len <= 261;
}

/* Lengths, codings and hosts decide where a message ends: no doubt is let be.
 */
static int check_header(struct http_parser *parser, struct http_head *head,
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

static int check_headers(struct http_parser *parser, struct http_head *head)
{
    for (uint32_t i = 0; i < parser->count; i++) {
        const struct http_header *header = &parser->headers[i];
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

/* Origin form, absolute form (its host counts), or * for OPTIONS. */
static int split_target(struct http_head *head, struct span target)
{
    struct span rest = target;

    if (span_has_prefix(target, SPAN("http://")) ||
        span_has_prefix(target, SPAN("https://"))) {
        rest = span_skip(target, target.ptr[4] == 's' ? 8 : 7);
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
    }
    size_t mark = span_find(rest, '?');
    head->path = mark ? (struct span){rest.ptr, mark} : SPAN("/");
    head->query =
        mark < rest.len ? span_skip(rest, mark + 1) : (struct span){NULL, 0};
    return 0;
}

int http_parse_head(struct http_parser *parser, struct span bytes,
                    struct http_header *headers, uint32_t max,
                    struct http_head *head)
{
    *head = (struct http_head){.bytes = bytes, .headers = headers};
    *parser =
        (struct http_parser){.headers = headers, .max = max, .base = bytes.ptr};
    int status = check_version(head);
    if (status)
        return status;

    llhttp_init(&parser->llhttp, HTTP_REQUEST, &settings);
    parser->llhttp.data = parser;
    llhttp_errno_t err = llhttp_execute(&parser->llhttp, bytes.ptr, bytes.len);
    if (err != HPE_PAUSED)
        return parser->status ? parser->status : 400;
    if (!map_method(parser->llhttp.method, &head->method))
        return 501;
    head->header_count = parser->count;
    status = check_headers(parser, head);
    if (status == 0)
        status = split_target(
            head, (struct span){bytes.ptr + parser->url, parser->url_len});
    head->keep_alive = llhttp_should_keep_alive(&parser->llhttp);
    parser->headers = NULL;
    parser->left = head->content_length;
    parser->chunked = head->chunked;
    return status;
}

static int parse_chunked(struct http_parser *parser, struct span bytes,
                         size_t *used, bool *done)
{
    llhttp_t *llhttp = &parser->llhttp;

    if (llhttp_get_errno(llhttp) == HPE_PAUSED)
        llhttp_resume(llhttp);
    llhttp_errno_t err = llhttp_execute(llhttp, bytes.ptr, bytes.len);
    *done = parser->complete;
    *used = bytes.len;
    if (parser->complete && err == HPE_PAUSED) {
        *used = (size_t)(llhttp_get_error_pos(llhttp) - bytes.ptr);
        return 0;
    }
    return err == HPE_OK ? 0 : 400;
}

int http_parse_body(struct http_parser *parser, struct span bytes, size_t *used,
                    bool *done)
{
    if (parser->chunked)
        return parse_chunked(parser, bytes, used, done);
    *used = bytes.len < parser->left ? bytes.len : (size_t)parser->left;
    parser->left -= *used;
    *done = parser->left == 0;
    if (*used)
        parser->on_body(parser->arg, (struct span){bytes.ptr, *used});
    return 0;
}

struct span http_header(const struct http_head *head, const char *name)
{
    struct span wanted = span_str(name);

    for (uint32_t i = 0; i < head->header_count; i++)
        if (head->headers[i].name_len == wanted.len &&
            span_eq_nocase(name_of(head, &head->headers[i]), wanted))
            return value_of(head, &head->headers[i]);
    return (struct span){NULL, 0};
}

bool http_list_has(struct span list, struct span token)
{
    struct span item;

    while (span_cut(&list, ',', &item))
        if (span_eq_nocase(span_trim(item), token))
            return true;
    return false;
}
