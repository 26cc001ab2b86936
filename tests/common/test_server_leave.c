/* test_server_leave.c - connections that leave HTTP, and what they still cost.
 */
#include <string.h>

#include "common/server_internal.h"
#include "tests/common/server_kit.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define UPGRADE(path) \
    "GET " path       \
    " HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
#define GUESTS 8

/* What left, in the order of asking. */
struct guest {
    struct server_guest guest;
    struct stream *stream;
    struct buf got;
    int lefts, lost, drains, drained_now, ends, gone;
    uint64_t within_ms;
};

static struct guest guests[GUESTS];
static size_t guest_count;
static bool stays; /* a guest does not go when it is asked to */

static void on_gone(void *arg)
{
    struct guest *guest = arg;

    guest->gone++;
    server_guest_gone(&guest->guest);
}

static void on_read(void *arg, struct span bytes)
{
    struct guest *guest = arg;

    buf_append(&guest->got, bytes);
}

static void end(struct guest *guest)
{
    if (guest->stream)
        stream_close(guest->stream, on_gone);
    guest->stream = NULL;
}

static void on_end(void *arg, int err)
{
    struct guest *guest = arg;

    (void)err;
    guest->ends++;
    end(guest);
}

static const struct stream_events stream_events = {.on_read = on_read,
                                                   .on_end = on_end};

static void on_left(struct server_guest *base, struct stream *stream,
                    struct span behind)
{
    struct guest *guest = LIST_ENTRY(base, struct guest, guest);

    guest->lefts++;
    guest->stream = stream;
    if (!stream) {
        guest->lost++;
        return;
    }
    buf_append(&guest->got, behind);
    stream_hand_over(stream, &stream_events, guest, 1024);
    stream_read_start(stream);
}

static void on_drain(struct server_guest *base, uint64_t within_ms)
{
    struct guest *guest = LIST_ENTRY(base, struct guest, guest);

    guest->drains++;
    guest->within_ms = within_ms;
    if (within_ms && stays)
        return;
    guest->drained_now++;
    end(guest);
}

static const struct server_guest_events guest_events = {.on_left = on_left,
                                                        .on_drain = on_drain};

/* The request becomes the next guest; 0, or what request_leave() says. */
static int leave(struct request *req, int status, const char *type)
{
    struct guest *guest = &guests[guest_count++];

    *guest = (struct guest){.guest.events = &guest_events};
    buf_init(&guest->got, MEM_APP);
    if (status == 101)
        request_add_header(req, "Connection", SPAN("Upgrade"));
    return request_leave(req, status, type, &guest->guest);
}

static void on_leave(struct request *req, void *arg)
{
    (void)arg;
    assert_int_equal(leave(req, 101, NULL), 0);
    assert_int_equal(guests[guest_count - 1].lefts, 0); /* not inside */
}

static void on_events(struct request *req, void *arg)
{
    (void)arg;
    assert_int_equal(leave(req, 200, "text/event-stream"), 0);
}

static const struct route routes[] = {
    {REQUEST_GET, "/leave", NULL, on_leave, 0},
    {REQUEST_GET, "/events", NULL, on_events, 0},
    {0},
};

static int setup(void **state)
{
    guest_count = 0;
    stays = false;
    return kit_setup(state);
}

static int teardown(void **state)
{
    int err = kit_teardown(state);

    for (size_t i = 0; i < guest_count; i++)
        buf_deinit(&guests[i].got);
    return err;
}

static struct request *take_held(struct kit *kit)
{
    struct request *req = kit->held[0];

    kit->held[0] = NULL;
    return req;
}

static struct kit *start(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, routes);
    kit_client(kit);
    return kit;
}

static void assert_got(const struct guest *guest, const char *text)
{
    assert_int_equal(guest->got.len, strlen(text));
    assert_memory_equal(guest->got.ptr, text, guest->got.len);
}

static void test_leave_hands_over_the_stream_and_what_came_behind(void **state)
{
    struct kit *kit = start(state);

    kit_send(kit, 0, UPGRADE("/leave") "GET is no request any more");
    UNTIL(kit, guest_count == 1 && guests[0].lefts);
    UNTIL(kit, kit_has(kit, 0, "\r\n\r\n"));
    assert_true(kit_has(kit, 0, "HTTP/1.1 101 Switching Protocols\r\n"));
    assert_false(kit_has(kit, 0, "Connection: close"));
    assert_got(&guests[0], "GET is no request any more");
    kit_send(kit, 0, " at all");
    UNTIL(kit, guests[0].got.len == 33);
    stream_write(guests[0].stream, SPAN("bytes"));
    UNTIL(kit, kit_has(kit, 0, "\r\n\r\nbytes"));
    assert_int_equal(guests[0].lefts, 1);
}

