/* test_server.c - connections over real sockets, on one loop. */
#include <string.h>

#include "tests/common/server_kit.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST "POST /echo HTTP/1.1\r\nHost: a\r\n"

/* Order. */

static void test_answers_keep_the_order_of_requests(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, GET("/later/a") GET("/later/b") GET("/now"));
    UNTIL(kit, kit->held_count == 2);
    kit_answer(kit, 1, "second");
    for (int i = 0; i < 20; i++)
        kit_turn(kit);
    assert_string_equal(kit_got(kit, 0), "");
    kit_answer(kit, 0, "first");
    UNTIL(kit, kit_has(kit, 0, "now"));
    assert_true(strstr(kit_got(kit, 0), "first") <
                strstr(kit_got(kit, 0), "second"));
    assert_true(strstr(kit_got(kit, 0), "second") <
                strstr(kit_got(kit, 0), "now"));
    assert_int_equal(kit_count(kit, 0, "HTTP/1.1 200 OK\r\n"), 3);
}

/* An answer that waits for the end of the turn, and one made by a read. */
static void test_answers_keep_their_order_within_a_turn(void **state)
{
    struct kit *kit = *state;
    int other;

    kit_start(kit, NULL);
    kit_client(kit);
    other = kit_client(kit);
    kit_send(kit, 0, GET("/later/a"));
    UNTIL(kit, kit->held_count == 1);
    kit_rest(kit);
    kit_send(kit, other, GET("/release"));
    kit_send(kit, 0, GET("/now"));
    UNTIL(kit, kit_has(kit, 0, "now"));
    assert_true(strstr(kit_got(kit, 0), "released") <
                strstr(kit_got(kit, 0), "now"));
    assert_int_equal(kit_count(kit, 0, "HTTP/1.1 200 OK\r\n"), 2);
}

static void test_reading_stops_while_too_many_wait(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    for (int i = 0; i < 10; i++)
        kit_send(kit, 0, GET("/later/a"));
    kit_send(kit, 0, GET("/now"));
    for (int i = 0; i < 50; i++)
        kit_turn(kit);
    assert_int_equal(kit->held_count, 4);
    for (size_t i = 0; i < 10; i++) {
        UNTIL(kit, kit->held_count > i);
        kit_answer(kit, i, "later");
    }
    UNTIL(kit, kit_has(kit, 0, "now"));
    assert_int_equal(kit_count(kit, 0, "later"), 10);
}

static void test_bytes_one_at_a_time_are_the_same(void **state)
{
    static const char text[] =
        GET("/now") POST "Transfer-Encoding: chunked\r\n\r\n"
                         "3\r\nabc\r\n0\r\n\r\n"
                         "\r\n" GET("/now");
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    for (const char *c = text; *c; c++) {
        kit_send(kit, 0, (char[]){*c, '\0'});
        kit_turn_loop(kit);
    }
    UNTIL(kit, kit_count(kit, 0, "\r\n\r\nnow") == 2);
    assert_true(kit_has(kit, 0, "\r\n\r\nabcHTTP/1.1 200"));
    assert_int_equal(kit_count(kit, 0, "HTTP/1.1 "), 3);
}

/* Answers. */

static void test_head_has_the_headers_and_no_body(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, "HEAD /bytes/7 HTTP/1.1\r\nHost: a\r\n\r\n");
    kit_sync(kit, 0);
    assert_true(kit_has(kit, 0, "Content-Length: 7\r\n"));
    assert_false(kit_has(kit, 0, "bbb"));
}

static void test_stream_leaves_in_chunks(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, GET("/stream") GET("/now"));
    UNTIL(kit, kit_has(kit, 0, "Transfer-Encoding: chunked\r\n"));
    assert_int_equal(request_write(kit->held[0], SPAN("one")), 0);
    assert_int_equal(request_write(kit->held[0], SPAN("")), 0);
    UNTIL(kit, kit_has(kit, 0, "\r\n\r\n3\r\none\r\n"));
    assert_int_equal(request_write(kit->held[0], SPAN("two")), 0);
    request_end(kit->held[0]);
    kit->held[0] = NULL;
    UNTIL(kit, kit_has(kit, 0, "3\r\ntwo\r\n0\r\n\r\nHTTP/1.1 200 OK"));
    UNTIL(kit, kit_has(kit, 0, "\r\n\r\nnow"));
}

