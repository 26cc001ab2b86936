/* test_http.c - heads and bodies, whole and one byte per call. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "common/buf.h"
#include "common/http.h"
#include "tests/test.h"

static const struct http_limits limits = {
    .max_line = 64, .max_header = 64, .max_head = 512, .max_headers = 8};

/* What became of some bytes. */
struct outcome {
    int status; /* UV_EAGAIN: more is wanted */
    struct http_head head;
    struct http_header headers[8];
    struct buf body;
    size_t used;
    bool done;
    char *copy; /* of the head */
};

static void on_body(void *arg, struct span bytes)
{
    struct outcome *out = arg;

    assert_true(bytes.len > 0);
    buf_append(&out->body, bytes);
}

static void read_body(struct outcome *out, struct span bytes, size_t step)
{
    struct http_body body;

    http_body_init(&body, &out->head, on_body, out);
    out->done = !out->head.chunked && out->head.content_length == 0;
    while (!out->done && out->used < bytes.len && out->status == 0) {
        struct span piece = span_skip(bytes, out->used);
        size_t used = 0;
        if (piece.len > step)
            piece.len = step;
        out->status = http_parse_body(&body, piece, &used, &out->done);
        assert_true(used <= piece.len);
        out->used += used;
    }
}

/* Give step bytes more at a time until there is an end. */
static void parse(struct outcome *out, const char *text, size_t len,
                  size_t step)
{
    struct http_scan scan = {0};
    size_t length = 0;

    *out = (struct outcome){.status = UV_EAGAIN};
    buf_init(&out->body, MEM_APP);
    for (size_t n = 0; n < len && out->status == UV_EAGAIN;) {
        n = len - n > step ? n + step : len;
        out->status =
            http_scan_head(&scan, &limits, (struct span){text, n}, &length);
    }
    if (out->status)
        return;
    out->copy =
        malloc(length ? length : 1); /* so that a read past its end is seen */
    memcpy(out->copy, text + scan.skip, length);
    out->status = http_parse_head((struct span){out->copy, length},
                                  out->headers, limits.max_headers, &out->head);
    out->used = scan.skip + length;
    if (out->status == 0)
        read_body(out, (struct span){text, len}, step);
}

static void forget(struct outcome *out)
{
    buf_deinit(&out->body);
    free(out->copy);
}

static void assert_span(struct span is, const char *wanted)
{
    assert_int_equal(is.len, strlen(wanted));
    assert_memory_equal(is.ptr, wanted, is.len);
}

static void test_head_is_taken_apart(void **state)
{
    static const struct {
        const char *text;
        enum request_method method;
        const char *path, *query, *host;
        bool keep_alive;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", REQUEST_GET, "/", NULL, "a",
         true},
        {"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", REQUEST_GET, "/", NULL, "a",
         true},
        {"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
         REQUEST_GET, "/", NULL, "a", true},
        {"HEAD /a/b?c=d?e HTTP/1.1\r\nhOsT:\ta:80 \r\n\r\n", REQUEST_HEAD,
         "/a/b", "c=d?e", "a:80", true},
        {"GET /? HTTP/1.1\r\nHost: [::1]:8\r\n\r\n", REQUEST_GET, "/", "",
         "[::1]:8", true},
        {"GET /%2f%20+ HTTP/1.1\r\nHost: a\r\n\r\n", REQUEST_GET, "/%2f%20+",
         NULL, "a", true},
        {"GET http://b/c?d HTTP/1.1\r\nHost: a\r\n\r\n", REQUEST_GET, "/c", "d",
         "b", true},
        {"GET HTTPS://b HTTP/1.1\r\nHost: a\r\n\r\n", REQUEST_GET, "/", NULL,
         "b", true},
        {"GET http://b?d HTTP/1.1\r\nHost: a\r\n\r\n", REQUEST_GET, "/", "d",
         "b", true},
        {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", REQUEST_OPTIONS, "*", NULL,
         "a", true},
        {"DELETE /x HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n\r\n",
         REQUEST_DELETE, "/x", NULL, "a", false},
        {"PATCH /x HTTP/1.0\r\n\r\n", REQUEST_PATCH, "/x", NULL, "", false},
        {"PUT /x HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", REQUEST_PUT, "/x",
         NULL, "", true},
        {"PUT /x HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
         REQUEST_PUT, "/x", NULL, "", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
         "Connection: upgrade\r\n\r\n",
         REQUEST_GET, "/", NULL, "a", true},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t step = 1; step <= 4096; step *= 4096) {
            struct outcome out;
            parse(&out, cases[i].text, strlen(cases[i].text), step);
            assert_int_equal(out.status, 0);
            assert_true(out.done);
            assert_int_equal(out.used, strlen(cases[i].text));
            assert_int_equal(out.head.method, cases[i].method);
            assert_span(out.head.path, cases[i].path);
            assert_int_equal(out.head.query.ptr != NULL,
                             cases[i].query != NULL);
            if (cases[i].query)
                assert_span(out.head.query, cases[i].query);
            assert_span(out.head.host, cases[i].host);
            assert_int_equal(out.head.keep_alive, cases[i].keep_alive);
            forget(&out);
        }
}

