/*
 * fuzz_sse.c - any bytes: read whole and one by one they are the same events;
 * written as data and read, they are the same lines.
 */
#include <stdlib.h>

#include "common/sse.h"

#define SMALL_EVENT 24 /* for short inputs to meet the bounds */
#define LARGE_EVENT 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    struct buf text;
    size_t max_event;
};

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void put(struct buf *text, struct span bytes)
{
    buf_append_u64(text, bytes.len);
    buf_append_char(text, ':');
    buf_append(text, bytes);
}

static void on_event(void *arg, const struct sse_event *event)
{
    struct seen *seen = arg;

    check(event->type.len > 0 && event->type.len <= seen->max_event);
    check(event->data.len <= seen->max_event);
    check(event->id.len <= seen->max_event);
    check(span_find(event->id, '\0') == event->id.len);
    check(span_find(event->data, '\r') == event->data.len);
    put(&seen->text, event->type);
    put(&seen->text, event->data);
    put(&seen->text, event->id);
}

/* All that there is to see of bytes, read by step of them. */
static void read_by(struct seen *seen, struct span bytes, size_t step)
{
    struct sse_reader reader;
    int err = 0;

    sse_reader_init(&reader, seen->max_event, on_event, seen);
    while (bytes.len && err == 0) {
        size_t len = bytes.len < step ? bytes.len : step;
        err = sse_read(&reader, (struct span){bytes.ptr, len});
        bytes = span_skip(bytes, len);
    }
    buf_append_i64(&seen->text, err);
    put(&seen->text, buf_span(&reader.id));
    buf_append_u64(&seen->text, reader.retry_ms);
    sse_reader_deinit(&reader);
    check(mem_live(MEM_CONN) == 0);
}

static void check_pieces(struct span bytes, size_t max_event)
{
    struct seen whole = {.max_event = max_event};
    struct seen pieces = {.max_event = max_event};

    buf_init(&whole.text, MEM_APP);
    buf_init(&pieces.text, MEM_APP);
    read_by(&whole, bytes, SIZE_MAX);
    read_by(&pieces, bytes, 1);
    check(span_eq(buf_span(&whole.text), buf_span(&pieces.text)));
    buf_deinit(&whole.text);
    buf_deinit(&pieces.text);
}

/* Each line end as LF. */
static void append_lines(struct buf *out, struct span data)
{
    for (size_t i = 0; i < data.len; i++)
        if (data.ptr[i] == '\r')
            buf_append_char(out, '\n');
        else if (data.ptr[i] != '\n' || i == 0 || data.ptr[i - 1] != '\r')
            buf_append_char(out, data.ptr[i]);
}

static void on_written(void *arg, const struct sse_event *event)
{
    check(span_eq(event->type, SPAN("x")));
    check(span_eq(event->id, SPAN("7")));
    buf_append(arg, event->data);
    buf_append_char(arg, '.'); /* as often as there are events */
}

static void check_written(struct span data)
{
    struct sse_reader reader;
    struct buf out;
    struct buf lines;
    struct buf events;

    buf_init(&out, MEM_APP);
    buf_init(&lines, MEM_APP);
    buf_init(&events, MEM_APP);
    append_lines(&lines, data);
    buf_append_char(&lines, '.');
    sse_append_field(&out, SPAN("event"), SPAN("x"));
    sse_append_field(&out, SPAN("id"), SPAN("7"));
    sse_append_data(&out, data);
    buf_append(&out, SSE_END);
    buf_append(&out, SSE_PING);
    sse_reader_init(&reader, data.len + sizeof("event: x"), on_written,
                    &events);
    check(sse_read(&reader, buf_span(&out)) == 0);
    check(span_eq(buf_span(&events), buf_span(&lines)));
    sse_reader_deinit(&reader);
    buf_deinit(&out);
    buf_deinit(&lines);
    buf_deinit(&events);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = {(const char *)data, size};

    check_pieces(bytes, SMALL_EVENT);
    check_pieces(bytes, LARGE_EVENT);
    check_written(bytes);
    return 0;
}
