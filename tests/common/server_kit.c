/* server_kit.c - see server_kit.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/common/server_kit.h"

static void reply_text(struct request *req, const char *text)
{
    request_reply(req, 200, "text/plain", span_str(text));
}

static void now(struct request *req, void *arg)
{
    struct kit *kit = arg;

    if (kit->look)
        kit->look(req);
    reply_text(req, "now");
}

static void hold(struct request *req, void *arg)
{
    struct kit *kit = arg;

    assert_true(kit->held_count < KIT_HELD);
    kit->held[kit->held_count++] = req;
}

static void stream(struct request *req, void *arg)
{
    request_begin(req, 200, "text/plain");
    hold(req, arg);
}

static void release(struct request *req, void *arg)
{
    kit_answer(arg, 0, "released");
    reply_text(req, "done");
}

static void echo(struct request *req, void *arg)
{
    (void)arg;
    request_reply(req, 200, "text/plain", request_body(req));
}

static void bytes(struct request *req, void *arg)
{
    uint64_t count = 0;
    char *text;

    (void)arg;
    assert_true(span_to_u64(request_param(req, "n"), 100000000, &count));
    text = malloc(count + 1);
    memset(text, 'b', count);
    request_reply(req, 200, "text/plain", (struct span){text, count});
    free(text);
}

static const struct route own_routes[] = {
    {REQUEST_GET, "/now", NULL, now, 0},
    {REQUEST_GET, "/always", NULL, now, ROUTE_ALWAYS},
    {REQUEST_GET, "/later/{name}", NULL, hold, 0},
    {REQUEST_GET, "/release", NULL, release, 0},
    {REQUEST_GET, "/stream", NULL, stream, 0},
    {REQUEST_POST, "/echo", NULL, echo, 0},
    {REQUEST_GET, "/bytes/{n}", NULL, bytes, 0},
    {0},
};

int kit_setup(void **state)
{
    struct kit *kit = calloc(1, sizeof(*kit));

    assert_int_equal(uv_loop_init(&kit->uv), 0);
    kit->loop = stream_loop_open(&kit->uv);
    kit->metrics = metrics_open(metrics_make(1), false);
    assert_non_null(kit->metrics);
    for (int i = 0; i < KIT_CLIENTS; i++) {
        kit->clients[i] = -1;
        buf_init(&kit->got[i], MEM_APP);
    }
    kit->options = (struct server_options){
        .service = "kit",
        .arg = kit,
        .metrics = kit->metrics,
        .max_request_line = 256,
        .max_header = 256,
        .max_head = 1024,
        .max_headers = 16,
        .max_body = 64,
        .max_pipelined = 4,
        .header_timeout_ms = 60000,
        .body_timeout_ms = 60000,
        .idle_timeout_ms = 60000,
        .write_timeout_ms = 60000,
        .request_timeout_ms = 60000,
    };
    *state = kit;
    return 0;
}

static int bind_socket(int *port)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    uv_ip4_addr("127.0.0.1", 0, &address);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    getsockname(fd, (struct sockaddr *)&address, &len);
    *port = ntohs(address.sin_port);
    return fd;
}

void kit_start(struct kit *kit, const struct route *routes)
{
    kit->router = router_create(own_routes, routes);
    kit->options.router = kit->router;
    kit->server = server_open(kit->loop, &kit->options);
    assert_int_equal(server_listen(kit->server, bind_socket(&kit->port), NULL),
                     0);
}

int kit_client(struct kit *kit)
{
    struct sockaddr_in address;
    int i = 0;

    while (kit->clients[i] >= 0)
        i++;
    uv_ip4_addr("127.0.0.1", kit->port, &address);
    kit->clients[i] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(
        connect(kit->clients[i], (struct sockaddr *)&address, sizeof(address)),
        0);
    return i;
}

void kit_send(struct kit *kit, int client, const char *text)
{
    size_t len = strlen(text);

    assert_int_equal(send(kit->clients[client], text, len, MSG_NOSIGNAL), len);
}

void kit_shut(struct kit *kit, int client)
{
    shutdown(kit->clients[client], SHUT_WR);
}

void kit_leave(struct kit *kit, int client)
{
    close(kit->clients[client]);
    kit->clients[client] = -1;
}

void kit_reset(struct kit *kit, int client)
{
    struct linger linger = {.l_onoff = 1};

    setsockopt(kit->clients[client], SOL_SOCKET, SO_LINGER, &linger,
               sizeof(linger));
    kit_leave(kit, client);
}

static void receive(struct kit *kit, int client)
{
    ssize_t n = 1;

    while (n > 0) {
        char *at = buf_reserve(&kit->got[client], 65536);
        n = recv(kit->clients[client], at, 65536, MSG_DONTWAIT);
        if (n > 0)
            buf_commit(&kit->got[client], (size_t)n);
    }
    if (n == 0)
        kit->ended[client] = true;
    else if (errno != EAGAIN)
        kit->ended[client] = kit->reset[client] = true;
}

/* Wait for something to do; the loop's timers are looked at now and then. */
static void wait_for_bytes(struct kit *kit)
{
    struct pollfd fds[KIT_CLIENTS + 1] = {
        {.fd = uv_backend_fd(&kit->uv), .events = POLLIN}};
    nfds_t count = 1;

    for (int i = 0; i < KIT_CLIENTS; i++)
        if (kit->clients[i] >= 0 && !kit->ended[i])
            fds[count++] =
                (struct pollfd){.fd = kit->clients[i], .events = POLLIN};
    poll(fds, count, 1);
}

