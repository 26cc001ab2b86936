/*
 * load_subscriber.c - one event stream: what it has had, and what it has not.
 *
 *   hub_open(): connect, GET -- head -- events -- hub_close(), hub_open() again
 *   with the id of the last event
 *
 * 15,000 of them share a core with Redis, so what came is looked at where it
 * was read; only what is not whole is kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "common/clock.h"
#include "common/load_line.h"
#include "notifier/load_hub.h"

#define SEEN 64 /* numbers before the next one that are remembered */
#define DATA SPAN("data: ")
#define ID SPAN("id: ")

/* ---- asking */

static size_t put_request(const struct hub *hub, uint32_t topic,
                          struct span last, char *out)
{
    const char *token = hub->load->options.token;

    return (size_t)snprintf(
        out, HUB_TEXT_MAX,
        "GET %s?topic=load-%u HTTP/1.1\r\n"
        "Host: %s\r\nAccept: text/event-stream\r\nCache-Control: no-cache\r\n"
        "%s%s%s%s%.*s%s\r\n",
        hub->is_nchan ? "/sub" : "/.well-known/mercure", topic,
        hub->load->authority, token ? "Authorization: Bearer " : "",
        token ? token : "", token ? "\r\n" : "",
        last.len ? "Last-Event-ID: " : "", (int)last.len,
        last.len ? last.ptr : "", last.len ? "\r\n" : "");
}

int hub_ask(struct hub *hub, uint32_t topic, struct span last, int receive)
{
    const struct load *load = hub->load;
    struct timeval limit = {.tv_sec = 10};
    int one = 1;
    char request[HUB_TEXT_MAX];
    size_t len = put_request(hub, topic, last, request);
    int fd = load_socket(load, 0);

    if (fd < 0)
        return uv_translate_sys_error(errno);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (receive)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof(receive));
    if (connect(fd, (const struct sockaddr *)&load->address,
                load->address_len) == 0 &&
        send(fd, request, len, MSG_NOSIGNAL) == (ssize_t)len)
        return fd;
    int err = uv_translate_sys_error(errno);
    close(fd);
    return err;
}

int hub_open(struct hub *hub, struct hub_subscriber *subscriber)
{
    struct span last = {subscriber->last, subscriber->last_len};
    struct epoll_event event = {.events = EPOLLIN,
                                .data.u64 =
                                    (uint64_t)(subscriber - hub->subscribers)};
    int fd = hub_ask(hub, subscriber->topic, last, 0);

    if (fd < 0) {
        hub->errors[HUB_REFUSED]++;
        return fd;
    }
    subscriber->fd = fd;
    subscriber->streams = subscriber->settled = false;
    hub->opening++;
    epoll_ctl(hub->epoll, EPOLL_CTL_ADD, fd, &event);
    return 0;
}

void hub_close(struct hub *hub, struct hub_subscriber *subscriber)
{
    if (subscriber->fd < 0)
        return;
    if (subscriber->settled)
        hub->settled--;
    else
        hub->opening--;
    close(subscriber->fd);
    subscriber->fd = -1;
    subscriber->settled = false;
    subscriber->rest_len = 0;
}

void hub_subscriber_deinit(struct hub_subscriber *subscriber)
{
    mem_free(subscriber->rest);
    mem_free(subscriber->last);
}

static void settle(struct hub *hub, struct hub_subscriber *subscriber)
{
    if (subscriber->settled)
        return;
    subscriber->settled = true;
    hub->settled++;
    hub->opening--;
    hub->moved_us = subscriber->settled_us = clock_mono_us();
}

static void fail(struct hub *hub, struct hub_subscriber *subscriber,
                 enum hub_error error)
{
    hub->errors[error]++;
    hub_close(hub, subscriber);
}

/* ---- what comes */

/* Of those that were due: is it the first time? */
static bool is_new(struct hub *hub, struct hub_subscriber *subscriber,
                   uint64_t number)
{
    uint64_t behind = subscriber->next - 1 - number;

    if (number >= subscriber->next) {
        uint64_t steps = number + 1 - subscriber->next;
        subscriber->seen = steps < SEEN ? subscriber->seen << steps | 1 : 1;
        subscriber->next = number + 1;
        return true;
    }
    if (behind >= SEEN || subscriber->seen >> behind & 1) {
        hub->errors[HUB_TWICE]++;
        return false;
    }
    subscriber->seen |= UINT64_C(1) << behind;
    hub->errors[HUB_DISORDER]++;
    return true;
}

