/*
 * app.c - see app.h: options, and which role this process plays.
 *
 *   app_run -> configure -> app_worker     with a post from a master
 *                        -> run_single     --single
 *                        -> app_master     else
 */
#include "common/app.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/app_internal.h"
#include "common/clock.h"

#define OPTION(member) offsetof(struct app_options, member)

static const struct config_option option_table[] = {
    {"host", CONFIG_STRING, OPTION(host), "127.0.0.1", 1, 255,
     "address to listen on"},
    {"port", CONFIG_INTEGER, OPTION(port), NULL, 0, UINT16_MAX,
     "port for HTTP; 0 takes a free one"},
    {"redis", CONFIG_STRING, OPTION(redis), "redis://127.0.0.1:6379", 1, 1024,
     "redis://[user:pass@]host:port[/db], rediss://… or unix:///path"},
    {"redis-timeout", CONFIG_DURATION, OPTION(redis_timeout), "500ms", 1, 60000,
     "deadline of a command"},
    {"workers", CONFIG_INTEGER, OPTION(workers), "1", 0, APP_MAX_WORKERS,
     "processes that serve; 0: one per core"},
    {"single", CONFIG_BOOLEAN, OPTION(single), "no", 0, 0,
     "one process without a master, for a debugger"},
    {"data-dir", CONFIG_STRING, OPTION(data_dir), "var", 1, 1024,
     "directory for files"},
    {"node-id", CONFIG_STRING, OPTION(node_id), NULL, 1, 64,
     "name of this machine in logs and in the registry; else its host name"},
    {"public-url", CONFIG_STRING, OPTION(public_url), NULL, 8, 1024,
     "where clients reach the service: in links, and to know our own"},
    {"trusted-proxy", CONFIG_STRING, OPTION(trusted_proxy), NULL, 1, 4096,
     "addresses or CIDRs, comma-separated, whose X-Forwarded- headers count"},
    {"tls-port", CONFIG_INTEGER, OPTION(tls_port), "0", 0, UINT16_MAX,
     "port for HTTPS; 0: port + 300 when there is a certificate"},
    {"tls-cert", CONFIG_STRING, OPTION(tls_cert), NULL, 1, 1024,
     "PEM file with the certificate chain"},
    {"tls-key", CONFIG_STRING, OPTION(tls_key), NULL, 1, 1024,
     "PEM file with its key, readable by its owner only"},
    {"token-keys", CONFIG_STRING, OPTION(token_keys), NULL, 1, 1024,
     "JSON file with the keys of bearer tokens, readable by its owner only"},
    {"secrets", CONFIG_STRING, OPTION(secrets), NULL, 1, 1024,
     "JSON file with the service's secrets; else they are kept in Redis"},
    {"open", CONFIG_BOOLEAN, OPTION(open), "no", 0, 0,
     "a caller without a token may all but admin; on loopback only"},
    {"lab", CONFIG_BOOLEAN, OPTION(lab), "no", 0, 0,
     "offer the lab's experiments; with --open only"},
    {"cors-origin", CONFIG_STRING, OPTION(cors_origin), NULL, 1, 4096,
     "origins, comma-separated, whose pages may call"},
    {"max-body", CONFIG_BYTES, OPTION(max_body), "1M", 0, INT64_C(1) << 30,
     "largest request body"},
    {"max-connections", CONFIG_INTEGER, OPTION(max_connections), "10000", 0,
     10000000, "open connections of a worker; 0: no limit"},
    {"max-connections-per-address", CONFIG_INTEGER,
     OPTION(max_connections_per_address), "0", 0, 10000000,
     "the same, of one address; 0: no limit"},
    {"header-timeout", CONFIG_DURATION, OPTION(header_timeout), "10s", 1,
     3600000, "for a request's head to arrive"},
    {"body-timeout", CONFIG_DURATION, OPTION(body_timeout), "10s", 1, 3600000,
     "for its body to arrive"},
    {"idle-timeout", CONFIG_DURATION, OPTION(idle_timeout), "75s", 1, 86400000,
     "for the next request of a connection"},
    {"drain-timeout", CONFIG_DURATION, OPTION(drain_timeout), "5s", 100,
     3600000, "from SIGTERM to the end of the process"},
    {"write-rate", CONFIG_INTEGER, OPTION(write_rate), "200", 0, 1000000,
     "writes a second of a caller, twice as many at once; 0: no limit"},
    {"log-level", CONFIG_STRING, OPTION(log_level), "info", 4, 5,
     "debug, info, warn or error"},
    {"access-log", CONFIG_BOOLEAN, OPTION(access_log), "no", 0, 0,
     "a line for each request"},
    {"shed", CONFIG_BOOLEAN, OPTION(shed), "yes", 0, 0,
     "serve on when the loop falls behind, else answered 503 at once"},
    {"pipelining", CONFIG_BOOLEAN, OPTION(pipelining), "yes", 0, 0,
     "a write for each command to Redis, not one for a turn of the loop"},
#ifdef LAB_CRASH_POINTS
    {"crash-at", CONFIG_STRING, OPTION(crash_at), NULL, 1, 64,
     "test builds: kill the first worker that comes to this point"},
#endif
    {"help", CONFIG_BOOLEAN, OPTION(help), "no", 0, 0, "print this"},
    {"version", CONFIG_BOOLEAN, OPTION(version), "no", 0, 0,
     "print version and build id"},
    {0},
};

