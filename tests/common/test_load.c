/* test_load.c - what the load generator takes for an answer, and counts. */
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "common/load_internal.h"
#include "tests/test.h"

#define FAR UINT64_C(1000000000) /* of the window that the cases stand in */
#define WARM (FAR - 1)           /* due in the warm-up */
#define DUE FAR                  /* due in the window */
#define PAST (FAR + 1000)        /* due behind it */

/* ---- answers */

static const struct {
    const char *text;
    bool is_head;
    int status;
    const char *body;
} answers[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, 200, "hello"},
    {"HTTP/1.1 200 OK\r\ncontent-length:\t5 \r\n\r\nhello", false, 200,
     "hello"},
    {"HTTP/1.1 302 Found\r\nLocation: http://a/\r\nContent-Length: 0\r\n\r\n",
     false, 302, ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, 200, ""},
    {"HTTP/1.1 200 OK\r\n\r\n", true, 200, ""},
    {"HTTP/1.1 204 No Content\r\n\r\n", false, 204, ""},
    {"HTTP/1.1 304 Not Modified\r\n\r\n", false, 304, ""},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, 304, ""},
};

static void test_load_parse_takes_an_answer_once_it_is_whole(void **state)
{
    (void)state;

    for (size_t i = 0; i < COUNT(answers); i++) {
        struct span whole = span_str(answers[i].text);
        struct load_answer answer = {.status = -1};
        for (size_t cut = 0; cut < whole.len; cut++) {
            struct span piece = {whole.ptr, cut};
            assert_int_equal(load_parse(piece, answers[i].is_head, &answer), 0);
            assert_int_equal(answer.status, -1);
        }
        assert_int_equal(load_parse(whole, answers[i].is_head, &answer),
                         whole.len);
        assert_int_equal(answer.status, answers[i].status);
        assert_true(span_eq(answer.body, span_str(answers[i].body)));
        assert_int_equal(answer.head.len + answer.body.len, whole.len);
    }
}

static void test_load_parse_leaves_the_next_answer(void **state)
{
    (void)state;

    for (size_t i = 0; i < COUNT(answers); i++) {
        struct load_answer answer;
        char two[512];
        size_t len = strlen(answers[i].text);
        int all = snprintf(two, sizeof(two), "%sHTTP/1.1 200 OK\r\n\r\n",
                           answers[i].text);
        assert_int_equal(load_parse((struct span){two, (size_t)all},
                                    answers[i].is_head, &answer),
                         len);
        assert_int_equal(answer.status, answers[i].status);
    }
}

static void test_load_parse_refuses_what_it_cannot_measure(void **state)
{
    static const char *const wrong[] = {
        "HTTP/1.1 200 OK\r\n\r\n", /* no length */
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Content-Length: 5\r\n\r\nhello",
        "HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2x0 Odd\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 20\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH\r\nContent-Length: 0\r\n\r\n",
        "\r\n\r\n",
    };
    struct load_answer answer = {.status = -1};
    (void)state;

    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_int_equal(load_parse(span_str(wrong[i]), false, &answer),
                         UV_EPROTO);
        assert_int_equal(answer.status, -1);
    }
}

static void test_load_parse_refuses_a_head_without_end(void **state)
{
    static char bytes[LOAD_MAX_ANSWER + 1];
    struct load_answer answer;
    (void)state;

    memset(bytes, 'a', sizeof(bytes));
    assert_int_equal(
        load_parse((struct span){bytes, LOAD_MAX_ANSWER}, false, &answer), 0);
    assert_int_equal(
        load_parse((struct span){bytes, sizeof(bytes)}, false, &answer),
        UV_EPROTO);
}

/* ---- the schedule */

static void test_load_due_before_counts_what_is_due(void **state)
{
    static const int64_t rates[] = {1, 3, 7, 300, 999999, 1000000, 10000000};
    static struct load load;
    (void)state;

    load = (struct load){.start_us = FAR};
    for (size_t i = 0; i < COUNT(rates); i++) {
        load.options.rate = rates[i];
        assert_int_equal(load_due_before(&load, FAR), 0);
        for (uint64_t n = 0; n < 2000; n++) {
            uint64_t due_us = load_due_us(&load, n);
            assert_true(load_due_before(&load, due_us) <= n);
            assert_true(load_due_before(&load, due_us + 1) > n);
        }
        assert_int_equal(load_due_before(&load, FAR + 3600000000),
                         3600 * rates[i]);
    }
}

