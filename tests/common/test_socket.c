/*
 * test_socket.c - what the owner of a WebSocket is told, and when.
 *
 * What its peer sees is tested by websocket.py.
 */
#include <stdlib.h>
#include <string.h>

#include "common/stream_internal.h"
#include "tests/common/socket_kit.h"

/* ---- Beginning */

static void test_accept_is_told_later_and_once(void **state)
{
    int client;
    struct seat *seat = join(&client);

    (void)state;
    send_text(client, "x");
    UNTIL(kit, seat->messages == 1);
    assert_int_equal(seat->opens, 1);
    kit_leave(kit, client);
    UNTIL(kit, seat->closes);
    assert_int_equal(seat->code, WS_CODE_ABNORMAL);
}

static void test_refused_socket_is_told_nothing(void **state)
{
    int client = kit_client(kit);

    (void)state;
    kit_send(kit, client, "GET /ws HTTP/1.1\r\nHost: a\r\n\r\n");
    UNTIL(kit, kit_has(kit, client, "400 Bad Request"));
    assert_false(seats[0].accepted);
    kit_rest(kit);
    assert_int_equal(seats[0].opens + seats[0].closes, 0);
}

static void test_client_that_is_gone_is_not_accepted(void **state)
{
    int client;
    struct request *req = hold(&client);

    (void)state;
    kit_reset(kit, client);
    UNTIL(kit, server_connections(kit->server) == 0);
    assert_false(accept_in(req)->accepted);
    kit_rest(kit);
    assert_int_equal(seats[0].opens + seats[0].closes, 0);
}

static void test_client_that_goes_before_it_is_open_is_1006(void **state)
{
    int client = kit_client(kit);

    (void)state;
    kit_send(kit, client,
             "GET /later/a HTTP/1.1\r\nHost: a\r\n\r\n" UPGRADE("/ws"));
    UNTIL(kit, seat_count == 1);
    kit_reset(kit, client);
    UNTIL(kit, seats[0].closes);
    assert_int_equal(seats[0].opens, 0);
    assert_int_equal(seats[0].code, WS_CODE_ABNORMAL);
    kit_answer(kit, 0, "late");
}

static void test_socket_sends_from_its_opening_on(void **state)
{
    int client;
    struct request *req = hold(&client);

    (void)state;
    at_open = greet;
    struct seat *seat = accept_in(req);
    assert_int_equal(socket_send(seat->socket, WS_TEXT, SPAN("x")),
                     UV_ENOTCONN);
    UNTIL(kit, kit_has(kit, client, "\r\n\r\n\x81\x07welcome"));
}

/* ---- Sending */

static void answer_thrice(struct seat *seat, struct span bytes)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(socket_send(seat->socket, WS_TEXT, bytes), 0);
}

static void test_answers_of_one_read_leave_in_their_order(void **state)
{
    int client;

    (void)state;
    join(&client);
    at_message = answer_thrice;
    send_text(client, "one");
    send_text(client, "two");
    UNTIL(kit, kit_has(kit, client,
                       "\x81\x03one\x81\x03one\x81\x03one"
                       "\x81\x03two\x81\x03two\x81\x03two"));
}

/* What is too large to gather does not overtake what has. */
static void answer_large(struct seat *seat, struct span bytes)
{
    static char large[40000];

    memset(large, 'l', sizeof(large));
    socket_send(seat->socket, WS_TEXT, bytes);
    socket_send(seat->socket, WS_BINARY, (struct span){large, sizeof(large)});
    socket_send(seat->socket, WS_TEXT, bytes);
}

static void test_large_answer_keeps_its_place(void **state)
{
    int client;

    (void)state;
    join(&client);
    at_message = answer_large;
    send_text(client, "x");
    UNTIL(kit, kit->got[client].len == 3 + 4 + 40000 + 3);
    assert_memory_equal(kit_got(kit, client), "\x81\x01x\x82\x7e\x9c\x40l", 8);
    assert_memory_equal(kit_got(kit, client) + 40007, "\x81\x01x", 3);
}

static void tell_all(struct seat *from, struct span bytes)
{
    (void)from;
    for (size_t i = 0; i < seat_count; i++)
        assert_int_equal(socket_send(seats[i].socket, WS_TEXT, bytes), 0);
}

static void test_message_of_one_may_be_sent_to_others(void **state)
{
    int clients[3];

    (void)state;
    for (size_t i = 0; i < COUNT(clients); i++)
        join(&clients[i]);
    at_message = tell_all;
    send_text(clients[1], "hello");
    for (size_t i = 0; i < COUNT(clients); i++)
        UNTIL(kit, kit_has(kit, clients[i], "\x81\x05hello"));
}

