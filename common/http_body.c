/*
 * http_body.c - see http.h: bodies, of a known length or in chunks.
 *
 * A chunk is "SIZE[;extension] CRLF data CRLF"; behind the last one, of size
 * 0, come trailers, which nobody reads, and an empty line.  What stands beside
 * the data is bounded, and every CR and LF has its partner.
 */
#include "common/http.h"

#define MAX_LEFT (UINT64_C(1) << 53)
#define MAX_BESIDE 16384 /* bytes of extensions and trailers of one body */

void http_body_init(struct http_body *body, const struct http_head *head,
                    void (*on_body)(void *arg, struct span bytes), void *arg)
{
    *body = (struct http_body){.left = head->content_length,
                               .next = HTTP_CHUNK_SIZE_FIRST,
                               .chunked = head->chunked,
                               .on_body = on_body,
                               .arg = arg};
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_text(char c)
{
    unsigned char byte = (unsigned char)c;

    return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
}

static bool is_name(char c)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";

    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || (c && strchr(marks, c));
}

/* The state behind a digit of a size, -1 when it is none. */
static int read_digit(struct http_body *body, char c)
{
    int digit = hex_digit(c);

    if (digit < 0 || body->left >= MAX_LEFT / 16)
        return -1;
    body->left = body->left * 16 + (uint64_t)digit;
    return HTTP_CHUNK_SIZE;
}

static int read_size(struct http_body *body, char c)
{
    switch (c) {
    case '\r':
        return HTTP_CHUNK_SIZE_LF;
    case ';':
        return HTTP_CHUNK_EXTENSION;
    default:
        return read_digit(body, c);
    }
}

/* Text up to a CR, of which there may be only so much: then the next state. */
static int read_beside(struct http_body *body, char c, enum http_chunk next)
{
    if (c == '\r')
        return (int)next;
    return is_text(c) && body->beside++ < MAX_BESIDE ? (int)body->next : -1;
}

static int read_trailer_name(struct http_body *body, char c)
{
    if (c == ':' && body->next == HTTP_CHUNK_TRAILER_NAME)
        return HTTP_CHUNK_TRAILER_VALUE;
    if (c == '\r' && body->next == HTTP_CHUNK_TRAILER_FIRST)
        return HTTP_CHUNK_END_LF;
    return is_name(c) && body->beside++ < MAX_BESIDE ? HTTP_CHUNK_TRAILER_NAME
                                                     : -1;
}

/* The state behind c, which is no data; -1: it must not stand there. */
static int read_frame(struct http_body *body, char c)
{
    switch (body->next) {
    case HTTP_CHUNK_SIZE_FIRST:
        body->left = 0;
        return read_digit(body, c);
    case HTTP_CHUNK_SIZE:
        return read_size(body, c);
    case HTTP_CHUNK_EXTENSION:
        return read_beside(body, c, HTTP_CHUNK_SIZE_LF);
    case HTTP_CHUNK_SIZE_LF:
        if (c != '\n')
            return -1;
        return body->left ? HTTP_CHUNK_DATA : HTTP_CHUNK_TRAILER_FIRST;
    case HTTP_CHUNK_DATA:
    case HTTP_CHUNK_DATA_CR:
        return c == '\r' ? HTTP_CHUNK_DATA_LF : -1;
    case HTTP_CHUNK_DATA_LF:
        return c == '\n' ? HTTP_CHUNK_SIZE_FIRST : -1;
    case HTTP_CHUNK_TRAILER_FIRST:
    case HTTP_CHUNK_TRAILER_NAME:
        return read_trailer_name(body, c);
    case HTTP_CHUNK_TRAILER_VALUE:
        return read_beside(body, c, HTTP_CHUNK_TRAILER_LF);
    case HTTP_CHUNK_TRAILER_LF:
        return c == '\n' ? HTTP_CHUNK_TRAILER_FIRST : -1;
    case HTTP_CHUNK_END_LF:
        break; /* see parse_chunks() */
    }
    return -1;
}

/* As much of the body, or the chunk, as there is. */
static size_t take_data(struct http_body *body, struct span bytes)
{
    size_t len = bytes.len < body->left ? bytes.len : (size_t)body->left;

    body->left -= len;
    if (len)
        body->on_body(body->arg, (struct span){bytes.ptr, len});
    return len;
}

static int parse_chunks(struct http_body *body, struct span bytes, size_t *used,
                        bool *done)
{
    size_t at = 0;

    *done = false;
    while (at < bytes.len && !*done) {
        if (body->next == HTTP_CHUNK_DATA) {
            at += take_data(body, span_skip(bytes, at));
            if (body->left == 0)
                body->next = HTTP_CHUNK_DATA_CR;
            continue;
        }
        char c = bytes.ptr[at++];
        if (body->next == HTTP_CHUNK_END_LF && c == '\n') {
            *done = true;
            break;
        }
        int next = read_frame(body, c);
        if (next < 0)
            return 400;
        body->next = (enum http_chunk)next;
    }
    *used = at;
    return 0;
}

int http_parse_body(struct http_body *body, struct span bytes, size_t *used,
                    bool *done)
{
    if (body->chunked)
        return parse_chunks(body, bytes, used, done);
    *used = take_data(body, bytes);
    *done = body->left == 0;
    return 0;
}
