/*
 * stream.c - see stream.h: plain bytes in and out; TLS and connecting have
 * files of their own.
 *
 * Happy path of a write: uv_try_write() takes everything.  What it leaves is
 * kept in two buffers, one that uv_write() is sending and one that gathers
 * what comes meanwhile.
 */
#include <assert.h>
#include <signal.h>
#include <string.h>

#include "common/stream_internal.h"

struct stream_out {
    uv_write_t req;
    struct buf sending, waiting;
};

static void on_written(uv_write_t *req, int status);

struct stream_loop *stream_loop_open(uv_loop_t *uv)
{
    struct stream_loop *loop = mem_alloc(MEM_CONN, sizeof(*loop));

    signal(SIGPIPE, SIG_IGN); /* libuv writes by write(2) */
    loop->uv = uv;
    loop->wheel = wheel_open(uv);
    loop->streams = 0;
    loop->callbacks = 0;
    buf_init(&loop->cipher, MEM_CONN);
    return loop;
}

void stream_loop_close(struct stream_loop *loop)
{
    assert(loop->streams == 0);
    wheel_close(loop->wheel);
    buf_deinit(&loop->cipher);
    mem_free(loop);
}

uv_loop_t *stream_loop_uv(struct stream_loop *loop)
{
    return loop->uv;
}

uint64_t stream_loop_now(const struct stream_loop *loop)
{
    return uv_now(loop->uv);
}

uint64_t stream_loop_callbacks(const struct stream_loop *loop)
{
    return loop->callbacks + wheel_ran(loop->wheel);
}

struct wheel *stream_loop_wheel(struct stream_loop *loop)
{
    return loop->wheel;
}

struct stream *stream_new(struct stream_loop *loop,
                          const struct stream_options *options, bool pipe)
{
    struct stream *stream = mem_zalloc(MEM_CONN, sizeof(*stream));

    if (pipe)
        uv_pipe_init(loop->uv, &stream->pipe, 0);
    else
        uv_tcp_init(loop->uv, &stream->tcp);
    stream->handle.data = stream;
    stream->loop = loop;
    stream->events = options->events;
    stream->arg = options->arg;
    stream->max_kept = options->max_kept;
    loop->streams++;
    return stream;
}

void stream_free(struct stream *stream)
{
    stream_close_cb cb = stream->close_cb;
    void *arg = stream->arg;

    stream_session_destroy(stream);
    stream->loop->streams--;
    mem_free(stream);
    if (cb)
        cb(arg);
}

static void on_closed(uv_handle_t *handle)
{
    stream_free(handle->data);
}

void stream_tell_end(struct stream *stream, int err)
{
    if (stream->ended || stream->closing)
        return;
    stream->ended = true;
    uv_read_stop(&stream->uv);
    stream->events->on_end(stream->arg, err);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct stream *stream = handle->data;

    (void)suggested;
    *buf = uv_buf_init(stream->loop->read, STREAM_READ_MAX);
}

/*
 * A socket that was reset has no peer any more, nor has one that both sides
 * have ended.  Its error may be gone: it is told once, and whatever looked at
 * the socket since has taken it.
 */
static bool is_reset(const struct stream *stream)
{
    struct sockaddr_storage peer;
    int len = sizeof(peer);

    return stream->handle.type == UV_TCP && !stream->shut &&
           uv_tcp_getpeername(&stream->tcp, (struct sockaddr *)&peer, &len) < 0;
}

static void on_uv_read(uv_stream_t *uv, ssize_t nread, const uv_buf_t *buf)
{
    struct stream *stream = uv->data;
    int err = (int)nread;

    stream->loop->callbacks++;
    if (nread == UV_EOF)
        err = stream->broken || is_reset(stream) ? UV_ECONNRESET : 0;
    if (nread == 0 || stream->closing)
        return;
    if (nread < 0 && stream->session)
        stream_session_eof(stream, err);
    else if (nread < 0)
        stream_tell_end(stream, err);
    else if (stream->session)
        stream_session_read(stream, (struct span){buf->base, (size_t)nread});
    else
        stream->events->on_read(stream->arg,
                                (struct span){buf->base, (size_t)nread});
}

static void read_on(struct stream *stream)
{
    uv_read_start(&stream->uv, on_alloc, on_uv_read);
}

void stream_tell_open(struct stream *stream)
{
    stream->open = true;
    if (stream->paused)
        uv_read_stop(&stream->uv);
    if (stream->events->on_open)
        stream->events->on_open(stream->arg);
}