/* Nothing can stand behind an answer whose end is the connection's. */
static void test_stream_to_1_0_ends_the_connection(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0,
             "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
             "GET /later/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    UNTIL(kit, kit->held_count >= 1 && kit_has(kit, 0, "\r\n\r\n"));
    assert_false(kit_has(kit, 0, "chunked"));
    assert_true(kit_has(kit, 0, "Connection: close\r\n"));
    assert_int_equal(request_write(kit->held[0], SPAN("one")), 0);
    request_end(kit->held[0]);
    kit->held[0] = NULL;
    UNTIL(kit, kit->ended[0]);
    assert_true(kit_has(kit, 0, "\r\n\r\none"));
    assert_int_equal(kit_count(kit, 0, "HTTP/1.1 "), 1);
}

struct pump {
    struct kit *kit;
    size_t left;
    bool done;
};

static void pump(void *arg)
{
    static char piece[100000];
    struct pump *pumping = arg;
    struct request *req = pumping->kit->held[0];

    memset(piece, 'p', sizeof(piece));
    while (pumping->left) {
        int err = request_write(req, (struct span){piece, sizeof(piece)});
        if (err == UV_ENOBUFS) {
            request_on_drain(req, pump, pumping);
            return;
        }
        assert_int_equal(err, 0);
        pumping->left -= sizeof(piece);
    }
    pumping->kit->held[0] = NULL;
    pumping->done = true;
    request_end(req);
}

static void test_stream_waits_for_its_reader(void **state)
{
    struct kit *kit = *state;
    struct pump pumping = {.kit = kit, .left = 20000000};

    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, GET("/stream"));
    UNTIL(kit, kit->held_count == 1);
    pump(&pumping);
    for (int i = 0; i < 100; i++) { /* which does not read */
        kit_turn_loop(kit);
        assert_true(mem_live(MEM_CONN) < 10 << 20);
    }
    assert_false(pumping.done);
    UNTIL(kit, kit_has(kit, 0, "\r\n0\r\n\r\n"));
    assert_true(kit->got[0].len > 20000000);
}

static void test_stream_that_is_cut_has_no_end(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, GET("/stream"));
    UNTIL(kit, kit->held_count == 1);
    assert_int_equal(request_write(kit->held[0], SPAN("one")), 0);
    UNTIL(kit, kit_has(kit, 0, "3\r\none\r\n"));
    request_cut(kit->held[0]);
    kit->held[0] = NULL;
    UNTIL(kit, kit->ended[0]);
    assert_false(kit_has(kit, 0, "0\r\n\r\n"));
}

/* Behind another answer it has nowhere to go, and is told when it has. */
static void test_stream_behind_another_goes_on(void **state)
{
    struct kit *kit = *state;
    struct pump pumping = {.kit = kit, .left = 5000000};

    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, GET("/later/a") GET("/stream"));
    UNTIL(kit, kit->held_count == 2);
    struct request *first = kit->held[0];
    kit->held[0] = kit->held[1];
    kit->held[1] = first;
    pump(&pumping);
    assert_false(pumping.done);
    kit_answer(kit, 1, "first");
    UNTIL(kit, kit_has(kit, 0, "\r\n0\r\n\r\n"));
    assert_true(kit->got[0].len > 5000000);
}

static void test_slow_reader_gets_every_answer(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    for (int i = 0; i < 40; i++)
        kit_send(kit, 0, GET("/bytes/1000000"));
    kit_send(kit, 0, GET("/now"));
    for (int i = 0; i < 200; i++) {
        kit_turn_loop(kit);
        assert_true(mem_live(MEM_CONN) < 10 << 20);
    }
    UNTIL(kit,
          kit->got[0].len > 40000000 &&
              memcmp(kit->got[0].ptr + kit->got[0].len - 3, "now", 3) == 0);
}

/* Several that wait are all answered at once: more than a stream keeps. */
static void test_late_answers_are_not_cut(void **state)
{
    static char big[3000000];
    struct kit *kit = *state;

    kit_start(kit, NULL);
    memset(big, 'b', sizeof(big) - 1);
    kit_client(kit);
    kit_send(kit, 0, GET("/later/a") GET("/later/b") GET("/later/c"));
    UNTIL(kit, kit->held_count == 3);
    for (size_t i = 0; i < 3; i++) {
        kit_answer(kit, i, big);
        kit_turn_loop(kit);
    }
    UNTIL(kit, kit->got[0].len > 3 * (sizeof(big) - 1));
    assert_false(kit->ended[0]);
}

