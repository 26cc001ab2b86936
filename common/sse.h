/*
 * sse.h - the codec of event streams (text/event-stream), by the rules of the
 * HTML standard, "Server-sent events".
 *
 * Written: fields whose values have no line end, and data, of which each line
 * is a field of its own.  Read, for clients: bytes in, events out.  No sockets.
 */
#pragma once

#include "common/buf.h"
#include "common/span.h"

/* "name: value\n"; value without CR, LF, and of an id without NUL. */
void sse_append_field(struct buf *out, struct span name, struct span value);

/* "data: …\n" for each line; CR, LF and CRLF end one, as they will be read. */
void sse_append_data(struct buf *out, struct span data);

/* What ends an event, and what a client passes over. */
#define SSE_END SPAN("\n")
#define SSE_PING SPAN(":\n\n")

struct sse_event {
    struct span type; /* "message" unless said */
    struct span data; /* its lines joined by LF */
    struct span id;   /* the last one of the stream, also from before */
};

struct sse_reader {
    struct buf line, data, type, id, pending_id;
    size_t max_event;  /* bytes of a line, and of an event's data */
    uint64_t retry_ms; /* the last one; 0: none */
    bool begun;        /* a BOM has been looked for */
    bool after_cr;
    void (*on_event)(void *arg, const struct sse_event *event);
    void *arg;
};

void sse_reader_init(struct sse_reader *reader, size_t max_event,
                     void (*on_event)(void *arg, const struct sse_event *event),
                     void *arg);
void sse_reader_deinit(struct sse_reader *reader);

/* 0, or UV_EMSGSIZE past max_event: then the stream is not to be read on.
   on_event runs inside; its spans end with it. */
int sse_read(struct sse_reader *reader, struct span bytes);
