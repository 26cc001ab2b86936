/* test_stream.c - plain streams, both ends on one loop. */
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/stream_internal.h"
#include "tests/common/stream_kit.h"

#define MANY (10 << 20)

static char many[MANY];

static void fill_many(void)
{
    for (size_t i = 0; i < MANY; i++)
        many[i] = (char)(i * 7 + i / 251);
}

static int write_to(struct peer *peer, struct span bytes)
{
    return stream_write(peer->stream, bytes);
}

/* Write until a write is refused; what was taken. */
static size_t write_until_full(struct peer *peer, size_t piece)
{
    size_t taken = 0;

    while (write_to(peer, (struct span){many + taken, piece}) == 0) {
        taken += piece;
        assert_true(taken + piece <= MANY);
    }
    return taken;
}

static void test_stream_carries_bytes_both_ways(void **state)
{
    struct kit *kit = *state;

    kit->server.echo = true;
    kit_open(kit);
    assert_int_equal(write_to(&kit->client, SPAN("ping")), 0);
    UNTIL(kit, kit->client.got.len == 4);
    assert_true(span_eq(peer_got(&kit->client), SPAN("ping")));
    assert_int_equal(stream_kept(kit->client.stream), 0);
}

static void test_stream_names_its_peer(void **state)
{
    struct kit *kit = *state;
    char text[STREAM_ADDRESS_MAX];

    kit_open(kit);
    stream_peer(kit->server.stream, text);
    assert_string_equal(text, kit->path[0] ? "" : "127.0.0.1");
}

static void test_stream_gets_10_mb_past_a_slow_reader(void **state)
{
    struct kit *kit = *state;
    size_t piece = 50000;
    size_t sent;

    fill_many();
    kit_open(kit);
    stream_read_stop(kit->client.stream);
    sent = write_until_full(&kit->server, piece);
    for (int i = 0; i < 50; i++) /* a reader that has stopped gets nothing */
        uv_run(&kit->uv, UV_RUN_NOWAIT);
    assert_int_equal(kit->client.got.len, 0);
    stream_read_start(kit->client.stream);
    while (sent < MANY) {
        size_t len = MANY - sent < piece ? MANY - sent : piece;
        if (write_to(&kit->server, (struct span){many + sent, len}) == 0)
            sent += len;
        else
            uv_run(&kit->uv, UV_RUN_ONCE);
        assert_true(stream_kept(kit->server.stream) <= kit->max_kept);
    }
    UNTIL(kit, kit->client.got.len == MANY);
    assert_memory_equal(kit->client.got.ptr, many, MANY);
    assert_true(kit->server.drains > 0);
}

static void test_stream_sends_parts_in_order(void **state)
{
    struct kit *kit = *state;

    fill_many();
    kit_open(kit);
    kit_send_parts(kit, (struct span){many, sizeof(many)});
}

static void test_stream_refuses_what_goes_past_max_kept(void **state)
{
    struct kit *kit = *state;
    size_t sent;

    fill_many();
    kit->max_kept = 100000;
    kit_open(kit);
    stream_read_stop(kit->client.stream);
    sent = write_until_full(&kit->server, 30000);
    assert_int_equal(write_to(&kit->server, (struct span){many + sent, 100001}),
                     UV_ENOBUFS);
    assert_in_range(stream_kept(kit->server.stream), 1, kit->max_kept);
    stream_read_start(kit->client.stream);
    UNTIL(kit, kit->server.drains == 1);
    assert_int_equal(write_to(&kit->server, SPAN("!")), 0);
    UNTIL(kit, kit->client.got.len == sent + 1);
    assert_memory_equal(kit->client.got.ptr, many, sent);
}

static void test_stream_ends_one_way_at_a_time(void **state)
{
    struct kit *kit = *state;

    kit_open(kit);
    write_to(&kit->client, SPAN("question"));
    stream_end(kit->client.stream);
    stream_end(kit->client.stream); /* twice is fine */
    assert_int_equal(write_to(&kit->client, SPAN("more")), UV_ENOTCONN);
    UNTIL(kit, kit->server.ends);
    assert_int_equal(kit->server.err, 0);
    assert_int_equal(kit->client.ends, 0);
    assert_int_equal(write_to(&kit->server, SPAN("answer")), 0);
    stream_end(kit->server.stream);
    UNTIL(kit, kit->client.ends);
    assert_int_equal(kit->client.err, 0);
    assert_true(span_eq(peer_got(&kit->client), SPAN("answer")));
    assert_true(span_eq(peer_got(&kit->server), SPAN("question")));
}

