/*
 * test_stream_connect.c - from a name to an open stream.
 *
 * getaddrinfo() is ours: a name stands for a list of addresses, and the name
 * "slow" waits until the test lets it go.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/common/stream_kit.h"

static uv_sem_t slow;

static const struct name {
    const char *name;
    const char *addresses[4]; /* "!": one that cannot be tried at all */
} names[] = {
    {"127.0.0.1", {"127.0.0.1"}},
    {"slow", {"127.0.0.1"}},
    {"second", {"127.0.0.2", "127.0.0.1"}},
    {"fourth", {"!", "127.0.0.2", "!", "127.0.0.1"}},
    {"none", {"127.0.0.2", "!", "127.0.0.3"}},
};

static struct addrinfo *make_address(const char *text, const char *port)
{
    struct addrinfo *info = calloc(1, sizeof(*info));
    struct sockaddr_in *address = calloc(1, sizeof(*address));

    address->sin_family = text[0] == '!' ? AF_UNIX : AF_INET;
    address->sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    inet_pton(AF_INET, text, &address->sin_addr);
    info->ai_family = AF_INET;
    info->ai_addr = (struct sockaddr *)address;
    return info;
}

int getaddrinfo(const char *name, const char *service,
                const struct addrinfo *hints, struct addrinfo **found)
{
    struct addrinfo **end = found;

    (void)hints;
    if (strcmp(name, "slow") == 0)
        uv_sem_wait(&slow);
    for (size_t i = 0; i < COUNT(names); i++) {
        if (strcmp(names[i].name, name) != 0)
            continue;
        for (size_t n = 0; n < 4 && names[i].addresses[n]; n++) {
            *end = make_address(names[i].addresses[n], service);
            end = &(*end)->ai_next;
        }
        return 0;
    }
    return EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *info)
{
    while (info) {
        struct addrinfo *next = info->ai_next;
        free(info->ai_addr);
        free(info);
        info = next;
    }
}

/* A port where connections are neither taken nor refused. */
struct hole {
    int listener, filler[8];
    uint16_t port;
};

static void open_hole(struct hole *hole, const char *ip, uint16_t port)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);

    uv_ip4_addr(ip, port, &address);
    hole->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(hole->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(hole->listener, 0), 0);
    getsockname(hole->listener, (struct sockaddr *)&address, &len);
    hole->port = ntohs(address.sin_port);
    for (size_t i = 0; i < COUNT(hole->filler); i++) {
        hole->filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(hole->filler[i], (struct sockaddr *)&address, len);
    }
}

static void close_hole(struct hole *hole)
{
    for (size_t i = 0; i < COUNT(hole->filler); i++)
        close(hole->filler[i]);
    close(hole->listener);
}

static void test_connect_tells_why_it_failed(void **state)
{
    static const struct {
        const char *host, *path;
        int err;
    } cases[] = {
        {"unknown", "", UV_EAI_NONAME},
        {"none", "", UV_ECONNREFUSED},
        {"second", "", UV_ECONNREFUSED},
        {"", "/tmp/no-such-folder/socket", UV_ENOENT},
    };
    struct kit *kit = *state;

    kit_stop_listening(kit);
    for (size_t i = 0; i < COUNT(cases); i++) {
        kit->host = cases[i].host;
        snprintf(kit->path, sizeof(kit->path), "%s", cases[i].path);
        kit_connect(kit);
        UNTIL(kit, kit->client.ends);
        assert_int_equal(kit->client.err, cases[i].err);
        assert_int_equal(kit->client.opens, 0);
        assert_int_equal(stream_write(kit->client.stream, SPAN("x")),
                         UV_ENOTCONN);
        kit_close(&kit->client);
        UNTIL(kit, kit->client.closes);
        kit->client = (struct peer){.got = kit->client.got};
    }
}

/* libuv alone would connect to the path's beginning. */
static void test_connect_refuses_a_path_too_long(void **state)
{
    struct kit *kit = *state;

    memset(kit->path, 'x', 108);
    kit_connect(kit);
    UNTIL(kit, kit->client.ends);
    assert_int_equal(kit->client.err, UV_ENAMETOOLONG);
}

static void test_connect_tries_each_address(void **state)
{
    static const char *const hosts[] = {"second", "fourth"};
    struct kit *kit = *state;

    for (size_t i = 0; i < COUNT(hosts); i++) {
        kit->host = hosts[i];
        kit_open(kit);
        assert_int_equal(kit->client.ends, 0);
        kit_close(&kit->client);
        UNTIL(kit, kit->client.closes && kit->server.ends);
        kit_close(&kit->server);
        UNTIL(kit, kit->server.closes);
        kit->client = (struct peer){.got = kit->client.got};
        kit->server = (struct peer){.got = kit->server.got};
    }
}

