/*
 * echo.c - a server for suites that test protocols from outside.
 *
 *   GET  /       a WebSocket that echoes, where one is asked for; else "ok"
 *   POST /echo   the body comes back
 *   GET  /state  what the sockets are, as JSON
 *
 *   echo --port N (0: a free one; it is printed), and OPTIONS below
 *
 * SIGTERM and SIGINT drain it; it exits 0 when its loop has closed and nothing
 * is left, which the sanitizers see.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/metrics.h"
#include "common/request.h"
#include "common/socket.h"

#define MIB (1u << 20)
#define DRAIN_MS 1000
#define REASON_MAX 256

struct echo {
    uv_loop_t uv;
    uv_signal_t signals[2];
    struct stream_loop *loop;
    struct metrics *metrics;
    struct router *router;
    struct server *server;
    struct stream_tls *tls; /* NULL: plain */
    struct socket_kind kind;
    uint64_t sockets, opens, closes, drains;
    unsigned last_code;
    bool ending;
};

struct settings {
    const char *subprotocol, *tls_cert, *tls_key;
    uint64_t port, max_message, max_kept, ping_ms, pong_ms, close_ms, text_only;
};

struct echoing {
    struct socket socket;
    struct echo *echo;
};

/* ---- Its sockets */

static struct echoing *of_socket(struct socket *socket)
{
    return LIST_ENTRY(socket, struct echoing, socket);
}

static void on_open(struct socket *socket)
{
    of_socket(socket)->echo->opens++;
}

static void on_message(struct socket *socket, enum ws_opcode opcode,
                       struct span bytes)
{
    if (socket_send(socket, opcode, bytes) == UV_ENOBUFS)
        socket_close(socket, SOCKET_CODE_LATE, SPAN("echoes are not read"));
}

static void on_drain(struct socket *socket)
{
    of_socket(socket)->echo->drains++;
}

static void on_close(struct socket *socket, unsigned code)
{
    struct echo *echo = of_socket(socket)->echo;

    echo->sockets--;
    echo->closes++;
    echo->last_code = code;
    mem_free(of_socket(socket));
}

static const struct socket_events socket_events = {.on_open = on_open,
                                                   .on_message = on_message,
                                                   .on_drain = on_drain,
                                                   .on_close = on_close};

static void accept_socket(struct request *req, struct echo *echo)
{
    struct echoing *echoing = mem_zalloc(MEM_CONN, sizeof(*echoing));

    echoing->echo = echo;
    echo->sockets++;
    if (socket_accept(req, &echoing->socket, &echo->kind))
        return;
    echo->sockets--;
    mem_free(echoing);
}

/* ---- Its routes */

static void handle_root(struct request *req, void *arg)
{
    if (request_header(req, "upgrade").ptr ||
        request_header(req, "sec-websocket-key").ptr)
        accept_socket(req, arg);
    else
        request_reply(req, 200, "text/plain", SPAN("ok\n"));
}

static void handle_echo(struct request *req, void *arg)
{
    struct span type = request_header(req, "content-type");
    char text[REASON_MAX];

    (void)arg;
    snprintf(text, sizeof(text), "%.*s", (int)type.len, type.ptr);
    request_reply(req, 200, type.len ? text : "application/octet-stream",
                  request_body(req));
}

static void handle_state(struct request *req, void *arg)
{
    const struct echo *echo = arg;
    struct buf json;

    buf_init(&json, MEM_REQUEST);
    buf_printf(&json,
               "{\"sockets\": %ju, \"opens\": %ju, \"closes\": %ju, "
               "\"drains\": %ju, \"last_code\": %u, \"conn_bytes\": %zu}",
               (uintmax_t)echo->sockets, (uintmax_t)echo->opens,
               (uintmax_t)echo->closes, (uintmax_t)echo->drains,
               echo->last_code, mem_live(MEM_CONN));
    request_reply_json(req, 200, buf_span(&json));
    buf_deinit(&json);
}

static const struct route routes[] = {
    {REQUEST_GET, "/", NULL, handle_root, ROUTE_ANY_QUERY},
    {REQUEST_POST, "/echo", NULL, handle_echo, 0},
    {REQUEST_GET, "/state", NULL, handle_state, 0},
    {0},
};

/* ---- Its end */

static void on_closed(void *arg)
{
    struct echo *echo = arg;

    router_destroy(echo->router);
    metrics_close(echo->metrics);
    if (echo->tls)
        stream_tls_unref(echo->tls);
    socket_kind_deinit(&echo->kind);
    stream_loop_close(echo->loop);
}

static void on_drained(void *arg)
{
    struct echo *echo = arg;

    server_close(echo->server, on_closed, echo);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct echo *echo = handle->data;

    (void)number;
    if (echo->ending)
        return;
    echo->ending = true;
    for (size_t i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&echo->signals[i], NULL);
    server_drain(echo->server, DRAIN_MS, 2 * DRAIN_MS, on_drained, echo);
}