void stream_start(struct stream *stream, uint64_t timeout_ms)
{
    if (stream->session || !stream->paused)
        read_on(stream);
    if (stream->session)
        stream_session_start(stream, timeout_ms);
    else
        stream->open = true;
}

struct stream *stream_accept(struct stream_loop *loop, uv_stream_t *listener,
                             const struct stream_options *options, int *err)
{
    bool pipe = listener->type == UV_NAMED_PIPE;
    struct stream *stream = stream_new(loop, options, pipe);

    *err = uv_accept(listener, &stream->uv);
    if (*err == 0 && options->tls)
        *err = stream_session_create(stream, options->tls);
    if (*err < 0) {
        stream_close(stream, NULL);
        return NULL;
    }
    if (!pipe)
        uv_tcp_nodelay(&stream->tcp, 1);
    stream_start(stream, STREAM_HANDSHAKE_MS);
    return stream;
}

void stream_peer(const struct stream *stream, char out[STREAM_ADDRESS_MAX])
{
    struct sockaddr_storage peer;
    int len = sizeof(peer);

    out[0] = '\0';
    if (stream->handle.type != UV_TCP ||
        uv_tcp_getpeername(&stream->tcp, (struct sockaddr *)&peer, &len) < 0)
        return;
    if (peer.ss_family == AF_INET)
        uv_ip4_name((struct sockaddr_in *)&peer, out, STREAM_ADDRESS_MAX);
    else
        uv_ip6_name((struct sockaddr_in6 *)&peer, out, STREAM_ADDRESS_MAX);
    if (strncmp(out, "::ffff:", 7) == 0 && strchr(out, '.'))
        memmove(out, out + 7, STREAM_ADDRESS_MAX - 7);
}

size_t stream_kept(const struct stream *stream)
{
    return stream->out ? stream->out->sending.len + stream->out->waiting.len
                       : 0;
}

/* libuv sends a large write bit by bit. */
uint64_t stream_sent(const struct stream *stream)
{
    return stream->given - uv_stream_get_write_queue_size(&stream->uv);
}

static void shut(struct stream *stream);

static void free_out(struct stream *stream)
{
    buf_deinit(&stream->out->sending);
    buf_deinit(&stream->out->waiting);
    mem_free(stream->out);
    stream->out = NULL;
}

/* What has gathered is sent next. */
static int send_waiting(struct stream_out *out, struct stream *stream)
{
    struct buf empty = out->sending;

    out->sending = out->waiting;
    out->waiting = empty;
    uv_buf_t buf = uv_buf_init(out->sending.ptr, (unsigned)out->sending.len);
    stream->given += out->sending.len;
    return uv_write(&out->req, &stream->uv, &buf, 1, on_written);
}

static int keep(struct stream *stream, struct span rest)
{
    struct stream_out *out = stream->out;

    if (out) {
        buf_append(&out->waiting, rest);
        return 0;
    }
    out = mem_alloc(MEM_CONN, sizeof(*out));
    out->req.data = stream;
    buf_init(&out->sending, MEM_CONN);
    buf_init(&out->waiting, MEM_CONN);
    buf_append(&out->waiting, rest);
    stream->out = out;
    int err = send_waiting(out, stream);
    if (err < 0) {
        free_out(stream);
        stream->broken = true;
        return UV_ENOTCONN;
    }
    return 0;
}

static void on_written(uv_write_t *req, int status)
{
    struct stream *stream = req->data;
    struct stream_out *out = stream->out;

    stream->loop->callbacks++;
    buf_deinit(&out->sending);
    if (status == 0 && !stream->closing && out->waiting.len)
        status = send_waiting(out, stream);
    else
        out->waiting.len = 0;
    if (out->sending.len && status == 0)
        return;
    free_out(stream);
    if (status < 0)
        stream->broken = true;
    if (stream->closing)
        return;
    if (stream->ending)
        shut(stream);
    if (stream->events->on_drain)
        stream->events->on_drain(stream->arg);
}

/* What the socket takes at once; UV_ENOTCONN. */
static int try_write(struct stream *stream, uv_buf_t *bufs, size_t count)
{
    int sent = uv_try_write(&stream->uv, bufs, (unsigned)count);

    if (sent == UV_EAGAIN)
        return 0;
    if (sent < 0) {
        stream->broken = true;
        return UV_ENOTCONN;
    }
    stream->given += (size_t)sent;
    return sent;
}

