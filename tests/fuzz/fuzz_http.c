/*
 * fuzz_http.c - any bytes: read whole and in pieces they are the same requests.
 *
 * The first byte seeds the sizes of the pieces.
 */
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "common/buf.h"
#include "common/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_limits limits = {
    .max_line = 1024, .max_header = 1024, .max_head = 4096, .max_headers = 16};

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void on_body(void *arg, struct span bytes)
{
    check(bytes.len > 0);
    buf_append(arg, bytes);
}

/* Text, and line ends that are whole. */
static void check_text(struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        check(c != 0x7f && (c >= ' ' || c == '\t' || c == '\r' || c == '\n'));
        check(c != '\r' || (i + 1 < bytes.len && bytes.ptr[i + 1] == '\n'));
        check(c != '\n' || (i > 0 && bytes.ptr[i - 1] == '\r'));
    }
}

/* Everything that a reader of the head may look at lies inside it. */
static void check_head(const struct http_head *head)
{
    const char *end = head->bytes.ptr + head->bytes.len;
    struct span value;
    uint32_t index = 0;

    for (uint32_t i = 0; i < head->header_count; i++) {
        const struct http_header *header = &head->headers[i];
        check(header->name_len > 0);
        check((size_t)header->name + header->name_len <= head->bytes.len);
        check((size_t)header->value + header->value_len <= head->bytes.len);
    }
    check_text(head->bytes);
    check(head->path.len > 0);
    check(!head->query.ptr || head->query.ptr + head->query.len <= end);
    check(!(head->chunked && head->content_length));
    while (http_header_next(head, "host", &index, &value))
        http_list_has(value, SPAN("a"));
}

static void put_number(struct buf *events, uint64_t number)
{
    buf_append_u64(events, number);
    buf_append_char(events, ' ');
}

static size_t next_step(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed ? 1 + (*seed >> 24) % 40 : SIZE_MAX;
}

/* How far one head goes; 0: it is the last, or refused. */
static size_t read_head(struct span bytes, uint32_t *seed, struct buf *events,
                        struct http_header *headers, struct http_head *head)
{
    struct http_scan scan = {0};
    size_t length = 0;
    size_t seen = 0;
    int status = UV_EAGAIN;

    while (status == UV_EAGAIN && seen < bytes.len) {
        size_t step = *seed ? next_step(seed) : SIZE_MAX;
        seen = bytes.len - seen > step ? seen + step : bytes.len;
        status = http_scan_head(&scan, &limits, (struct span){bytes.ptr, seen},
                                &length);
    }
    if (status == 0)
        status = http_parse_head((struct span){bytes.ptr + scan.skip, length},
                                 headers, limits.max_headers, head);
    if (status) { /* which mistake is seen first may differ */
        put_number(events, status < 0 ? 1 : 2);
        return 0;
    }
    check_head(head);
    put_number(events, (uint64_t)head->method);
    put_number(events, head->header_count);
    return scan.skip + length;
}

/* How far its body goes; SIZE_MAX: not to its end, or refused. */
static size_t read_body(struct span bytes, uint32_t *seed, struct buf *events,
                        const struct http_head *head)
{
    struct http_body body;
    bool done = !head->chunked && head->content_length == 0;
    size_t at = 0;
    int status = 0;

    http_body_init(&body, head, on_body, events);
    while (!done && status == 0 && at < bytes.len) {
        struct span piece = span_skip(bytes, at);
        size_t step = *seed ? next_step(seed) : SIZE_MAX;
        size_t used = 0;
        if (piece.len > step)
            piece.len = step;
        status = http_parse_body(&body, piece, &used, &done);
        check(used <= piece.len && (status || done || used == piece.len));
        at += used;
    }
    put_number(events, (uint64_t)status);
    return done ? at : SIZE_MAX;
}

static void read_all(struct span bytes, uint32_t seed, struct buf *events)
{
    struct http_header headers[16];
    struct http_head head;

    while (bytes.len) {
        size_t used = read_head(bytes, &seed, events, headers, &head);
        if (used == 0)
            return;
        bytes = span_skip(bytes, used);
        used = read_body(bytes, &seed, events, &head);
        if (used == SIZE_MAX)
            return;
        put_number(events, used);
        bytes = span_skip(bytes, used);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole;
    struct buf pieces;
    struct span bytes = {(const char *)data + 1, size - 1};

    if (size < 2)
        return 0;
    buf_init(&whole, MEM_APP);
    buf_init(&pieces, MEM_APP);
    read_all(bytes, 0, &whole);
    read_all(bytes, data[0] * 77u + 1, &pieces);
    check(span_eq(buf_span(&whole), buf_span(&pieces)));
    buf_deinit(&whole);
    buf_deinit(&pieces);
    return 0;
}