static void take_number(struct hub *hub, struct hub_subscriber *subscriber,
                        uint64_t number, uint64_t now_us)
{
    if (number >= hub->published[subscriber->topic]) {
        hub->errors[HUB_WRONG]++;
        return;
    }
    if (!is_new(hub, subscriber, number))
        return;
    uint64_t due_us = *hub_due_of(hub, subscriber->topic, number);
    hub->received++;
    hub->moved_us = now_us;
    hub->in_window += hub->phase == LOAD_WINDOW;
    if (due_us < hub->from_us || due_us >= hub->end_us)
        return;
    hub->done++;
    bool missed = !subscriber->settled || due_us < subscriber->settled_us;
    hub->caught_up += missed;
    if (!missed || hub->counts_missed) /* but for a storm it was not late */
        hist_record(hub->hist, now_us > due_us ? now_us - due_us : 0);
}

static void keep_id(struct hub_subscriber *subscriber, struct span id)
{
    if (id.len > HUB_ID_MAX)
        return;
    if (!subscriber->last)
        subscriber->last = mem_alloc(MEM_LOAD, HUB_ID_MAX);
    memcpy(subscriber->last, id.ptr, id.len);
    subscriber->last_len = (uint32_t)id.len;
}

/* The lines of one event. */
static void take_event(struct hub *hub, struct hub_subscriber *subscriber,
                       struct span event, uint64_t now_us)
{
    struct span id = {0};
    struct span data = {0};
    struct span line;

    while (span_cut(&event, '\n', &line)) {
        if (span_has_prefix(line, DATA))
            data = span_skip(line, DATA.len);
        else if (span_has_prefix(line, ID))
            id = span_skip(line, ID.len);
    }
    uint64_t number;
    if (data.ptr) {
        if (data.len > HUB_NUMBER_LEN && data.ptr[HUB_NUMBER_LEN] == '-' &&
            span_to_u64((struct span){data.ptr, HUB_NUMBER_LEN}, UINT64_MAX,
                        &number))
            take_number(hub, subscriber, number, now_us);
        else
            hub->errors[HUB_WRONG]++;
    }
    if (id.ptr) {
        keep_id(subscriber, id);
        settle(hub, subscriber);
    }
}

/* False: it is closed. */
static bool take_head(struct hub *hub, struct hub_subscriber *subscriber,
                      struct span *bytes)
{
    const char *end = memmem(bytes->ptr, bytes->len, "\r\n\r\n", 4);
    uint64_t status = 0;

    if (!end)
        return true;
    if (!span_has_prefix(*bytes, SPAN("HTTP/1.1 ")) ||
        !span_to_u64((struct span){bytes->ptr + 9, 3}, 999, &status) ||
        status != 200) {
        hub->wrong_status = (int)status;
        fail(hub, subscriber, HUB_REFUSED);
        return false;
    }
    subscriber->streams = true;
    *bytes = span_skip(*bytes, (size_t)(end + 4 - bytes->ptr));
    if (hub->is_nchan)
        settle(hub, subscriber);
    return true;
}

static void take(struct hub *hub, struct hub_subscriber *subscriber,
                 struct span bytes)
{
    uint64_t now_us = clock_mono_us();
    const char *end;

    if (!subscriber->streams && !take_head(hub, subscriber, &bytes))
        return;
    while (subscriber->streams &&
           (end = memmem(bytes.ptr, bytes.len, "\n\n", 2))) {
        size_t len = (size_t)(end - bytes.ptr);
        take_event(hub, subscriber, (struct span){bytes.ptr, len}, now_us);
        bytes = span_skip(bytes, len + 2);
    }
    subscriber->rest_len = (uint32_t)bytes.len;
    if (bytes.len == 0)
        return;
    if (bytes.len > HUB_TEXT_MAX) {
        fail(hub, subscriber, HUB_WRONG);
        return;
    }
    mem_free(subscriber->rest);
    subscriber->rest = mem_alloc(MEM_LOAD, bytes.len);
    memcpy(subscriber->rest, bytes.ptr, bytes.len);
}

void hub_on_stream(struct hub *hub, struct hub_subscriber *subscriber)
{
    size_t kept = subscriber->rest_len;

    if (subscriber->fd < 0)
        return;
    if (kept)
        memcpy(hub->text, subscriber->rest, kept);
    ssize_t len =
        recv(subscriber->fd, hub->text + kept, LOAD_READ, MSG_DONTWAIT);
    if (len > 0)
        load_acknowledge(subscriber->fd);
    if (len < 0 && errno == EAGAIN)
        return;
    if (len <= 0)
        fail(hub, subscriber, subscriber->streams ? HUB_RESET : HUB_REFUSED);
    else
        take(hub, subscriber, (struct span){hub->text, kept + (size_t)len});
}