int stream_write_raw(struct stream *stream, struct span bytes)
{
    uv_buf_t buf =
        uv_buf_init((char *)(uintptr_t)bytes.ptr, (unsigned)bytes.len);

    if (stream->broken)
        return UV_ENOTCONN;
    if (stream->out)
        return keep(stream, bytes);
    int sent = try_write(stream, &buf, 1);
    if (sent < 0)
        return sent;
    struct span rest = span_skip(bytes, (size_t)sent);
    return rest.len ? keep(stream, rest) : 0;
}

/* 0, or why nothing may be sent; len: of it all. */
static int may_write(const struct stream *stream, size_t len)
{
    size_t kept = stream_kept(stream);

    if (!stream->open || stream->broken || stream->sealed || stream->closing)
        return UV_ENOTCONN;
    return kept && kept + len > stream->max_kept ? UV_ENOBUFS : 0;
}

void stream_fetch(const struct stream *stream)
{
    mem_fetch(stream, sizeof(*stream));
}

int stream_write(struct stream *stream, struct span bytes)
{
    int err = may_write(stream, bytes.len);

    if (err < 0 || bytes.len == 0)
        return err;
    return stream->session ? stream_session_write(stream, bytes)
                           : stream_write_raw(stream, bytes);
}

/* One record rather than several, and one piece to keep. */
static int write_joined(struct stream *stream, const struct span *parts,
                        size_t count, size_t skip)
{
    struct buf all;

    buf_init(&all, MEM_CONN);
    for (size_t i = 0; i < count; i++)
        buf_append(&all, parts[i]);
    struct span rest = span_skip(buf_span(&all), skip);
    int err = stream->session ? stream_session_write(stream, rest)
                              : keep(stream, rest);
    buf_deinit(&all);
    return err;
}

int stream_write_parts(struct stream *stream, const struct span *parts,
                       size_t count)
{
    uv_buf_t bufs[STREAM_PARTS];
    size_t len = 0;

    assert(count <= STREAM_PARTS);
    for (size_t i = 0; i < count; i++) {
        bufs[i] = uv_buf_init((char *)(uintptr_t)parts[i].ptr,
                              (unsigned)parts[i].len);
        len += parts[i].len;
    }
    int err = may_write(stream, len);
    if (err < 0 || len == 0)
        return err;
    if (stream->session || stream->out)
        return write_joined(stream, parts, count, 0);
    int sent = try_write(stream, bufs, count);
    if (sent < 0 || (size_t)sent == len)
        return sent < 0 ? sent : 0;
    return write_joined(stream, parts, count, (size_t)sent);
}

void stream_hand_over(struct stream *stream, const struct stream_events *events,
                      void *arg, size_t max_kept)
{
    stream->events = events;
    stream->arg = arg;
    stream->max_kept = max_kept;
}

/* A handshake is not held up. */
void stream_read_stop(struct stream *stream)
{
    stream->paused = true;
    if (stream->open)
        uv_read_stop(&stream->uv);
}

void stream_read_start(struct stream *stream)
{
    stream->paused = false;
    if (!stream->open || stream->ended || stream->closing)
        return;
    if (!stream->session || stream_session_go_on(stream))
        read_on(stream);
}

static void on_shut(uv_shutdown_t *req, int status)
{
    (void)status;
    mem_free(req);
}

static void shut(struct stream *stream)
{
    uv_shutdown_t *req;

    if (stream->shut || stream->broken)
        return;
    stream->shut = true;
    req = mem_alloc(MEM_CONN, sizeof(*req));
    if (uv_shutdown(req, &stream->uv, on_shut) < 0)
        mem_free(req);
}

void stream_seal(struct stream *stream)
{
    stream->sealed = true;
}

void stream_end(struct stream *stream)
{
    if (!stream->open || stream->ending || stream->closing)
        return;
    if (stream->session)
        stream_session_end(stream);
    stream->sealed = true;
    stream->ending = true;
    if (!stream->out)
        shut(stream);
}

void stream_close(struct stream *stream, stream_close_cb cb)
{
    assert(!stream->closing);
    stream->closing = true;
    stream->close_cb = cb;
    if (stream->connect)
        stream_connect_cancel(stream);
    if (!uv_is_closing(&stream->handle))
        uv_close(&stream->handle, on_closed);
}
