/* test_request.c - what handlers are told of a request, and what they answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/auth.h"
#include "tests/common/server_kit.h"

static char seen[512]; /* what the handler saw */

static void see(struct span text)
{
    assert_true(text.len < sizeof(seen));
    memcpy(seen, text.ptr ? text.ptr : "(none)", text.ptr ? text.len : 6);
    seen[text.ptr ? text.len : 6] = '\0';
}

#define HAS(answer, text) assert_non_null(strstr(answer, text))
#define HAS_NOT(answer, text) assert_null(strstr(answer, text))

static void look_at_address(struct request *req)
{
    see(request_address(req));
}

static void test_address_is_the_last_hop_that_is_not_ours(void **state)
{
    static const char *const trusted[] = {"127.0.0.0/8", "10.1.0.0/17",
                                          "2001:db8::/33", NULL};
    static const struct {
        const char *headers, *address;
    } cases[] = {
        {"", "127.0.0.1"},
        {"X-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4"},
        {"X-Forwarded-For: 9.9.9.9, 1.2.3.4\r\n", "1.2.3.4"},
        {"X-Forwarded-For: 1.2.3.4 , 10.1.2.3,127.0.0.9\r\n", "1.2.3.4"},
        {"X-Forwarded-For: 1.2.3.4, 10.1.128.3\r\n", "10.1.128.3"},
        {"X-Forwarded-For: 1.2.3.4, 2001:db8:7::1\r\n", "1.2.3.4"},
        {"X-Forwarded-For: 1.2.3.4, 2001:db8:8000::1\r\n", "2001:db8:8000::1"},
        {"X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4"},
        {"X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 10.1.0.1\r\n",
         "9.9.9.9"},
        {"X-Forwarded-For: 9.9.9.9, unknown\r\n", ""},
        {"X-Forwarded-For: unknown, 10.1.0.1\r\n", ""},
        {"X-Forwarded-For: \r\n", ""},
        {"X-Forwarded-For: 1.2.3.4:5678\r\n", "1.2.3.4"},
        {"X-Forwarded-For: [2001:db8:8000::1]:56\r\n", "2001:db8:8000::1"},
        {"X-Forwarded-For: [2001:db8:8000::1\r\n", ""},
        {"X-Forwarded-For: 127.0.0.1, 10.1.0.1\r\n", "10.1.0.1"},
    };
    struct kit *kit = *state;

    kit->options.trusted_proxies = trusted;
    kit->look = look_at_address;
    kit_start(kit, NULL);
    for (size_t i = 0; i < COUNT(cases); i++) {
        kit_ask(kit, "GET /now", cases[i].headers);
        assert_string_equal(seen, cases[i].address);
    }
}

static void test_address_of_strangers_is_their_own(void **state)
{
    static const char *const trusted[] = {"10.0.0.0/8", "127.0.0.0/33",
                                          "rubbish", NULL};
    struct kit *kit = *state;

    kit->options.trusted_proxies = trusted;
    kit->look = look_at_address;
    kit_start(kit, NULL);
    kit_ask(kit, "GET /now", "X-Forwarded-For: 1.2.3.4\r\n");
    assert_string_equal(seen, "127.0.0.1");
}

static void look_at_scheme(struct request *req)
{
    see(request_scheme(req));
    assert_true(span_eq(request_host(req), SPAN("a.b:80")));
}

static void test_scheme_is_the_proxys_word(void **state)
{
    static const char *const trusted[] = {"127.0.0.1", NULL};
    struct kit *kit = *state;

    kit->options.trusted_proxies = trusted;
    kit->look = look_at_scheme;
    kit_start(kit, NULL);
    kit_ask(kit, "GET /now", "X-Forwarded-Proto: https\r\n");
    assert_string_equal(seen, "https");
    kit_ask(kit, "GET /now", "X-Forwarded-Proto: gopher\r\n");
    assert_string_equal(seen, "http");
}

static void pass(struct request *req, void *arg)
{
    (void)arg;
    request_reply(req, 204, NULL, (struct span){0});
}

