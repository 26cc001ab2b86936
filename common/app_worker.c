/*
 * app_worker.c - one loop that serves: a worker, or --single.
 *
 *   app_worker -> load files -> open parts -> on_shared or grace: listen
 *   SIGTERM -> server_drain -> service drain -> close server, pubsub
 *           -> on_part_closed, all of them -> close service, loop ends
 *
 * Connections are accepted once Redis has told what is shared, or GRACE_MS
 * later without it (not ready, and saying so): the kernel queues them till
 * then.  A drain that does not end in time is cut short by on_drain_limit().
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/app_internal.h"
#include "common/clock.h"

#define GRACE_MS 1000
#define ROLLING_GRACE_MS 2000 /* an older worker serves meanwhile */
#define TICK_MS 1000
#define EXAMINE_TICKS 3 /* between two looks at how Redis is set up */
#define DEAF_TICKS 3    /* without the second link: worth a line */
#define SHED_LAG_US 100000
#define SHED_INFLIGHT 10000
#define SHED_MEMORY ((size_t)512 << 20)
#define REDIS_MAX_PENDING 65536
#define REDIS_MAX_BYTES ((size_t)64 << 20)
#define REQUEST_TIMEOUT_MS 15000
#define WRITE_TIMEOUT_MS 30000
#define WRITERS_MAX 16384 /* callers whose limit a worker knows at once */

static void on_server_drained(void *arg);
static void on_left(void *arg);
static void on_flushed(void *arg);
static void on_helped(void *arg);
static void on_given_back(void *arg);
static void close_parts(struct app *app);
static void on_part_closed(void *arg);

/* Accepting. */

static void listen_on(struct app *app, int fd, struct stream_tls *tls)
{
    int err = server_listen(app->server, fd, tls);

    if (err == 0)
        return;
    log_write(LOG_ERROR, "cannot listen", LOG_STR("reason", uv_strerror(err)));
    _exit(1); /* the master counts it as a crash, or keeps the old worker */
}

static void listen_on_all(struct app *app)
{
    listen_on(app, app->post.sockets.plain, NULL);
    if (app->tls != NULL)
        listen_on(app, app->post.sockets.tls, app->tls);
    log_write(LOG_INFO, "accepting", LOG_NUMBER("port", app->port),
              LOG_NUMBER("tls_port", app->tls != NULL ? app->tls_port : 0),
              LOG_NUMBER("pid", getpid()), LOG_STR("build", app_build_id()));
}

static void start_listening(struct app *app)
{
    if (app->listening || app->draining)
        return;
    app->listening = true;
    wheel_stop(stream_loop_wheel(app->loop), &app->listen_grace);
    if (app->serves)
        listen_on_all(app);
    if (app->post.ready < 0)
        return;
    while (write(app->post.ready, "r", 1) < 0 && errno == EINTR)
        ;
    close(app->post.ready);
    app->post.ready = -1;
}

static void on_listen_grace(struct wheel_timer *timer)
{
    start_listening(LIST_ENTRY(timer, struct app, listen_grace));
}

static void tell_secrets(struct app *app)
{
    const char *name = app->service->token_secret;

    if (app->secrets_told || !app->secrets_known)
        return;
    app->secrets_told = true;
    if (name != NULL && app->options.token_keys == NULL)
        auth_set_keys(app->auth,
                      token_keys_of(app_secret(app, name), APP_SECRET_LEN));
    if (app->service->on_secrets != NULL && app->serves)
        app->service->on_secrets(app->state);
}

void app_on_shared(struct app *app)
{
    app->shared = APP_SHARED_READY;
    tell_secrets(app);
    start_listening(app);
}

/* Reload, of --single: workers are replaced instead. */

static void reload_keys(struct app *app)
{
    char reason[APP_REASON_MAX];
    struct token_keys *keys =
        token_keys_load(app->options.token_keys, reason, sizeof(reason));

    if (keys != NULL)
        auth_set_keys(app->auth, keys);
    else
        log_write(LOG_ERROR, "token keys kept", LOG_STR("reason", reason));
}

static void reload_tls(struct app *app)
{
    char reason[APP_REASON_MAX];
    struct stream_tls *tls = app_load_tls(app, reason);

    if (tls == NULL) {
        log_write(LOG_ERROR, "certificate kept", LOG_STR("reason", reason));
        return;
    }
    server_set_tls(app->server, tls);
    stream_tls_unref(app->tls);
    app->tls = tls;
}

static void on_hangup(uv_signal_t *handle, int signo)
{
    struct app *app = handle->data;

    if (app->draining)
        return;
    log_write(LOG_INFO, "reload", LOG_NUMBER("signal", signo));
    if (app->options.token_keys != NULL)
        reload_keys(app);
    if (app->tls != NULL)
        reload_tls(app);
}