/* The table with the service's own defaults. */
struct option_tables {
    char port[8];
    struct config_option own[sizeof(option_table) / sizeof(option_table[0])];
    const struct config_option *tables[2];
    void *outs[2];
    size_t count;
};

static void fill_tables(struct option_tables *t, struct app *app)
{
    const struct app_service *service = app->service;

    *t = (struct option_tables){.count = service->options ? 2 : 1};
    memcpy(t->own, option_table, sizeof(option_table));
    snprintf(t->port, sizeof(t->port), "%u", service->port);
    for (size_t i = 0; t->own[i].name != NULL; i++) {
        if (t->own[i].offset == OPTION(port) &&
            t->own[i].kind == CONFIG_INTEGER)
            t->own[i].fallback = t->port;
        if (t->own[i].offset == OPTION(max_body) && service->max_body)
            t->own[i].fallback = service->max_body;
    }
    t->tables[0] = t->own;
    t->tables[1] = service->options;
    t->outs[0] = &app->options;
    t->outs[1] = service->config;
}

static void print_help(const struct app *app, const struct option_tables *t)
{
    printf("usage: %s [option …]\n\nEach option is also an environment "
           "variable: --max-body is MAX_BODY.\n\n",
           app->service->name);
    config_help(stdout, t->tables, t->count);
}

/* node: the machine; instance: node, pid and a random part. */
static void name_process(struct app *app)
{
    uint32_t random = 0;
    ssize_t n = getrandom(&random, sizeof(random), 0);

    assert(n == (ssize_t)sizeof(random));
    if (app->options.node_id != NULL)
        snprintf(app->node_id, sizeof(app->node_id), "%s",
                 app->options.node_id);
    else if (gethostname(app->node_id, sizeof(app->node_id) - 1) < 0)
        snprintf(app->node_id, sizeof(app->node_id), "node");
    snprintf(app->instance_id, sizeof(app->instance_id), "%s-%d-%08x",
             app->node_id, (int)getpid(), random);
}

/* -1: go on; else the exit status. */
static int configure(struct app *app, int argc, char **argv)
{
    char reason[APP_REASON_MAX] = "";
    struct option_tables t;
    int status = 0;

    fill_tables(&t, app);
    if (config_parse(t.tables, t.outs, t.count, argc, argv, reason,
                     sizeof(reason)) < 0)
        status = 2;
    else if (app->options.help)
        print_help(app, &t);
    else if (app->options.version)
        printf("%s %s (build %s)\n", app->service->name, app_version(),
               app_build_id());
    else {
        app->port = (uint16_t)app->options.port;
        if (app->service->extra_port)
            app->extra_port = (uint16_t)*app->service->extra_port;
        name_process(app);
        status = app_check(app, reason);
        if (status == 0)
            return -1;
    }
    if (status != 0)
        fprintf(stderr, "%s: %s\n", app->service->name, reason);
    return status;
}

static void start_logging(const struct app *app, int worker)
{
    enum log_level level = LOG_INFO;

    log_level_parse(span_str(app->options.log_level), &level);
    log_setup(level, app->service->name, app->node_id, worker);
}

