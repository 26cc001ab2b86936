/*
 * stream_connect.c - from a name to an open stream.
 *
 *   stream_connect() -- uv_getaddrinfo --> on_resolved() -- each address -->
 *   on_connected() -- good --> stream_start()
 *                  -- bad, another left --> close the handle, on_retry()
 *
 * One deadline covers it all; an address gets its even share of what is left
 * of it, so that one that drops packets does not use up the others' time.  An
 * error found inside stream_connect() waits for the timer, set to now, so that
 * no callback runs inside the call.  A name that is still being resolved when
 * the stream ends is left to itself: on_resolved() frees it.
 */
#include <stdio.h>
#include <sys/un.h>

#include "common/stream_internal.h"

struct stream_connect {
    struct wheel_timer timer;
    struct stream *stream; /* NULL: nobody waits for the name any more */
    uv_getaddrinfo_t resolve;
    uv_connect_t req;
    struct addrinfo *all, *next;
    uint64_t deadline;
    int err; /* on_timer() tells it; 0: it is too late */
    bool resolving, trying;
};

static void on_timer(struct wheel_timer *timer);
static void on_resolved(uv_getaddrinfo_t *req, int status,
                        struct addrinfo *found);
static void try_next(struct stream *stream);
static void on_connected(uv_connect_t *req, int status);
static void on_retry(uv_handle_t *handle);

static void end_connect(struct stream *stream)
{
    struct stream_connect *connect = stream->connect;

    wheel_stop(stream->loop->wheel, &connect->timer);
    uv_freeaddrinfo(connect->all);
    connect->all = connect->next = NULL;
    if (connect->trying)
        return; /* until on_connected() */
    stream->connect = NULL;
    if (!connect->resolving) {
        mem_free(connect);
        return;
    }
    connect->stream = NULL;
    uv_cancel((uv_req_t *)&connect->resolve);
}

void stream_connect_cancel(struct stream *stream)
{
    end_connect(stream);
}

static void fail(struct stream *stream, int err)
{
    end_connect(stream);
    stream_tell_end(stream, err);
}

static void fail_later(struct stream *stream, int err)
{
    stream->connect->err = err;
    wheel_start(stream->loop->wheel, &stream->connect->timer, 0, on_timer);
}

static uint64_t time_left(const struct stream *stream)
{
    uint64_t now = uv_now(stream->loop->uv);
    uint64_t deadline = stream->connect->deadline;

    return now < deadline ? deadline - now : 0;
}

static void resolve(struct stream *stream, const char *host, uint16_t port)
{
    struct stream_connect *connect = stream->connect;
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM};
    char service[8];

    snprintf(service, sizeof(service), "%u", port);
    int err = uv_getaddrinfo(stream->loop->uv, &connect->resolve, on_resolved,
                             host, service, &hints);
    if (err < 0)
        fail_later(stream, err);
    else
        connect->resolving = true;
}

/* libuv would cut a path that is too long. */
static void connect_path(struct stream *stream, const char *path)
{
    struct sockaddr_un address;

    if (strlen(path) >= sizeof(address.sun_path)) {
        fail_later(stream, UV_ENAMETOOLONG);
        return;
    }
    stream->connect->trying = true;
    uv_pipe_connect(&stream->connect->req, &stream->pipe, path, on_connected);
}

struct stream *stream_connect(struct stream_loop *loop, const char *host,
                              uint16_t port, const char *path,
                              uint64_t timeout_ms,
                              const struct stream_options *options)
{
    struct stream *stream = stream_new(loop, options, path != NULL);
    struct stream_connect *connect = mem_zalloc(MEM_CONN, sizeof(*connect));
    int err = options->tls ? stream_session_create(stream, options->tls) : 0;

    if (options->tls && err == 0 && host)
        err = stream_session_expect(stream, host);
    stream->connect = connect;
    connect->stream = stream;
    connect->resolve.data = connect;
    connect->req.data = stream;
    connect->deadline = uv_now(loop->uv) + timeout_ms;
    wheel_start(loop->wheel, &connect->timer, timeout_ms, on_timer);
    if (err < 0)
        fail_later(stream, err);
    else if (path)
        connect_path(stream, path);
    else
        resolve(stream, host, port);
    return stream;
}

static void on_timer(struct wheel_timer *timer)
{
    struct stream_connect *connect =
        LIST_ENTRY(timer, struct stream_connect, timer);
    struct stream *stream = connect->stream;

    if (connect->err)
        fail(stream, connect->err);
    else if (time_left(stream) == 0)
        fail(stream, UV_ETIMEDOUT);
    else if (!uv_is_closing(&stream->handle)) /* its share is used up */
        uv_close(&stream->handle, on_retry);
}

static void on_resolved(uv_getaddrinfo_t *req, int status,
                        struct addrinfo *found)
{
    struct stream_connect *connect = req->data;

    connect->resolving = false;
    if (!connect->stream) {
        uv_freeaddrinfo(found);
        mem_free(connect);
        return;
    }
    connect->all = connect->next = found;
    if (status < 0)
        fail(connect->stream, status);
    else
        try_next(connect->stream);
}

/* Another address, or the end. */
static void move_on(struct stream *stream, int err)
{
    if (stream->connect->next)
        uv_close(&stream->handle, on_retry);
    else
        fail(stream, err);
}

static void try_next(struct stream *stream)
{
    struct stream_connect *connect = stream->connect;
    struct addrinfo *address = connect->next;
    uint64_t waiting = 0;

    for (struct addrinfo *a = address; a; a = a->ai_next)
        waiting++;
    connect->next = address->ai_next;
    wheel_start(stream->loop->wheel, &connect->timer,
                time_left(stream) / waiting, on_timer);
    int err = uv_tcp_connect(&connect->req, &stream->tcp, address->ai_addr,
                             on_connected);
    if (err < 0)
        move_on(stream, err);
    else
        connect->trying = true;
}

static void on_connected(uv_connect_t *req, int status)
{
    struct stream *stream = req->data;
    uint64_t left = time_left(stream);

    stream->connect->trying = false;
    if (stream->closing || stream->ended) {
        end_connect(stream);
        return;
    }
    if (uv_is_closing(&stream->handle))
        return; /* on_retry() follows */
    if (status < 0) {
        move_on(stream, status);
        return;
    }
    if (stream->handle.type == UV_TCP)
        uv_tcp_nodelay(&stream->tcp, 1);
    end_connect(stream);
    stream_start(stream, left);
    if (!stream->session)
        stream_tell_open(stream);
}

static void on_retry(uv_handle_t *handle)
{
    struct stream *stream = handle->data;

    if (stream->closing) {
        stream_free(stream);
        return;
    }
    uv_tcp_init(stream->loop->uv, &stream->tcp);
    stream->handle.data = stream;
    if (stream->ended)
        return;
    if (stream->connect->next)
        try_next(stream);
    else
        fail(stream, UV_ETIMEDOUT);
}
