/*
 * app_listen.c - listening sockets, one per worker slot.
 *
 * All share host:port by SO_REUSEPORT, and listen from the start: connections
 * that come before a worker is up, or while it restarts, wait in the queue.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/app_internal.h"

/* Name to address: at start only, before there is a loop to hold up. */
static int resolve(const char *host, uint16_t port, struct addrinfo **out)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    char service[8];

    snprintf(service, sizeof(service), "%u", port);
    return getaddrinfo(host, service, &hints, out) == 0 ? 0 : UV_EADDRNOTAVAIL;
}

static int bind_socket(const struct addrinfo *at, int option)
{
    int on = 1;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        setsockopt(fd, SOL_SOCKET, option, &on, sizeof(on)) == 0 &&
        bind(fd, at->ai_addr, at->ai_addrlen) == 0)
        return fd;

    int err = uv_translate_sys_error(errno);

    if (fd >= 0)
        close(fd);
    return err;
}

static uint16_t *port_of(struct sockaddr *address)
{
    return address->sa_family == AF_INET6
               ? &((struct sockaddr_in6 *)(void *)address)->sin6_port
               : &((struct sockaddr_in *)(void *)address)->sin_port;
}

/* With SO_REUSEADDR only: refused where anybody listens, not by TIME_WAIT. */
static int probe(const struct addrinfo *at)
{
    int fd = bind_socket(at, SO_REUSEADDR);

    if (fd >= 0)
        close(fd);
    return fd < 0 ? fd : 0;
}

/* The first socket of port 0 chooses for all. */
static int keep_port(int fd, struct sockaddr *address)
{
    struct sockaddr_storage bound;
    socklen_t len = sizeof(bound);

    if (getsockname(fd, (struct sockaddr *)&bound, &len) < 0)
        return uv_translate_sys_error(errno);
    *port_of(address) = *port_of((struct sockaddr *)&bound);
    return 0;
}

static int open_one(const struct addrinfo *at, int *out)
{
    int fd = bind_socket(at, SO_REUSEPORT);
    int err = fd < 0 ? fd : keep_port(fd, at->ai_addr);

    if (err == 0 && listen(fd, SOMAXCONN) < 0)
        err = uv_translate_sys_error(errno);
    if (err < 0 && fd >= 0)
        close(fd);
    if (err == 0)
        *out = fd;
    return err;
}

int app_listen(const char *host, uint16_t *port, int *fds, size_t count)
{
    struct addrinfo *at;
    int err = resolve(host, *port, &at);
    size_t n = 0;

    if (err < 0)
        return err;
    err = probe(at);
    while (err == 0 && n < count) {
        err = open_one(at, &fds[n]);
        if (err == 0)
            n++;
    }
    if (err == 0)
        *port = ntohs(*port_of(at->ai_addr));
    else
        while (n > 0)
            close(fds[--n]);
    freeaddrinfo(at);
    return err;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;

        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    if (address->sa_family == AF_INET6) {
        const struct in6_addr *in =
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;

        return IN6_IS_ADDR_LOOPBACK(in) ||
               (IN6_IS_ADDR_V4MAPPED(in) && in->s6_addr[12] == 127);
    }
    return false;
}

int app_host_is_loopback(const char *host)
{
    struct addrinfo *at;
    int err = resolve(host, 0, &at);

    if (err < 0)
        return err;

    int answer = is_loopback(at->ai_addr); /* the one that app_listen() takes */

    freeaddrinfo(at);
    return answer;
}

static void close_all(struct app_sockets *sockets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int fds[] = {sockets[i].plain, sockets[i].tls, sockets[i].extra};
        for (size_t k = 0; k < sizeof(fds) / sizeof(fds[0]); k++)
            if (fds[k] >= 0)
                close(fds[k]);
    }
}

/* One of the ports, for each slot: member says where its socket goes. */
static int open_port(const struct app *app, uint16_t *port,
                     struct app_sockets *sockets, size_t count, size_t member,
                     char reason[APP_REASON_MAX])
{
    int fds[APP_MAX_WORKERS] = {0};
    uint16_t wanted = *port;
    int err = app_listen(app->options.host, port, fds, count);

    if (err < 0)
        snprintf(reason, APP_REASON_MAX, "cannot listen on %s port %u: %s",
                 app->options.host, wanted, uv_strerror(err));
    for (size_t i = 0; i < count && err == 0; i++)
        memcpy((char *)&sockets[i] + member, &fds[i], sizeof(fds[i]));
    return err;
}

int app_open_sockets(struct app *app, struct app_sockets *sockets, size_t count,
                     char reason[APP_REASON_MAX])
{
    for (size_t i = 0; i < count; i++)
        sockets[i] = (struct app_sockets){-1, -1, -1};
    int err = open_port(app, &app->port, sockets, count,
                        offsetof(struct app_sockets, plain), reason);
    if (err == 0 && app->options.tls_cert != NULL)
        err = open_port(app, &app->tls_port, sockets, count,
                        offsetof(struct app_sockets, tls), reason);
    if (err == 0 && app->service->extra_port != NULL)
        err = open_port(app, &app->extra_port, sockets, count,
                        offsetof(struct app_sockets, extra), reason);
    if (err < 0)
        close_all(sockets, count);
    return err;
}