static void look_at_query(struct request *req)
{
    see(request_query(req, "b c"));
    assert_null(request_query(req, "z").ptr);
}

static void test_query_is_decoded(void **state)
{
    struct kit *kit = *state;

    kit->look = look_at_query;
    kit_start(kit, NULL);
    kit_ask(kit, "GET /now?a=1&b+c=x%20y+z&b%20c=2", "");
    assert_string_equal(seen, "x y z");
    kit_ask(kit, "GET /now", "");
    assert_string_equal(seen, "(none)");
}

static void test_query_that_cannot_be_decoded_is_refused(void **state)
{
    static const struct route any[] = {
        {REQUEST_GET, "/any", NULL, pass, ROUTE_ANY_QUERY}, {0}};
    static const char *const bad[] = {"%", "%zz", "a=%4", "a=b&c=%%41",
                                      "%41%4"};
    struct kit *kit = *state;

    kit_start(kit, any);
    for (size_t i = 0; i < COUNT(bad); i++) {
        char target[64];
        snprintf(target, sizeof(target), "GET /now?%s", bad[i]);
        const char *answer = kit_ask(kit, target, "");
        HAS(answer, "HTTP/1.1 400 ");
        HAS(answer, "a % in the query is not followed by two hex digits");
        snprintf(target, sizeof(target), "GET /any?%s", bad[i]);
        HAS(kit_ask(kit, target, ""), "HTTP/1.1 204 ");
    }
    HAS(kit_ask(kit, "GET /now?%41=%4a%4A&%25", ""), "HTTP/1.1 200 ");
    HAS(kit_ask(kit, "POST /echo?%zz", "Content-Length: 1\r\n\r\na"),
        "HTTP/1.1 400 ");
}

static void test_request_id_is_taken_or_made(void **state)
{
    struct kit *kit = *state;
    char *first;

    kit_start(kit, NULL);
    HAS(kit_ask(kit, "GET /now", "X-Request-Id: a-B_9.z\r\n"),
        "\r\nX-Request-Id: a-B_9.z\r\n");
    HAS_NOT(kit_ask(kit, "GET /now", "X-Request-Id: a b\r\n"), "a b");
    HAS_NOT(
        kit_ask(
            kit, "GET /now",
            "X-Request-Id: "
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            "a\r\n"),
        "aaaa");
    first = strdup(strstr(kit_ask(kit, "GET /now", ""), "X-Request-Id: "));
    HAS_NOT(kit_ask(kit, "GET /now", ""), first);
    free(first);
}

static void look_at_trace(struct request *req)
{
    struct span trace = request_trace_id(req);

    assert_int_equal(trace.len, 32);
    assert_true(span_eq(trace, request_trace_id(req)));
    see(trace);
}

static void test_trace_is_taken_or_made(void **state)
{
    struct kit *kit = *state;

    kit->look = look_at_trace;
    kit_start(kit, NULL);
    kit_ask(kit, "GET /now",
            "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"
            "01\r\n");
    assert_string_equal(seen, "0af7651916cd43dd8448eb211c80319c");
    kit_ask(kit, "GET /now", "traceparent: 00-x\r\n");
    assert_string_not_equal(seen, "0af7651916cd43dd8448eb211c80319c");
}

static void look_at_accept(struct request *req)
{
    see(request_prefers_html(req) ? SPAN("html") : SPAN("json"));
}

static void test_accept_is_weighed(void **state)
{
    static const struct {
        const char *headers, *wanted;
    } cases[] = {
        {"", "json"},
        {"Accept: */*\r\n", "json"},
        {"Accept: text/html\r\n", "html"},
        {"Accept: TEXT/HTML;q=0.5\r\n", "html"},
        {"Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n", "html"},
        {"Accept: text/*, application/json;q=0.9\r\n", "html"},
        {"Accept: text/html;q=0.5, application/json\r\n", "json"},
        {"Accept: application/json, text/html\r\n", "json"},
        {"Accept: text/html;q=0.811, */*;q=0.81\r\n", "html"},
        {"Accept: text/html;q=0, application/*;q=0.1\r\n", "json"},
        {"Accept: application/*, text/html;q=0.9\r\n", "json"},
    };
    struct kit *kit = *state;

    kit->look = look_at_accept;
    kit_start(kit, NULL);
    for (size_t i = 0; i < COUNT(cases); i++) {
        kit_ask(kit, "GET /now", cases[i].headers);
        if (strcmp(seen, cases[i].wanted) != 0)
            print_error("%s", cases[i].headers);
        assert_string_equal(seen, cases[i].wanted);
    }
}