/* The end. */

static void on_drain_limit(struct wheel_timer *timer)
{
    struct app *app = LIST_ENTRY(timer, struct app, drain_limit);

    log_write(
        LOG_WARN, "drain cut short",
        LOG_NUMBER("connections", (int64_t)server_connections(app->server)));
    _exit(0);
}

static void start_drain(struct app *app)
{
    uint64_t limit_ms = (uint64_t)app->options.drain_timeout;
    struct wheel *wheel = stream_loop_wheel(app->loop);

    app->draining = true;
    log_write(
        LOG_INFO, "draining",
        LOG_NUMBER("connections", (int64_t)server_connections(app->server)));
    wheel_stop(wheel, &app->listen_grace);
    /* The last twentieth is for the service's flush and the way out. */
    wheel_start(wheel, &app->drain_limit, limit_ms - limit_ms / 50,
                on_drain_limit);
    if (app->service->stop != NULL && app->serves)
        app->service->stop(app->state);
    if (app->nodes != NULL)
        nodes_close(app->nodes, on_left, app);
    server_drain(app->server, limit_ms / 5 * 4, limit_ms - limit_ms / 20,
                 on_server_drained, app);
}

static void on_terminate(uv_signal_t *handle, int signo)
{
    struct app *app = handle->data;

    (void)signo;
    if (!app->draining)
        start_drain(app);
    else if (app->post.parent == 0)
        _exit(1);
    /* A worker's second SIGTERM may come from a group kill: its master
       decides whether to cut the drain short. */
}

/* No longer in the registry. */
static void on_left(void *arg)
{
    struct app *app = arg;

    app->nodes = NULL;
    if (app->flushed)
        close_parts(app);
}

static void on_server_drained(void *arg)
{
    struct app *app = arg;

    if (app->service->drain != NULL && app->serves)
        app->service->drain(app->state, on_flushed, app);
    else
        on_flushed(app);
}

static void on_flushed(void *arg)
{
    struct app *app = arg;

    if (app->helper != NULL && app->service->helper->drain != NULL)
        app->service->helper->drain(app->helper, on_helped, app);
    else
        on_helped(app);
}

static void on_helped(void *arg)
{
    struct app *app = arg;

    limiter_drain(app->limiter, on_given_back, app);
}

/* Tokens that this worker held are the others'. */
static void on_given_back(void *arg)
{
    struct app *app = arg;

    app->flushed = true;
    if (app->nodes == NULL)
        close_parts(app);
}

static void close_parts(struct app *app)
{
    app->closing = true;
    app_shared_stop(app);
    app->open_parts = app->pubsub == NULL ? 2 : 3;
    server_close(app->server, on_part_closed, app);
    redis_close(app->redis, on_part_closed, app);
    if (app->pubsub != NULL)
        pubsub_close(app->pubsub, on_part_closed, app);
}

static void ignore_signals(void)
{
    sigset_t ours;

    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &ours, NULL);
}

/* The server waits for requests that wait for Redis, which is ending them. */
static void on_part_closed(void *arg)
{
    struct app *app = arg;
    struct wheel *wheel = stream_loop_wheel(app->loop);

    if (--app->open_parts > 0)
        return;
    app->server = NULL;
    app->pubsub = NULL;
    app->redis = NULL;
    if (app->service->close != NULL && app->serves)
        app->service->close(app->state);
    app->state = NULL;
    if (app->helper != NULL)
        app->service->helper->close(app->helper);
    app->helper = NULL;
    limiter_close(app->limiter);
    limit_spec_unref(app->write_limit);
    wheel_stop(wheel, &app->drain_limit);
    wheel_stop(wheel, &app->tick);
    ignore_signals(); /* a late one must not end this by its default */
    uv_close((uv_handle_t *)&app->terminate, NULL);
    uv_close((uv_handle_t *)&app->interrupt, NULL);
    uv_close((uv_handle_t *)&app->hangup, NULL);
    uv_close((uv_handle_t *)&app->turns.check, NULL);
    stream_loop_close(app->loop);
}

/* The beginning. */

/* Changes are not heard of: nothing breaks, but nothing is cached either. */
static void watch_tracking(struct app *app)
{
    bool live = pubsub_is_live(app->pubsub);

    if (live && app->deaf_ticks >= DEAF_TICKS)
        log_write(LOG_INFO, "tracking link is back",
                  LOG_NUMBER("seconds", app->deaf_ticks));
    app->deaf_ticks = live ? 0 : app->deaf_ticks + 1;
    if (app->deaf_ticks == DEAF_TICKS)
        log_write(LOG_WARN, "tracking link is away",
                  LOG_STR("reason", pubsub_reason(app->pubsub)));
}

