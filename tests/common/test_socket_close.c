/* test_socket_close.c - how a WebSocket ends: its owner, peer or server. */
#include <stdlib.h>
#include <string.h>

#include "tests/common/socket_kit.h"

/* ---- Closing */

static void test_close_waits_for_the_close_of_the_peer(void **state)
{
    int client;
    struct seat *seat = join(&client);

    (void)state;
    socket_close(seat->socket, 4403, SPAN("gone"));
    socket_close(seat->socket, 4404, SPAN("again"));
    assert_int_equal(socket_send(seat->socket, WS_TEXT, SPAN("x")),
                     UV_ENOTCONN);
    UNTIL(kit, kit_has(kit, client, "\x88\x06\x11\x33gone"));
    send_text(client, "dropped");
    kit_rest(kit);
    assert_int_equal(seat->messages + seat->closes, 0);
    assert_false(kit->ended[client]);
    send_frame(client, WS_CLOSE, SPAN("\x03\xe8"));
    UNTIL(kit, kit->ended[client]);
    kit_leave(kit, client);
    UNTIL(kit, seat->closes);
    assert_int_equal(seat->code, 4403);
    assert_int_equal(kit->got[client].len, 8); /* one close frame */
}

static void test_reason_that_is_too_long_is_cut(void **state)
{
    char reason[200];
    int client;
    struct seat *seat = join(&client);

    (void)state;
    memset(reason, 'r', sizeof(reason));
    socket_close(seat->socket, WS_CODE_NORMAL, (struct span){reason, 200});
    UNTIL(kit, kit->got[client].len == 127);
    assert_true(kit_has(kit, client, "\x88\x7d\x03\xe8rrr"));
}

static void close_now(struct seat *seat)
{
    socket_close(seat->socket, 4401, SPAN("no"));
}

static void answer_and_close(struct seat *seat, struct span bytes)
{
    greet(seat);
    close_now(seat);
    assert_int_equal(socket_send(seat->socket, WS_TEXT, bytes), UV_ENOTCONN);
}

static void test_close_inside_a_message_follows_its_answers(void **state)
{
    int client;
    struct seat *seat = join(&client);

    (void)state;
    at_message = answer_and_close;
    send_text(client, "one");
    send_text(client, "two");
    UNTIL(kit, kit_has(kit, client, "\x81\x07welcome\x88\x04\x11\x31no"));
    kit_rest(kit);
    assert_int_equal(seat->messages, 1);
    assert_int_equal(seat->closes, 0); /* waits for theirs */
}

static void test_close_inside_the_opening(void **state)
{
    int client;

    (void)state;
    at_open = close_now;
    struct request *req = hold(&client);
    struct seat *seat = accept_in(req);
    send_text(client, "dropped");
    UNTIL(kit, kit_has(kit, client, "\r\n\r\n\x88\x04\x11\x31no"));
    kit_rest(kit);
    assert_int_equal(seat->messages, 0);
    kit_leave(kit, client);
    UNTIL(kit, seat->closes);
    assert_int_equal(seat->code, 4401);
}

static void test_close_before_the_opening_is_all_there_is(void **state)
{
    int client;
    struct request *req = hold(&client);
    struct seat *seat = accept_in(req);

    (void)state;
    socket_close(seat->socket, 4401, SPAN(""));
    UNTIL(kit, kit_has(kit, client, "\r\n\r\n\x88\x02\x11\x31"));
    assert_int_equal(seat->opens, 0);
    kit_leave(kit, client);
    UNTIL(kit, seat->closes);
    assert_int_equal(seat->code, 4401);
}

static void test_close_of_a_peer_that_does_not_read_has_a_deadline(void **state)
{
    char *large = calloc(1, LARGE);
    int client;
    struct seat *seat = join(&client);

    (void)state;
    kind.options.close_ms = 20;
    socket_send(seat->socket, WS_TEXT, (struct span){large, LARGE});
    socket_close(seat->socket, SOCKET_CODE_LATE, SPAN("too slow"));
    for (int n = 0; !seat->closes; n++) {
        assert_true(n < 1000000);
        kit_turn_loop(kit);
    }
    assert_int_equal(seat->code, SOCKET_CODE_LATE);
    free(large);
}

static void test_socket_that_closes_is_not_told_that_it_drained(void **state)
{
    char *large = calloc(1, LARGE);
    int client;
    struct seat *seat = join(&client);

    (void)state;
    socket_send(seat->socket, WS_TEXT, (struct span){large, LARGE});
    socket_close(seat->socket, WS_CODE_NORMAL, SPAN(""));
    UNTIL(kit, kit->got[client].len == LARGE + 10 + 4);
    send_frame(client, WS_CLOSE, SPAN("\x03\xe8"));
    UNTIL(kit, kit->ended[client]);
    assert_int_equal(seat->drains, 0);
    free(large);
}

static void test_close_frame_is_not_lost_behind_what_is_kept(void **state)
{
    char *large = calloc(1, LARGE);
    int client;
    struct seat *seat = join(&client);

    (void)state;
    socket_send(seat->socket, WS_TEXT, (struct span){large, LARGE});
    send_frame(client, WS_CLOSE, SPAN("\x03\xe8"));
    kit_shut(kit, client);
    UNTIL(kit, kit->ended[client]);
    assert_int_equal(kit->got[client].len, LARGE + 10 + 4);
    assert_memory_equal(kit_got(kit, client) + LARGE + 10, "\x88\x02\x03\xe8",
                        4);
    UNTIL(kit, seat->closes);
    assert_int_equal(seat->code, WS_CODE_NORMAL);
    assert_int_equal(seat->drains, 0); /* it is closing */
    free(large);
}