/* Problems. */

static void end_badly(struct request *req, void *arg)
{
    uint64_t err = 0;

    (void)arg;
    span_to_u64(request_param(req, "err"), 100000, &err);
    request_fail(req, -(int)err);
}

static void gone(struct request *req, void *arg)
{
    (void)arg;
    request_problem(req, 410, "expired", NULL, "it <was> \"here\"");
}

static void list(struct request *req, void *arg)
{
    struct span cursor;
    uint32_t limit;

    (void)arg;
    if (request_read_page(req, &limit, &cursor)) {
        assert_true(limit >= 1 && limit <= 1000);
        see(cursor);
        request_reply_json(req, 200, SPAN("{}"));
    }
}

static void ready(struct request *req, void *arg)
{
    (void)arg;
    request_reply_ready(req, 302,
                        SPAN("HTTP/1.1 302 Found\r\nLocation: /x\r\n"
                             "Content-Length: 0\r\n"));
}

static void make(struct request *req, void *arg)
{
    static const struct json_field fields[] = {
        {.name = "n", .kind = JSON_KIND_INTEGER, .required = true, .max = 9}};
    struct json_value value;

    (void)arg;
    if (request_read_json(req, fields, 1, &value))
        request_reply_json(req, 201, SPAN("{}"));
}

static const struct route routes[] = {
    {REQUEST_GET, "/fail/{err}", NULL, end_badly, 0},
    {REQUEST_GET, "/gone", NULL, gone, ROUTE_PAGE},
    {REQUEST_GET, "/list", NULL, list, 0},
    {REQUEST_GET, "/ready", NULL, ready, 0},
    {REQUEST_POST, "/make", NULL, make, 0},
    {REQUEST_GET, "/scoped", "links:read", gone, 0},
    {REQUEST_GET, "/admin", "admin", gone, 0},
    {REQUEST_GET, "/local", NULL, gone, ROUTE_LOCAL},
    {0},
};

static void test_problem_is_json_or_a_page(void **state)
{
    struct kit *kit = *state;
    const char *answer;

    kit_start(kit, routes);
    answer = kit_ask(kit, "GET /gone", "X-Request-Id: me\r\n");
    HAS(answer, "HTTP/1.1 410 Gone\r\n");
    HAS(answer, "Content-Type: application/problem+json\r\n");
    HAS(answer, "X-Content-Type-Options: nosniff\r\n");
    HAS(answer, "{\"type\":\"/problems/expired\",\"title\":\"Gone\","
                "\"status\":410,\"detail\":\"it <was> \\\"here\\\"\","
                "\"instance\":\"me\"}");
    answer = kit_ask(kit, "GET /gone", "Accept: text/html\r\n");
    HAS(answer, "Content-Type: text/html; charset=utf-8\r\n");
    HAS(answer, "Content-Security-Policy: default-src 'self'");
    HAS(answer, "it &lt;was&gt; &quot;here&quot;");
    answer = kit_ask(kit, "GET /nowhere", "Accept: text/html\r\n");
    HAS(answer, "HTTP/1.1 404 Not Found\r\n");
    HAS(answer, "application/problem+json");
}

static void test_failure_has_its_status(void **state)
{
    static const struct {
        int err;
        const char *status;
        bool retry;
    } cases[] = {
        {UV_ETIMEDOUT, "HTTP/1.1 503 ", true},
        {UV_ECONNRESET, "HTTP/1.1 503 ", true},
        {UV_EPROTO, "HTTP/1.1 503 ", true},
        {UV_EACCES, "HTTP/1.1 403 ", false},
        {UV_ENOENT, "HTTP/1.1 404 ", false},
    };
    struct kit *kit = *state;

    kit_start(kit, routes);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char target[64];
        const char *answer;
        snprintf(target, sizeof(target), "GET /fail/%d", -cases[i].err);
        answer = kit_ask(kit, target, "");
        HAS(answer, cases[i].status);
        assert_int_equal(strstr(answer, "Retry-After: 1\r\n") != NULL,
                         cases[i].retry);
    }
}

