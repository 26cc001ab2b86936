/*
 * load.c - the notifier's load test: its options, its profiles, its report.
 *
 *   --serve PORT: no load test, but the bare loop to compare with
 */
#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <uv.h>

#include "common/config.h"
#include "notifier/load_hub.h"

#define SHARED(member) offsetof(struct load_options, member)
#define OWN(member) offsetof(struct hub_options, member)

static const struct config_option shared_options[] = {
    {"url", CONFIG_STRING, SHARED(url), "http://127.0.0.1:8103", 8, 255,
     "http://host:port of the service"},
    {"duration", CONFIG_DURATION, SHARED(duration_ms), "5s", 10, 3600000,
     "length of the window"},
    {"warmup", CONFIG_DURATION, SHARED(warmup_ms), "1s", 0, 600000,
     "left out before it"},
    {"token", CONFIG_STRING, SHARED(token), NULL, 1, 4096, "bearer token"},
    {"server-pid", CONFIG_STRING, SHARED(server_pid), NULL, 1, 128,
     "processes whose CPU and memory are measured, comma-separated"},
    {"redis-pid", CONFIG_STRING, SHARED(redis_pid), NULL, 1, 16,
     "Redis, measured apart"},
    {"json", CONFIG_STRING, SHARED(json), NULL, 1, 255,
     "file for the whole result"},
    {0},
};

static const struct config_option own_options[] = {
    {"profile", CONFIG_STRING, OWN(profile), "", 0, 32,
     "what to do; see below"},
    {"face", CONFIG_STRING, OWN(face), "mercure", 1, 16,
     "whose URLs and bodies: mercure, or nchan (/pub and /sub)"},
    {"subscribers", CONFIG_INTEGER, OWN(subscribers), "1000", 1,
     LOAD_MAX_CONNECTIONS, "event streams"},
    {"topics", CONFIG_INTEGER, OWN(topics), "0", 0, LOAD_MAX_CONNECTIONS,
     "that they are spread over; 0: as the profile says"},
    {"publishers", CONFIG_INTEGER, OWN(publishers), "0", 0, HUB_PUBLISHERS_MAX,
     "connections that publish; 0: as the profile says"},
    {"pipeline", CONFIG_INTEGER, OWN(pipeline), "16", 1, HUB_BURST_MAX,
     "publications that each holds out, where it is held busy"},
    {"burst", CONFIG_INTEGER, OWN(burst), "1", 1, HUB_BURST_MAX,
     "messages of one topic in one write"},
    {"rate", CONFIG_INTEGER, OWN(rate), "0", 0, 100000,
     "bursts a second, on schedule; 0: as the profile says, or a closed loop"},
    {"size", CONFIG_INTEGER, OWN(size), "130", HUB_SIZE_MIN, HUB_SIZE_MAX,
     "bytes of a message"},
    {"messages", CONFIG_INTEGER, OWN(messages), "0", 0, 100000000,
     "end after so many; 0: by time alone"},
    {"missed", CONFIG_INTEGER, OWN(missed), "10", 1, 1000,
     "messages of each topic that a storm's subscribers missed"},
    {"resume-rate", CONFIG_INTEGER, OWN(resume_rate), "0", 0, 100000,
     "subscribers a second that leave and come back; 0: as the profile says"},
    {"away", CONFIG_DURATION, OWN(away_ms), "200ms", 0, 60000,
     "for so long each of them misses what is published"},
    {"slow", CONFIG_INTEGER, OWN(slow), "0", 0, 1000,
     "more subscribers of the first topic, who never read"},
    {"slow-for", CONFIG_DURATION, OWN(slow_ms), "1s", 0, 3600000,
     "they are followed by others after so long; 0: they stay"},
    {"stall", CONFIG_DURATION, OWN(stall_ms), "10s", 10, 600000,
     "after which without a delivery no more are waited for"},
    {"opening", CONFIG_INTEGER, OWN(opening), "256", 1, 4096,
     "subscribers that are on their way at a time"},
    {"websocket", CONFIG_BOOLEAN, OWN(websocket), "false", 0, 0,
     "idle ones are WebSockets"},
    {"tls", CONFIG_BOOLEAN, OWN(tls), "false", 0, 0,
     "idle ones are over TLS; the URL's port is that of TLS"},
    {"serve", CONFIG_INTEGER, OWN(serve), "0", 0, 65535,
     "be the bare loop on this port instead"},
    {0},
};