static void on_tick(struct wheel_timer *timer)
{
    struct app *app = LIST_ENTRY(timer, struct app, tick);

    app_turns_sample(app);
    if (!app->closing && app->pubsub != NULL)
        watch_tracking(app);
    if (!app->closing && app->ticks++ % EXAMINE_TICKS == 0)
        redis_examine(app->redis);
    wheel_start(stream_loop_wheel(app->loop), &app->tick, TICK_MS, on_tick);
}

static void start_signal(struct app *app, uv_signal_t *handle, uv_signal_cb cb,
                         int signo)
{
    uv_signal_init(&app->uv, handle);
    handle->data = app;
    if (cb != NULL)
        uv_signal_start(handle, cb, signo);
    else
        signal(signo, SIG_IGN);
}

/* A terminal sends its signals to master and workers alike: one answers. */
static void start_signals(struct app *app)
{
    bool single = app->post.parent == 0;

    start_signal(app, &app->terminate, on_terminate, SIGTERM);
    start_signal(app, &app->interrupt, single ? on_terminate : NULL, SIGINT);
    start_signal(app, &app->hangup, single ? on_hangup : NULL, SIGHUP);
}

static void on_invalidate(void *arg, struct span key)
{
    struct app *app = arg;

    if (!key.ptr)
        limiter_forget(app->limiter);
    if (app->service->on_invalidate != NULL && app->serves)
        app->service->on_invalidate(app->state, key);
}

static void on_epoch(void *arg, bool live)
{
    struct app *app = arg;

    metrics_set(app->tracking_up, live);
    if (app->service->on_epoch != NULL && app->serves)
        app->service->on_epoch(app->state, live);
}

static void open_redis(struct app *app)
{
    static const struct pubsub_events events = {.on_invalidate = on_invalidate,
                                                .on_epoch = on_epoch};
    const struct app_service *service = app->service;
    char name[METRICS_NAME_MAX];
    struct redis_options options = {
        .url = app->redis_url,
        .timeout_ms = (uint32_t)app->options.redis_timeout,
        .max_pending = REDIS_MAX_PENDING,
        .max_bytes = REDIS_MAX_BYTES,
        .alone = !app->options.pipelining,
        .metrics = app->metrics,
        .prefix = service->name,
    };

    app->redis = redis_open(app->loop, &options);
    if (service->track == NULL && service->on_epoch == NULL)
        return;
    app->pubsub =
        pubsub_open(app->loop, &options, service->track, &events, app);
    snprintf(name, sizeof(name), "%s_tracking_up", service->name);
    app->tracking_up = metrics_cell(app->metrics, METRICS_GAUGE, name, "",
                                    "Workers that hear of changes in Redis.");
}

static size_t count_workers(void *arg)
{
    return app_workers(arg);
}

struct limit_spec *app_limit(const char *name, uint64_t rate)
{
    struct limit_spec like = {.numbers = {.rate = rate,
                                          .per_us = 1000000,
                                          .burst = 2 * rate,
                                          .version = rate},
                              .mode = LIMIT_LEASED,
                              .policy = LIMIT_LOCAL,
                              .deadline_ms = LIMIT_DEADLINE_MS,
                              .loose = true};

    snprintf(like.name, sizeof(like.name), "%s", name);
    return limit_spec_create(&like);
}

/* Of writing routes, and what else a service limits. */
static void open_limiter(struct app *app)
{
    uint64_t rate = (uint64_t)app->options.write_rate;
    const char *random = strrchr(app->instance_id, '-');
    char name[64];

    if (rate)
        app->write_limit = app_limit("/write", rate);
    snprintf(name, sizeof(name), "%s_write", app->service->name);
    app->limiter = limiter_open(&(struct limiter_options){
        .loop = app->loop,
        .redis = app->redis,
        .sharers = count_workers,
        .arg = app,
        .metrics = app->metrics,
        .service = name,
        .prefix = app->service->prefix,
        .worker = random + 1, /* "<node>-<pid>-<random>" */
        .max_states = WRITERS_MAX,
        .coalesce = true,
        .leases = true,
        .deny_cache = true,
    });
}