void kit_turn_loop(struct kit *kit)
{
    uv_run(&kit->uv, UV_RUN_NOWAIT);
}

void kit_turn(struct kit *kit)
{
    wait_for_bytes(kit);
    kit_turn_loop(kit);
    for (int i = 0; i < KIT_CLIENTS; i++)
        if (kit->clients[i] >= 0 && !kit->ended[i])
            receive(kit, i);
}

void kit_rest(struct kit *kit)
{
    for (int i = 0; i < 5; i++)
        kit_turn(kit);
}

const char *kit_got(struct kit *kit, int client)
{
    *buf_reserve(&kit->got[client], 1) = '\0';
    return kit->got[client].ptr;
}

bool kit_has(struct kit *kit, int client, const char *text)
{
    return strstr(kit_got(kit, client), text) != NULL;
}

size_t kit_count(struct kit *kit, int client, const char *text)
{
    const char *at = kit_got(kit, client);
    size_t count = 0;

    while ((at = strstr(at, text))) {
        count++;
        at += strlen(text);
    }
    return count;
}

void kit_forget(struct kit *kit, int client)
{
    kit->got[client].len = 0;
}

int kit_ask_begin(struct kit *kit, const char *target, const char *headers)
{
    int client = kit_client(kit);

    kit->ended[client] = false;
    kit_forget(kit, client);
    kit_send(kit, client, target);
    kit_send(kit, client, " HTTP/1.1\r\nHost: a.b:80\r\nConnection: close\r\n");
    kit_send(kit, client, headers);
    kit_send(kit, client, "\r\n");
    return client;
}

const char *kit_ask_end(struct kit *kit, int client)
{
    UNTIL(kit, kit->ended[client]);
    kit_leave(kit, client);
    return kit_got(kit, client);
}

const char *kit_ask(struct kit *kit, const char *target, const char *headers)
{
    return kit_ask_end(kit, kit_ask_begin(kit, target, headers));
}

void kit_sync(struct kit *kit, int client)
{
    kit_send(kit, client, "GET /now HTTP/1.1\r\nHost: a\r\n\r\n");
    UNTIL(kit, kit_has(kit, client, "\r\n\r\nnow"));
}

void kit_answer(struct kit *kit, size_t i, const char *text)
{
    struct request *req = kit->held[i];

    assert_true(i < kit->held_count && req);
    kit->held[i] = NULL;
    reply_text(req, text);
}

static void on_closed(void *arg)
{
    ((struct kit *)arg)->closed++;
}

int kit_teardown(void **state)
{
    struct kit *kit = *state;

    server_close(kit->server, on_closed, kit);
    for (size_t i = 0; i < kit->held_count; i++)
        if (kit->held[i])
            kit_answer(kit, i, "");
    UNTIL(kit, kit->closed);
    for (int i = 0; i < KIT_CLIENTS; i++) {
        if (kit->clients[i] >= 0)
            close(kit->clients[i]);
        buf_deinit(&kit->got[i]);
    }
    router_destroy(kit->router);
    metrics_close(kit->metrics);
    stream_loop_close(kit->loop);
    uv_run(&kit->uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&kit->uv), 0);
    assert_int_equal(kit->closed, 1);
    assert_int_equal(mem_live(MEM_CONN), 0);
    assert_int_equal(mem_live(MEM_REQUEST), 0);
    free(kit);
    return 0;
}
