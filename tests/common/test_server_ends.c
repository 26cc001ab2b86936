/* test_server_ends.c - how connections end: by a peer, a deadline, a drain. */
#include <string.h>

#include "common/server_internal.h"
#include "tests/common/server_kit.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST "POST /echo HTTP/1.1\r\nHost: a\r\n"

/* The server's end of client 0. */
static struct conn *first_conn(struct kit *kit)
{
    assert_int_not_equal(server_connections(kit->server), 0);
    return LIST_ENTRY(kit->server->conns.next, struct conn, node);
}

/* Client 0 does not read: something is kept for it. */
static void turn_until_unsent(struct kit *kit)
{
    for (int n = 0; n < 1000000 && server_connections(kit->server) == 0; n++)
        kit_turn_loop(kit);
    for (int n = 0; n < 1000000 && conn_unsent(first_conn(kit)) == 0; n++)
        kit_turn_loop(kit);
    assert_true(conn_unsent(first_conn(kit)) > 0);
}

/* What is due within ms runs now. */
static void pass(struct kit *kit, uint64_t ms)
{
    kit->uv.time += ms;
    wheel_turn(stream_loop_wheel(kit->loop), kit->uv.time);
}

/* Ends. */

static void test_refused_request_is_the_last(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, GET("/later/a") "GET / HTTP");
    UNTIL(kit, kit->held_count == 1);
    kit_send(kit, 0, "/1.1\n" GET("/now") GET("/now"));
    for (int i = 0; i < 20; i++)
        kit_turn(kit);
    kit_send(kit, 0, GET("/now"));
    for (int i = 0; i < 20; i++)
        kit_turn(kit);
    kit_answer(kit, 0, "first");
    UNTIL(kit, kit->ended[0]);
    assert_false(kit->reset[0]);
    assert_true(kit_has(kit, 0, "firstHTTP/1.1 400 Bad Request\r\n"));
    assert_int_equal(kit_count(kit, 0, "HTTP/1.1 "), 2);
    assert_int_equal(kit_count(kit, 0, "Connection: close\r\n"), 1);
}

/* While its answer is due, what a client says behind its last word is lost. */
static void test_input_behind_the_last_request_is_not_kept(void **state)
{
    static char junk[4096];
    struct kit *kit = *state;

    kit_start(kit, NULL);
    memset(junk, 'j', sizeof(junk) - 1);
    kit_client(kit);
    kit_send(kit, 0,
             "GET /later/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    UNTIL(kit, kit->held_count == 1);
    size_t before = mem_live(MEM_CONN);
    for (int i = 0; i < 300; i++) {
        kit_send(kit, 0, junk);
        kit_turn(kit);
    }
    assert_int_equal(mem_live(MEM_CONN), before);
    kit_answer(kit, 0, "last");
    UNTIL(kit, kit_has(kit, 0, "last"));
    assert_int_equal(kit_count(kit, 0, "HTTP/1.1 "), 1);
}

static void test_half_closed_client_is_answered(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, GET("/later/a") GET("/later/b"));
    kit_shut(kit, 0);
    UNTIL(kit, kit->held_count == 2);
    for (int i = 0; i < 20; i++)
        kit_turn(kit);
    kit_answer(kit, 0, "first");
    for (int i = 0; i < 20; i++)
        kit_turn(kit);
    kit_answer(kit, 1, "second");
    UNTIL(kit, kit->ended[0]);
    assert_false(kit->reset[0]);
    assert_true(kit_has(kit, 0, "second"));
    assert_int_equal(kit_count(kit, 0, "Connection: close\r\n"), 1);
}

/* The end of input comes while the answer waits for the end of the turn. */
static void test_half_close_does_not_overtake_an_answer(void **state)
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
    kit_shut(kit, 0);
    UNTIL(kit, kit->ended[0]);
    assert_true(kit_has(kit, 0, "released"));
}

