/*
 * stream_connect.c - from a name to an open stream.
 *
 *   stream_connect() -- uv_getaddrinfo --> on_resolved() -- each address -->
 *   on_connected() -- good --> stream_start()
 *                  -- bad, another left --> close the handle, on_retry()
 *
 * One deadline covers it all.  An error found inside a call waits for the
 * deadline's timer, set to now, so that no callback runs inside the call.
 */
#include <stdio.h>

#include "common/stream_internal.h"

struct stream_connect {
    struct wheel_timer timer;
    struct stream *stream;
    uv_getaddrinfo_t resolve;
    uv_connect_t req;
    struct addrinfo *all, *next;
    int err; /* what on_timer() tells */
    bool trying;
};

static void on_timer(struct wheel_timer *timer);
static void on_resolved(uv_getaddrinfo_t *req, int status,
                        struct addrinfo *found);
static void on_connected(uv_connect_t *req, int status);
static void on_retry(uv_handle_t *handle);

static void end_connect(struct stream *stream)
{
    struct stream_connect *connect = stream->connect;

    wheel_stop(stream->loop->wheel, &connect->timer);
    uv_freeaddrinfo(connect->all);
    connect->all = connect->next = NULL;
    if (!stream->resolving && !connect->trying) {
        mem_free(connect);
        stream->connect = NULL;
    }
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

static void on_timer(struct wheel_timer *timer)
{
    struct stream_connect *connect =
        LIST_ENTRY(timer, struct stream_connect, timer);

    fail(connect->stream, connect->err);
}

/* Try the next address; immediate errors go the way of late ones. */
static void try_next(struct stream *stream)
{
    struct stream_connect *connect = stream->connect;
    struct addrinfo *address = connect->next;

    connect->next = address->ai_next;
    int err = uv_tcp_connect(&connect->req, &stream->tcp, address->ai_addr,
                             on_connected);
    if (err < 0)
        fail_later(stream, err);
    else
        connect->trying = true;
}

static void resolve(struct stream *stream, const char *host, uint16_t port)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM};
    char service[8];

    snprintf(service, sizeof(service), "%u", port);
    int err = uv_getaddrinfo(stream->loop->uv, &stream->connect->resolve,
                             on_resolved, host, service, &hints);
    if (err < 0)
        fail_later(stream, err);
    else
        stream->resolving = true;
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
        stream_tls_expect(stream, host);
    stream->connect = connect;
    connect->stream = stream;
    connect->resolve.data = connect->req.data = stream;
    connect->err = UV_ETIMEDOUT;
    wheel_start(loop->wheel, &connect->timer, timeout_ms, on_timer);
    if (err < 0) {
        fail_later(stream, err);
    } else if (path) {
        connect->trying = true;
        uv_pipe_connect(&connect->req, &stream->pipe, path, on_connected);
    } else {
        resolve(stream, host, port);
    }
    return stream;
}

static void on_resolved(uv_getaddrinfo_t *req, int status,
                        struct addrinfo *found)
{
    struct stream *stream = req->data;
    struct stream_connect *connect = stream->connect;

    stream->resolving = false;
    if (stream->closing || stream->ended) { /* too late */
        uv_freeaddrinfo(found);
        end_connect(stream);
        if (stream->handle_closed)
            stream_free(stream);
        return;
    }
    connect->all = connect->next = found;
    if (status < 0)
        fail(stream, status);
    else
        try_next(stream);
}

static void on_connected(uv_connect_t *req, int status)
{
    struct stream *stream = req->data;
    struct stream_connect *connect = stream->connect;

    connect->trying = false;
    if (stream->closing || stream->ended) {
        end_connect(stream);
        return;
    }
    if (status < 0 && connect->next) {
        uv_close(&stream->handle, on_retry);
        return;
    }
    if (status < 0) {
        fail(stream, status);
        return;
    }
    if (stream->handle.type == UV_TCP)
        uv_tcp_nodelay(&stream->tcp, 1);
    end_connect(stream);
    stream_start(stream, true);
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
    if (stream->connect && !stream->ended)
        try_next(stream);
}

void stream_connect_cancel(struct stream *stream)
{
    if (stream->resolving)
        uv_cancel((uv_req_t *)&stream->connect->resolve);
    end_connect(stream);
}
