/*
 * load_idle.c - subscribers that nobody publishes to: what each costs in
 * memory.
 *
 *   one after another: connect -- TLS, if asked for -- GET, or a WebSocket and
 *   its subscribe -- until it is told where it stands
 *
 * A client's TLS state is dropped then without a word to the server, which
 * holds on to its own: that is what is weighed.  SSL_ is called here, and not
 * in common/ alone, because streams have no blocking client.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

#include "common/ws.h"
#include "notifier/load_hub.h"

#define QUIET_MS 500 /* for the server to free what it used meanwhile */

struct line {
    int fd;
    SSL *ssl; /* NULL: plain */
};

static bool put(const struct line *line, struct span bytes)
{
    if (line->ssl)
        return SSL_write(line->ssl, bytes.ptr, (int)bytes.len) ==
               (int)bytes.len;
    return send(line->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL) ==
           (ssize_t)bytes.len;
}

/* Read until mark was seen. */
static bool await(struct hub *hub, const struct line *line, const char *mark)
{
    size_t len = 0;

    while (len < HUB_TEXT_MAX) {
        char *at = hub->text + len;
        ssize_t some = line->ssl ? SSL_read(line->ssl, at, HUB_TEXT_MAX)
                                 : recv(line->fd, at, HUB_TEXT_MAX, 0);
        if (some <= 0)
            return false;
        len += (size_t)some;
        if (memmem(hub->text, len, mark, strlen(mark)))
            return true;
    }
    return false;
}

static void append_head(const struct hub *hub, struct buf *out, uint32_t topic)
{
    const struct load *load = hub->load;

    if (hub->options.websocket)
        buf_append(out, SPAN("GET /v1/ws"));
    else
        buf_printf(out, "GET %s?topic=load-%u",
                   hub->is_nchan ? "/sub" : "/.well-known/mercure", topic);
    buf_printf(out, " HTTP/1.1\r\nHost: %s\r\n", load->authority);
    if (load->options.token)
        buf_printf(out, "Authorization: Bearer %s\r\n", load->options.token);
    if (hub->options.websocket)
        buf_append(out, SPAN("Connection: Upgrade\r\nUpgrade: websocket\r\n"
                             "Sec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                             "Sec-WebSocket-Protocol: notifier.v1.json\r\n"));
    else
        buf_append(out, SPAN("Accept: text/event-stream\r\n"));
    buf_append(out, SPAN("\r\n"));
}

/* False: it is not subscribed. */
static bool subscribe(struct hub *hub, const struct line *line, uint32_t topic)
{
    struct buf out;
    char text[96];
    int len = snprintf(text, sizeof(text),
                       "{\"id\":1,\"op\":\"subscribe\",\"topics\":"
                       "[\"load-%u\"]}",
                       topic);

    buf_init(&out, MEM_LOAD);
    append_head(hub, &out, topic);
    bool done = put(line, buf_span(&out));
    if (done && hub->options.websocket) {
        out.len = 0;
        ws_append_masked(&out, WS_TEXT, (struct span){text, (size_t)len},
                         topic);
        done = await(hub, line, "\r\n\r\n") && put(line, buf_span(&out)) &&
               await(hub, line, "\"ok\":true");
    } else if (done) {
        done = await(hub, line, hub->is_nchan ? "\r\n\r\n" : "\nid: ");
    }
    buf_deinit(&out);
    return done;
}

/* The fd of one that is subscribed, or UV_E*. */
static int hold(struct hub *hub, SSL_CTX *context, uint32_t topic)
{
    struct line line = {.fd = load_connect(hub->load)};
    bool done = line.fd >= 0;

    if (!done)
        return line.fd;
    if (context) {
        line.ssl = SSL_new(context);
        SSL_set_fd(line.ssl, line.fd);
        done = SSL_connect(line.ssl) == 1;
    }
    done = done && subscribe(hub, &line, topic);
    SSL_free(line.ssl);
    ERR_clear_error();
    if (done)
        return line.fd;
    close(line.fd);
    return UV_ECONNREFUSED;
}

static int hold_all(struct hub *hub, SSL_CTX *context)
{
    for (size_t i = 0; i < hub->count; i++) {
        struct hub_subscriber *subscriber = &hub->subscribers[i];
        subscriber->fd = hold(hub, context, subscriber->topic);
        if (subscriber->fd < 0) {
            fprintf(stderr, "only %zu subscribers could be made\n", i);
            hub->errors[HUB_REFUSED]++;
            return UV_ECONNREFUSED;
        }
        hub->received++;
    }
    return 0;
}

/* What the server has closed meanwhile is not weighed, and is told. */
static int count_held(struct hub *hub)
{
    size_t gone = 0;

    for (size_t i = 0; i < hub->count; i++) {
        struct pollfd poll_fd = {.fd = hub->subscribers[i].fd,
                                 .events = POLLRDHUP};
        gone += poll(&poll_fd, 1, 0) == 1 &&
                (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR));
    }
    hub->errors[HUB_RESET] += gone;
    return gone ? UV_ECONNRESET : 0;
}

int hub_run_idle(struct hub *hub)
{
    SSL_CTX *context =
        hub->options.tls ? SSL_CTX_new(TLS_client_method()) : NULL;

    hub->bytes_before = load_server_bytes(hub->load);
    load_sample(hub->load, false);
    hub->own_before = load_own_cpu();
    uint64_t from = uv_hrtime();
    int err = hold_all(hub, context);
    hub->seconds = (double)(uv_hrtime() - from) / 1e9;
    load_sample(hub->load, true);
    hub->own_after = load_own_cpu();
    SSL_CTX_free(context);
    usleep(QUIET_MS * 1000);
    hub->bytes_open = load_server_bytes(hub->load);
    if (err == 0)
        err = count_held(hub);
    hub->due = hub->done = hub->in_window = hub->received;
    return err;
}
