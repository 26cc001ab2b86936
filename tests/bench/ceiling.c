/*
 * ceiling.c - what this machine can do at all: libuv and llhttp, and a fixed
 * answer for every request: a redirect, or the rate limiter's "allowed".
 *
 *   ceiling --port N [--allowed]
 *
 * Each read is parsed whole; all that it asked for is answered by one write.
 */
#include <llhttp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define READ_MAX 65536
#define ANSWERS_MAX (READ_MAX / 16)
#define ANSWER_MAX 512

/* What every answer of a service has. */
#define COMMON                                   \
    "Date: Tue, 24 Nov 2026 12:00:00 GMT\r\n"    \
    "X-Request-Id: 0123456789abcdef00000000\r\n" \
    "traceparent: "                              \
    "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01\r\n"

static const char redirect[] = "HTTP/1.1 302 Found\r\n"
                               "Location: https://example.com/page/0\r\n"
                               "Cache-Control: private, no-store\r\n"
                               "Content-Length: 0\r\n" COMMON "\r\n";

static const char allowed[] =
    "HTTP/1.1 200 OK\r\n"
    "Content-Type: application/json\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Content-Length: 77\r\n" COMMON
    "RateLimit-Policy: \"load-strict\";q=1000000;w=1\r\n"
    "RateLimit: \"load-strict\";r=999999;t=1\r\n\r\n"
    "{\"allowed\":true,\"limit\":\"load-strict\",\"remaining\":999999,\"retry_"
    "after_ms\":0 }";

static const char *answer = redirect;
static size_t answer_len = sizeof(redirect) - 1;

struct conn {
    uv_tcp_t tcp;
    llhttp_t parser;
    size_t answers; /* of this read */
};

static char input[READ_MAX];
static char output[ANSWERS_MAX * ANSWER_MAX];
static llhttp_settings_t settings;

static int on_complete(llhttp_t *parser)
{
    struct conn *conn = parser->data;

    conn->answers++;
    return 0;
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    (void)handle, (void)size;
    *buf = uv_buf_init(input, sizeof(input));
}

static void on_close(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct conn *conn = stream->data;
    size_t len = answer_len;

    conn->answers = 0;
    if (nread < 0 ||
        llhttp_execute(&conn->parser, buf->base, (size_t)nread) != HPE_OK) {
        uv_close((uv_handle_t *)stream, on_close);
        return;
    }
    for (size_t i = 0; i < conn->answers && i < ANSWERS_MAX; i++)
        memcpy(output + i * len, answer, len);
    uv_buf_t out = uv_buf_init(output, (unsigned)(conn->answers * len));
    if (conn->answers && uv_try_write(stream, &out, 1) != (int)out.len)
        uv_close((uv_handle_t *)stream, on_close);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (status < 0 || !conn)
        abort();
    uv_tcp_init(listener->loop, &conn->tcp);
    conn->tcp.data = conn;
    llhttp_init(&conn->parser, HTTP_REQUEST, &settings);
    conn->parser.data = conn;
    uv_accept(listener, (uv_stream_t *)&conn->tcp);
    uv_tcp_nodelay(&conn->tcp, 1);
    uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
}

int main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    struct sockaddr_in address;
    uv_tcp_t listener;

    bool other = argc == 4 && strcmp(argv[3], "--allowed") == 0;
    if ((argc != 3 && !other) || strcmp(argv[1], "--port") != 0) {
        fprintf(stderr, "ceiling --port N [--allowed]\n");
        return 2;
    }
    if (other) {
        answer = allowed;
        answer_len = sizeof(allowed) - 1;
    }
    signal(SIGPIPE, SIG_IGN);
    settings.on_message_complete = on_complete;
    uv_ip4_addr("127.0.0.1", atoi(argv[2]), &address);
    uv_tcp_init(loop, &listener);
    if (uv_tcp_bind(&listener, (struct sockaddr *)&address, 0) < 0 ||
        uv_listen((uv_stream_t *)&listener, 4096, on_connection) < 0) {
        fprintf(stderr, "ceiling: cannot listen on port %s\n", argv[2]);
        return 1;
    }
    return uv_run(loop, UV_RUN_DEFAULT);
}