static void test_half_request_does_not_take_the_others_with_it(void **state)
{
    static const char *const cases[] = {
        "Content-Length: 5\r\n\r\nab",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nab",
        "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    };
    struct kit *kit = *state;

    kit->options.request_timeout_ms = 600000; /* not what is tested */
    kit_start(kit, NULL);
    for (int i = 0; i < (int)COUNT(cases); i++) {
        kit_client(kit);
        kit_send(kit, i, GET("/later/a") POST);
        kit_send(kit, i, cases[i]);
        UNTIL(kit, kit->held_count > (size_t)i && first_conn(kit)->reading);
        kit_shut(kit, i);
        UNTIL(kit, first_conn(kit)->ended);
        pass(kit, kit->options.body_timeout_ms); /* no body is waited for */
        kit_answer(kit, (size_t)i, "whole");
        UNTIL(kit, kit->ended[i]);
        assert_false(kit->reset[i]);
        assert_true(kit_has(kit, i, "\r\n\r\nwhole"));
        assert_int_equal(kit_count(kit, i, "HTTP/1.1 "), 1);
        assert_int_equal(kit_count(kit, i, "Connection: close\r\n"), 1);
        UNTIL(kit, server_connections(kit->server) == 0);
    }
}

/* Nor does it cut the answers that its client has not taken yet. */
static void test_half_request_does_not_cut_an_answer(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, GET("/bytes/20000000"));
    turn_until_unsent(kit);
    kit_send(kit, 0, POST "Content-Length: 5\r\n\r\nab");
    kit_shut(kit, 0);
    UNTIL(kit, kit->ended[0]);
    assert_true(kit->got[0].len > 20000000);
}

static void test_half_request_alone_is_dropped_at_once(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, POST "Content-Length: 5\r\n\r\nab");
    kit_shut(kit, 0);
    UNTIL(kit, kit->ended[0]);
    assert_string_equal(kit_got(kit, 0), "");
    UNTIL(kit, server_connections(kit->server) == 0);
}

/* Its answer goes out late, then the client has its second and no more. */
static void test_linger_begins_when_the_last_byte_has_gone(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0,
             "GET /bytes/20000000 HTTP/1.1\r\nHost: a\r\n"
             "Connection: close\r\n\r\n");
    turn_until_unsent(kit);
    assert_true(first_conn(kit)->lingering);
    UNTIL(kit, kit->ended[0] && conn_unsent(first_conn(kit)) == 0);
    assert_true(kit->got[0].len > 20000000);
    pass(kit, CONN_LINGER_MS);
    UNTIL(kit, server_connections(kit->server) == 0);
}

/* Who sends more than is dropped gets the rest of its answer all the same. */
static void test_linger_does_not_cut_an_answer(void **state)
{
    static char junk[4096];
    struct kit *kit = *state;

    kit_start(kit, NULL);
    memset(junk, 'j', sizeof(junk) - 1);
    kit_client(kit);
    kit_send(kit, 0,
             "GET /bytes/20000000 HTTP/1.1\r\nHost: a\r\n"
             "Connection: close\r\n\r\n");
    turn_until_unsent(kit);
    for (int i = 0; i < 2 + CONN_LINGER_BYTES / 4095; i++) {
        kit_send(kit, 0, junk);
        kit_turn_loop(kit);
    }
    UNTIL(kit, kit->got[0].len > 20000000);
}

static void test_request_outlives_its_client(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, GET("/later/a") GET("/stream"));
    UNTIL(kit, kit->held_count == 2);
    kit_reset(kit, 0);
    UNTIL(kit, server_connections(kit->server) == 0);
    assert_int_equal(server_inflight(kit->server), 2);
    kit_answer(kit, 0, "to nobody");
    assert_int_equal(server_inflight(kit->server), 1);
    assert_int_equal(request_write(kit->held[1], SPAN("x")), UV_ECANCELED);
    assert_true(span_eq(request_path(kit->held[1]), SPAN("/stream")));
    request_end(kit->held[1]);
    kit->held[1] = NULL;
    assert_int_equal(server_inflight(kit->server), 0);
}