static void test_leave_of_an_event_stream_ends_with_the_connection(void **state)
{
    struct kit *kit = start(state);

    kit_send(kit, 0, GET("/events"));
    UNTIL(kit, kit_has(kit, 0, "\r\n\r\n"));
    assert_true(kit_has(kit, 0, "Connection: close\r\n"));
    assert_true(kit_has(kit, 0, "Content-Type: text/event-stream\r\n"));
    assert_false(kit_has(kit, 0, "Content-Length"));
    assert_false(kit_has(kit, 0, "Transfer-Encoding"));
}

static void test_leave_waits_for_the_answers_before_it(void **state)
{
    struct kit *kit = start(state);

    kit_send(kit, 0, GET("/later/a") UPGRADE("/leave") "behind");
    UNTIL(kit, kit->held_count == 1 && guest_count == 1);
    for (int i = 0; i < 20; i++)
        kit_turn(kit);
    assert_int_equal(guests[0].lefts, 0);
    kit_answer(kit, 0, "first");
    UNTIL(kit, guests[0].lefts);
    UNTIL(kit, kit_has(kit, 0, "firstHTTP/1.1 101 "));
    assert_got(&guests[0], "behind");
}

/* Nothing is taken for a request that may be another protocol's. */
static void test_nothing_is_read_behind_a_request_for_an_upgrade(void **state)
{
    struct kit *kit = start(state);

    kit_send(kit, 0, UPGRADE("/later/a") GET("/now"));
    UNTIL(kit, kit->held_count == 1);
    for (int i = 0; i < 20; i++)
        kit_turn(kit);
    assert_int_equal(kit_count(kit, 0, "HTTP/1.1 "), 0);
    assert_int_equal(leave(take_held(kit), 101, NULL), 0);
    UNTIL(kit, guests[0].lefts);
    assert_got(&guests[0], GET("/now"));
}

static void test_refused_upgrade_goes_on_as_http(void **state)
{
    struct kit *kit = start(state);

    kit_send(kit, 0, UPGRADE("/later/a") GET("/later/b"));
    UNTIL(kit, kit->held_count == 1);
    kit_answer(kit, 0, "no");
    UNTIL(kit, kit->held_count == 2);
    kit_answer(kit, 1, "yes");
    UNTIL(kit, kit_has(kit, 0, "yes"));
    kit_send(kit, 0, GET("/now"));
    UNTIL(kit, kit_count(kit, 0, "HTTP/1.1 200 OK") == 3);
}

static void test_requests_behind_one_that_left_are_not_answered(void **state)
{
    struct kit *kit = start(state);

    kit_send(kit, 0, GET("/later/a") GET("/events") GET("/later/b"));
    UNTIL(kit, kit->held_count == 2);
    kit_answer(kit, 0, "first");
    UNTIL(kit, guests[0].lefts);
    kit_answer(kit, 1, "second");
    for (int i = 0; i < 20; i++)
        kit_turn(kit);
    assert_false(kit_has(kit, 0, "second"));
}

static void test_client_that_is_gone_before_it_left_is_told_once(void **state)
{
    struct kit *kit = start(state);

    kit_send(kit, 0, GET("/later/a") UPGRADE("/leave"));
    UNTIL(kit, guest_count == 1);
    kit_reset(kit, 0);
    UNTIL(kit, guests[0].lefts);
    assert_int_equal(guests[0].lost, 1);
    kit_answer(kit, 0, "into nothing");
    UNTIL(kit, server_connections(kit->server) == 0);
    assert_int_equal(guests[0].lefts, 1);
}

static void test_leave_of_a_client_that_is_gone_is_refused(void **state)
{
    struct kit *kit = start(state);

    kit_send(kit, 0, GET("/later/a"));
    UNTIL(kit, kit->held_count == 1);
    kit_reset(kit, 0);
    UNTIL(kit, server_connections(kit->server) == 0);
    assert_int_equal(leave(take_held(kit), 101, NULL), UV_ECANCELED);
    for (int i = 0; i < 20; i++)
        kit_turn(kit);
    assert_int_equal(guests[0].lefts, 0);
}