static void test_load_due_before_ends_at_the_requests_wanted(void **state)
{
    static struct load load;
    (void)state;

    load = (struct load){.options = {.rate = 1000, .requests = 5}};
    assert_int_equal(load_due_before(&load, 4000), 4);
    assert_int_equal(load_due_before(&load, 1000000), 5);
}

/* ---- what units end as */

static bool accept_200(struct load *load, const struct load_answer *answer)
{
    (void)load;
    return answer->status == 200;
}

static const struct load_profile profile = {.name = "p", .accept = accept_200};

/*
 * A window that is over, with a connection to *peer on which one unit of each
 * time waits; nothing more is due.
 */
struct scene {
    struct load load;
    struct load_conn conn;
    int peer;
};

static void set_scene(struct scene *scene)
{
    static const uint64_t dues[] = {WARM, DUE, DUE, PAST};
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends),
                     0);
    *scene = (struct scene){
        .peer = ends[1],
        .load = {.profile = &profile,
                 .options = {.rate = 1000, .pipeline = 8, .requests = 1},
                 .next_n = 1,
                 .waiting = COUNT(dues),
                 .start_us = WARM,
                 .from_us = DUE,
                 .end_us = PAST,
                 .phase = LOAD_DRAIN,
                 .window = {.hist = hist_create(),
                            .own_late = hist_create(),
                            .due = 2}},
        .conn = {.load = &scene->load, .fd = ends[0], .count = COUNT(dues)},
    };
    memcpy(scene->conn.due_us, dues, sizeof(dues));
    buf_init(&scene->conn.in, MEM_LOAD);
    buf_init(&scene->conn.out, MEM_LOAD);
}

static void clear_scene(struct scene *scene)
{
    load_close(&scene->conn);
    close(scene->peer);
    hist_destroy(scene->load.window.hist);
    hist_destroy(scene->load.window.own_late);
}

static void answer(struct scene *scene, const char *text)
{
    size_t len = strlen(text);

    assert_int_equal(send(scene->peer, text, len, MSG_NOSIGNAL), len);
    load_on_event(&scene->conn, EPOLLIN);
}

static uint64_t errors_of(const struct load_window *window)
{
    uint64_t total = 0;

    for (size_t i = 0; i < LOAD_ERRORS; i++)
        total += window->errors[i];
    return total;
}

static void assert_all_ended(const struct scene *scene)
{
    const struct load_window *window = &scene->load.window;

    assert_int_equal(scene->load.waiting, 0);
    assert_int_equal(window->due + window->connection_errors,
                     window->done + errors_of(window));
    assert_int_equal(hist_count(window->hist), window->done);
}

#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define BAD "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

static void test_load_counts_answers_of_the_drain(void **state)
{
    static struct scene scene;
    (void)state;

    set_scene(&scene);
    answer(&scene, GOOD GOOD GOOD GOOD);
    assert_all_ended(&scene);
    assert_int_equal(scene.load.window.done, 2);
    assert_int_equal(scene.load.window.answers, 0); /* none in time */
    clear_scene(&scene);
}

static void test_load_counts_wrong_answers_of_the_window_only(void **state)
{
    static struct scene scene;
    (void)state;

    set_scene(&scene);
    answer(&scene, BAD BAD GOOD BAD);
    assert_all_ended(&scene);
    assert_int_equal(scene.load.window.done, 1);
    assert_int_equal(scene.load.window.errors[LOAD_WRONG], 1);
    assert_int_equal(scene.load.window.wrong_status, 404);
    clear_scene(&scene);
}

static void test_load_fail_ends_each_unit_that_waits(void **state)
{
    static struct scene scene;
    (void)state;

    set_scene(&scene);
    answer(&scene, GOOD GOOD);
    load_fail(&scene.conn, LOAD_RESET);
    assert_all_ended(&scene);
    assert_int_equal(scene.load.window.done, 1);
    assert_int_equal(scene.load.window.errors[LOAD_RESET], 1);
    assert_int_equal(scene.load.window.connection_errors, 0);
    clear_scene(&scene);
}