/* A close looks like a half-close until something is sent. */
static void test_client_that_left_is_noticed_by_a_write(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, GET("/stream"));
    UNTIL(kit, kit->held_count == 1);
    kit_leave(kit, 0);
    UNTIL(kit, request_write(kit->held[0], SPAN("x")) == UV_ECANCELED);
    request_end(kit->held[0]);
    kit->held[0] = NULL;
    UNTIL(kit, server_connections(kit->server) == 0);
}

static void test_stray_empty_lines_are_no_request(void **state)
{
    struct kit *kit = *state;

    kit->options.header_timeout_ms = 5;
    kit->options.idle_timeout_ms = 50;
    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, POST "Content-Length: 1\r\n\r\na\r\n\r\n");
    UNTIL(kit, kit->ended[0]);
    assert_int_equal(kit_count(kit, 0, "HTTP/1.1 "), 1);
    kit_client(kit); /* a head behind them has its time */
    kit_send(kit, 1, "\r\n");
    kit_turn(kit);
    kit_send(kit, 1, "\r\n\r\nG");
    UNTIL(kit, kit->ended[1]);
    assert_true(kit_has(kit, 1, "HTTP/1.1 408 "));
}

/* However they come, and whatever is still to be answered before them. */
static void test_too_many_empty_lines_end_without_an_answer(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, GET("/now"));
    for (int i = 0; i <= HTTP_MAX_BLANKS; i++) {
        kit_rest(kit);
        assert_false(kit->ended[0]);
        kit_send(kit, 0, "\r\n");
    }
    UNTIL(kit, kit->ended[0]);
    assert_int_equal(kit_count(kit, 0, "HTTP/1.1 "), 1);
    kit_client(kit);
    kit_send(
        kit, 1,
        GET("/later/a") "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n" GET("/now"));
    UNTIL(kit, kit->held_count == 1);
    kit_rest(kit);
    kit_answer(kit, 0, "first");
    UNTIL(kit, kit->ended[1]);
    assert_false(kit->reset[1]);
    assert_true(kit_has(kit, 1, "\r\n\r\nfirst"));
    assert_int_equal(kit_count(kit, 1, "HTTP/1.1 "), 1);
}

/* Deadlines. */

static void test_slow_head_and_body_are_408(void **state)
{
    static const char *const cases[] = {
        "GET / HTTP/1.1\r\nHo",
        POST "Content-Length: 4\r\n\r\nab",
        POST "Transfer-Encoding: chunked\r\n\r\n3\r\nab",
    };
    struct kit *kit = *state;

    kit->options.header_timeout_ms = kit->options.body_timeout_ms = 20;
    kit_start(kit, NULL);
    for (int i = 0; i < (int)COUNT(cases); i++) {
        kit_client(kit);
        kit_send(kit, i, cases[i]);
        UNTIL(kit, kit->ended[i]);
        assert_true(kit_has(kit, i, "HTTP/1.1 408 Request Timeout\r\n"));
        assert_int_equal(kit_count(kit, i, "HTTP/1.1 "), 1);
    }
}

/*
 * A body comes whole in the turn of the loop in which its deadline passes,
 * while an older answer waits for the end of that turn.
 */
static void test_body_in_time_is_not_late(void **state)
{
    struct kit *kit = *state;
    int other;

    kit->options.request_timeout_ms = 600000; /* these are not tested */
    kit->options.write_timeout_ms = 600000;
    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, GET("/later/a") POST "Content-Length: 2\r\n\r\na");
    UNTIL(kit, kit->held_count == 1 && first_conn(kit)->reading);
    struct conn *conn = first_conn(kit);
    other = kit_client(kit);
    kit_rest(kit);
    kit_send(kit, other, GET("/release"));
    kit_send(kit, 0, "b");
    for (int n = 0; n < 1000 && conn->reading; n++)
        kit_turn_loop(kit);
    pass(kit, kit->options.body_timeout_ms);
    UNTIL(kit, kit_has(kit, 0, "\r\n\r\nab"));
    assert_true(kit_has(kit, 0, "\r\n\r\nreleased"));
    assert_int_equal(kit_count(kit, 0, "HTTP/1.1 200 OK\r\n"), 2);
}

