/*
 * load_bare.c - what fan-out costs at least: a loop of write() over sockets.
 *
 *   GET: a subscriber, one more -- POST: its message to each, one write each --
 *   the answer
 *
 * It keeps nothing, resumes nothing and has one topic.  Writes block, which the
 * load test's subscribers, who read all, never let last.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "notifier/load_hub.h"

#define EVENTS 256
#define BACKLOG 4096
#define LISTENER UINT64_MAX
#define LENGTH SPAN("Content-Length:")

/* As long as that of the notifier, which seals where a subscriber stands. */
#define EVENT_ID "id: 000000000000000000000000000000000000000000000000\n"

#define STREAM                                                                \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close" \
    "\r\n\r\n" EVENT_ID "\n"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

struct bare {
    int epoll, listener;
    int subscribers[LOAD_MAX_CONNECTIONS];
    size_t count;
    struct buf in; /* of the publisher: there is one at a time */
    char read[LOAD_READ];
};

static void forget(struct bare *bare, int fd)
{
    for (size_t i = 0; i < bare->count; i++)
        if (bare->subscribers[i] == fd)
            bare->subscribers[i] = bare->subscribers[--bare->count];
    close(fd);
}

static void put(int fd, const char *text, size_t len)
{
    if (write(fd, text, len) != (ssize_t)len)
        shutdown(fd, SHUT_RDWR); /* the loop hears of it */
}

static void fan_out(struct bare *bare, struct span form)
{
    char event[HUB_SIZE_MAX + 128];
    const char *data = memmem(form.ptr, form.len, "data=", 5);

    if (!data)
        return;
    int len = snprintf(event, sizeof(event), EVENT_ID "data: %.*s\n\n",
                       (int)(form.ptr + form.len - data - 5), data + 5);
    for (size_t i = 0; i < bare->count; i++)
        put(bare->subscribers[i], event, (size_t)len);
}

/* The first whole request of bytes, 0 if there is none. */
static size_t take_request(struct bare *bare, int fd, struct span bytes)
{
    const char *end =
        bytes.ptr ? memmem(bytes.ptr, bytes.len, "\r\n\r\n", 4) : NULL;
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
        put(fd, STREAM, sizeof(STREAM) - 1);
    } else {
        fan_out(bare, (struct span){bytes.ptr + head, length});
        put(fd, ANSWER, sizeof(ANSWER) - 1);
    }
    return head + length;
}

static void serve(struct bare *bare, int fd)
{
    ssize_t len = recv(fd, bare->read, sizeof(bare->read), MSG_DONTWAIT);
    size_t used;

    if (len < 0 && errno == EAGAIN)
        return;
    if (len <= 0) {
        forget(bare, fd);
        return;
    }
    buf_append(&bare->in, (struct span){bare->read, (size_t)len});
    while (bare->in.len && (used = take_request(bare, fd, buf_span(&bare->in))))
        buf_consume(&bare->in, used);
}

static void watch(const struct bare *bare, int fd, uint64_t data)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = data};

    epoll_ctl(bare->epoll, EPOLL_CTL_ADD, fd, &event);
}

static void accept_all(struct bare *bare)
{
    int one = 1;
    int fd;

    while ((fd = accept4(bare->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        watch(bare, fd, (uint64_t)fd);
    }
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    int err = uv_translate_sys_error(errno);
    close(fd);
    return err;
}

int hub_serve_bare(uint16_t port)
{
    struct bare *bare = mem_zalloc(MEM_LOAD, sizeof(*bare));
    struct epoll_event events[EVENTS];

    bare->listener = listen_on(port);
    if (bare->listener < 0) {
        int err = bare->listener;
        mem_free(bare);
        return err;
    }
    signal(SIGPIPE, SIG_IGN);
    buf_init(&bare->in, MEM_LOAD);
    bare->epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(bare, bare->listener, LISTENER);
    for (;;) {
        int count = epoll_wait(bare->epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.u64 == LISTENER)
                accept_all(bare);
            else
                serve(bare, (int)events[i].data.u64);
        }
    }
}