static void test_slow_socket_refuses_and_tells_when_it_is_drained(void **state)
{
    char *large = calloc(1, LARGE);
    int client;
    struct seat *seat = join(&client);

    (void)state;
    assert_int_equal(
        socket_send(seat->socket, WS_TEXT, (struct span){large, LARGE}), 0);
    assert_int_equal(socket_send(seat->socket, WS_TEXT, SPAN("no")),
                     UV_ENOBUFS);
    assert_int_equal(seat->drains, 0); /* not inside */
    UNTIL(kit, kit->got[client].len == LARGE + 10);
    UNTIL(kit, seat->drains == 1);
    kit_forget(kit, client);
    assert_int_equal(socket_send(seat->socket, WS_TEXT, SPAN("yes")), 0);
    UNTIL(kit, kit_has(kit, client, "\x81\x03yes"));
    free(large);
}

static void send_large(struct seat *seat)
{
    char *large = calloc(1, LARGE);

    socket_send(seat->socket, WS_TEXT, (struct span){large, LARGE});
    free(large);
}

static void test_slow_socket_is_not_read_from_its_opening_on(void **state)
{
    struct seat *seat = &seats[0];
    int client = kit_client(kit);

    (void)state;
    at_open = send_large;
    kit_send(kit, client, UPGRADE("/ws"));
    send_text(client, "behind");
    while (!seat->opens)
        kit_turn_loop(kit);
    assert_int_equal(seat->messages, 1);
    send_text(client, "more");
    for (int i = 0; i < 20; i++)
        kit_turn_loop(kit);
    assert_int_equal(seat->messages, 1);
    UNTIL(kit, seat->messages == 2 && seat->drains == 1);
}

/* What has gathered counts as what is kept. */
static void answer_until_full(struct seat *seat, struct span bytes)
{
    size_t sent = 0;

    kind.options.max_kept = 1000;
    while (socket_send(seat->socket, WS_TEXT, bytes) == 0)
        sent++;
    assert_int_equal(sent, 1000 / (2 + bytes.len));
}

static void test_answers_of_one_read_are_bounded(void **state)
{
    int client;
    struct seat *seat = join(&client);

    (void)state;
    at_message = answer_until_full;
    send_text(client, "01234567");
    UNTIL(kit, kit->got[client].len == 1000);
    assert_int_equal(seat->drains, 0); /* nothing was kept */
}

static void test_ready_frames_are_written_beside_it(void **state)
{
    int client;
    struct seat *seat = join(&client);

    (void)state;
    assert_int_equal(stream_write(socket_stream(seat->socket), SPAN("\x81\x05"
                                                                    "ready")),
                     0);
    UNTIL(kit, kit_has(kit, client, "\x81\x05ready"));
    socket_close(seat->socket, WS_CODE_NORMAL, SPAN(""));
    assert_int_equal(stream_write(socket_stream(seat->socket), SPAN("late")),
                     UV_ENOTCONN);
}

/* ---- Memory */

static void test_idle_socket_is_its_struct_and_its_stream(void **state)
{
    int first;
    int client;

    (void)state;
    join(&first); /* what all share is there from now on */
    size_t before = mem_live(MEM_CONN);
    struct seat *seat = join(&client);
    size_t idle = mem_live(MEM_CONN);
    assert_int_equal(idle - before,
                     sizeof(struct holder) + sizeof(struct stream));
    for (int i = 0; i < 3; i++) {
        send_text(client, "a message");
        kit_send(kit, client, "\x01\x81\x01\x01\x01\x01x"); /* a fragment */
        UNTIL(kit, mem_live(MEM_CONN) > idle);
        kit_send(kit, client, "\x80\x81\x01\x01\x01\x01x");
        send_frame(client, WS_PING, SPAN("ping"));
        UNTIL(kit, kit_count(kit, client, "\x8a\x04ping") == (size_t)i + 1);
        assert_int_equal(mem_live(MEM_CONN), idle);
    }
    assert_int_equal(seat->messages, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_accept_is_told_later_and_once),
        TEST(test_refused_socket_is_told_nothing),
        TEST(test_client_that_is_gone_is_not_accepted),
        TEST(test_client_that_goes_before_it_is_open_is_1006),
        TEST(test_socket_sends_from_its_opening_on),
        TEST(test_answers_of_one_read_leave_in_their_order),
        TEST(test_large_answer_keeps_its_place),
        TEST(test_message_of_one_may_be_sent_to_others),
        TEST(test_slow_socket_refuses_and_tells_when_it_is_drained),
        TEST(test_slow_socket_is_not_read_from_its_opening_on),
        TEST(test_answers_of_one_read_are_bounded),
        TEST(test_ready_frames_are_written_beside_it),
        TEST(test_idle_socket_is_its_struct_and_its_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