static void test_reader_that_takes_some_may_go_on(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, GET("/bytes/80000000"));
    turn_until_unsent(kit);
    for (int i = 0; i < 3; i++) {
        size_t before = kit->got[0].len;
        UNTIL(kit, kit->got[0].len > before + 1000000);
        for (int n = 0; n < 100; n++)
            kit_turn_loop(kit);
        assert_true(conn_unsent(first_conn(kit)) > 0);
        pass(kit, kit->options.write_timeout_ms);
        assert_false(first_conn(kit)->closing);
    }
    UNTIL(kit, kit->got[0].len > 80000000);
}

/* Client 0 does not read: pieces of a stream, until one stays for good. */
static void fill(struct kit *kit)
{
    static char piece[100000];
    struct conn *conn = first_conn(kit);

    for (int n = 0; n < 100; n++) {
        kit_turn_loop(kit);
        if (conn_unsent(conn))
            continue;
        request_write(kit->held[0], (struct span){piece, sizeof(piece)});
        n = 0;
    }
}

/* More to send is no progress, nor is another request. */
static void test_reader_that_takes_nothing_has_one_deadline(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, GET("/stream"));
    UNTIL(kit, kit->held_count == 1);
    fill(kit);
    uint64_t due = first_conn(kit)->timer.due;
    for (uint64_t now = uv_now(&kit->uv); uv_now(&kit->uv) == now;)
        kit_turn_loop(kit);
    assert_int_equal(request_write(kit->held[0], SPAN("more")), 0);
    kit_send(kit, 0, GET("/later/a"));
    for (int n = 0; n < 100000 && kit->held_count < 2; n++)
        kit_turn_loop(kit);
    assert_int_equal(kit->held_count, 2);
    assert_int_equal(first_conn(kit)->timer.due, due);
    pass(kit, kit->options.write_timeout_ms);
    assert_int_equal(request_write(kit->held[0], SPAN("x")), UV_ECANCELED);
    request_end(kit->held[0]);
    kit->held[0] = NULL;
}

static void test_idle_connection_is_closed_without_a_word(void **state)
{
    struct kit *kit = *state;

    kit->options.idle_timeout_ms = 20;
    kit_start(kit, NULL);
    kit_client(kit);
    kit_sync(kit, 0);
    UNTIL(kit, kit->ended[0]);
    assert_int_equal(kit_count(kit, 0, "HTTP/1.1 "), 1);
}

static void test_late_request_is_503_and_its_answer_dropped(void **state)
{
    struct kit *kit = *state;

    kit->options.request_timeout_ms = 20;
    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, GET("/later/a"));
    UNTIL(kit, kit_has(kit, 0, "\"status\":503"));
    assert_true(kit_has(kit, 0, "Retry-After: 1\r\n"));
    assert_true(span_eq(request_param(kit->held[0], "name"), SPAN("a")));
    kit_answer(kit, 0, "too late");
    kit_sync(kit, 0);
    assert_false(kit_has(kit, 0, "too late"));
    assert_int_equal(kit_count(kit, 0, "HTTP/1.1 "), 2);
}

/* The 503 waits behind a stream while its handler ends, or its client goes. */
static void test_late_request_waits_in_line(void **state)
{
    struct kit *kit = *state;

    kit->options.request_timeout_ms = 20;
    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, GET("/stream") GET("/later/a") GET("/later/b"));
    kit_client(kit); /* its 503 tells that theirs are due as well */
    UNTIL(kit, kit->held_count == 3);
    kit_send(kit, 1, GET("/later/c"));
    UNTIL(kit, kit_has(kit, 1, "HTTP/1.1 503 "));
    kit_answer(kit, 1, "too late");
    request_end(kit->held[0]);
    kit->held[0] = NULL;
    UNTIL(kit, kit_count(kit, 0, "\"status\":503") == 2);
    assert_false(kit_has(kit, 0, "too late"));
    kit_answer(kit, 2, "too late");
    assert_int_equal(kit_count(kit, 0, "HTTP/1.1 "), 3);

    kit_client(kit);
    kit_send(kit, 2, GET("/stream") GET("/later/d"));
    UNTIL(kit, kit->held_count == 6);
    kit_send(kit, 1, GET("/later/e"));
    UNTIL(kit, kit_count(kit, 1, "HTTP/1.1 503 ") == 2);
    kit_reset(kit, 2);
    UNTIL(kit, server_connections(kit->server) == 2);
    request_end(kit->held[4]);
    kit->held[4] = NULL;
    kit_answer(kit, 5, "too late");
}