static void test_stream_end_waits_for_kept_bytes(void **state)
{
    struct kit *kit = *state;
    size_t sent;

    fill_many();
    kit_open(kit);
    stream_read_stop(kit->client.stream);
    sent = write_until_full(&kit->server, 50000);
    stream_end(kit->server.stream);
    stream_read_start(kit->client.stream);
    UNTIL(kit, kit->client.ends);
    assert_int_equal(kit->client.err, 0);
    assert_int_equal(kit->client.got.len, sent);
    assert_int_equal(kit->server.drains, 1);
}

static void test_sealed_stream_sends_what_is_kept_and_reads(void **state)
{
    struct kit *kit = *state;
    size_t sent;

    fill_many();
    kit_open(kit);
    stream_read_stop(kit->client.stream);
    sent = write_until_full(&kit->server, 50000);
    stream_seal(kit->server.stream);
    assert_int_equal(write_to(&kit->server, SPAN("x")), UV_ENOTCONN);
    stream_read_start(kit->client.stream);
    UNTIL(kit, kit->server.drains == 1 && kit->client.got.len == sent);
    write_to(&kit->client, SPAN("still read"));
    UNTIL(kit, kit->server.got.len == 10);
    assert_int_equal(kit->client.ends, 0);
    stream_end(kit->server.stream);
    UNTIL(kit, kit->client.ends);
}

static void test_stream_may_be_closed_inside_each_callback(void **state)
{
    struct kit *kit = *state;

    fill_many();
    kit->client.close_at = PEER_READ;
    kit->server.close_at = PEER_END;
    kit_open(kit);
    write_to(&kit->server, SPAN("x"));
    UNTIL(kit, kit->client.closes && kit->server.closes);
    assert_int_equal(kit->client.reads, 1);
    assert_int_equal(kit->client.ends, 0);
}

static void test_stream_may_be_closed_when_drained_or_opened(void **state)
{
    struct kit *kit = *state;

    fill_many();
    kit->server.close_at = PEER_DRAIN;
    kit_open(kit);
    write_until_full(&kit->server, 50000);
    UNTIL(kit, kit->server.closes);
    UNTIL(kit, kit->client.ends);
    kit_close(&kit->client);
    UNTIL(kit, kit->client.closes);
    kit->client = (struct peer){.got = kit->client.got, .close_at = PEER_OPEN};
    kit->server = (struct peer){.got = kit->server.got};
    kit_connect(kit);
    UNTIL(kit, kit->client.closes && kit->server.ends);
}

static void test_stream_close_drops_what_is_kept(void **state)
{
    struct kit *kit = *state;

    fill_many();
    kit_open(kit);
    write_until_full(&kit->server, 50000);
    kit_close(&kit->server);
    assert_int_equal(write_to(&kit->server, SPAN("x")), UV_ENOTCONN);
    UNTIL(kit, kit->server.closes);
    assert_int_equal(kit->server.drains, 0);
    UNTIL(kit, kit->client.ends);
}

/* The client goes with bytes unread, which makes a reset of it. */
static void reset_by_client(struct kit *kit)
{
    kit_open(kit);
    stream_read_stop(kit->client.stream);
    write_until_full(&kit->server, 50000);
    kit_close(&kit->client);
    UNTIL(kit, kit->client.closes);
}

static void test_stream_tells_a_reset_once(void **state)
{
    struct kit *kit = *state;

    fill_many();
    reset_by_client(kit);
    UNTIL(kit, kit->server.ends && kit->server.drains);
    assert_int_equal(kit->server.err, UV_ECONNRESET);
    assert_int_equal(stream_kept(kit->server.stream), 0);
    assert_int_equal(write_to(&kit->server, SPAN("x")), UV_ENOTCONN);
    stream_end(kit->server.stream);
}

static void test_stream_that_does_not_read_learns_it_by_drain(void **state)
{
    struct kit *kit = *state;

    fill_many();
    kit_open(kit);
    stream_read_stop(kit->server.stream);
    stream_read_stop(kit->client.stream);
    write_until_full(&kit->server, 50000);
    kit_close(&kit->client);
    UNTIL(kit, kit->server.drains);
    assert_int_equal(kit->server.ends, 0);
    assert_int_equal(write_to(&kit->server, SPAN("x")), UV_ENOTCONN);
    stream_read_start(kit->server.stream);
    UNTIL(kit, kit->server.ends);
    assert_int_equal(kit->server.err, UV_ECONNRESET);
}