/* Where a host may stand: at[0] before it, at[1] behind it. */
static int status_of_host(const char *const at[2], const char *host)
{
    struct outcome out;
    char text[256];

    snprintf(text, sizeof(text), "%s%s%s", at[0], host, at[1]);
    parse(&out, text, strlen(text), 4096);
    if (out.status == 0)
        assert_span(out.head.host, host);
    forget(&out);
    return out.status;
}

static void test_host_is_a_name_or_an_address_and_a_port(void **state)
{
    static const char *const places[][2] = {
        {"GET / HTTP/1.1\r\nHost: ", "\r\n\r\n"},
        {"GET http://", "/ HTTP/1.1\r\nHost: x\r\n\r\n"}};
    static const char *const good[] = {"a",
                                       "A-b_c.d~",
                                       "1.2.3.4:0",
                                       "a:",
                                       "a:65535",
                                       "[::1]",
                                       "[::ffff:1.2.3.4]:80",
                                       "[2001:DB8::a]:",
                                       "xn--bcher-kva.example:8080"};
    static const char *const bad[] = {
        ":80",        "a:b",      "a:b:c",     "a:80:80", "a:65536",
        "a:99999999", "a:000080", "a:+1",      "a:-1",    "::1",
        "[::1",       "[]",       "[:]",       "[::1]a",  "[::1]:x",
        "[::1]:1:2",  "[a]",      "[1.2.3.4]", "[v1.a]",  "[fe80::1%251]",
        "a[::1]",     "a]",       "a'b",       "a;b",     "a(b)",
        "a%41",       "a,b",      "a*",        "a!",      "a$&+="};
    static const char long_one[] =
        "[0:0:0:0:0:0000:0000:0000:0000:0000:0000:0000:0000]";
    (void)state;

    for (size_t place = 0; place < COUNT(places); place++) {
        for (size_t i = 0; i < COUNT(good); i++)
            assert_int_equal(status_of_host(places[place], good[i]), 0);
        for (size_t i = 0; i < COUNT(bad); i++) {
            if (status_of_host(places[place], bad[i]) != 400)
                print_error("%s\n", bad[i]);
            assert_int_equal(status_of_host(places[place], bad[i]), 400);
        }
    }
    assert_int_equal(status_of_host(places[0], long_one), 400);
}

#define GET "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

/* A constant, which SPAN() is not. */
#define TEXT(literal)                  \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }

