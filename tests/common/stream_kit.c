/* stream_kit.c - see stream_kit.h. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/common/stream_kit.h"

static bool in_call; /* of the room under test: nothing may call back */

static void on_close(void *arg)
{
    struct peer *peer = arg;

    assert_false(in_call);
    peer->closes++;
    peer->stream = NULL;
}

void kit_close(struct peer *peer)
{
    in_call = true;
    peer->closing = true;
    stream_close(peer->stream, on_close);
    in_call = false;
}

void kit_read_start(struct peer *peer)
{
    in_call = true;
    stream_read_start(peer->stream);
    in_call = false;
}

static void tell(struct peer *peer, enum peer_event event)
{
    assert_false(in_call);
    assert_int_equal(peer->closes, 0);
    if (peer->close_at == event)
        kit_close(peer);
}

static void on_open(void *arg)
{
    struct peer *peer = arg;

    peer->opens++;
    tell(peer, PEER_OPEN);
}

static void on_read(void *arg, struct span bytes)
{
    struct peer *peer = arg;

    assert_int_equal(peer->ends, 0);
    assert_true(bytes.len > 0);
    peer->reads++;
    buf_append(&peer->got, bytes);
    if (peer->echo)
        assert_int_equal(stream_write(peer->stream, bytes), 0);
    if (peer->stop)
        stream_read_stop(peer->stream);
    tell(peer, PEER_READ);
}

static void on_end(void *arg, int err)
{
    struct peer *peer = arg;

    peer->ends++;
    peer->err = err;
    assert_int_equal(peer->ends, 1);
    tell(peer, PEER_END);
}

static void on_drain(void *arg)
{
    struct peer *peer = arg;

    assert_int_equal(stream_kept(peer->stream), 0);
    peer->drains++;
    tell(peer, PEER_DRAIN);
}

static const struct stream_events events = {.on_read = on_read,
                                            .on_end = on_end,
                                            .on_drain = on_drain,
                                            .on_open = on_open};

static struct stream_options options(const struct kit *kit, struct peer *peer,
                                     struct stream_tls *tls)
{
    return (struct stream_options){
        .events = &events, .arg = peer, .max_kept = kit->max_kept, .tls = tls};
}

