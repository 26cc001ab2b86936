/* load_bare.c - see load_bare.h. */
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <uv.h>

#include "common/load_bare.h"

#define EVENTS 256
#define BACKLOG 4096
#define LISTENER UINT64_MAX
#define FDS (LOAD_MAX_CONNECTIONS + 256)

struct bare {
    const struct load_bare_service *service;
    int epoll, listener;
    struct buf rests[FDS]; /* by fd: a request that is not whole */
    char read[LOAD_READ];
};

void load_bare_put(int fd, struct span bytes)
{
    if (write(fd, bytes.ptr, bytes.len) != (ssize_t)bytes.len)
        shutdown(fd, SHUT_RDWR); /* the loop hears of it */
}

/* What is not taken of bytes. */
static struct span take_all(struct bare *bare, int fd, struct span bytes)
{
    size_t used;

    while (bytes.len &&
           (used = bare->service->take(bare->service->arg, fd, bytes)))
        bytes = span_skip(bytes, used);
    return bytes;
}

static void drop(struct bare *bare, int fd)
{
    bare->service->forget(bare->service->arg, fd);
    buf_deinit(&bare->rests[fd]);
    close(fd);
}

static void serve(struct bare *bare, int fd)
{
    struct buf *rest = &bare->rests[fd];
    ssize_t len = recv(fd, bare->read, sizeof(bare->read), MSG_DONTWAIT);

    if (len < 0 && errno == EAGAIN)
        return;
    if (len <= 0) {
        drop(bare, fd);
        return;
    }
    struct span bytes = {bare->read, (size_t)len};
    if (rest->len) {
        buf_append(rest, bytes);
        bytes = take_all(bare, fd, buf_span(rest));
        buf_consume(rest, rest->len - bytes.len);
    } else {
        buf_append(rest, take_all(bare, fd, bytes));
    }
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
        if (fd >= FDS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        buf_init(&bare->rests[fd], MEM_LOAD);
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

int load_bare_serve(uint16_t port, const struct load_bare_service *service)
{
    struct bare *bare = mem_zalloc(MEM_LOAD, sizeof(*bare));
    struct epoll_event events[EVENTS];

    bare->service = service;
    bare->listener = listen_on(port);
    if (bare->listener < 0) {
        int err = bare->listener;
        mem_free(bare);
        return err;
    }
    signal(SIGPIPE, SIG_IGN);
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