static void test_method_that_a_path_does_not_know_is_405(void **state)
{
    struct kit *kit = *state;
    const char *answer;

    kit_start(kit, routes);
    answer = kit_ask(kit, "DELETE /gone", "");
    HAS(answer, "HTTP/1.1 405 Method Not Allowed\r\n");
    HAS(answer, "Allow: GET, HEAD, OPTIONS\r\n");
    answer = kit_ask(kit, "OPTIONS /make", "");
    HAS(answer, "HTTP/1.1 204 No Content\r\n");
    HAS(answer, "Allow: POST, OPTIONS\r\n");
    HAS_NOT(answer, "Content-Length");
    HAS(kit_ask(kit, "OPTIONS *", ""), "HTTP/1.1 204 ");
    HAS(kit_ask(kit, "OPTIONS /nowhere", ""), "HTTP/1.1 404 ");
    HAS(kit_ask(kit, "GET /fail/%2", ""), "HTTP/1.1 400 ");
}

static void test_other_origins_may_ask_when_named(void **state)
{
    static const char *const origins[] = {"https://ours.example", NULL};
    struct kit *kit = *state;
    const char *answer;

    kit->options.cors_origins = origins;
    kit_start(kit, routes);
    answer = kit_ask(kit, "OPTIONS /make", "Origin: https://ours.example\r\n");
    HAS(answer, "Access-Control-Allow-Origin: https://ours.example\r\n");
    HAS(answer, "Access-Control-Allow-Methods: POST, OPTIONS\r\n");
    HAS(answer, "Vary: Origin\r\n");
    answer = kit_ask(kit, "GET /now", "Origin: https://theirs.example\r\n");
    HAS_NOT(answer, "Access-Control");
    HAS(answer, "Vary: Origin\r\n");
}

#define UPGRADE "Connection: Upgrade\r\nUpgrade: websocket\r\n"

static void test_upgrade_of_another_origin_is_refused(void **state)
{
    static const char *const origins[] = {"https://ours.example", NULL};
    static const struct {
        const char *headers, *status;
    } cases[] = {
        {UPGRADE, "HTTP/1.1 200 "},
        {UPGRADE "Origin: http://a.b:80\r\n", "HTTP/1.1 200 "},
        {UPGRADE "Origin: https://ours.example\r\n", "HTTP/1.1 200 "},
        {UPGRADE "Origin: http://a.b\r\n", "HTTP/1.1 403 "},
        {UPGRADE "Origin: http://evil\r\n", "/problems/foreign-origin"},
        {UPGRADE "Origin: null\r\n", "HTTP/1.1 403 "},
        {"Origin: http://evil\r\n", "HTTP/1.1 200 "},
    };
    struct kit *kit = *state;

    kit->options.cors_origins = origins;
    kit_start(kit, NULL);
    for (size_t i = 0; i < COUNT(cases); i++)
        HAS(kit_ask(kit, "GET /now", cases[i].headers), cases[i].status);
}

static void test_body_that_is_no_json_is_refused(void **state)
{
    static const struct {
        const char *headers, *answer;
    } cases[] = {
        {"Content-Length: 7\r\n\r\n{\"n\":1}", "HTTP/1.1 415 "},
        {"Content-Type: text/json\r\nContent-Length: 7\r\n\r\n{\"n\":1}",
         "HTTP/1.1 415 "},
        {"Content-Type: application/json\r\nContent-Length: 6\r\n\r\n{\"n\":1",
         "HTTP/1.1 400 "},
        {"Content-Type: application/json\r\nContent-Length: "
         "8\r\n\r\n{\"n\":10}",
         "\"pointer\":\"/n\""},
        {"Content-Type: Application/JSON ; charset=utf-8\r\n"
         "Content-Length: 7\r\n\r\n{\"n\":1}",
         "HTTP/1.1 201 Created\r\n"},
    };
    struct kit *kit = *state;

    kit_start(kit, routes);
    for (size_t i = 0; i < COUNT(cases); i++)
        HAS(kit_ask(kit, "POST /make", cases[i].headers), cases[i].answer);
}