static void test_client_that_ended_its_side_gets_no_stream(void **state)
{
    struct kit *kit = start(state);

    kit_send(kit, 0, GET("/later/a") GET("/events"));
    UNTIL(kit, guest_count == 1);
    kit_shut(kit, 0);
    for (int i = 0; i < 20; i++)
        kit_turn(kit);
    kit_answer(kit, 0, "first");
    UNTIL(kit, guests[0].lefts);
    assert_int_equal(guests[0].lost, 1);
    UNTIL(kit, server_connections(kit->server) == 0);
}

static void test_guest_counts_as_a_connection_until_it_is_gone(void **state)
{
    struct kit *kit = *state;

    kit->options.max_connections = 1;
    start(state);
    kit_send(kit, 0, UPGRADE("/leave"));
    UNTIL(kit, guest_count == 1 && guests[0].lefts);
    assert_int_equal(server_connections(kit->server), 1);
    int other = kit_client(kit);
    UNTIL(kit, kit_has(kit, other, "503 Service Unavailable"));
    kit_leave(kit, 0);
    UNTIL(kit, guests[0].gone && kit->ended[other]);
    UNTIL(kit, server_connections(kit->server) == 0);
    other = kit_client(kit);
    kit_send(kit, other, GET("/now"));
    UNTIL(kit, kit_has(kit, other, "200 OK"));
}

static void on_drained(void *arg)
{
    ((struct kit *)arg)->drained++;
}

static void test_drain_asks_guests_and_waits_for_them(void **state)
{
    struct kit *kit = start(state);

    stays = true;
    kit_send(kit, 0, UPGRADE("/leave"));
    UNTIL(kit, guest_count == 1 && guests[0].lefts);
    server_drain(kit->server, 800, 1000, on_drained, kit);
    assert_int_equal(guests[0].drains, 1);
    assert_int_equal(guests[0].within_ms, 800);
    assert_int_equal(kit->drained, 0);
    end(&guests[0]);
    UNTIL(kit, kit->drained == 1);
    assert_int_equal(guests[0].drains, 1);
}

static void test_drain_ends_guests_that_stay(void **state)
{
    struct kit *kit = start(state);

    stays = true;
    kit_send(kit, 0, UPGRADE("/leave"));
    UNTIL(kit, guest_count == 1 && guests[0].lefts);
    server_drain(kit->server, 1, 2, on_drained, kit);
    UNTIL(kit, kit->drained == 1);
    assert_int_equal(guests[0].drains, 2);
    assert_int_equal(guests[0].drained_now, 1);
}

static void test_guest_of_a_draining_server_is_asked_at_once(void **state)
{
    struct kit *kit = start(state);

    stays = true;
    kit_send(kit, 0, UPGRADE("/later/a"));
    UNTIL(kit, kit->held_count == 1);
    server_drain(kit->server, 800, 1000, on_drained, kit);
    assert_int_equal(leave(take_held(kit), 101, NULL), 0);
    UNTIL(kit, guests[0].lefts);
    assert_int_equal(guests[0].drains, 1);
    end(&guests[0]);
    UNTIL(kit, kit->drained == 1);
}

static void test_answer_that_the_socket_does_not_take_leaves_whole(void **state)
{
    struct kit *kit = start(state);

    kit_send(kit, 0, GET("/bytes/8000000") UPGRADE("/leave") "behind");
    UNTIL(kit, guest_count == 1 && guests[0].lefts);
    stream_write(guests[0].stream, SPAN("last"));
    UNTIL(kit, kit_has(kit, 0, "\r\n\r\nlast"));
    assert_got(&guests[0], "behind");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_leave_hands_over_the_stream_and_what_came_behind),
        TEST(test_leave_of_an_event_stream_ends_with_the_connection),
        TEST(test_leave_waits_for_the_answers_before_it),
        TEST(test_nothing_is_read_behind_a_request_for_an_upgrade),
        TEST(test_refused_upgrade_goes_on_as_http),
        TEST(test_requests_behind_one_that_left_are_not_answered),
        TEST(test_client_that_is_gone_before_it_left_is_told_once),
        TEST(test_leave_of_a_client_that_is_gone_is_refused),
        TEST(test_client_that_ended_its_side_gets_no_stream),
        TEST(test_guest_counts_as_a_connection_until_it_is_gone),
        TEST(test_drain_asks_guests_and_waits_for_them),
        TEST(test_drain_ends_guests_that_stay),
        TEST(test_guest_of_a_draining_server_is_asked_at_once),
        TEST(test_answer_that_the_socket_does_not_take_leaves_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
