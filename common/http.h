/*
 * http.h - the codec of HTTP/1.x requests: bytes in, a head and a body out.
 *
 * llhttp (strict) parses; this adds what it lets through: bare CR or LF, folded
 * lines, empty names, control characters, no or several Hosts, several lengths,
 * a coding other than "chunked", versions that are not 1.0 or 1.1.  No sockets.
 *
 *   http_scan_head() until it has a length, then http_parse_head() on a copy
 *   that stays, then http_parse_body() until done.
 */
#pragma once

#include <llhttp.h>

#include "common/request.h"
#include "common/span.h"

#define HTTP_MAX_HEAD 65535 /* positions in a head are 16 bits */

struct http_limits {
    size_t max_line, max_header, max_head;
    uint32_t max_headers;
};

/* Where the search for a head's end stands; all zero at its start. */
struct http_scan {
    size_t at;   /* bytes looked at */
    size_t line; /* start of the line that is not whole yet */
    uint32_t lines;
};

/*
 * Look for the end of the head in bytes, which begin as they did before and
 * have grown.  0: *length is the head's; UV_EAGAIN: not whole yet; else the
 * status to refuse it with (400, 414, 431).  *skip is what stands before it:
 * one empty line at most.
 */
int http_scan_head(struct http_scan *scan, const struct http_limits *limits,
                   struct span bytes, size_t *skip, size_t *length);

struct http_header {
    uint16_t name, name_len, value, value_len; /* in the head */
};

struct http_head {
    struct span bytes; /* borrowed */
    enum request_method method;
    struct span path, query; /* undecoded; query ptr NULL without '?' */
    struct span host;
    const struct http_header *headers;
    uint32_t header_count;
    uint64_t content_length;
    bool chunked, keep_alive, is_1_0, expects_continue;
};

/* Parses one request; needed until its body is done. */
struct http_parser {
    llhttp_t llhttp;
    struct http_header *headers;
    uint32_t count, max;
    const char *base;
    size_t url, url_len;
    uint32_t hosts, lengths, codings;
    int status; /* to refuse with */
    bool complete, chunked;
    uint64_t left; /* of a body with a length */
    void (*on_body)(void *arg, struct span bytes);
    void *arg;
};

/*
 * Parse a whole head into *head; headers is room for max of them.  0, or the
 * status to refuse it with.
 */
int http_parse_head(struct http_parser *parser, struct span bytes,
                    struct http_header *headers, uint32_t max,
                    struct http_head *head);

/*
 * Parse what follows: on_body sees each piece of the body.  *used tells how
 * far this request went, *done that it is whole.  0, or 400.
 */
int http_parse_body(struct http_parser *parser, struct span bytes, size_t *used,
                    bool *done);

/* Nothing of the head is decoded: trimmed value of the first such header. */
struct span http_header(const struct http_head *head, const char *name);

/* Is token one of a comma-separated list (any case)? */
bool http_list_has(struct span list, struct span token);