static void test_page_of_a_list_has_bounds(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, routes);
    HAS(kit_ask(kit, "GET /list?limit=0", ""), "HTTP/1.1 422 ");
    HAS(kit_ask(kit, "GET /list?limit=1001", ""), "\"pointer\":\"/limit\"");
    HAS(kit_ask(kit, "GET /list?limit=x", ""), "HTTP/1.1 422 ");
    HAS(kit_ask(kit, "GET /list?limit=1000&cursor=a%2Bb", ""), "HTTP/1.1 200 ");
    assert_string_equal(seen, "a+b");
}

static void test_ready_answer_gets_what_differs(void **state)
{
    struct kit *kit = *state;
    const char *answer;

    kit_start(kit, routes);
    answer =
        kit_ask(kit, "GET /ready",
                "X-Request-Id: r\r\ntraceparent: "
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n");
    HAS(answer, "HTTP/1.1 302 Found\r\nLocation: /x\r\n");
    HAS(answer, "\r\nDate: ");
    HAS(answer, " GMT\r\nX-Request-Id: r\r\ntraceparent: "
                "00-0af7651916cd43dd8448eb211c80319c-");
    HAS(answer, "-00\r\nConnection: close\r\n\r\n");
}

/* Who may. */

static void test_scope_needs_a_token(void **state)
{
    struct kit *kit = *state;
    const char *answer;

    kit->options.auth = auth_create(NULL, false);
    kit_start(kit, routes);
    answer = kit_ask(kit, "GET /scoped", "");
    HAS(answer, "HTTP/1.1 401 Unauthorized\r\n");
    HAS(answer, "WWW-Authenticate: Bearer\r\n");
    HAS(kit_ask(kit, "GET /scoped", "Authorization: Bearer x.y.z\r\n"),
        "HTTP/1.1 401 ");
    HAS(kit_ask(kit, "GET /gone", "Authorization: Bearer x.y.z\r\n"),
        "HTTP/1.1 410 ");
    auth_destroy(kit->options.auth);
}

static void test_open_service_gives_all_but_admin(void **state)
{
    static const char *const trusted[] = {"127.0.0.1", NULL};
    struct kit *kit = *state;

    kit->options.auth = auth_create(NULL, true);
    kit->options.trusted_proxies = trusted;
    kit_start(kit, routes);
    HAS(kit_ask(kit, "GET /scoped", ""), "HTTP/1.1 410 ");
    HAS(kit_ask(kit, "GET /admin", ""), "HTTP/1.1 403 ");
    HAS(kit_ask(kit, "GET /local", ""), "HTTP/1.1 410 ");
    HAS(kit_ask(kit, "GET /local", "X-Forwarded-For: 1.2.3.4\r\n"),
        "HTTP/1.1 403 ");
    auth_destroy(kit->options.auth);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_address_is_the_last_hop_that_is_not_ours),
        TEST(test_address_of_strangers_is_their_own),
        TEST(test_scheme_is_the_proxys_word),
        TEST(test_query_is_decoded),
        TEST(test_query_that_cannot_be_decoded_is_refused),
        TEST(test_request_id_is_taken_or_made),
        TEST(test_trace_is_taken_or_made),
        TEST(test_accept_is_weighed),
        TEST(test_problem_is_json_or_a_page),
        TEST(test_failure_has_its_status),
        TEST(test_method_that_a_path_does_not_know_is_405),
        TEST(test_other_origins_may_ask_when_named),
        TEST(test_upgrade_of_another_origin_is_refused),
        TEST(test_body_that_is_no_json_is_refused),
        TEST(test_page_of_a_list_has_bounds),
        TEST(test_ready_answer_gets_what_differs),
        TEST(test_scope_needs_a_token),
        TEST(test_open_service_gives_all_but_admin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