static const struct hub_profile profiles[] = {
    {"fanout", "bursts to topics, each delivered to all before the next",
     .topics = 1, .publishers = 1, .run = hub_run_window},
    {"topics", "publishers held busy, a topic for each subscriber",
     .publishers = 4, .pipelines = true, .run = hub_run_window},
    {"resume", "bursts on schedule while subscribers leave and come back",
     .topics = 1, .publishers = 1, .rate = 50, .resume_rate = 100,
     .run = hub_run_window},
    {"slow", "bursts on schedule beside a subscriber that never reads",
     .topics = 1, .publishers = 1, .rate = 50, .slow = 1,
     .run = hub_run_window},
    {"storm", "all leave, miss messages, and come back at once", .topics = 1,
     .publishers = 1, .run = hub_run_storm},
    {"idle", "subscribers to whom nothing is published", .topics = 1,
     .publishers = 1, .run = hub_run_idle},
    {0},
};

/* ---- the report */

static uint64_t put_errors(struct json_writer *w, const struct hub *hub)
{
    static const char *const names[] = {
        "refused", "reset", "wrong", "timeout", "lost", "twice", "disorder"};
    uint64_t total = 0;

    json_put_key(w, "errors");
    json_put_open(w, '{');
    for (size_t i = 0; i < HUB_ERRORS; i++) {
        load_put_int(w, names[i], hub->errors[i]);
        total += hub->errors[i];
    }
    json_put_close(w, '}');
    return total;
}

static void put_setting(struct json_writer *w, const struct hub *hub)
{
    const struct hub_options *options = &hub->options;

    json_put_key(w, "profile");
    json_put_string(w, span_str(hub->profile->name));
    json_put_key(w, "model");
    json_put_string(w, options->rate ? SPAN("open") : SPAN("closed"));
    load_put_int(w, "rate", (uint64_t)options->rate);
    load_put_int(w, "subscribers", hub->count);
    load_put_int(w, "topics", hub->topic_count);
    load_put_int(w, "burst", (uint64_t)options->burst);
    load_put_int(w, "size", (uint64_t)options->size);
    load_put_int(w, "slow", (uint64_t)options->slow);
}

static double each_of(const struct hub *hub)
{
    return 1e6 / (double)(hub->in_window ? hub->in_window : 1);
}

static double redis_cpu(const struct hub *hub)
{
    return hub->load->redis.after - hub->load->redis.before;
}

/* It had no time left, while the server had. */
static bool is_inconclusive(const struct hub *hub)
{
    return hub->own_after - hub->own_before > 0.97 * hub->seconds &&
           load_server_cpu(hub->load) < 0.9 * hub->seconds;
}

static void put_cost(struct json_writer *w, const struct hub *hub)
{
    load_put_real(w, "own_cpu_us",
                  (hub->own_after - hub->own_before) * each_of(hub));
    if (hub->load->server_count) {
        load_put_real(w, "server_cpu_us",
                      load_server_cpu(hub->load) * each_of(hub));
        load_put_real(w, "idle_connection_bytes",
                      (double)(hub->bytes_open - hub->bytes_before) /
                          (double)hub->count);
        load_put_real(w, "grown_bytes",
                      (double)(hub->bytes_most - hub->bytes_from));
    }
    if (hub->load->redis.pid)
        load_put_real(w, "redis_cpu_us", redis_cpu(hub) * each_of(hub));
}

static uint64_t put_report(struct json_writer *w, const struct hub *hub)
{
    json_put_open(w, '{');
    put_setting(w, hub);
    load_put_real(w, "seconds", hub->seconds);
    load_put_int(w, "messages", hub->messages);
    load_put_int(w, "due", hub->due);
    load_put_int(w, "delivered", hub->received);
    load_put_int(w, "requests", hub->done);
    load_put_int(w, "answers", hub->in_window);
    load_put_real(w, "requests_per_s", (double)hub->in_window / hub->seconds);
    load_put_real(w, "publishes_per_s",
                  (double)hub->answered_in_window / hub->seconds);
    load_put_int(w, "resumed", hub->resumed);
    load_put_int(w, "caught_up", hub->caught_up);
    load_put_hist(w, "latency_us", hub->hist);
    uint64_t errors = put_errors(w, hub);
    if (hub->wrong_status)
        load_put_int(w, "wrong_status", (uint64_t)hub->wrong_status);
    put_cost(w, hub);
    json_put_key(w, "inconclusive");
    json_put_bool(w, is_inconclusive(hub));
    json_put_close(w, '}');
    return errors;
}

