/*
 * load_publisher.c - a connection that publishes, pipelined.
 *
 *   hub_publish() of each of a burst -- hub_push(): one write -- answers
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <uv.h>

#include "common/clock.h"
#include "notifier/load_hub.h"

uint64_t *hub_due_of(const struct hub *hub, uint32_t topic, uint64_t number)
{
    return &hub->due_us[(number * hub->topic_count + topic) % HUB_DUE_KEPT];
}

static void watch(struct hub *hub, struct hub_publisher *publisher,
                  int operation)
{
    struct epoll_event event = {
        .events = EPOLLIN | (publisher->writing ? (uint32_t)EPOLLOUT : 0),
        .data.u64 =
            LOAD_MAX_CONNECTIONS + (uint64_t)(publisher - hub->publishers)};

    epoll_ctl(hub->epoll, operation, publisher->fd, &event);
}

int hub_publisher_open(struct hub *hub, size_t index)
{
    struct hub_publisher *publisher = &hub->publishers[index];
    int one = 1;

    buf_init(&publisher->out, MEM_LOAD);
    buf_init(&publisher->in, MEM_LOAD);
    publisher->fd = load_connect(hub->load);
    if (publisher->fd < 0)
        return publisher->fd;
    setsockopt(publisher->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    watch(hub, publisher, EPOLL_CTL_ADD);
    return 0;
}

void hub_publisher_close(struct hub_publisher *publisher)
{
    if (publisher->fd >= 0)
        close(publisher->fd);
    publisher->fd = -1;
    buf_deinit(&publisher->out);
    buf_deinit(&publisher->in);
}

static void fail(struct hub *hub, struct hub_publisher *publisher,
                 enum hub_error error)
{
    hub->errors[error]++;
    hub_publisher_close(publisher);
}

/* ---- publishing */

static void append(struct hub *hub, struct buf *out, uint32_t topic,
                   uint64_t number)
{
    size_t size = (size_t)hub->options.size;
    char body[HUB_SIZE_MAX + 64];
    char path[64] = "/.well-known/mercure";
    struct span type = SPAN("Content-Type: application/x-www-form-urlencoded"
                            "\r\n");
    size_t len = 0;

    if (hub->is_nchan) {
        type = SPAN("Content-Type: text/plain\r\n");
        snprintf(path, sizeof(path), "/pub?topic=load-%u", topic);
    } else {
        len =
            (size_t)snprintf(body, sizeof(body), "topic=load-%u&data=", topic);
    }
    for (size_t i = HUB_NUMBER_LEN; i-- > 0; number /= 10)
        hub->message[i] = (char)('0' + number % 10);
    memcpy(body + len, hub->message, size);
    load_append(hub->load, out, "POST", span_str(path), type,
                (struct span){body, len + size});
}

void hub_publish(struct hub *hub, uint32_t topic, uint64_t due_us)
{
    struct hub_publisher *publisher = hub_publisher_of(hub, topic);
    uint64_t number = hub->published[topic]++;
    uint64_t followers =
        hub->count / hub->topic_count + (topic < hub->count % hub->topic_count);

    *hub_due_of(hub, topic, number) = due_us;
    hub->messages++;
    hub->due += followers;
    if (publisher->fd < 0)
        return; /* lost */
    append(hub, &publisher->out, topic, number);
    publisher->waiting++;
}

void hub_push(struct hub *hub, struct hub_publisher *publisher)
{
    if (publisher->fd < 0 || publisher->out.len == 0)
        return;
    ssize_t sent = send(publisher->fd, publisher->out.ptr, publisher->out.len,
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN) {
        fail(hub, publisher, HUB_RESET);
        return;
    }
    if (sent > 0)
        buf_consume(&publisher->out, (size_t)sent);
    if (publisher->writing != (publisher->out.len > 0)) {
        publisher->writing = publisher->out.len > 0;
        watch(hub, publisher, EPOLL_CTL_MOD);
    }
}

/* ---- answers */

static void take_answer(struct hub *hub, const struct load_answer *answer)
{
    hub->answered++;
    hub->answered_in_window += hub->phase == LOAD_WINDOW;
    if (answer->status >= 200 && answer->status < 300)
        return;
    hub->errors[HUB_WRONG]++;
    hub->wrong_status = answer->status;
}

void hub_on_answers(struct hub *hub, struct hub_publisher *publisher,
                    uint32_t events)
{
    struct load_answer answer;
    int64_t used = 0;

    if (publisher->fd < 0)
        return;
    if (events & EPOLLOUT)
        hub_push(hub, publisher);
    ssize_t len = recv(publisher->fd, buf_reserve(&publisher->in, LOAD_READ),
                       LOAD_READ, MSG_DONTWAIT);
    if (len < 0 && errno == EAGAIN)
        return;
    if (len <= 0) {
        fail(hub, publisher, HUB_RESET);
        return;
    }
    buf_commit(&publisher->in, (size_t)len);
    struct span bytes = buf_span(&publisher->in);
    while (publisher->waiting > 0 &&
           (used = load_parse(bytes, false, &answer)) > 0) {
        take_answer(hub, &answer);
        publisher->waiting--;
        bytes = span_skip(bytes, (size_t)used);
    }
    buf_consume(&publisher->in, publisher->in.len - bytes.len);
    if (used < 0)
        fail(hub, publisher, HUB_WRONG);
}