/* Drain. */

static void on_drained(void *arg)
{
    ((struct kit *)arg)->drained++;
}

static void test_drain_answers_with_close_and_then_ends(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    kit_client(kit);
    kit_sync(kit, 0);
    kit_sync(kit, 1);
    kit_forget(kit, 0);
    kit_send(kit, 1, GET("/later/a"));
    UNTIL(kit, kit->held_count == 1);
    server_drain(kit->server, 48000, 60000, on_drained, kit);
    kit_send(kit, 0, GET("/now") GET("/now"));
    UNTIL(kit, kit->ended[0]);
    assert_int_equal(kit_count(kit, 0, "\r\n\r\nnow"), 2);
    assert_int_equal(kit_count(kit, 0, "Connection: close\r\n"), 1);
    kit_answer(kit, 0, "later");
    UNTIL(kit, kit->ended[1]);
    assert_true(kit_has(kit, 1, "later"));
    kit_leave(kit, 0);
    kit_leave(kit, 1);
    UNTIL(kit, kit->drained);
}

static void test_drain_ends_idle_connections_in_time(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    kit_sync(kit, 0);
    server_drain(kit->server, 40, 50, on_drained, kit);
    UNTIL(kit, kit->ended[0]);
    assert_false(kit->reset[0]);
    kit_send(kit, 0, GET("/now")); /* crosses the end: no reset for it */
    kit_leave(kit, 0);
    UNTIL(kit, kit->drained);
    assert_int_equal(kit->drained, 1);
}

static void test_drain_without_connections_ends_later(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    server_drain(kit->server, 48000, 60000, on_drained, kit);
    assert_int_equal(kit->drained, 0);
    UNTIL(kit, kit->drained);
}

static void test_drain_cuts_what_does_not_end(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, NULL);
    kit_client(kit);
    kit_send(kit, 0, GET("/later/a"));
    UNTIL(kit, kit->held_count == 1);
    server_drain(kit->server, 24, 30, on_drained, kit);
    UNTIL(kit, kit->drained);
    assert_int_equal(server_inflight(kit->server), 1);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_refused_request_is_the_last),
        TEST(test_input_behind_the_last_request_is_not_kept),
        TEST(test_half_closed_client_is_answered),
        TEST(test_half_close_does_not_overtake_an_answer),
        TEST(test_half_request_does_not_take_the_others_with_it),
        TEST(test_half_request_does_not_cut_an_answer),
        TEST(test_half_request_alone_is_dropped_at_once),
        TEST(test_linger_begins_when_the_last_byte_has_gone),
        TEST(test_linger_does_not_cut_an_answer),
        TEST(test_request_outlives_its_client),
        TEST(test_client_that_left_is_noticed_by_a_write),
        TEST(test_stray_empty_lines_are_no_request),
        TEST(test_too_many_empty_lines_end_without_an_answer),
        TEST(test_slow_head_and_body_are_408),
        TEST(test_body_in_time_is_not_late),
        TEST(test_reader_that_takes_some_may_go_on),
        TEST(test_reader_that_takes_nothing_has_one_deadline),
        TEST(test_idle_connection_is_closed_without_a_word),
        TEST(test_late_request_is_503_and_its_answer_dropped),
        TEST(test_late_request_waits_in_line),
        TEST(test_drain_answers_with_close_and_then_ends),
        TEST(test_drain_ends_idle_connections_in_time),
        TEST(test_drain_without_connections_ends_later),
        TEST(test_drain_cuts_what_does_not_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