static const struct {
    struct span text;
    int status;
} refused[] = {
    /* line ends */
    {TEXT("GET / HTTP/1.1\nHost: a\r\n\r\n"), 400},
    {TEXT("GET / HTTP/1.1\r\nHost: a\n\r\n"), 400},
    {TEXT("GET / HTTP/1.1\r\nHost: a\r\n\n"), 400},
    {TEXT("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {TEXT("\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {TEXT("\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"
          "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
     UV_EOF},
    {TEXT(GET "X: a\rb\r\n\r\n"), 400},
    {TEXT(GET "X: a\r\r\n\r\n"), 400},
    {TEXT(GET "X:\rTransfer-Encoding: chunked\r\n\r\n"), 400},
    {TEXT(GET "X: \r b\r\n\r\n"), 400},
    {TEXT(GET "X\rY: b\r\n\r\n"), 400},
    {TEXT(GET "\rX: b\r\n\r\n"), 400},
    {TEXT("GET /\r HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {TEXT(GET "Connection: \rclose\r\n\r\n"), 400},
    {TEXT(GET "Connection: close\x01\r\n\r\n"), 400},
    {TEXT(GET "Connection: close\0\r\n\r\n"), 400},
    {TEXT(GET "Upgrade: a\x7f\r\n\r\n"), 400},
    {TEXT("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {TEXT("GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {TEXT(POST "Content-Length: 1\x01\r\n\r\n"), 400},
    {TEXT(POST "Content-Length: 1\r0\r\n\r\n"), 400},
    {TEXT(POST "Transfer-Encoding: chunked\x01\r\n\r\n"), 400},
    {TEXT(GET "\r\r\n\r\n"), 400},
    {TEXT(GET "X: a\r\n b\r\n\r\n"), 400},
    {TEXT(GET "X: a\r\n\tb\r\n\r\n"), 400},
    {TEXT("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), 400},
    {TEXT(" GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    /* names and values */
    {TEXT(GET ": b\r\n\r\n"), 400},
    {TEXT(GET "X : b\r\n\r\n"), 400},
    {TEXT(GET "X\r\n\r\n"), 400},
    {TEXT(GET "X(: b\r\n\r\n"), 400},
    {TEXT(GET "X: a\0b\r\n\r\n"), 400},
    {TEXT(GET "X: a\x01\r\n\r\n"), 400},
    {TEXT(GET "X: a\x7f\r\n\r\n"), 400},
    {TEXT(GET "X\0: a\r\n\r\n"), 400},
    /* host */
    {TEXT("GET / HTTP/1.1\r\n\r\n"), 400},
    {TEXT("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 400},
    {TEXT(GET "Host: a\r\n\r\n"), 400},
    {TEXT("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n"), 400},
    {TEXT("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400},
    {TEXT("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"), 400},
    {TEXT("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400},
    /* request line */
    {TEXT("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {TEXT("GET /  HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {TEXT("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"), 400},
    {TEXT("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {TEXT("GET /\r\nHost: a\r\n\r\n"), 400},
    {TEXT("GET\r\nHost: a\r\n\r\n"), 400},
    {TEXT("GET / HTTP/1.1x\r\nHost: a\r\n\r\n"), 400},
    {TEXT("GET / http/1.1\r\nHost: a\r\n\r\n"), 400},
    {TEXT("GET / HTTP/11\r\nHost: a\r\n\r\n"), 400},
    {TEXT("GET / ICE/1.0\r\nHost: a\r\n\r\n"), 400},
    {TEXT("SETUP / RTSP/1.0\r\nHost: a\r\n\r\n"), 400},
    {TEXT("GET a HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {TEXT("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {TEXT("GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {TEXT("GET * HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {TEXT("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {TEXT("GET http://u@b/x HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {TEXT("GET ftp://b/x HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {TEXT("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505},
    {TEXT("GET / HTTP/0.9\r\nHost: a\r\n\r\n"), 505},
    {TEXT("GET / HTTP/1.2\r\nHost: a\r\n\r\n"), 505},
    {TEXT("PRI * HTTP/2.0\r\n\r\n"), 505},
    {TEXT("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"), 501},
    {TEXT("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"), 501},
    {TEXT("PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n"), 501},
    {TEXT("BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n"), 501},
    {TEXT("get / HTTP/1.1\r\nHost: a\r\n\r\n"), 501},
    {TEXT("G(T / HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    /* lengths and codings */
    {TEXT(POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"), 400},
    {TEXT(POST "Content-Length: 1, 1\r\n\r\n"), 400},
    {TEXT(POST "Content-Length: +1\r\n\r\n"), 400},
    {TEXT(POST "Content-Length: -1\r\n\r\n"), 400},
    {TEXT(POST "Content-Length: 0x1\r\n\r\n"), 400},
    {TEXT(POST "Content-Length: 1 1\r\n\r\n"), 400},
    {TEXT(POST "Content-Length:\r\n\r\n"), 400},
    {TEXT(POST "Content-Length: 99999999999999999999\r\n\r\n"), 400},
    {TEXT(POST "Content-Length: 1\r\n"
               "Transfer-Encoding: chunked\r\n\r\n"),
     400},
    {TEXT(POST "Transfer-Encoding: chunked\r\n"
               "Content-Length: 1\r\n\r\n"),
     400},
    {TEXT(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"), 400},
    {TEXT(POST "Transfer-Encoding: chunked, chunked\r\n\r\n"), 400},
    {TEXT(POST "Transfer-Encoding: chunked\r\n"
               "Transfer-Encoding: chunked\r\n\r\n"),
     400},
    {TEXT(POST "Transfer-Encoding: identity\r\n\r\n"), 400},
    {TEXT(POST "Transfer-Encoding: xchunked\r\n\r\n"), 400},
    {TEXT(POST "Transfer-Encoding:\r\n chunked\r\n\r\n"), 400},
    {TEXT(POST "Transfer-Encoding\r: chunked\r\n\r\n"), 400},
    {TEXT(POST "Transfer-Encoding : chunked\r\n\r\n"), 400},
    {TEXT("POST / HTTP/1.0\r\nHost: a\r\n"
          "Transfer-Encoding: chunked\r\n\r\n"),
     400},
    {TEXT(POST "Expect: 200-ok\r\n\r\n"), 417},
    {TEXT("\x16\x03\x01\x02\r\n\r\n"), 400},
};
static void test_head_that_could_mean_two_things_is_refused(void **state)
{
    (void)state;

    for (size_t i = 0; i < COUNT(refused); i++)
        for (size_t step = 1; step <= 4096; step *= 4096) {
            struct outcome out;
            parse(&out, refused[i].text.ptr, refused[i].text.len, step);
            if (out.status != refused[i].status)
                print_error("%s\n", refused[i].text.ptr);
            assert_int_equal(out.status, refused[i].status);
            forget(&out);
        }
}

/* Of bytes of that many letters behind text, then rest. */
static int status_of_long(const char *text, size_t letters, const char *rest,
                          size_t step)
{
    struct buf bytes;
    struct outcome out;

    buf_init(&bytes, MEM_APP);
    buf_append(&bytes, span_str(text));
    for (size_t i = 0; i < letters; i++)
        buf_append_char(&bytes, 'a');
    buf_append(&bytes, span_str(rest));
    parse(&out, bytes.ptr, bytes.len, step);
    buf_deinit(&bytes);
    forget(&out);
    return out.status;
}

static void test_head_has_limits(void **state)
{
    static const char end[] = "\r\n\r\n";
    (void)state;

    for (size_t step = 1; step <= 4096; step *= 4096) {
        /* the line: 64 with "GET /" and " HTTP/1.1", which are 14 */
        assert_int_equal(
            status_of_long("GET /", 50, " HTTP/1.1\r\nHost: a\r\n\r\n", step),
            0);
        assert_int_equal(
            status_of_long("GET /", 51, " HTTP/1.1\r\nHost: a\r\n\r\n", step),
            414);
        assert_int_equal(status_of_long("GET /", 61, "", step), 414);
        /* a header */
        assert_int_equal(status_of_long(GET "X: ", 61, end, step), 0);
        assert_int_equal(status_of_long(GET "X: ", 62, end, step), 431);
        assert_int_equal(status_of_long(GET "X: ", 63, "", step), 431);
        /* how many */
        assert_int_equal(status_of_long(GET "1: 1\r\n2: 2\r\n3: 3\r\n4: 4\r\n"
                                            "5: 5\r\n6: 6\r\n7: ",
                                        1, end, step),
                         0);
        assert_int_equal(status_of_long(GET "1: 1\r\n2: 2\r\n3: 3\r\n4: 4\r\n"
                                            "5: 5\r\n6: 6\r\n7: 7\r\n8: ",
                                        1, end, step),
                         431);
    }
}

static void test_head_as_a_whole_has_a_limit(void **state)
{
    static const struct http_limits small = {
        .max_line = 64, .max_header = 64, .max_head = 60, .max_headers = 8};
    static const char text[] = GET "X: aaaaaaaaaaaaaaaaaaaa\r\n"
                                   "Y: bbbbbbbbbbbbbb\r\n\r\n";
    (void)state;

    for (size_t step = 1; step <= 4096; step *= 4096) {
        struct http_scan scan = {0};
        int status = UV_EAGAIN;
        size_t length;
        for (size_t n = 0; n < sizeof(text) - 1 && status == UV_EAGAIN;) {
            n = sizeof(text) - 1 - n > step ? n + step : sizeof(text) - 1;
            status =
                http_scan_head(&scan, &small, (struct span){text, n}, &length);
        }
        assert_int_equal(status, 431);
    }
}

static void test_body_is_read_to_its_end_and_no_further(void **state)
{
    static const struct {
        const char *text, *body, *rest;
    } cases[] = {
        {POST "Content-Length: 3\r\n\r\nabcGET", "abc", "GET"},
        {POST "Content-Length: 0\r\n\r\nGET", "", "GET"},
        {POST "\r\nGET", "", "GET"},
        {CHUNKED "0\r\n\r\nGET", "", "GET"},
        {CHUNKED "3\r\nabc\r\n0\r\n\r\nGET", "abc", "GET"},
        {CHUNKED "0003\r\nabc\r\n2\r\nde\r\n000\r\n\r\n\r\n", "abcde", "\r\n"},
        {CHUNKED "a\r\n0123456789\r\nA\r\nABCDEFGHIJ\r\n0\r\n\r\n",
         "0123456789ABCDEFGHIJ", ""},
        {CHUNKED "3;a=\"b;c\";d\r\na\r\n\r\n0;x\r\n\r\n", "a\r\n", ""},
        {CHUNKED "1\r\na\r\n0\r\nX: y\r\nContent-Length: 9\r\n\r\nGET", "a",
         "GET"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t step = 1; step <= 4096; step *= 4096) {
            struct outcome out;
            parse(&out, cases[i].text, strlen(cases[i].text), step);
            assert_int_equal(out.status, 0);
            assert_true(out.done);
            assert_span(buf_span(&out.body), cases[i].body);
            assert_string_equal(cases[i].text + out.used, cases[i].rest);
            forget(&out);
        }
}

static void test_body_that_is_not_whole_wants_more(void **state)
{
    static const char *const cases[] = {
        POST "Content-Length: 4\r\n\r\nabc", CHUNKED "3",
        CHUNKED "3\r\nabc\r\n0\r\n",         CHUNKED "3\r\nabc\r\n0\r\n\r",
        CHUNKED "3\r\nabc\r\n0\r\nX: y\r\n", CHUNKED "fffffffffffff\r\na",
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t step = 1; step <= 4096; step *= 4096) {
            struct outcome out;
            parse(&out, cases[i], strlen(cases[i]), step);
            assert_int_equal(out.status, 0);
            assert_false(out.done);
            assert_int_equal(out.used, strlen(cases[i]));
            forget(&out);
        }
}

static void test_chunks_that_are_none_are_refused(void **state)
{
    const struct span cases[] = {
        SPAN(CHUNKED "\r\n"),
        SPAN(CHUNKED "x\r\n\r\n"),
        SPAN(CHUNKED " 3\r\nabc\r\n0\r\n\r\n"),
        SPAN(CHUNKED "3 \r\nabc\r\n0\r\n\r\n"),
        SPAN(CHUNKED "-3\r\nabc\r\n0\r\n\r\n"),
        SPAN(CHUNKED "0x3\r\nabc\r\n0\r\n\r\n"),
        SPAN(CHUNKED ";a\r\nabc\r\n0\r\n\r\n"),
        SPAN(CHUNKED "3\nabc\r\n0\r\n\r\n"),
        SPAN(CHUNKED "3\r\rabc\r\n0\r\n\r\n"),
        SPAN(CHUNKED "3\r\nabcXX0\r\n\r\n"),
        SPAN(CHUNKED "3\r\nabc\n0\r\n\r\n"),
        SPAN(CHUNKED "3\r\nabc\rX0\r\n\r\n"),
        SPAN(CHUNKED "3\r\nabcd\r\n0\r\n\r\n"),
        SPAN(CHUNKED "3;a\nb\r\nabc\r\n0\r\n\r\n"),
        SPAN(CHUNKED "3;a\0b\r\nabc\r\n0\r\n\r\n"),
        SPAN(CHUNKED "3;a\rb\r\nabc\r\n0\r\n\r\n"),
        SPAN(CHUNKED "0\r\n\n"),
        SPAN(CHUNKED "0\n\r\n"),
        SPAN(CHUNKED "0\r\n\rX"),
        SPAN(CHUNKED "0\r\nX: y\n\r\n"),
        SPAN(CHUNKED "0\r\nX: y\r\n z\r\n\r\n"),
        SPAN(CHUNKED "0\r\n: y\r\n\r\n"),
        SPAN(CHUNKED "0\r\nX : y\r\n\r\n"),
        SPAN(CHUNKED "0\r\nX\r\n\r\n"),
        SPAN(CHUNKED "0\r\nX: a\0b\r\n\r\n"),
        SPAN(CHUNKED "fffffffffffffff\r\n"),
        SPAN(CHUNKED "fffffffffffffffffffff\r\n"),
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t step = 1; step <= 4096; step *= 4096) {
            struct outcome out;
            parse(&out, cases[i].ptr, cases[i].len, step);
            if (out.status != 400)
                print_error("%s\n", cases[i].ptr);
            assert_int_equal(out.status, 400);
            forget(&out);
        }
}

static void test_chunks_have_only_so_much_beside_them(void **state)
{
    (void)state;

    for (size_t step = 1; step <= 4096; step *= 4096) {
        assert_int_equal(
            status_of_long(CHUNKED "1;", 16384, "\r\na\r\n0\r\n\r\n", step), 0);
        assert_int_equal(
            status_of_long(CHUNKED "1;", 16385, "\r\na\r\n0\r\n\r\n", step),
            400);
        assert_int_equal(
            status_of_long(CHUNKED "0\r\nx: ", 16384, "\r\n\r\n", step), 400);
        assert_int_equal(
            status_of_long(CHUNKED "0\r\n", 20000, ": y\r\n\r\n", step), 400);
    }
}

static void test_header_is_found_by_any_case_and_trimmed(void **state)
{
    static const char text[] = GET "X-A:  b c \t\r\nx-b:\r\nX-a: d\r\n\r\n";
    struct outcome out;
    struct span value;
    uint32_t index = 0;
    (void)state;

    parse(&out, text, strlen(text), 1);
    assert_span(http_header(&out.head, "x-a"), "b c");
    assert_non_null(http_header(&out.head, "X-B").ptr);
    assert_span(http_header(&out.head, "X-B"), "");
    assert_null(http_header(&out.head, "x-c").ptr);
    assert_true(http_header_next(&out.head, "x-A", &index, &value));
    assert_true(http_header_next(&out.head, "x-A", &index, &value));
    assert_span(value, "d");
    assert_false(http_header_next(&out.head, "x-A", &index, &value));
    forget(&out);
}

static void test_list_has_its_tokens(void **state)
{
    (void)state;

    assert_true(http_list_has(SPAN("a, Close ,b"), SPAN("close")));
    assert_false(http_list_has(SPAN("closed"), SPAN("close")));
    assert_false(http_list_has((struct span){NULL, 0}, SPAN("close")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_is_taken_apart),
        cmocka_unit_test(test_host_is_a_name_or_an_address_and_a_port),
        cmocka_unit_test(test_head_that_could_mean_two_things_is_refused),
        cmocka_unit_test(test_head_has_limits),
        cmocka_unit_test(test_head_as_a_whole_has_a_limit),
        cmocka_unit_test(test_body_is_read_to_its_end_and_no_further),
        cmocka_unit_test(test_body_that_is_not_whole_wants_more),
        cmocka_unit_test(test_chunks_that_are_none_are_refused),
        cmocka_unit_test(test_chunks_have_only_so_much_beside_them),
        cmocka_unit_test(test_header_is_found_by_any_case_and_trimmed),
        cmocka_unit_test(test_list_has_its_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