static void print_human(const struct hub *hub)
{
    fprintf(stderr,
            "notifier %s, %zu subscribers: %.0f deliveries/s, %.0f "
            "publications/s in %.2f s, p50 %" PRIu64 " p99 %" PRIu64
            " max %" PRIu64 " us\n",
            hub->profile->name, hub->count,
            (double)hub->in_window / hub->seconds,
            (double)hub->answered_in_window / hub->seconds, hub->seconds,
            hist_quantile(hub->hist, 0.5), hist_quantile(hub->hist, 0.99),
            hist_max(hub->hist));
    fprintf(stderr, "CPU us a delivery: own %.3f",
            (hub->own_after - hub->own_before) * each_of(hub));
    if (hub->load->server_count)
        fprintf(stderr, ", server %.3f",
                load_server_cpu(hub->load) * each_of(hub));
    if (hub->load->redis.pid)
        fprintf(stderr, ", Redis %.3f", redis_cpu(hub) * each_of(hub));
    if (hub->load->server_count)
        fprintf(stderr, "; %.0f bytes a subscriber, %" PRId64 " more then",
                (double)(hub->bytes_open - hub->bytes_before) /
                    (double)hub->count,
                hub->bytes_most - hub->bytes_from);
    fprintf(stderr, "\n");
    if (is_inconclusive(hub))
        fprintf(stderr, "inconclusive: the generator was the bottleneck\n");
}

static int report(const struct hub *hub, FILE *json)
{
    struct buf text;
    struct json_writer w = {.out = &text};

    buf_init(&text, MEM_LOAD);
    uint64_t errors = put_report(&w, hub);
    if (json)
        fprintf(json, "%.*s\n", (int)text.len, text.ptr);
    print_human(hub);
    if (errors)
        fprintf(stderr, "errors: %.*s\n", (int)text.len, text.ptr);
    buf_deinit(&text);
    return errors ? 1 : 0;
}

/* ---- the run */

static int64_t option_or(int64_t option, int64_t otherwise)
{
    return option ? option : otherwise;
}

static void take_defaults(struct hub *hub)
{
    struct hub_options *o = &hub->options;
    const struct hub_profile *p = hub->profile;

    o->topics = option_or(option_or(o->topics, p->topics), o->subscribers);
    if (o->topics > o->subscribers)
        o->topics = o->subscribers;
    o->publishers = option_or(o->publishers, p->publishers);
    if (o->publishers > o->topics)
        o->publishers = o->topics;
    o->rate = option_or(o->rate, p->rate);
    o->slow = option_or(o->slow, p->slow);
    o->resume_rate = option_or(o->resume_rate, p->resume_rate);
}

static void make_parts(struct hub *hub)
{
    hub->count = (size_t)hub->options.subscribers;
    hub->topic_count = (uint32_t)hub->options.topics;
    hub->publisher_count = (size_t)hub->options.publishers;
    hub->epoll = epoll_create1(EPOLL_CLOEXEC);
    hub->hist = hist_create();
    hub->subscribers =
        mem_zalloc(MEM_LOAD, hub->count * sizeof(hub->subscribers[0]));
    for (size_t i = 0; i < hub->count; i++)
        hub->subscribers[i] = (struct hub_subscriber){
            .fd = -1, .topic = (uint32_t)(i % hub->topic_count)};
    hub->publishers =
        mem_zalloc(MEM_LOAD, hub->publisher_count * sizeof(hub->publishers[0]));
    for (size_t i = 0; i < hub->publisher_count; i++)
        hub->publishers[i].fd = -1;
    hub->published = mem_zalloc(MEM_LOAD, hub->topic_count * sizeof(uint64_t));
    hub->due_us = mem_zalloc(MEM_LOAD, HUB_DUE_KEPT * sizeof(uint64_t));
    hub->away = mem_zalloc(MEM_LOAD, hub->count * sizeof(hub->away[0]));
    hub->slow_fds =
        mem_zalloc(MEM_LOAD, ((size_t)hub->options.slow + 1) * sizeof(int));
    hub->message = mem_alloc(MEM_LOAD, (size_t)hub->options.size);
    memset(hub->message, 'x', (size_t)hub->options.size);
    hub->message[HUB_NUMBER_LEN] = '-';
}

