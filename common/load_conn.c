/* load_conn.c - one connection of the load generator. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <uv.h>

#include "common/clock.h"
#include "common/load_internal.h"

#define LOOPBACK_MASK UINT32_C(0xff000000)
#define PER_SOURCE 4096 /* connections, about */

static void watch(struct load_conn *conn, int operation)
{
    struct epoll_event event = {
        .events = EPOLLIN |
                  (conn->connecting || conn->writing ? (uint32_t)EPOLLOUT : 0),
        .data.ptr = conn};

    epoll_ctl(conn->load->epoll, operation, conn->fd, &event);
}

/*
 * connect() first looks for an odd, or an even, port that is free.  With 14,116
 * connections from one address to one port there is none (of Linux's 28,232
 * for that), and each connect() beyond goes through all of them, which takes
 * milliseconds of the generator's core.  Loopback has more addresses.
 */
static void choose_source(const struct load *load, int fd)
{
    const struct sockaddr_in *to = (const void *)&load->address;
    struct sockaddr_in from = {.sin_family = AF_INET};
    int one = 1;

    if (fd < PER_SOURCE || to->sin_family != AF_INET ||
        (ntohl(to->sin_addr.s_addr) & LOOPBACK_MASK) !=
            (INADDR_LOOPBACK & LOOPBACK_MASK))
        return;
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(fd / PER_SOURCE));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    (void)bind(fd, (const struct sockaddr *)&from, sizeof(from));
}