/* ---- Its beginning */

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "echo: %s: %s\n", what, why);
    exit(1);
}

static uint64_t number_of(const char *name, const char *text)
{
    uint64_t number = 0;

    if (!span_to_u64(span_str(text), UINT32_MAX, &number))
        fail(name, "no number");
    return number;
}

static void read_option(struct settings *settings, const char *name,
                        const char *value)
{
    const struct {
        const char *name;
        uint64_t *number;
        const char **text;
    } options[] = {
        {"--port", &settings->port, NULL},
        {"--max-message", &settings->max_message, NULL},
        {"--max-kept", &settings->max_kept, NULL},
        {"--ping-ms", &settings->ping_ms, NULL},
        {"--pong-ms", &settings->pong_ms, NULL},
        {"--close-ms", &settings->close_ms, NULL},
        {"--text-only", &settings->text_only, NULL},
        {"--subprotocol", NULL, &settings->subprotocol},
        {"--tls-cert", NULL, &settings->tls_cert},
        {"--tls-key", NULL, &settings->tls_key},
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (strcmp(options[i].name, name) != 0)
            continue;
        if (options[i].number)
            *options[i].number = number_of(name, value);
        else
            *options[i].text = value;
        return;
    }
    fail(name, "no such option");
}

/* 64 KiB past what may come in one read: an echo is never refused. */
static struct settings read_settings(int argc, char **argv)
{
    struct settings settings = {.max_message = (uint64_t)16 * MIB,
                                .max_kept = (uint64_t)64 * MIB,
                                .ping_ms = 25000,
                                .pong_ms = 10000,
                                .close_ms = 5000};

    for (int i = 1; i < argc; i += 2) {
        if (!argv[i + 1])
            fail(argv[i], "a value is missing");
        read_option(&settings, argv[i], argv[i + 1]);
    }
    return settings;
}

static int listen_at(uint16_t *port)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    uv_ip4_addr("127.0.0.1", *port, &address);
    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&address, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        fail("port", "cannot bind");
    *port = ntohs(address.sin_port);
    return fd;
}

static struct server *open_server(struct echo *echo)
{
    const struct server_options options = {
        .service = "echo",
        .router = echo->router,
        .arg = echo,
        .metrics = echo->metrics,
        .max_request_line = 8192,
        .max_header = 8192,
        .max_head = 32768,
        .max_headers = 100,
        .max_body = MIB,
        .max_connections = 10000,
        .max_pipelined = 16,
        .header_timeout_ms = 10000,
        .body_timeout_ms = 10000,
        .idle_timeout_ms = 75000,
        .write_timeout_ms = 30000,
        .request_timeout_ms = 10000,
    };

    return server_open(echo->loop, &options);
}

static void open_tls(struct echo *echo, const struct settings *settings)
{
    char reason[REASON_MAX];

    if (!settings->tls_cert || !settings->tls_key)
        return;
    echo->tls = stream_tls_server(settings->tls_cert, settings->tls_key, reason,
                                  sizeof(reason));
    if (!echo->tls)
        fail("tls", reason);
}

static void open_echo(struct echo *echo, const struct settings *settings)
{
    const struct socket_options options = {
        .events = &socket_events,
        .subprotocol = settings->subprotocol,
        .max_message = settings->max_message,
        .max_kept = settings->max_kept,
        .ping_ms = (uint32_t)settings->ping_ms,
        .pong_ms = (uint32_t)settings->pong_ms,
        .close_ms = (uint32_t)settings->close_ms,
        .text_only = settings->text_only != 0};
    static const int numbers[] = {SIGTERM, SIGINT};

    uv_loop_init(&echo->uv);
    echo->loop = stream_loop_open(&echo->uv);
    open_tls(echo, settings);
    socket_kind_init(&echo->kind, echo->loop, &options);
    echo->metrics = metrics_open(metrics_make(1), false);
    echo->router = router_create(routes, NULL);
    echo->server = open_server(echo);
    for (size_t i = 0; i < 2; i++) {
        uv_signal_init(&echo->uv, &echo->signals[i]);
        echo->signals[i].data = echo;
        uv_signal_start(&echo->signals[i], on_signal, numbers[i]);
    }
}

int main(int argc, char **argv)
{
    struct settings settings = read_settings(argc, argv);
    uint16_t port = (uint16_t)settings.port;
    static struct echo echo;

    open_echo(&echo, &settings);
    if (server_listen(echo.server, listen_at(&port), echo.tls) < 0)
        fail("port", "cannot listen");
    printf("listening on 127.0.0.1:%u\n", port);
    fflush(stdout);
    uv_run(&echo.uv, UV_RUN_DEFAULT);
    if (uv_loop_close(&echo.uv) != 0 || echo.sockets ||
        mem_live(MEM_CONN) + mem_live(MEM_REQUEST))
        fail("end", "something is left");
    return 0;
}
