/*
 * load_idle.c - subscribers that nobody publishes to: what each costs in
 * memory.
 *
 *   one after another: connect -- TLS, if asked for -- GET, or a WebSocket and
 *   its subscribe -- until it is told where it stands
 *
 * A client's TLS state is dropped then without a word to the server, which
 * holds on to its own: that is what is weighed.
 */
#include <openssl/ssl.h>
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

#include "common/load_line.h"
#include "common/ws.h"
#include "notifier/load_hub.h"

#define QUIET_MS 500 /* for the server to free what it used meanwhile */

static bool await(struct hub *hub, const struct load_line *line,
                  const char *mark)
{
    return load_line_await(line, mark, hub->text, HUB_TEXT_MAX);
}

static void append_head(const struct hub *hub, struct buf *out, uint32_t topic)
{
    const struct load *load = hub->load;

    if (hub->options.websocket) {
        load_append_upgrade(load, out, load->options.token, "notifier.v1.json");
        return;
    }
    buf_printf(out, "GET %s?topic=load-%u HTTP/1.1\r\nHost: %s\r\n",
               hub->is_nchan ? "/sub" : "/.well-known/mercure", topic,
               load->authority);
    if (load->options.token)
        buf_printf(out, "Authorization: Bearer %s\r\n", load->options.token);
    buf_append(out, SPAN("Accept: text/event-stream\r\n\r\n"));
}

/* False: it is not subscribed. */
static bool subscribe(struct hub *hub, const struct load_line *line,
                      uint32_t topic)
{
    struct buf out;
    char text[96];
    int len = snprintf(text, sizeof(text),
                       "{\"id\":1,\"op\":\"subscribe\",\"topics\":"
                       "[\"load-%u\"]}",
                       topic);

    buf_init(&out, MEM_LOAD);
    append_head(hub, &out, topic);
    bool done = load_line_put(line, buf_span(&out));
    if (done && hub->options.websocket) {
        out.len = 0;
        ws_append_masked(&out, WS_TEXT, (struct span){text, (size_t)len},
                         topic);
        done = await(hub, line, "\r\n\r\n") &&
               load_line_put(line, buf_span(&out)) &&
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
    struct load_line line;
    int err = load_line_open(hub->load, context, &line);

    if (err < 0)
        return err;
    if (subscribe(hub, &line, topic))
        return load_line_leave(&line);
    load_line_close(&line);
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
    int *fds = mem_alloc(MEM_LOAD, hub->count * sizeof(fds[0]));

    for (size_t i = 0; i < hub->count; i++)
        fds[i] = hub->subscribers[i].fd;
    size_t gone = load_count_gone(fds, hub->count);
    mem_free(fds);
    hub->errors[HUB_RESET] += gone;
    return gone ? UV_ECONNRESET : 0;
}

int hub_run_idle(struct hub *hub)
{
    SSL_CTX *context = load_line_tls(hub->options.tls);

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
