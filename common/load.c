/*
 * load.c - see load.h: options, preparation, idle connections, the whole run.
 *
 *   prepare -- warm-up, window, drain (load_window.c) -- report
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/load_internal.h"

#define EXCHANGE_BATCH 64

#define OPTION(member) offsetof(struct load_options, member)

static const struct config_option option_table[] = {
    {"url", CONFIG_STRING, OPTION(url), "http://127.0.0.1:8101", 8, 255,
     "http://host:port of the service"},
    {"profile", CONFIG_STRING, OPTION(profile), "", 0, 32,
     "which requests; see below"},
    {"connections", CONFIG_INTEGER, OPTION(connections), "64", 1,
     LOAD_MAX_CONNECTIONS, "connections that send"},
    {"pipeline", CONFIG_INTEGER, OPTION(pipeline), "1", 1, LOAD_MAX_PIPELINE,
     "requests that one connection has out"},
    {"rate", CONFIG_INTEGER, OPTION(rate), "0", 0, 10000000,
     "requests a second, on schedule; 0: a closed loop"},
    {"duration", CONFIG_DURATION, OPTION(duration_ms), "5s", 10, 3600000,
     "length of the window"},
    {"warmup", CONFIG_DURATION, OPTION(warmup_ms), "1s", 0, 600000,
     "left out before it"},
    {"requests", CONFIG_INTEGER, OPTION(requests), "0", 0, INT64_C(1) << 40,
     "end after so many; 0: by time alone"},
    {"idle", CONFIG_INTEGER, OPTION(idle), "0", 0, LOAD_MAX_CONNECTIONS,
     "keep-alive connections to hold beside, and weigh"},
    {"renew-every", CONFIG_INTEGER, OPTION(renew_every), "0", 0, 1000000,
     "a new connection for one request after so many others"},
    {"units", CONFIG_INTEGER, OPTION(units), "1000", 1, 100000000,
     "how many different things (links, keys) there are"},
    {"seed", CONFIG_INTEGER, OPTION(seed), "1", 0, INT64_MAX,
     "of what is sent"},
    {"token", CONFIG_STRING, OPTION(token), NULL, 1, 4096, "bearer token"},
    {"server-pid", CONFIG_STRING, OPTION(server_pid), NULL, 1, 128,
     "processes whose CPU and memory are measured, comma-separated"},
    {"redis-pid", CONFIG_STRING, OPTION(redis_pid), NULL, 1, 16,
     "Redis, measured apart"},
    {"json", CONFIG_STRING, OPTION(json), NULL, 1, 255,
     "file for the whole result"},
    {"prepare", CONFIG_BOOLEAN, OPTION(prepare), "true", 0, 0,
     "do not first make what the profile needs: a peer cannot"},
    {"find-knee", CONFIG_BOOLEAN, OPTION(find_knee), "false", 0, 0,
     "raise --rate until p99 passes --objective"},
    {"objective", CONFIG_DURATION, OPTION(objective_ms), "10ms", 1, 60000,
     "the p99 that --find-knee keeps"},
    {"workers-scan", CONFIG_STRING, OPTION(workers_scan), NULL, 1, 64,
     "start the service at --url with so many workers, one after another: "
     "1,2,4"},
    {"redis", CONFIG_STRING, OPTION(redis), NULL, 1, 255,
     "that --workers-scan gives to the service"},
    {0},
};

uint64_t load_seed(const struct load *load)
{
    return (uint64_t)load->options.seed;
}

uint64_t load_units(const struct load *load)
{
    return (uint64_t)load->options.units;
}

void **load_data(struct load *load)
{
    return &load->data;
}

void load_append(const struct load *load, struct buf *out, const char *method,
                 struct span path, struct span extra, struct span body)
{
    static const char browser[] =
        "\r\nConnection: keep-alive\r\n"
        "Cache-Control: max-age=0\r\n"
        "sec-ch-ua: \"Chromium\";v=\"120\", \"Not?A_Brand\";v=\"8\"\r\n"
        "sec-ch-ua-mobile: ?0\r\n"
        "Upgrade-Insecure-Requests: 1\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "
        "(KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36\r\n"
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;"
        "q=0.8\r\n"
        "Sec-Fetch-Site: none\r\n"
        "Sec-Fetch-Mode: navigate\r\n"
        "Accept-Encoding: gzip, deflate, br\r\n"
        "Accept-Language: en-US,en;q=0.9\r\n";

    buf_append(out, span_str(method));
    buf_append_char(out, ' ');
    buf_append(out, path);
    buf_append(out, SPAN(" HTTP/1.1\r\nHost: "));
    buf_append(out, span_str(load->authority));
    buf_append(out, span_str(browser));
    if (load->options.token) {
        buf_append(out, SPAN("Authorization: Bearer "));
        buf_append(out, span_str(load->options.token));
        buf_append(out, SPAN("\r\n"));
    }
    buf_append(out, extra);
    if (body.len)
        buf_printf(out, "Content-Length: %zu\r\n", body.len);
    buf_append(out, SPAN("\r\n"));
    buf_append(out, body);
}

int load_find_address(struct load *load)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    struct span url = span_str(load->options.url);
    char host[256];

    if (!span_has_prefix(url, SPAN("http://")))
        return UV_EINVAL;
    url = span_skip(url, 7);
    url.len = span_find(url, '/');
    size_t colon = span_find(url, ':');
    snprintf(load->authority, sizeof(load->authority), "%.*s", (int)url.len,
             url.ptr);
    snprintf(host, sizeof(host), "%.*s", (int)colon, url.ptr);
    char port[8] = "80";
    if (colon < url.len)
        snprintf(port, sizeof(port), "%.*s", (int)(url.len - colon - 1),
                 url.ptr + colon + 1);
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return UV_EAI_NONAME;
    memcpy(&load->address, found->ai_addr, found->ai_addrlen);
    load->address_len = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

int load_connect(const struct load *load)
{
    struct timeval limit = {.tv_sec = 30};
    int fd = load_socket(load, 0);
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (connect(fd, (const struct sockaddr *)&load->address,
                load->address_len) == 0)
        return fd;
    close(fd);
    return uv_translate_sys_error(errno);
}

/* count whole answers, the first of which is that of unit n. */
static int read_batch(int fd, uint64_t n, uint64_t count, load_answer_cb cb,
                      void *arg)
{
    struct buf in;
    struct load_answer answer;
    int64_t used = 0;
    int err = 0;

    buf_init(&in, MEM_LOAD);
    while (count > 0 && err == 0) {
        ssize_t len = recv(fd, buf_reserve(&in, LOAD_READ), LOAD_READ, 0);
        if (len <= 0) {
            err = UV_EPROTO;
            break;
        }
        buf_commit(&in, (size_t)len);
        while (count > 0 &&
               (used = load_parse(buf_span(&in), false, &answer)) > 0) {
            cb(arg, n++, &answer);
            buf_consume(&in, (size_t)used);
            count--;
        }
        err = used < 0 ? (int)used : 0;
    }
    buf_deinit(&in);
    return err;
}