/* As many connections as the system lets us have. */
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* argv[0] may be relative, and a later chdir or PATH would mislead. */
static void remember_exe(struct app *app)
{
    ssize_t n = readlink("/proc/self/exe", app->exe, sizeof(app->exe) - 1);

    app->exe[n > 0 ? n : 0] = '\0';
}

static int run_single(struct app *app)
{
    char reason[APP_REASON_MAX];
    struct app_post post = {.ready = -1, .metrics = metrics_make(2)};
    int status = 1;

    if (post.metrics < 0)
        fprintf(stderr, "%s: no memory file: %s\n", app->service->name,
                uv_strerror(post.metrics));
    else if (app_open_sockets(app, &post.sockets, 1, reason) < 0)
        fprintf(stderr, "%s: %s\n", app->service->name, reason);
    else {
        post.port = app->port;
        post.tls_port = app->tls_port;
        post.extra_port = app->extra_port;
        status = app_worker(app, &post);
    }
    if (post.metrics >= 0)
        close(post.metrics);
    return status;
}

static int play_role(struct app *app)
{
    struct app_post post;
    bool posted = app_post_take(&post);

    signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    start_logging(app, posted ? post.slot : app->options.single ? 0 : -1);
    if (posted)
        return app_worker(app, &post);
    return app->options.single ? run_single(app) : app_master(app);
}

int app_run(const struct app_service *service, int argc, char **argv)
{
    struct app *app = mem_zalloc(MEM_APP, sizeof(*app));
    int status;

    app->service = service;
    app->argv = argv;
    remember_exe(app);
    status = configure(app, argc, argv);
    if (status < 0)
        status = play_role(app);
    mem_free(app->trusted_proxies);
    mem_free(app->cors_origins);
    mem_free(app->public_url);
    mem_free(app);
    return status;
}

/* For services. */

struct stream_loop *app_loop(const struct app *app)
{
    return app->loop;
}

struct redis *app_redis(const struct app *app)
{
    return app->redis;
}

struct pubsub *app_pubsub(const struct app *app)
{
    return app->pubsub;
}

struct metrics *app_metrics(const struct app *app)
{
    return app->metrics;
}

const char *app_node_id(const struct app *app)
{
    return app->node_id;
}

const char *app_instance_id(const struct app *app)
{
    return app->instance_id;
}

struct nodes *app_nodes(const struct app *app)
{
    return app->nodes;
}

struct limiter *app_limiter(const struct app *app)
{
    return app->limiter;
}

struct limit_spec *app_write_limit(const struct app *app)
{
    return app->write_limit;
}

const char *app_public_url(const struct app *app)
{
    return app->public_url;
}

const char *app_data_dir(const struct app *app)
{
    return app->options.data_dir;
}

const void *app_config(const struct app *app)
{
    return app->service->config;
}

const char *app_host(const struct app *app)
{
    return app->options.host;
}

uint16_t app_tls_port(const struct app *app)
{
    return app->tls ? app->tls_port : 0;
}

uint16_t app_port(const struct app *app)
{
    return app->port;
}

size_t app_workers(const struct app *app)
{
    return app->nodes ? nodes_count(app->nodes) : 0;
}

int app_identify(const struct app *app, struct span token,
                 struct auth_identity *identity)
{
    return auth_identify(app->auth, (struct span){NULL, 0}, token,
                         clock_wall_ms() / 1000, identity);
}

int app_extra_socket(const struct app *app)
{
    return app->post.sockets.extra;
}

char *app_mint(const struct app *app, const struct token_claims *claims)
{
    return auth_mint(app->auth, claims);
}

bool app_is_open(const struct app *app)
{
    return app->options.open;
}

bool app_is_lab(const struct app *app)
{
    return app->options.lab;
}

void app_crash_point(const struct app *app, const char *name)
{
#ifdef LAB_CRASH_POINTS
    uint64_t *hits;

    if (app->options.crash_at == NULL ||
        strcmp(app->options.crash_at, name) != 0 ||
        metrics_sum(app->metrics, "crash_points_total", "") > 0)
        return;
    /* Outlives this process, so that its successor comes through. */
    hits = metrics_cell(app->metrics, METRICS_COUNTER, "crash_points_total", "",
                        "Crash points hit, in test builds.");
    metrics_add(hits, 1);
    raise(SIGKILL);
#else
    (void)app;
    (void)name;
#endif
}