static void test_stream_stopped_before_it_is_open_stays_so(void **state)
{
    struct kit *kit = *state;

    kit_connect(kit);
    stream_read_stop(kit->client.stream);
    UNTIL(kit, kit->client.opens && kit->server.stream);
    write_to(&kit->server, SPAN("later"));
    for (int i = 0; i < 50; i++)
        uv_run(&kit->uv, UV_RUN_NOWAIT);
    assert_int_equal(kit->client.reads, 0);
    stream_read_start(kit->client.stream);
    UNTIL(kit, kit->client.got.len == 5);
}

static void test_stream_accept_without_a_connection_says_so(void **state)
{
    struct kit *kit = *state;
    struct stream_options options = {0};
    int err = 0;

    assert_null(
        stream_accept(kit->loop, &kit->listener.stream, &options, &err));
    assert_int_equal(err, UV_EAGAIN);
}

static void leave_no_descriptor(int fds[], size_t *count, size_t max)
{
    for (*count = 0; *count < max; ++*count)
        if ((fds[*count] = dup(0)) < 0)
            break;
}

/* The kernel has the client's connection; the server has no descriptor. */
static void test_stream_loop_without_descriptors_does_not_spin(void **state)
{
    struct kit *kit = *state;
    struct rlimit old;
    struct rlimit low = {.rlim_cur = 64};
    struct sockaddr_in to;
    int raw = socket(AF_INET, SOCK_STREAM, 0);
    int fds[64];
    size_t count;
    char byte;

    getrlimit(RLIMIT_NOFILE, &old);
    low.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_NOFILE, &low);
    leave_no_descriptor(fds, &count, COUNT(fds));
    uv_ip4_addr("127.0.0.1", kit->port, &to);
    assert_int_equal(connect(raw, (struct sockaddr *)&to, sizeof(to)), 0);
    uv_run(&kit->uv, UV_RUN_ONCE);
    assert_int_equal(kit->accepted, 0);
    assert_int_equal(uv_run(&kit->uv, UV_RUN_NOWAIT), 1);
    assert_true(recv(raw, &byte, 1, 0) <= 0); /* it was turned away */
    while (count)
        close(fds[--count]);
    setrlimit(RLIMIT_NOFILE, &old);
    close(raw);
    kit_open(kit); /* and all is well again */
}

static void test_stream_at_rest_is_small(void **state)
{
    struct kit *kit = *state;
    size_t before;

    kit_open(kit);
    before = mem_live(MEM_CONN);
    kit_close(&kit->client);
    UNTIL(kit, kit->client.closes);
    assert_int_equal(before - mem_live(MEM_CONN), sizeof(struct stream));
    assert_true(sizeof(struct stream) <= 344);
}

#define ON_TCP(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)
#define ON_UNIX(f) \
    cmocka_unit_test_setup_teardown(f, kit_setup_unix, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_TCP(test_stream_carries_bytes_both_ways),
        ON_UNIX(test_stream_carries_bytes_both_ways),
        ON_TCP(test_stream_names_its_peer),
        ON_UNIX(test_stream_names_its_peer),
        ON_TCP(test_stream_gets_10_mb_past_a_slow_reader),
        ON_UNIX(test_stream_gets_10_mb_past_a_slow_reader),
        ON_TCP(test_stream_sends_parts_in_order),
        ON_TCP(test_stream_refuses_what_goes_past_max_kept),
        ON_TCP(test_stream_ends_one_way_at_a_time),
        ON_UNIX(test_stream_ends_one_way_at_a_time),
        ON_TCP(test_stream_end_waits_for_kept_bytes),
        ON_TCP(test_sealed_stream_sends_what_is_kept_and_reads),
        ON_TCP(test_stream_may_be_closed_inside_each_callback),
        ON_TCP(test_stream_may_be_closed_when_drained_or_opened),
        ON_TCP(test_stream_close_drops_what_is_kept),
        ON_TCP(test_stream_tells_a_reset_once),
        ON_TCP(test_stream_that_does_not_read_learns_it_by_drain),
        ON_TCP(test_stream_stopped_before_it_is_open_stays_so),
        ON_TCP(test_stream_accept_without_a_connection_says_so),
        ON_TCP(test_stream_loop_without_descriptors_does_not_spin),
        ON_TCP(test_stream_at_rest_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