static void test_connect_gives_up_in_time(void **state)
{
    struct kit *kit = *state;
    struct hole hole;

    open_hole(&hole, "127.0.0.1", 0);
    kit->port = hole.port;
    kit->timeout_ms = 20;
    kit_connect(kit);
    UNTIL(kit, kit->client.ends);
    assert_int_equal(kit->client.err, UV_ETIMEDOUT);
    close_hole(&hole);
}

static void test_connect_gives_up_on_a_slow_name(void **state)
{
    struct kit *kit = *state;

    kit->host = "slow";
    kit->timeout_ms = 5;
    kit_connect(kit);
    UNTIL(kit, kit->client.ends);
    assert_int_equal(kit->client.err, UV_ETIMEDOUT);
    kit_close(&kit->client); /* does not wait for the name */
    UNTIL(kit, kit->client.closes);
    uv_sem_post(&slow);
}

static void test_connect_goes_past_an_address_that_is_silent(void **state)
{
    struct kit *kit = *state;
    struct hole hole;

    open_hole(&hole, "127.0.0.2", kit->port); /* the kit's is on 127.0.0.1 */
    kit->host = "second";
    kit->timeout_ms = 1000;
    kit_open(kit);
    close_hole(&hole);
}

enum moment { AT_ONCE, RESOLVING, CONNECTING, CONNECTED, MOMENTS };

static void reach(struct kit *kit, enum moment moment)
{
    if (moment == RESOLVING)
        kit->host = "slow";
    kit_connect(kit);
    if (moment == CONNECTING || moment == RESOLVING)
        for (int i = 0; i < 20; i++) /* the resolver thread, both ways */
            uv_run(&kit->uv, UV_RUN_NOWAIT);
    if (moment == CONNECTED)
        UNTIL(kit, kit->client.opens);
}

static void test_connect_may_be_closed_at_any_moment(void **state)
{
    struct kit *kit = *state;
    struct hole hole;
    uint16_t port = kit->port;

    open_hole(&hole, "127.0.0.1", 0);
    for (enum moment moment = AT_ONCE; moment < MOMENTS; moment++) {
        kit->host = "127.0.0.1";
        kit->port = moment == CONNECTING ? hole.port : port;
        reach(kit, moment);
        kit_close(&kit->client);
        UNTIL(kit, kit->client.closes);
        assert_int_equal(kit->client.ends, 0);
        if (moment == RESOLVING)
            uv_sem_post(&slow);
        kit->client = (struct peer){.got = kit->client.got};
    }
    close_hole(&hole);
}

static void test_connect_may_be_closed_when_it_failed(void **state)
{
    struct kit *kit = *state;

    kit->client.close_at = PEER_END;
    kit->host = "unknown";
    kit_connect(kit);
    UNTIL(kit, kit->client.closes);
    assert_int_equal(kit->client.err, UV_EAI_NONAME);
}

/* Two turns after each other at which the next address may be tried. */
static void test_connect_may_be_closed_between_addresses(void **state)
{
    struct kit *kit = *state;

    kit->host = "fourth";
    for (int turns = 0; turns < 12; turns++) {
        kit_connect(kit);
        for (int i = 0; i < turns; i++)
            uv_run(&kit->uv, UV_RUN_NOWAIT);
        kit_close(&kit->client);
        UNTIL(kit, kit->client.closes);
        if (kit->server.stream)
            kit_close(&kit->server);
        UNTIL(kit, !kit->server.stream);
        kit->client = (struct peer){.got = kit->client.got};
        kit->server = (struct peer){.got = kit->server.got};
    }
}

#define ON_TCP(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_TCP(test_connect_tells_why_it_failed),
        ON_TCP(test_connect_refuses_a_path_too_long),
        ON_TCP(test_connect_tries_each_address),
        ON_TCP(test_connect_gives_up_in_time),
        ON_TCP(test_connect_gives_up_on_a_slow_name),
        ON_TCP(test_connect_goes_past_an_address_that_is_silent),
        ON_TCP(test_connect_may_be_closed_at_any_moment),
        ON_TCP(test_connect_may_be_closed_when_it_failed),
        ON_TCP(test_connect_may_be_closed_between_addresses),
    };

    uv_sem_init(&slow, 0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    uv_sem_destroy(&slow);
    return failed;
}