static void test_reader_that_takes_nothing_is_closed(void **state)
{
    struct kit *kit = *state;

    kit->options.write_timeout_ms = 20;
    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, GET("/bytes/20000000"));
    for (int i = 0; i < 1000000 && server_connections(kit->server) == 0; i++)
        kit_turn_loop(kit);
    for (int i = 0; i < 100000000 && server_connections(kit->server); i++)
        kit_turn_loop(kit);
    assert_int_equal(server_connections(kit->server), 0);
}

/* Bodies. */

static void test_body_over_its_limit_is_413(void **state)
{
    static const char *const cases[] = {
        POST "Content-Length: 65\r\n\r\n",
        POST "Content-Length: 65\r\nExpect: 100-continue\r\n\r\n",
        POST "Transfer-Encoding: chunked\r\n\r\n41\r\n"
             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
             "\r\n",
    };
    struct kit *kit = *state;

    kit_start(kit, NULL);
    for (int i = 0; i < (int)COUNT(cases); i++) {
        kit_client(kit);
        kit_send(kit, i, cases[i]);
        UNTIL(kit, kit->ended[i]);
        assert_true(kit_has(kit, i, "HTTP/1.1 413 "));
        assert_true(kit_has(kit, i, "Connection: close\r\n"));
        assert_int_equal(kit_count(kit, i, "HTTP/1.1 "), 1);
        assert_false(kit->reset[i]);
    }
}

/* Who sends a body all the same is not asked what it means. */
static void test_body_without_its_length_is_no_request(void **state)
{
    static const char *const cases[] = {"POST /echo", "PUT /nowhere",
                                        "PATCH /echo"};
    struct kit *kit = *state;

    kit_start(kit, NULL);
    for (int i = 0; i < (int)COUNT(cases); i++) {
        kit_client(kit);
        kit_send(kit, i, cases[i]);
        kit_send(kit, i, " HTTP/1.1\r\nHost: a\r\n\r\n" GET("/now"));
        UNTIL(kit, kit->ended[i]);
        assert_true(kit_has(kit, i, "Connection: close\r\n"));
        assert_int_equal(kit_count(kit, i, "HTTP/1.1 "), 1);
        assert_false(kit->reset[i]);
    }
    kit_client(kit);
    kit_send(kit, 3, POST "Content-Length: 0\r\n\r\n" GET("/now"));
    UNTIL(kit, kit_has(kit, 3, "\r\n\r\nnow"));
    assert_int_equal(kit_count(kit, 3, "HTTP/1.1 200 "), 2);
}

static void test_expect_is_told_once_and_only_for_a_body(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, POST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    UNTIL(kit, kit_has(kit, 0, "HTTP/1.1 100 Continue\r\n\r\n"));
    kit_send(kit, 0, "abc");
    UNTIL(kit, kit_has(kit, 0, "\r\n\r\nabc"));
    assert_int_equal(kit_count(kit, 0, "HTTP/1.1 100"), 1);
    kit_send(kit, 0,
             "GET /now HTTP/1.1\r\nHost: a\r\n"
             "Expect: 100-continue\r\n\r\n");
    UNTIL(kit, kit_has(kit, 0, "now"));
    assert_int_equal(kit_count(kit, 0, "HTTP/1.1 100"), 1);

    kit_client(kit); /* the answer comes first: no body is asked for */
    kit_send(kit, 1,
             "POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 3"
             "\r\nExpect: 100-continue\r\n\r\n");
    UNTIL(kit, kit->ended[1]);
    assert_true(kit_has(kit, 1, "HTTP/1.1 404 "));
    assert_true(kit_has(kit, 1, "Connection: close\r\n"));
    assert_int_equal(kit_count(kit, 1, "HTTP/1.1 "), 1);

    kit_client(kit); /* nor of HTTP/1.0 */
    kit_send(kit, 2,
             "POST /echo HTTP/1.0\r\nContent-Length: 3\r\n"
             "Expect: 100-continue\r\n\r\nabc");
    UNTIL(kit, kit->ended[2]);
    assert_int_equal(kit_count(kit, 2, "HTTP/1.1 "), 1);
}

/* Load. */

static void test_connections_have_a_limit(void **state)
{
    struct kit *kit = *state;

    kit->options.max_connections = 2;
    kit_start(kit, NULL);
    for (int i = 0; i < 2; i++) {
        kit_client(kit);
        kit_sync(kit, i);
    }
    kit_client(kit);
    UNTIL(kit, kit->ended[2]);
    assert_true(kit_has(kit, 2, "HTTP/1.1 503 "));
    assert_int_equal(metrics_sum(kit->metrics, "kit_shed_total", ""), 1);
    for (int i = 3; i < KIT_CLIENTS; i++) /* a flood is not even told */
        kit_client(kit);
    UNTIL(kit, kit->ended[KIT_CLIENTS - 1]);
    assert_true(server_connections(kit->server) < 72);
    kit_forget(kit, 0);
    kit_sync(kit, 0);
}