void kit_on_connection(uv_stream_t *listener, int status)
{
    struct kit *kit = listener->data;
    struct stream_options server = options(kit, &kit->server, kit->accept);
    int err;

    assert_int_equal(status, 0);
    assert_null(kit->server.stream);
    kit->accepted++;
    in_call = true;
    kit->server.stream = stream_accept(kit->loop, listener, &server, &err);
    in_call = false;
    assert_non_null(kit->server.stream);
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

static struct kit *setup(void)
{
    struct kit *kit = calloc(1, sizeof(*kit));

    assert_int_equal(uv_loop_init(&kit->uv), 0);
    uv_timer_init(&kit->uv, &kit->tick);
    uv_timer_start(&kit->tick, on_tick, 5, 5);
    kit->loop = stream_loop_open(&kit->uv);
    buf_init(&kit->client.got, MEM_APP);
    buf_init(&kit->server.got, MEM_APP);
    kit->host = "127.0.0.1";
    kit->timeout_ms = 60000;
    kit->max_kept = 1 << 20;
    return kit;
}

int kit_setup(void **state)
{
    struct kit *kit = setup();
    struct sockaddr_in address;
    int len = sizeof(address);

    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_init(&kit->uv, &kit->listener.tcp);
    uv_tcp_bind(&kit->listener.tcp, (struct sockaddr *)&address, 0);
    assert_int_equal(uv_listen(&kit->listener.stream, 16, kit_on_connection),
                     0);
    uv_tcp_getsockname(&kit->listener.tcp, (struct sockaddr *)&address, &len);
    kit->port = ntohs(address.sin_port);
    kit->listener.stream.data = kit;
    *state = kit;
    return 0;
}

int kit_setup_unix(void **state)
{
    struct kit *kit = setup();

    strcpy(kit->dir, "/tmp/stream-XXXXXX");
    assert_non_null(mkdtemp(kit->dir));
    snprintf(kit->path, sizeof(kit->path), "%s/socket", kit->dir);
    uv_pipe_init(&kit->uv, &kit->listener.pipe, 0);
    assert_int_equal(uv_pipe_bind(&kit->listener.pipe, kit->path), 0);
    assert_int_equal(uv_listen(&kit->listener.stream, 16, kit_on_connection),
                     0);
    kit->listener.stream.data = kit;
    *state = kit;
    return 0;
}

static void on_stopped(uv_handle_t *handle)
{
    struct kit *kit = handle->data;

    uv_tcp_init(&kit->uv, &kit->listener.tcp);
}

void kit_stop_listening(struct kit *kit)
{
    uv_close((uv_handle_t *)&kit->listener.stream, on_stopped);
    UNTIL(kit, !uv_is_closing((uv_handle_t *)&kit->listener.stream));
    kit->listener.stream.data = kit;
}

void kit_listen_everywhere(struct kit *kit)
{
    struct sockaddr_in address;

    kit_stop_listening(kit);
    uv_ip4_addr("0.0.0.0", kit->port, &address);
    uv_tcp_bind(&kit->listener.tcp, (struct sockaddr *)&address, 0);
    assert_int_equal(uv_listen(&kit->listener.stream, 16, kit_on_connection),
                     0);
}

void kit_connect(struct kit *kit)
{
    struct stream_options client = options(kit, &kit->client, kit->connect);

    in_call = true;
    kit->client.stream = stream_connect(kit->loop, kit->host, kit->port,
                                        kit->path[0] ? kit->path : NULL,
                                        kit->timeout_ms, &client);
    in_call = false;
}

void kit_open(struct kit *kit)
{
    kit_connect(kit);
    UNTIL(kit, kit->client.opens && kit->server.stream &&
                   (!kit->accept || kit->server.opens));
    assert_int_equal(kit->client.opens, 1);
    assert_int_equal(kit->server.opens, kit->accept ? 1 : 0);
}

static void finish(struct kit *kit, struct peer *peer)
{
    if (peer->stream && !peer->closing)
        kit_close(peer);
    UNTIL(kit, !peer->stream);
    buf_deinit(&peer->got);
    *peer = (struct peer){.got = peer->got};
}

void kit_reset(struct kit *kit)
{
    finish(kit, &kit->client);
    finish(kit, &kit->server);
}

int kit_teardown(void **state)
{
    struct kit *kit = *state;

    kit_reset(kit);
    uv_close((uv_handle_t *)&kit->listener.stream, NULL);
    uv_close((uv_handle_t *)&kit->tick, NULL);
    stream_tls_unref(kit->accept);
    stream_tls_unref(kit->connect);
    uv_run(&kit->uv, UV_RUN_DEFAULT);
    stream_loop_close(kit->loop);
    uv_run(&kit->uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&kit->uv), 0);
    assert_int_equal(mem_live(MEM_CONN), 0);
    if (kit->dir[0])
        rmdir(kit->dir);
    free(kit);
    return 0;
}

/* Parts cost no more on their way than the same bytes in one piece do. */
static void send_few(struct kit *kit, struct span bytes)
{
    struct stream *stream = kit->server.stream;
    struct span parts[] = {
        {bytes.ptr + 9, 5}, {bytes.ptr, 0}, {bytes.ptr + 14, 4}};
    uint64_t begun = stream_sent(stream);

    assert_int_equal(stream_write(stream, (struct span){bytes.ptr, 9}), 0);
    uint64_t whole = stream_sent(stream) - begun;
    assert_int_equal(stream_write_parts(stream, parts, 3), 0);
    assert_int_equal(stream_sent(stream) - begun, 2 * whole);
    UNTIL(kit, kit->client.got.len == 18);
}

void kit_send_parts(struct kit *kit, struct span bytes)
{
    struct stream *stream = kit->server.stream;
    size_t sent = 18;

    send_few(kit, bytes);
    stream_read_stop(kit->client.stream);
    for (; stream_kept(stream) == 0; sent += 20000) {
        assert_true(sent + 20000 <= bytes.len);
        struct span parts[] = {{bytes.ptr + sent, 7000},
                               {bytes.ptr + sent + 7000, 13000}};
        assert_int_equal(stream_write_parts(stream, parts, 2), 0);
    }
    stream_read_start(kit->client.stream);
    UNTIL(kit, kit->client.got.len == sent);
    assert_memory_equal(kit->client.got.ptr, bytes.ptr, sent);
}