static void open_server(struct app *app)
{
    const struct app_options *o = &app->options;
    struct server_options options = {
        .service = app->service->name,
        .router = app->router,
        .arg = app->state,
        .auth = app->auth,
        .metrics = app->metrics,
        .max_request_line = 8192,
        .max_header = 8192,
        .max_head = 32768,
        .max_body = (size_t)o->max_body,
        .max_headers = 100,
        .max_connections = (uint32_t)o->max_connections,
        .max_connections_per_address = (uint32_t)o->max_connections_per_address,
        .max_pipelined = 128,
        .header_timeout_ms = (uint32_t)o->header_timeout,
        .body_timeout_ms = (uint32_t)o->body_timeout,
        .idle_timeout_ms = (uint32_t)o->idle_timeout,
        .write_timeout_ms = WRITE_TIMEOUT_MS,
        .request_timeout_ms = REQUEST_TIMEOUT_MS,
        .max_lag_us = o->shed ? SHED_LAG_US : 0,
        .max_inflight = o->shed ? SHED_INFLIGHT : 0,
        .max_memory = o->shed ? SHED_MEMORY : 0,
        .trusted_proxies = app->trusted_proxies,
        .cors_origins = app->cors_origins,
        .public_url = app->public_url,
        .authority = app->authority,
        .access_log = o->access_log,
        .headers = app->service->headers,
        .problem = app->service->problem,
        .limiter = app->limiter,
        .write_limit = app->write_limit,
    };

    app->server = server_open(app->loop, &options);
}

static uint64_t inflight(void *arg)
{
    const struct app *app = arg;

    return server_inflight(app->server);
}

/* Each worker is a node of its own: what it lists is who can be asked. */
static void open_nodes(struct app *app)
{
    app->nodes = nodes_open(app->loop, app->redis,
                            &(struct nodes_options){
                                .service = app->service->name,
                                .id = app->instance_id,
                                .address = app->authority,
                                .version = LAB_VERSION,
                                .load = inflight,
                                .arg = app,
                            });
}

/* What can fail, before any handle is open. */
static bool load_files(struct app *app, char reason[APP_REASON_MAX])
{
    const struct app_options *o = &app->options;
    struct token_keys *keys = NULL;

    if (o->tls_cert != NULL) {
        app->tls = app_load_tls(app, reason);
        if (app->tls == NULL)
            return false;
    }
    if (o->token_keys != NULL) {
        keys = token_keys_load(o->token_keys, reason, APP_REASON_MAX);
        if (keys == NULL)
            return false;
    }
    app->auth = auth_create(keys, o->open);
    app->metrics = metrics_open(app->post.metrics, false);
    if (app->metrics != NULL)
        return true;
    snprintf(reason, APP_REASON_MAX,
             "no slot in the master's memory file: too many workers, no /proc, "
             "or a master of another build");
    return false;
}

static void open_parts(struct app *app)
{
    int err = uv_loop_init(&app->uv);

    assert(err == 0);
    app->loop = stream_loop_open(&app->uv);
    app->router = router_create(app->service->routes, app_routes);
    app_routes_bind(app);
    app_turns_start(app);
    start_signals(app);
    open_redis(app);
    if (app->service->open != NULL && app->serves)
        app->state = app->service->open(app);
    if (app->service->helper != NULL && (!app->serves || !app->post.parent))
        app->helper = app->service->helper->open(app);
    open_limiter(app);
    open_server(app);
    if (app->serves)
        open_nodes(app);
    tell_secrets(app); /* --secrets FILE */
    app_shared_start(app);
    on_tick(&app->tick);
    wheel_start(stream_loop_wheel(app->loop), &app->listen_grace,
                app->post.rolling ? ROLLING_GRACE_MS : GRACE_MS,
                on_listen_grace);
}

static void close_rest(struct app *app)
{
    router_destroy(app->router);
    auth_destroy(app->auth);
    stream_tls_unref(app->tls);
    metrics_close(app->metrics);
    if (app->post.ready >= 0)
        close(app->post.ready);
}

/* Ends with its master, by a drain; false when that is gone already. */
static bool follow_master(const struct app_post *post)
{
    const int fds[] = {post->metrics, post->ready, post->sockets.plain,
                       post->sockets.tls, post->sockets.extra};

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] >= 0)
            fcntl(fds[i], F_SETFD, FD_CLOEXEC);
    return prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() == post->parent;
}

int app_worker(struct app *app, const struct app_post *post)
{
    char reason[APP_REASON_MAX];
    bool loaded;

    app->started_us = clock_mono_us();
    app->post = *post;
    app->serves = post->sockets.plain >= 0;
    app->port = post->port;
    app->tls_port = post->tls_port;
    app->extra_port = post->extra_port;
    bool bare = strchr(app->options.host, ':') != NULL; /* IPv6 */
    snprintf(app->authority, sizeof(app->authority), "%s%s%s:%u",
             bare ? "[" : "", app->options.host, bare ? "]" : "", app->port);
    if (post->parent != 0 && !follow_master(post))
        return 1;
    loaded = load_files(app, reason);
    if (loaded) {
        open_parts(app);
        uv_run(&app->uv, UV_RUN_DEFAULT);
        int err = uv_loop_close(&app->uv);

        assert(err == 0); /* somebody left a handle open */
    } else {
        log_write(LOG_ERROR, "cannot start", LOG_STR("reason", reason));
    }
    close_rest(app);
    return loaded ? 0 : 1;
}