/* ---- The server's end */

static void on_drained(void *arg)
{
    ((struct kit *)arg)->drained++;
}

static void look_drained(struct seat *seat)
{
    (void)seat;
    assert_int_equal(kit->drained, 0);
}

static void test_drain_asks_and_waits(void **state)
{
    int client;
    struct seat *seat = join(&client);

    (void)state;
    at_close = look_drained;
    server_drain(kit->server, 50000, 60000, on_drained, kit);
    assert_int_equal(seat->leaves, 1);
    assert_int_equal(seat->within_ms, 50000);
    greet(seat);
    socket_close(seat->socket, WS_CODE_GOING_AWAY, SPAN(""));
    UNTIL(kit, kit_has(kit, client, "\x81\x07welcome\x88\x02\x03\xe9"));
    send_frame(client, WS_CLOSE, SPAN("\x03\xe9"));
    UNTIL(kit, kit->ended[client]);
    kit_leave(kit, client);
    UNTIL(kit, kit->drained == 1);
    assert_int_equal(seat->closes, 1); /* before it was drained */
    assert_int_equal(seat->leaves, 1);
}

static void test_drain_ends_sockets_that_stay(void **state)
{
    int clients[2];
    struct seat *stays = join(&clients[0]);
    struct seat *waits = join(&clients[1]);

    (void)state;
    socket_close(waits->socket, 4403, SPAN(""));
    server_drain(kit->server, 1, 2, on_drained, kit);
    UNTIL(kit, kit->drained == 1);
    assert_int_equal(stays->leaves, 1);
    assert_int_equal(stays->code, WS_CODE_ABNORMAL);
    assert_int_equal(waits->leaves, 0); /* it closes already */
    assert_int_equal(waits->code, 4403);
}

static void close_leaving(struct seat *seat)
{
    socket_close(seat->socket, WS_CODE_GOING_AWAY, SPAN(""));
}

static void test_socket_of_a_draining_server_is_asked_when_open(void **state)
{
    int client;
    struct request *req = hold(&client);

    (void)state;
    at_open = greet;
    at_leave = close_leaving;
    server_drain(kit->server, 50000, 60000, on_drained, kit);
    struct seat *seat = accept_in(req);
    UNTIL(kit, kit_has(kit, client, "\x81\x07welcome\x88\x02\x03\xe9"));
    assert_int_equal(seat->opens + seat->leaves, 2);
}

static void on_server_closed(void *arg)
{
    (void)arg;
    kit->drained++;
}

static void close_server(struct seat *seat, struct span bytes)
{
    (void)bytes;
    greet(seat);
    server_drain(kit->server, 0, 0, on_server_closed, NULL);
}

/* within_ms is 0: it is dropped where it stands. */
static void test_drop_inside_a_message(void **state)
{
    int client;
    struct seat *seat = join(&client);

    (void)state;
    at_message = close_server;
    send_text(client, "one");
    send_text(client, "two");
    UNTIL(kit, seat->closes);
    assert_int_equal(seat->messages, 1);
    assert_int_equal(seat->leaves, 0);
    assert_int_equal(seat->code, WS_CODE_ABNORMAL);
    UNTIL(kit, kit->drained == 1);
}

static void drop_at_open(struct seat *seat)
{
    close_server(seat, SPAN(""));
}

static void test_drop_inside_the_opening(void **state)
{
    int client = kit_client(kit);

    (void)state;
    at_open = drop_at_open;
    kit_send(kit, client, UPGRADE("/ws"));
    send_text(client, "dropped");
    UNTIL(kit, kit->drained == 1);
    assert_int_equal(seats[0].opens, 1);
    assert_int_equal(seats[0].messages, 0);
    assert_int_equal(seats[0].closes, 1);
}

/* Sockets that are open when the server closes: teardown() counts. */
static void test_close_of_the_server_is_told(void **state)
{
    int clients[4];

    (void)state;
    for (size_t i = 0; i < COUNT(clients); i++)
        join(&clients[i]);
    send_frame(clients[1], WS_CLOSE, SPAN(""));
    socket_close(seats[2].socket, 4403, SPAN(""));
    kit_leave(kit, clients[3]);
    kit_turn(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_close_waits_for_the_close_of_the_peer),
        TEST(test_reason_that_is_too_long_is_cut),
        TEST(test_close_inside_a_message_follows_its_answers),
        TEST(test_close_inside_the_opening),
        TEST(test_close_before_the_opening_is_all_there_is),
        TEST(test_close_of_a_peer_that_does_not_read_has_a_deadline),
        TEST(test_socket_that_closes_is_not_told_that_it_drained),
        TEST(test_close_frame_is_not_lost_behind_what_is_kept),
        TEST(test_drain_asks_and_waits),
        TEST(test_drain_ends_sockets_that_stay),
        TEST(test_socket_of_a_draining_server_is_asked_when_open),
        TEST(test_drop_inside_a_message),
        TEST(test_drop_inside_the_opening),
        TEST(test_close_of_the_server_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
