/*
 * load_bare.c - the bare loop with the notifier's requests.
 *
 *   GET: a subscriber, one more -- POST: its message to each, one write each --
 *   the answer
 *
 * It has one topic.
 */
#include <stdio.h>

#include "common/load_bare.h"
#include "notifier/load_hub.h"

#define LENGTH SPAN("Content-Length:")

/* As long as that of the notifier, which seals where a subscriber stands. */
#define EVENT_ID "id: 000000000000000000000000000000000000000000000000\n"

#define STREAM                                                                \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close" \
    "\r\n\r\n" EVENT_ID "\n"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

struct bare {
    int subscribers[LOAD_MAX_CONNECTIONS];
    size_t count;
};

static void forget(void *arg, int fd)
{
    struct bare *bare = arg;

    for (size_t i = 0; i < bare->count; i++)
        if (bare->subscribers[i] == fd)
            bare->subscribers[i] = bare->subscribers[--bare->count];
}

static void fan_out(const struct bare *bare, struct span form)
{
    char event[HUB_SIZE_MAX + 128];
    const char *data = memmem(form.ptr, form.len, "data=", 5);

    if (!data)
        return;
    int len = snprintf(event, sizeof(event), EVENT_ID "data: %.*s\n\n",
                       (int)(form.ptr + form.len - data - 5), data + 5);
    for (size_t i = 0; i < bare->count; i++)
        load_bare_put(bare->subscribers[i], (struct span){event, (size_t)len});
}

static size_t take(void *arg, int fd, struct span bytes)
{
    struct bare *bare = arg;
    const char *end = memmem(bytes.ptr, bytes.len, "\r\n\r\n", 4);
    uint64_t length = 0;

    if (!end)
        return 0;
    size_t head = (size_t)(end - bytes.ptr) + 4;
    const char *at = memmem(bytes.ptr, head, LENGTH.ptr, LENGTH.len);
    if (at) {
        struct span value = {at + LENGTH.len, (size_t)(end - at) - LENGTH.len};
        value.len = span_find(value, '\r');
        span_to_u64(span_trim(value), HUB_SIZE_MAX, &length);
    }
    if (bytes.len - head < length)
        return 0;
    if (!span_has_prefix(bytes, SPAN("POST"))) {
        if (bare->count < LOAD_MAX_CONNECTIONS)
            bare->subscribers[bare->count++] = fd;
        load_bare_put(fd, SPAN(STREAM));
    } else {
        fan_out(bare, (struct span){bytes.ptr + head, length});
        load_bare_put(fd, SPAN(ANSWER));
    }
    return head + length;
}

int hub_serve_bare(uint16_t port)
{
    struct bare *bare = mem_zalloc(MEM_LOAD, sizeof(*bare));
    int err =
        load_bare_serve(port, &(struct load_bare_service){
                                  .take = take, .forget = forget, .arg = bare});

    mem_free(bare);
    return err;
}
