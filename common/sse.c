/* sse.c - see sse.h. */
#include <uv.h>

#include "common/sse.h"

void sse_append_field(struct buf *out, struct span name, struct span value)
{
    buf_append(out, name);
    buf_append(out, SPAN(": "));
    buf_append(out, value);
    buf_append_char(out, '\n');
}

static size_t line_length(struct span text)
{
    size_t len = 0;

    while (len < text.len && text.ptr[len] != '\r' && text.ptr[len] != '\n')
        len++;
    return len;
}

/* Without the line end that text begins with. */
static struct span skip_end(struct span text)
{
    bool both = text.len > 1 && text.ptr[0] == '\r' && text.ptr[1] == '\n';

    return span_skip(text, both ? 2 : 1);
}

void sse_append_data(struct buf *out, struct span data)
{
    for (;;) {
        size_t len = line_length(data);
        sse_append_field(out, SPAN("data"), (struct span){data.ptr, len});
        if (len == data.len)
            return;
        data = skip_end(span_skip(data, len));
    }
}

/* ---- read */

void sse_reader_init(struct sse_reader *reader, size_t max_event,
                     void (*on_event)(void *arg, const struct sse_event *event),
                     void *arg)
{
    *reader = (struct sse_reader){
        .max_event = max_event, .on_event = on_event, .arg = arg};
    buf_init(&reader->line, MEM_CONN);
    buf_init(&reader->data, MEM_CONN);
    buf_init(&reader->type, MEM_CONN);
    buf_init(&reader->id, MEM_CONN);
    buf_init(&reader->pending_id, MEM_CONN);
}

void sse_reader_deinit(struct sse_reader *reader)
{
    buf_deinit(&reader->line);
    buf_deinit(&reader->data);
    buf_deinit(&reader->type);
    buf_deinit(&reader->id);
    buf_deinit(&reader->pending_id);
}

static void set(struct buf *buf, struct span value)
{
    buf->len = 0;
    buf_append(buf, value);
}

/* An empty line.  Without data there is no event, but its id counts. */
static void dispatch(struct sse_reader *reader)
{
    set(&reader->id, buf_span(&reader->pending_id));
    if (reader->data.len) {
        struct span type = buf_span(&reader->type);
        struct sse_event event = {
            .type = type.len ? type : SPAN("message"),
            .data = {reader->data.ptr, reader->data.len - 1},
            .id = buf_span(&reader->id)};
        reader->on_event(reader->arg, &event);
    }
    reader->data.len = reader->type.len = 0;
}

static int take_field(struct sse_reader *reader, struct span name,
                      struct span value)
{
    if (span_eq(name, SPAN("data"))) {
        if (reader->data.len + value.len > reader->max_event)
            return UV_EMSGSIZE;
        buf_append(&reader->data, value);
        buf_append_char(&reader->data, '\n');
    } else if (span_eq(name, SPAN("event"))) {
        set(&reader->type, value);
    } else if (span_eq(name, SPAN("id"))) {
        if (span_find(value, '\0') == value.len)
            set(&reader->pending_id, value);
    } else if (span_eq(name, SPAN("retry"))) {
        span_to_u64(value, UINT32_MAX, &reader->retry_ms);
    }
    return 0;
}

static int take_line(struct sse_reader *reader, struct span line)
{
    size_t colon = span_find(line, ':');

    if (line.len == 0) {
        dispatch(reader);
        return 0;
    }
    if (colon == 0) /* a comment */
        return 0;
    struct span value = span_skip(line, colon + 1);
    if (value.len && value.ptr[0] == ' ')
        value = span_skip(value, 1);
    return take_field(reader, (struct span){line.ptr, colon}, value);
}

/* A byte order mark, which may come in pieces, is not of the first line. */
static struct span skip_mark(struct sse_reader *reader, struct span line)
{
    bool first = !reader->begun;

    reader->begun = true;
    return first && span_has_prefix(line, SPAN("\xef\xbb\xbf"))
               ? span_skip(line, 3)
               : line;
}

/* The end of a line: what was kept of it, and this. */
static int end_line(struct sse_reader *reader, struct span rest)
{
    int err;

    if (reader->line.len == 0)
        return take_line(reader, skip_mark(reader, rest));
    buf_append(&reader->line, rest);
    err = take_line(reader, skip_mark(reader, buf_span(&reader->line)));
    reader->line.len = 0;
    return err;
}

int sse_read(struct sse_reader *reader, struct span bytes)
{
    int err = 0;

    while (bytes.len && err == 0) {
        if (reader->after_cr && bytes.ptr[0] == '\n')
            bytes = span_skip(bytes, 1);
        reader->after_cr = false;
        size_t len = line_length(bytes);
        if (reader->line.len + len > reader->max_event)
            return UV_EMSGSIZE;
        if (len == bytes.len) {
            buf_append(&reader->line, bytes);
            return 0;
        }
        reader->after_cr = bytes.ptr[len] == '\r';
        err = end_line(reader, (struct span){bytes.ptr, len});
        bytes = span_skip(bytes, len + 1);
    }
    return err;
}
