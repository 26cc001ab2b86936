/* test_stream_tls.c - TLS between two streams. */
#include "common/stream_internal.h"
#include "tests/common/stream_kit.h"
#include "tests/common/tls_identity.h"

#define MANY (10 << 20)

static char many[MANY];
static char reason[256];

static struct stream_tls *server_tls(const char *crt, const char *key)
{
    return stream_tls_server(identity_path(crt), identity_path(key), reason,
                             sizeof(reason));
}

static struct stream_tls *client_tls(const char *ca)
{
    return stream_tls_client(ca ? identity_path(ca) : NULL, reason,
                             sizeof(reason));
}

static int setup(void **state)
{
    struct kit *kit;

    kit_setup(state);
    kit = *state;
    kit->accept = server_tls("a.crt", "a.key");
    kit->connect = client_tls("a.crt");
    assert_true(kit->accept && kit->connect);
    return 0;
}

static void fill_many(void)
{
    for (size_t i = 0; i < MANY; i++)
        many[i] = (char)(i * 7 + i / 251);
}

static int write_to(struct peer *peer, struct span bytes)
{
    return stream_write(peer->stream, bytes);
}

static void turn(struct kit *kit, int turns)
{
    while (turns-- > 0)
        uv_run(&kit->uv, UV_RUN_NOWAIT);
}

static void test_tls_carries_bytes_both_ways(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    struct kit *kit = *state;

    for (size_t i = 0; i < COUNT(hosts); i++) {
        kit->host = hosts[i];
        kit->server.echo = true;
        kit_open(kit);
        assert_int_equal(write_to(&kit->client, SPAN("ping")), 0);
        UNTIL(kit, kit->client.got.len == 4);
        assert_true(span_eq(peer_got(&kit->client), SPAN("ping")));
        kit_close(&kit->client);
        UNTIL(kit, kit->client.closes && kit->server.ends);
        assert_int_equal(kit->server.err, UV_ECONNRESET); /* unannounced */
        kit_reset(kit);
    }
}

static void test_tls_gets_10_mb_past_a_slow_reader(void **state)
{
    struct kit *kit = *state;
    size_t sent = 0;
    int refused = 0;

    fill_many();
    kit_open(kit);
    stream_read_stop(kit->client.stream);
    while (sent < MANY) {
        size_t len = MANY - sent < 50000 ? MANY - sent : 50000;
        int err = write_to(&kit->server, (struct span){many + sent, len});
        /* each record adds 22 bytes to its 16 KiB */
        assert_true(stream_kept(kit->server.stream) <= kit->max_kept + 1024);
        if (err == 0) {
            sent += len;
            continue;
        }
        assert_int_equal(err, UV_ENOBUFS);
        refused++;
        stream_read_start(kit->client.stream);
        uv_run(&kit->uv, UV_RUN_ONCE);
    }
    stream_end(kit->server.stream);
    stream_read_start(kit->client.stream);
    UNTIL(kit, kit->client.ends);
    assert_int_equal(kit->client.err, 0);
    assert_int_equal(kit->client.got.len, MANY);
    assert_memory_equal(kit->client.got.ptr, many, MANY);
    assert_true(refused > 0);
}

static void test_tls_sends_parts_in_order(void **state)
{
    struct kit *kit = *state;

    fill_many();
    kit_open(kit);
    kit_send_parts(kit, (struct span){many, sizeof(many)});
}

static void test_tls_takes_one_large_write_in_bounded_steps(void **state)
{
    struct kit *kit = *state;

    fill_many();
    kit_open(kit);
    assert_int_equal(write_to(&kit->server, (struct span){many, MANY}), 0);
    assert_true(kit->loop->cipher.cap <= 3 * STREAM_CIPHER_MAX);
    UNTIL(kit, kit->client.got.len == MANY);
    assert_memory_equal(kit->client.got.ptr, many, MANY);
}

static void test_tls_ends_one_way_at_a_time(void **state)
{
    struct kit *kit = *state;

    kit_open(kit);
    write_to(&kit->client, SPAN("question"));
    stream_end(kit->client.stream);
    assert_int_equal(write_to(&kit->client, SPAN("more")), UV_ENOTCONN);
    UNTIL(kit, kit->server.ends);
    assert_int_equal(kit->server.err, 0);
    assert_int_equal(write_to(&kit->server, SPAN("answer")), 0);
    stream_end(kit->server.stream);
    UNTIL(kit, kit->client.ends);
    assert_int_equal(kit->client.err, 0);
    assert_true(span_eq(peer_got(&kit->client), SPAN("answer")));
}

/* What ends the stream of the client, behind bytes that stop the server. */
static void end_by_alert(struct kit *kit)
{
    stream_end(kit->client.stream);
}

static void end_by_junk(struct kit *kit)
{
    assert_int_equal(
        stream_write_raw(kit->client.stream, SPAN("\x17\x03\x03\0\1x")), 0);
}