static void drop_parts(struct hub *hub)
{
    for (size_t i = 0; i < hub->count; i++) {
        if (hub->subscribers[i].fd >= 0)
            close(hub->subscribers[i].fd);
        hub_subscriber_deinit(&hub->subscribers[i]);
    }
    for (size_t i = 0; i < hub->publisher_count; i++)
        hub_publisher_close(&hub->publishers[i]);
    for (int64_t i = 0; i < hub->options.slow; i++)
        if (hub->slow_fds[i] > 0)
            close(hub->slow_fds[i]);
    mem_free(hub->subscribers);
    mem_free(hub->publishers);
    mem_free(hub->published);
    mem_free(hub->due_us);
    mem_free(hub->away);
    mem_free(hub->slow_fds);
    mem_free(hub->message);
    hist_destroy(hub->hist);
    close(hub->epoll);
}

static int run(struct hub *hub)
{
    const char *path = hub->load->options.json;
    FILE *json = NULL;
    int err = load_find_address(hub->load);

    if (err == 0)
        err = load_find_processes(hub->load);
    for (size_t i = 0; err == 0 && i < hub->publisher_count; i++)
        err = hub_publisher_open(hub, i);
    if (err == 0 && path && !(json = fopen(path, "we")))
        err = UV_EACCES;
    if (err == 0)
        err = hub->profile->run(hub);
    int status = err == 0 ? report(hub, json) : 1;
    if (err < 0)
        fprintf(stderr, "notifier-load: %s\n", uv_strerror(err));
    if (json)
        fclose(json);
    return status;
}

static const struct hub_profile *find_profile(const char *name)
{
    for (const struct hub_profile *p = profiles; p->name; p++)
        if (!*name || strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

static int print_help(const struct config_option *const tables[])
{
    printf("notifier-load: drive notifier and measure it\n\n");
    config_help(stdout, tables, 2);
    printf("\nProfiles:\n");
    for (const struct hub_profile *p = profiles; p->name; p++)
        printf("  %-12s %s\n", p->name, p->help);
    return 0;
}

static int serve(uint16_t port)
{
    int err = hub_serve_bare(port);

    fprintf(stderr, "notifier-load: port %u: %s\n", port, uv_strerror(err));
    return 1;
}

static int start(struct hub *hub)
{
    const char *face = hub->options.face;

    load_raise_file_limit();
    prctl(PR_SET_TIMERSLACK, 1000UL);
    if (hub->options.serve)
        return serve((uint16_t)hub->options.serve);
    hub->is_nchan = strcmp(face, "nchan") == 0;
    hub->profile = find_profile(hub->options.profile);
    if (!hub->profile || (!hub->is_nchan && strcmp(face, "mercure") != 0)) {
        fprintf(stderr, "notifier-load: no such %s: %s\n",
                hub->profile ? "face" : "profile",
                hub->profile ? face : hub->options.profile);
        return 2;
    }
    take_defaults(hub);
    make_parts(hub);
    int status = run(hub);
    drop_parts(hub);
    return status;
}

int main(int argc, char **argv)
{
    const struct config_option *const tables[] = {shared_options, own_options};
    struct load *load = mem_zalloc(MEM_LOAD, sizeof(*load));
    struct hub *hub = mem_zalloc(MEM_LOAD, sizeof(*hub));
    void *const outs[] = {&load->options, &hub->options};
    char reason[256];
    int status = 2;

    hub->load = load;
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        status = print_help(tables);
    else if (config_parse(tables, outs, 2, argc, argv, reason, sizeof(reason)) <
             0)
        fprintf(stderr, "notifier-load: %s\n", reason);
    else
        status = start(hub);
    mem_free(hub);
    mem_free(load);
    return status;
}