static void test_load_fail_of_an_idle_connection_ends_no_unit(void **state)
{
    static struct scene scene;
    (void)state;

    set_scene(&scene);
    answer(&scene, GOOD GOOD GOOD GOOD);
    load_fail(&scene.conn, LOAD_REFUSED);
    assert_all_ended(&scene);
    assert_int_equal(scene.load.window.errors[LOAD_REFUSED], 1);
    assert_int_equal(scene.load.window.connection_errors, 1);
    clear_scene(&scene);
}

/* ---- the judgement */

static void test_load_is_inconclusive_when_the_generator_was_the_limit(void **s)
{
    static const struct {
        double own, server; /* shares of a core; 0: no --server-pid */
        uint64_t due, latency_us, own_late_us;
        bool inconclusive;
    } cases[] = {
        {0.5, 0, 1, 1000, 100, false},  {1.0, 0, 1, 1000, 100, true},
        {1.0, 0.5, 1, 1000, 100, true}, {1.0, 0.99, 1, 1000, 100, false},
        {0.5, 0, 1, 1000, 900, true},   {0.5, 0, 1, 1000000, 900, false},
        {0.1, 0, 0, 0, 0, true},
    };
    static struct load load;
    (void)s;

    for (size_t i = 0; i < COUNT(cases); i++) {
        load = (struct load){.window = {.hist = hist_create(),
                                        .own_late = hist_create(),
                                        .due = cases[i].due,
                                        .done = cases[i].due,
                                        .own_after = cases[i].own,
                                        .seconds = 1}};
        load.server_count = cases[i].server > 0;
        load.servers[0].after = cases[i].server;
        if (cases[i].due) {
            hist_record(load.window.hist, cases[i].latency_us);
            hist_record(load.window.own_late, cases[i].own_late_us);
        }
        assert_int_equal(load_is_inconclusive(&load), cases[i].inconclusive);
        hist_destroy(load.window.hist);
        hist_destroy(load.window.own_late);
    }
}

/* ---- where connections come from */

static in_addr_t source_of(const struct load *load, int listener)
{
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    int fd = load_socket(load, 0);

    assert_int_equal(
        connect(fd, (const struct sockaddr *)&load->address, load->address_len),
        0);
    getsockname(fd, (struct sockaddr *)&from, &len);
    close(accept(listener, NULL, NULL));
    close(fd);
    return ntohl(from.sin_addr.s_addr);
}

static void test_load_socket_spreads_many_over_loopback(void **state)
{
    struct load *load = mem_zalloc(MEM_LOAD, sizeof(*load));
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct rlimit files;
    int last = listener;
    static const struct {
        int fd; /* all below it are taken */
        in_addr_t source;
    } cases[] = {{10, INADDR_LOOPBACK}, {4200, INADDR_LOOPBACK + 1}};
    (void)state;

    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max < 4300)
        skip();
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    load->address_len = sizeof(struct sockaddr_in);
    *(struct sockaddr_in *)&load->address = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(
        bind(listener, (struct sockaddr *)&load->address, load->address_len),
        0);
    getsockname(listener, (struct sockaddr *)&load->address,
                &load->address_len);
    listen(listener, 1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        while (last < cases[i].fd && last >= 0)
            last = dup(listener);
        assert_int_equal(source_of(load, listener), cases[i].source);
    }
    for (int fd = listener; fd <= last; fd++)
        close(fd);
    mem_free(load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_parse_takes_an_answer_once_it_is_whole),
        cmocka_unit_test(test_load_parse_leaves_the_next_answer),
        cmocka_unit_test(test_load_parse_refuses_what_it_cannot_measure),
        cmocka_unit_test(test_load_parse_refuses_a_head_without_end),
        cmocka_unit_test(test_load_due_before_counts_what_is_due),
        cmocka_unit_test(test_load_due_before_ends_at_the_requests_wanted),
        cmocka_unit_test(test_load_counts_answers_of_the_drain),
        cmocka_unit_test(test_load_counts_wrong_answers_of_the_window_only),
        cmocka_unit_test(test_load_fail_ends_each_unit_that_waits),
        cmocka_unit_test(test_load_fail_of_an_idle_connection_ends_no_unit),
        cmocka_unit_test(
            test_load_is_inconclusive_when_the_generator_was_the_limit),
        cmocka_unit_test(test_load_socket_spreads_many_over_loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