static void end_by_cut(struct kit *kit)
{
    kit_close(&kit->client);
}

static const struct {
    void (*end)(struct kit *kit);
    int err;
} ends[] = {
    {end_by_alert, 0},
    {end_by_junk, UV_EPROTO},
    {end_by_cut, UV_ECONNRESET},
};

static void test_tls_end_waits_while_reading_is_stopped(void **state)
{
    struct kit *kit = *state;

    for (size_t i = 0; i < COUNT(ends); i++) {
        kit->server.stop = true;
        kit_open(kit);
        write_to(&kit->client, SPAN("last words"));
        ends[i].end(kit);
        UNTIL(kit, kit->server.got.len == 10);
        turn(kit, 50);
        assert_int_equal(kit->server.ends, 0);
        kit_read_start(&kit->server);
        stream_read_stop(kit->server.stream); /* thinks better of it */
        for (int n = 0; n < 5; n++)
            uv_run(&kit->uv, UV_RUN_ONCE); /* a tick of the kit at least */
        assert_int_equal(kit->server.ends, 0);
        kit_read_start(&kit->server);
        kit_read_start(&kit->server); /* twice is fine */
        UNTIL(kit, kit->server.ends);
        assert_int_equal(kit->server.err, ends[i].err);
        kit_read_start(&kit->server); /* and so is late */
        turn(kit, 50);
        kit_reset(kit);
    }
}

static void test_tls_may_be_closed_before_its_end_is_told(void **state)
{
    struct kit *kit = *state;

    for (int started = 0; started < 2; started++) {
        kit->server.stop = true;
        kit_open(kit);
        write_to(&kit->client, SPAN("last words"));
        stream_end(kit->client.stream);
        UNTIL(kit, kit->server.got.len == 10);
        turn(kit, 50);
        if (started)
            kit_read_start(&kit->server);
        kit_close(&kit->server);
        UNTIL(kit, kit->server.closes);
        assert_int_equal(kit->server.ends, 0);
        kit_reset(kit);
    }
}

static void test_tls_client_refuses_who_is_not_proven(void **state)
{
    static const struct {
        const char *ca, *host;
    } cases[] = {
        {"b.crt", "127.0.0.1"}, /* an authority that did not sign */
        {NULL, "127.0.0.1"},    /* the system's authorities */
        {"a.crt", "127.0.0.2"}, /* another address */
        {"a.crt", "127.1"},     /* the same, but by another name */
    };
    struct kit *kit = *state;

    kit_listen_everywhere(kit);
    for (size_t i = 0; i < COUNT(cases); i++) {
        stream_tls_unref(kit->connect);
        kit->connect = client_tls(cases[i].ca);
        kit->host = cases[i].host;
        kit_connect(kit);
        UNTIL(kit, kit->client.ends && kit->server.ends);
        assert_int_equal(kit->client.opens, 0);
        assert_int_equal(kit->client.err, UV_EPROTO);
        assert_int_equal(kit->server.err, UV_EPROTO); /* the alert */
        kit_reset(kit);
    }
}

static void test_tls_client_refuses_an_empty_name(void **state)
{
    struct kit *kit = *state;

    kit->host = ""; /* would switch the check of the name off */
    kit_connect(kit);
    UNTIL(kit, kit->client.ends);
    assert_int_equal(kit->client.err, UV_EINVAL);
}

/* One side speaks TLS, the other does not. */
static void be_plain(struct stream_tls **tls)
{
    stream_tls_unref(*tls);
    *tls = NULL;
}