int load_exchange(struct load *load, uint64_t count,
                  void (*request)(struct load *load, uint64_t n,
                                  struct buf *out),
                  load_answer_cb cb, void *arg)
{
    int fd = load_connect(load);
    int err = fd < 0 ? fd : 0;
    struct buf out;

    buf_init(&out, MEM_LOAD);
    for (uint64_t n = 0; n < count && err == 0;) {
        uint64_t batch =
            count - n < EXCHANGE_BATCH ? count - n : EXCHANGE_BATCH;
        out.len = 0;
        for (uint64_t i = 0; i < batch; i++)
            request(load, n + i, &out);
        if (send(fd, out.ptr, out.len, MSG_NOSIGNAL) != (ssize_t)out.len)
            err = UV_EPIPE;
        else
            err = read_batch(fd, n, batch, cb, arg);
        n += batch;
    }
    buf_deinit(&out);
    if (fd >= 0)
        close(fd);
    return err;
}

/* ---- idle connections */

/* Each has made one request, so that it is a keep-alive connection. */
static int hold_idle(struct load *load)
{
    size_t count = (size_t)load->options.idle;
    int64_t before = load_server_bytes(load);
    struct buf out;
    char answer[4096];

    if (!count)
        return 0;
    load->idle_fds = mem_zalloc(MEM_LOAD, count * sizeof(int));
    buf_init(&out, MEM_LOAD);
    load->profile->request(load, 0, &out);
    for (size_t i = 0; i < count; i++) {
        int fd = load_connect(load);
        if (fd < 0 ||
            send(fd, out.ptr, out.len, MSG_NOSIGNAL) != (ssize_t)out.len ||
            recv(fd, answer, sizeof(answer), 0) <= 0) {
            fprintf(stderr, "only %zu idle connections could be made\n", i);
            return UV_ECONNREFUSED;
        }
        load->idle_fds[i] = fd;
    }
    buf_deinit(&out);
    load->idle_bytes =
        (double)(load_server_bytes(load) - before) / (double)count;
    return 0;
}

