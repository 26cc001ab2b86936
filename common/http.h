/*
 * http.h - the codec of HTTP/1.x requests: bytes in, a head and a body out.
 *
 * llhttp (strict) parses heads; this adds what it lets through: a bare LF,
 * folded lines, empty names, no or several Hosts or one that is no host,
 * several lengths, a coding other than "chunked", versions that are not 1.0 or
 * 1.1.  Chunks it reads itself: behind the last one llhttp takes a bare LF,
 * folds and empty names.  No sockets.
 *
 *   http_scan_head() until it has a length, then http_parse_head() on a copy
 *   that stays, then http_parse_body() until done.
 */
#pragma once

#include "common/method.h"
#include "common/span.h"

#define HTTP_MAX_HEAD 65535 /* positions in a head are 16 bits */
#define HTTP_MAX_HEADERS 256
#define HTTP_MAX_BLANKS 8 /* empty lines before a head */

struct http_limits {
    size_t max_line, max_header, max_head;
    uint32_t max_headers;
};

/* Where the search for a head's end stands; all zero at its start. */
struct http_scan {
    size_t at;   /* bytes looked at */
    size_t line; /* start of the line that is not whole yet */
    size_t skip; /* start of the head: behind empty lines */
    uint32_t lines;
    uint32_t blanks; /* those empty lines */
};

/*
 * Look for the end of the head in bytes, which begin as they did before and
 * have grown.  0: the head is *length bytes from scan->skip on; UV_EAGAIN: not
 * whole yet; UV_EOF: too many empty lines, which are no request to be answered;
 * else the status to refuse it with (400, 414, 431).
 */
int http_scan_head(struct http_scan *scan, const struct http_limits *limits,
                   struct span bytes, size_t *length);

struct http_header {
    uint16_t name, name_len, value, value_len; /* in the head */
};

struct http_head {
    uint64_t name_lengths; /* a bit for each length, modulo 64, of a name */
    struct span bytes;     /* borrowed */
    enum request_method method;
    struct span path, query; /* undecoded; query ptr NULL without '?' */
    struct span host;
    const struct http_header *headers;
    uint32_t header_count;
    uint64_t content_length;
    bool chunked, keep_alive, is_1_0, expects_continue;
};

/*
 * Parse a whole head into *head; headers is room for max of them and lives as
 * long as *head.  0, or the status to refuse it with; what of *head is set
 * then may be read.
 */
int http_parse_head(struct span bytes, struct http_header *headers,
                    uint32_t max, struct http_head *head);

/* Of a body with chunks, what is read next. */
enum http_chunk {
    HTTP_CHUNK_SIZE_FIRST,
    HTTP_CHUNK_SIZE,
    HTTP_CHUNK_EXTENSION,
    HTTP_CHUNK_SIZE_LF,
    HTTP_CHUNK_DATA,
    HTTP_CHUNK_DATA_CR,
    HTTP_CHUNK_DATA_LF,
    HTTP_CHUNK_TRAILER_FIRST,
    HTTP_CHUNK_TRAILER_NAME,
    HTTP_CHUNK_TRAILER_VALUE,
    HTTP_CHUNK_TRAILER_LF,
    HTTP_CHUNK_END_LF,
};

/* Where the reading of a body stands. */
struct http_body {
    uint64_t left;   /* of the body, or of the chunk */
    uint32_t beside; /* bytes of extensions and trailers */
    enum http_chunk next;
    bool chunked;
    void (*on_body)(void *arg, struct span bytes);
    void *arg;
};

/* on_body sees each piece of the body, at least one byte. */
void http_body_init(struct http_body *body, const struct http_head *head,
                    void (*on_body)(void *arg, struct span bytes), void *arg);

/*
 * Read what follows the head.  *used tells how far the body went, *done that
 * it is whole.  0, or 400 for chunks that are none.
 */
int http_parse_body(struct http_body *body, struct span bytes, size_t *used,
                    bool *done);

/* Nothing of the head is decoded: trimmed value of the first such header. */
struct span http_header(const struct http_head *head, const char *name);
/* The next one from *index on, which is 0 at first; false: no more. */
bool http_header_next(const struct http_head *head, const char *name,
                      uint32_t *index, struct span *value);

/* Is token one of a comma-separated list (any case)? */
bool http_list_has(struct span list, struct span token);