static void test_tls_server_refuses_plain_bytes(void **state)
{
    struct kit *kit = *state;

    be_plain(&kit->connect);
    kit_connect(kit);
    UNTIL(kit, kit->client.opens);
    write_to(&kit->client, SPAN("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    UNTIL(kit, kit->server.ends);
    assert_int_equal(kit->server.err, UV_EPROTO);
    assert_int_equal(kit->server.opens, 0);
    assert_int_equal(kit->server.reads, 0);
}

static void test_tls_client_refuses_a_plain_server(void **state)
{
    struct kit *kit = *state;

    be_plain(&kit->accept);
    kit->server.echo = true; /* gives the client its own hello */
    kit_connect(kit);
    UNTIL(kit, kit->client.ends);
    assert_int_equal(kit->client.err, UV_EPROTO);
}

static void test_tls_handshake_has_a_deadline(void **state)
{
    struct kit *kit = *state;

    be_plain(&kit->connect);
    kit_connect(kit);
    UNTIL(kit, kit->server.stream);
    kit->uv.time += STREAM_HANDSHAKE_MS + 1;
    wheel_turn(stream_loop_wheel(kit->loop), kit->uv.time);
    assert_int_equal(kit->server.ends, 1);
    assert_int_equal(kit->server.err, UV_ETIMEDOUT);
}

static void test_tls_is_part_of_the_connects_deadline(void **state)
{
    struct kit *kit = *state;

    be_plain(&kit->accept); /* takes the connection, and says nothing */
    kit->timeout_ms = 50;
    kit_connect(kit);
    UNTIL(kit, kit->client.ends);
    assert_int_equal(kit->client.err, UV_ETIMEDOUT);
    assert_int_equal(kit->client.opens, 0);
}

static void provoke(struct kit *kit, enum peer_event event)
{
    if (event == PEER_READ) /* more records follow the one that closes */
        write_to(&kit->client, (struct span){many, 60000});
    if (event == PEER_END)
        stream_end(kit->client.stream);
    if (event == PEER_DRAIN)
        while (write_to(&kit->server, (struct span){many, 50000}) == 0)
            ;
}

static void test_tls_may_be_closed_inside_each_callback(void **state)
{
    struct kit *kit = *state;

    for (enum peer_event at = PEER_OPEN; at <= PEER_DRAIN; at++) {
        kit->server.close_at = at;
        kit_connect(kit);
        UNTIL(kit, kit->client.opens && kit->server.opens);
        provoke(kit, at);
        UNTIL(kit, kit->server.closes);
        assert_true(kit->server.reads <= 1);
        kit_reset(kit);
    }
}

static void test_tls_may_be_closed_in_the_handshake(void **state)
{
    struct kit *kit = *state;

    for (int turns = 0; turns < 8; turns++) {
        kit_connect(kit);
        turn(kit, turns);
        kit_close(&kit->client);
        UNTIL(kit, kit->client.closes);
        turn(kit, 10);
        kit_reset(kit);
    }
}

static void test_tls_stopped_before_it_is_open_stays_so(void **state)
{
    struct kit *kit = *state;

    kit_connect(kit);
    stream_read_stop(kit->client.stream);
    UNTIL(kit, kit->client.opens && kit->server.opens);
    write_to(&kit->server, SPAN("later"));
    turn(kit, 50);
    assert_int_equal(kit->client.reads, 0);
    stream_read_start(kit->client.stream);
    UNTIL(kit, kit->client.got.len == 5);
}

static void test_tls_reload_leaves_old_streams_alone(void **state)
{
    struct kit *kit = *state;

    kit_open(kit);
    stream_tls_unref(kit->accept);
    kit->accept = server_tls("b.crt", "b.key");
    write_to(&kit->client, SPAN("still here"));
    UNTIL(kit, kit->server.got.len == 10);
    kit_reset(kit);
    stream_tls_unref(kit->connect);
    kit->connect = client_tls("b.crt");
    kit_open(kit);
}

static void test_tls_refuses_files_that_do_not_fit(void **state)
{
    static const struct {
        const char *crt, *key, *named;
    } cases[] = {
        {"none.crt", "a.key", "none.crt"},
        {"a.crt", "none.key", "none.key"},
        {"a.crt", "b.key", "b.key"},
        {"a.key", "a.key", "a.key"},
        {"a.crt", "locked.key", "locked.key"},
        {"a.crt", "a.crt", "a.crt"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        memset(reason, 0, sizeof(reason));
        assert_null(server_tls(cases[i].crt, cases[i].key));
        assert_non_null(strstr(reason, cases[i].named));
    }
    assert_null(client_tls("none.crt"));
    assert_non_null(strstr(reason, "none.crt"));
}

#define ON_TLS(f) cmocka_unit_test_setup_teardown(f, setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_TLS(test_tls_carries_bytes_both_ways),
        ON_TLS(test_tls_gets_10_mb_past_a_slow_reader),
        ON_TLS(test_tls_sends_parts_in_order),
        ON_TLS(test_tls_takes_one_large_write_in_bounded_steps),
        ON_TLS(test_tls_ends_one_way_at_a_time),
        ON_TLS(test_tls_end_waits_while_reading_is_stopped),
        ON_TLS(test_tls_may_be_closed_before_its_end_is_told),
        ON_TLS(test_tls_client_refuses_who_is_not_proven),
        ON_TLS(test_tls_client_refuses_an_empty_name),
        ON_TLS(test_tls_server_refuses_plain_bytes),
        ON_TLS(test_tls_client_refuses_a_plain_server),
        ON_TLS(test_tls_handshake_has_a_deadline),
        ON_TLS(test_tls_is_part_of_the_connects_deadline),
        ON_TLS(test_tls_may_be_closed_inside_each_callback),
        ON_TLS(test_tls_may_be_closed_in_the_handshake),
        ON_TLS(test_tls_stopped_before_it_is_open_stays_so),
        ON_TLS(test_tls_reload_leaves_old_streams_alone),
        cmocka_unit_test(test_tls_refuses_files_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, identities_setup, identities_teardown);
}