static void release_idle(struct load *load)
{
    for (int64_t i = 0; load->idle_fds && i < load->options.idle; i++)
        if (load->idle_fds[i] > 0)
            close(load->idle_fds[i]);
    mem_free(load->idle_fds);
}

/* ---- the beginning */

static const struct load_profile *
find_profile(const struct load_profile *profiles, const char *name)
{
    for (const struct load_profile *p = profiles; p->name; p++)
        if (!*name || strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

static int print_help(const char *service, const struct load_profile *profiles)
{
    const struct config_option *const tables[] = {option_table};

    printf("%s-load: drive %s and measure it\n\n", service, service);
    config_help(stdout, tables, 1);
    printf("\nProfiles:\n");
    for (const struct load_profile *p = profiles; p->name; p++)
        printf("  %-12s %s\n", p->name, p->help);
    return 0;
}

int load_prepare(struct load *load)
{
    return load->options.prepare && load->profile->prepare
               ? load->profile->prepare(load)
               : 0;
}

/* One service, as it stands: 0 or UV_E*, and whether there were errors. */
static int run_one(struct load *load, FILE *json, int *status)
{
    int err = load_prepare(load);

    if (err == 0)
        err = hold_idle(load);
    if (err < 0)
        return err;
    if (load->options.find_knee)
        load_find_knee(load);
    else
        load_run_window(load);
    *status = load_report(load, json);
    return 0;
}

static int run(struct load *load)
{
    FILE *json = NULL;
    int status = 0;
    int err = load_find_address(load);

    if (err == 0)
        err = load_find_processes(load);
    if (err == 0 && load->options.json &&
        !(json = fopen(load->options.json, "we")))
        err = uv_translate_sys_error(errno);
    if (err == 0)
        err = load->options.workers_scan ? load_scan_workers(load, json)
                                         : run_one(load, json, &status);
    if (err < 0)
        fprintf(stderr, "%s-load: %s\n", load->service, uv_strerror(err));
    if (json)
        fclose(json);
    return err < 0 ? 1 : status;
}

void load_raise_file_limit(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int load_run(const char *service, const struct load_profile *profiles, int argc,
             char **argv)
{
    const struct config_option *const tables[] = {option_table};
    struct load *load = mem_zalloc(MEM_LOAD, sizeof(*load));
    void *const outs[] = {&load->options};
    char reason[256];
    int status = 2;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        mem_free(load);
        return print_help(service, profiles);
    }
    load->service = service;
    load_raise_file_limit();
    prctl(PR_SET_TIMERSLACK, 1000UL);
    if (config_parse(tables, outs, 1, argc, argv, reason, sizeof(reason)) < 0)
        fprintf(stderr, "%s-load: %s\n", service, reason);
    else if (!(load->profile = find_profile(profiles, load->options.profile)))
        fprintf(stderr, "%s-load: no such profile: %s\n", service,
                load->options.profile);
    else {
        load->conn_count = (size_t)load->options.connections;
        load->conns = mem_zalloc(MEM_LOAD, (load->conn_count + LOAD_EXTRA) *
                                               sizeof(load->conns[0]));
        load->epoll = epoll_create1(EPOLL_CLOEXEC);
        load->window.hist = hist_create();
        load->window.own_late = hist_create();
        status = run(load);
        release_idle(load);
        hist_destroy(load->window.hist);
        hist_destroy(load->window.own_late);
        mem_free(load->conns);
        close(load->epoll);
    }
    mem_free(load);
    return status;
}