static void test_connections_of_an_address_have_a_limit(void **state)
{
    struct kit *kit = *state;

    kit->options.max_connections_per_address = 1;
    kit_start(kit, NULL);
    kit_client(kit);
    kit_sync(kit, 0);
    kit_client(kit);
    UNTIL(kit, kit->ended[1]);
    assert_true(kit_has(kit, 1, "HTTP/1.1 429 "));
    kit_leave(kit, 0);
    UNTIL(kit, server_connections(kit->server) <= 1);
    kit_leave(kit, 1);
    UNTIL(kit, server_connections(kit->server) == 0);
    kit->ended[0] = false;
    kit_forget(kit, kit_client(kit));
    kit_sync(kit, 0);
}

static void test_too_much_in_flight_is_shed(void **state)
{
    struct kit *kit = *state;

    kit->options.max_inflight = 1;
    kit_start(kit, NULL);
    kit_client(kit);
    kit_client(kit);
    kit_send(kit, 0, GET("/later/a"));
    UNTIL(kit, kit->held_count == 1);
    kit_send(kit, 1, GET("/now"));
    UNTIL(kit, kit_has(kit, 1, "HTTP/1.1 503 "));
    assert_true(kit_has(kit, 1, "Retry-After: 1\r\n"));
    kit_send(kit, 1, GET("/always"));
    UNTIL(kit, kit_has(kit, 1, "\r\n\r\nnow"));
    assert_int_equal(metrics_sum(kit->metrics, "kit_shed_total", ""), 1);
    kit_forget(kit, 1);
    kit_send(kit, 1,
             "GET /now HTTP/1.1\r\nHost: a\r\n"
             "Accept: text/event-stream\r\n\r\n");
    UNTIL(kit, kit_has(kit, 1, "\r\n\r\nretry: "));
    assert_true(kit_has(kit, 1, "HTTP/1.1 200 "));
    assert_int_equal(metrics_sum(kit->metrics, "kit_shed_total", ""), 2);
}

static void test_answers_are_counted_by_route(void **state)
{
    struct kit *kit = *state;
    struct buf text;

    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, GET("/bytes/1") GET("/bytes/2") GET("/nowhere"));
    kit_sync(kit, 0);
    assert_int_equal(metrics_sum(kit->metrics, "kit_http_requests_total",
                                 "route=\"/bytes/{n}\",method=\"GET\","
                                 "status=\"200\""),
                     2);
    assert_int_equal(metrics_sum(kit->metrics, "kit_http_requests_total",
                                 "route=\"none\",method=\"none\","
                                 "status=\"404\""),
                     1);
    assert_int_equal(metrics_sum(kit->metrics, "kit_http_request_seconds",
                                 "route=\"/bytes/{n}\""),
                     2);
    assert_int_equal(metrics_sum(kit->metrics, "kit_connections", ""), 1);
    buf_init(&text, MEM_APP);
    server_write_slow(kit->server, &text);
    *buf_reserve(&text, 1) = '\0';
    assert_non_null(strstr(text.ptr, "\"route\":\"/bytes/{n}\""));
    buf_deinit(&text);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answers_keep_the_order_of_requests),
        TEST(test_answers_keep_their_order_within_a_turn),
        TEST(test_reading_stops_while_too_many_wait),
        TEST(test_bytes_one_at_a_time_are_the_same),
        TEST(test_head_has_the_headers_and_no_body),
        TEST(test_stream_leaves_in_chunks),
        TEST(test_stream_to_1_0_ends_the_connection),
        TEST(test_stream_waits_for_its_reader),
        TEST(test_stream_that_is_cut_has_no_end),
        TEST(test_stream_behind_another_goes_on),
        TEST(test_slow_reader_gets_every_answer),
        TEST(test_late_answers_are_not_cut),
        TEST(test_reader_that_takes_nothing_is_closed),
        TEST(test_body_over_its_limit_is_413),
        TEST(test_body_without_its_length_is_no_request),
        TEST(test_expect_is_told_once_and_only_for_a_body),
        TEST(test_connections_have_a_limit),
        TEST(test_connections_of_an_address_have_a_limit),
        TEST(test_too_much_in_flight_is_shed),
        TEST(test_answers_are_counted_by_route),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
