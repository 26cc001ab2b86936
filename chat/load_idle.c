/*
 * load_idle.c - members to whom nothing happens: what each costs in memory.
 *
 *   one after another: connect -- TLS, if asked for -- upgrade -- sync
 */
#include <openssl/ssl.h>
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

#include "chat/load_crowd.h"
#include "common/load_line.h"

#define QUIET_MS 500 /* for the server to free what it used meanwhile */

/* False: it is no member. */
static bool enter(struct crowd *crowd, const struct load_line *line,
                  const struct crowd_member *member)
{
    struct buf *out = &crowd->frame;

    out->len = 0;
    load_append_upgrade(crowd->load, out, member->token, "chat.v1.json");
    if (!load_line_put(line, buf_span(out)) ||
        !load_line_await(line, "\r\n\r\n", crowd->read, sizeof(crowd->read)))
        return false;
    out->len = 0;
    ws_append_masked(out, WS_TEXT, SPAN("{\"id\":1,\"op\":\"sync\"}"),
                     (uint32_t)line->fd);
    return load_line_put(line, buf_span(out)) &&
           load_line_await(line, "\"ok\":true", crowd->read,
                           sizeof(crowd->read));
}

/* The fd of one that is there, or UV_E*. */
static int hold(struct crowd *crowd, SSL_CTX *context,
                const struct crowd_member *member)
{
    struct load_line line;
    int err = load_line_open(crowd->load, context, &line);

    if (err < 0)
        return err;
    if (enter(crowd, &line, member))
        return load_line_leave(&line);
    load_line_close(&line);
    return UV_ECONNREFUSED;
}

static int hold_all(struct crowd *crowd, SSL_CTX *context, int *fds)
{
    for (size_t i = 0; i < crowd->count; i++) {
        fds[i] = hold(crowd, context, &crowd->members[i]);
        if (fds[i] < 0) {
            fprintf(stderr, "only %zu members could be held\n", i);
            crowd->errors[CROWD_REFUSED]++;
            return fds[i];
        }
        crowd->received++;
    }
    return 0;
}

int crowd_run_idle(struct crowd *crowd)
{
    SSL_CTX *context = load_line_tls(crowd->options.tls);
    int *fds = mem_alloc(MEM_LOAD, crowd->count * sizeof(fds[0]));

    memset(fds, -1, crowd->count * sizeof(fds[0]));
    crowd->bytes_before = load_server_bytes(crowd->load);
    crowd_sample(crowd, false);
    uint64_t from = uv_hrtime();
    int err = hold_all(crowd, context, fds);
    crowd->seconds = (double)(uv_hrtime() - from) / 1e9;
    crowd_sample(crowd, true);
    SSL_CTX_free(context);
    usleep(QUIET_MS * 1000);
    crowd->bytes_open = load_server_bytes(crowd->load);
    crowd->errors[CROWD_RESET] += load_count_gone(fds, crowd->count);
    crowd->due = crowd->in_window = crowd->received;
    for (size_t i = 0; i < crowd->count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    mem_free(fds);
    return err;
}