int load_socket(const struct load *load, int flags)
{
    int fd =
        socket(load->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

    if (fd >= 0)
        choose_source(load, fd);
    return fd;
}

void load_open(struct load *load, struct load_conn *conn)
{
    int one = 1;

    conn->load = load;
    conn->first = conn->count = 0;
    conn->last = conn->writing = false;
    conn->fd = load_socket(load, SOCK_NONBLOCK);
    if (conn->fd < 0) {
        load_fail(conn, LOAD_REFUSED);
        return;
    }
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    conn->connecting = true;
    load->window.opened += load->phase == LOAD_WINDOW;
    if (connect(conn->fd, (struct sockaddr *)&load->address,
                load->address_len) < 0 &&
        errno != EINPROGRESS) {
        load_fail(conn, LOAD_REFUSED);
        return;
    }
    watch(conn, EPOLL_CTL_ADD);
}

void load_close(struct load_conn *conn)
{
    if (conn->fd >= 0)
        close(conn->fd);
    conn->fd = -1;
    conn->connecting = false;
    buf_deinit(&conn->out);
    buf_deinit(&conn->in);
}

void load_fail(struct load_conn *conn, enum load_error error)
{
    struct load *load = conn->load;
    struct load_window *window = &load->window;

    if (conn->count == 0 && load->phase != LOAD_WARMUP) {
        window->errors[error]++;
        window->connection_errors++;
    }
    load->waiting -= conn->count;
    for (; conn->count > 0; conn->count--) {
        window->errors[error] += load_counts(load, conn->due_us[conn->first]);
        conn->first = (conn->first + 1) % LOAD_MAX_PIPELINE;
    }
    load_close(conn);
}

void load_queue(struct load_conn *conn, uint64_t n, uint64_t due_us)
{
    unsigned at = (conn->first + conn->count++) % LOAD_MAX_PIPELINE;

    conn->due_us[at] = due_us;
    conn->load->waiting++;
    conn->load->profile->request(conn->load, n, &conn->out);
}

void load_push(struct load_conn *conn)
{
    ssize_t sent;

    if (conn->fd < 0 || conn->connecting || conn->out.len == 0)
        return;
    sent = send(conn->fd, conn->out.ptr, conn->out.len, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        load_fail(conn, LOAD_RESET);
        return;
    }
    if (sent > 0)
        buf_consume(&conn->out, (size_t)sent);
    if (conn->writing != (conn->out.len > 0)) {
        conn->writing = conn->out.len > 0;
        watch(conn, EPOLL_CTL_MOD);
    }
}

static bool header_is(struct span line, struct span name, struct span *value)
{
    if (line.len <= name.len || line.ptr[name.len] != ':' ||
        !span_eq_nocase((struct span){line.ptr, name.len}, name))
        return false;
    struct span rest = span_skip(line, name.len + 1);
    *value = span_trim((struct span){rest.ptr, span_find(rest, '\r')});
    return true;
}

/* Where the body ends; -1 when the head does not say. */
static int64_t body_length(struct span head, int status, bool is_head)
{
    struct span rest = head;
    struct span line;
    struct span value;
    uint64_t length = 0;
    int64_t found = -1;

    while (span_cut(&rest, '\n', &line))
        if (header_is(line, SPAN("content-length"), &value))
            found = span_to_u64(value, LOAD_MAX_ANSWER, &length)
                        ? (int64_t)length
                        : -1;
    return is_head || status == 204 || status == 304 ? 0 : found;
}

int64_t load_parse(struct span bytes, bool is_head, struct load_answer *answer)
{
    const char *end = memmem(bytes.ptr, bytes.len, "\r\n\r\n", 4);
    uint64_t status;

    if (!end)
        return bytes.len > LOAD_MAX_ANSWER ? UV_EPROTO : 0;
    struct span head = {bytes.ptr, (size_t)(end - bytes.ptr) + 4};
    if (!span_has_prefix(head, SPAN("HTTP/1.1 ")) || head.len < 16 ||
        !span_to_u64((struct span){head.ptr + 9, 3}, 599, &status))
        return UV_EPROTO;
    int64_t length = body_length(head, (int)status, is_head);
    if (length < 0)
        return UV_EPROTO;
    if (bytes.len - head.len < (size_t)length)
        return 0;
    *answer =
        (struct load_answer){.status = (int)status,
                             .head = head,
                             .body = {head.ptr + head.len, (size_t)length}};
    return (int64_t)head.len + length;
}

static bool says_close(struct span head)
{
    struct span rest = head;
    struct span line;
    struct span value;

    while (span_cut(&rest, '\n', &line))
        if (header_is(line, SPAN("connection"), &value))
            return span_eq_nocase(value, SPAN("close"));
    return false;
}

static void take_answer(struct load_conn *conn,
                        const struct load_answer *answer, uint64_t now_us)
{
    struct load *load = conn->load;
    struct load_window *window = &load->window;
    uint64_t every = (uint64_t)load->options.renew_every;
    uint64_t due_us = conn->due_us[conn->first];
    bool counts = load_counts(load, due_us);

    conn->first = (conn->first + 1) % LOAD_MAX_PIPELINE;
    conn->count--;
    load->waiting--;
    load->answered++;
    load->renew = load->renew || (every && load->answered % every == 0);
    conn->last = conn->last || says_close(answer->head);
    if (load->profile->accept(load, answer)) {
        window->answers += load->phase == LOAD_WINDOW;
        window->done += counts;
        if (counts)
            hist_record(window->hist, now_us > due_us ? now_us - due_us : 0);
    } else if (counts) {
        window->errors[LOAD_WRONG]++;
        window->wrong_status = answer->status;
    }
}

static int64_t parse(const struct load *load, struct span bytes,
                     struct load_answer *answer)
{
    *answer = (struct load_answer){0};
    return load->profile->parse ? load->profile->parse(bytes, answer)
                                : load_parse(bytes, false, answer);
}

/* Whole answers off bytes; the rest is kept. */
static void take_answers(struct load_conn *conn, struct span bytes)
{
    const struct load *load = conn->load;
    struct load_answer answer;
    uint64_t now_us = clock_mono_us();
    int64_t used = 0;

    while (bytes.len && (used = parse(load, bytes, &answer)) > 0) {
        if (conn->count == 0) {
            used = UV_EPROTO; /* an answer to nothing */
            break;
        }
        take_answer(conn, &answer, now_us);
        bytes = span_skip(bytes, (size_t)used);
    }
    if (used < 0) {
        load_fail(conn, LOAD_WRONG);
        return;
    }
    if (conn->in.len)
        buf_consume(&conn->in, conn->in.len - bytes.len);
    else
        buf_append(&conn->in, bytes);
}

/* The server may close what waits for nothing, or what it said it would. */
static void on_end(struct load_conn *conn, int err)
{
    if (conn->count && !conn->last)
        load_fail(conn, err ? LOAD_RESET : LOAD_CUT);
    else if (conn->count)
        load_fail(conn, LOAD_CUT);
    else
        load_close(conn);
}

static void read_answers(struct load_conn *conn)
{
    struct load *load = conn->load;
    ssize_t len = recv(conn->fd, load->read, sizeof(load->read), 0);

    if (len < 0 && errno == EAGAIN)
        return;
    if (len <= 0) {
        on_end(conn, len < 0 ? errno : 0);
        return;
    }
    struct span bytes = {load->read, (size_t)len};
    if (conn->in.len) {
        buf_append(&conn->in, bytes);
        bytes = buf_span(&conn->in);
    }
    take_answers(conn, bytes);
    if (conn->fd >= 0 && conn->count == 0 && (conn->last || conn->extra))
        load_close(conn);
}

void load_on_event(struct load_conn *conn, uint32_t events)
{
    if (conn->fd < 0)
        return;
    if (conn->connecting && events & (EPOLLERR | EPOLLHUP)) {
        load_fail(conn, LOAD_REFUSED);
        return; /* at once again would be refused again: see revive() */
    }
    if (conn->connecting && events & EPOLLOUT) {
        conn->connecting = false;
        watch(conn, EPOLL_CTL_MOD);
    } else if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
        read_answers(conn);
    }
    load_refill(conn);
    load_push(conn);
}
