/*
 * load_line.c - see load_line.h.
 *
 * SSL_ is called here, and not in stream_tls.c alone, because streams have no
 * blocking client.
 */
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <unistd.h>
#include <uv.h>

#include "common/load_line.h"

SSL_CTX *load_line_tls(bool tls)
{
    return tls ? SSL_CTX_new(TLS_client_method()) : NULL;
}

int load_line_open(const struct load *load, SSL_CTX *context,
                   struct load_line *line)
{
    *line = (struct load_line){.fd = load_connect(load)};
    if (line->fd < 0 || !context)
        return line->fd < 0 ? line->fd : 0;
    line->ssl = SSL_new(context);
    SSL_set_fd(line->ssl, line->fd);
    if (SSL_connect(line->ssl) == 1)
        return 0;
    load_line_close(line);
    return UV_ECONNREFUSED;
}

bool load_line_put(const struct load_line *line, struct span bytes)
{
    if (line->ssl)
        return SSL_write(line->ssl, bytes.ptr, (int)bytes.len) ==
               (int)bytes.len;
    return send(line->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL) ==
           (ssize_t)bytes.len;
}

bool load_line_await(const struct load_line *line, const char *mark, char *room,
                     size_t size)
{
    size_t len = 0;

    while (len < size) {
        char *at = room + len;
        ssize_t some = line->ssl ? SSL_read(line->ssl, at, (int)(size - len))
                                 : recv(line->fd, at, size - len, 0);
        if (some <= 0)
            return false;
        len += (size_t)some;
        if (memmem(room, len, mark, strlen(mark)))
            return true;
    }
    return false;
}

int load_line_leave(struct load_line *line)
{
    int fd = line->fd;

    SSL_free(line->ssl);
    ERR_clear_error();
    *line = (struct load_line){.fd = -1};
    return fd;
}

void load_line_close(struct load_line *line)
{
    int fd = load_line_leave(line);

    if (fd >= 0)
        close(fd);
}

size_t load_count_gone(const int *fds, size_t count)
{
    size_t gone = 0;

    for (size_t i = 0; i < count; i++) {
        struct pollfd poll_fd = {.fd = fds[i], .events = POLLRDHUP};
        gone += fds[i] >= 0 && poll(&poll_fd, 1, 0) == 1 &&
                (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR));
    }
    return gone;
}

void load_append_upgrade(const struct load *load, struct buf *out,
                         const char *token, const char *subprotocol)
{
    buf_printf(out, "GET /v1/ws HTTP/1.1\r\nHost: %s\r\n", load->authority);
    if (token)
        buf_printf(out, "Authorization: Bearer %s\r\n", token);
    buf_printf(out,
               "Connection: Upgrade\r\nUpgrade: websocket\r\n"
               "Sec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
               "Sec-WebSocket-Protocol: %s\r\n\r\n",
               subprotocol);
}

void load_acknowledge(int fd)
{
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
}
