/*
 * app_master.c - the process that keeps the sockets and the workers.
 *
 *   app_master -> start_slot for each slot -> SIGTERM -> stop -> all gone
 *
 *   crash:   on_exit -> start_slot again, at once the first time, later and
 *            later when it goes on crashing
 *   SIGHUP:  roll: slot 0 gets a second worker from the binary on disk;
 *            on_ready: its old one is told to drain, and slot 1 is next; a new
 *            one that ends or hangs before it is ready leaves the old one as
 *            it is and ends the roll
 *
 * A worker inherits its sockets by number (app_post.c); a queued connection
 * survives every worker, because the master holds the sockets too.
 */
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "common/app_internal.h"
#include "common/clock.h"
#include "common/list.h"

#define STABLE_US 10000000   /* a worker that lived so long did not crash */
#define FIRST_BACKOFF_MS 100 /* doubled from the second crash on */
#define MAX_BACKOFF_MS 5000
#define READY_LIMIT_MS 15000

enum worker_state { STARTING, SERVING, DRAINING };

struct worker {
    uv_process_t process;
    uv_pipe_t ready;
    uv_timer_t limit; /* on getting ready, and on draining */
    struct slot *slot;
    struct list node; /* in master.workers while the process lives */
    enum worker_state state;
    uint64_t started_us;
    unsigned open; /* handles */
    char byte[8];
};

struct slot {
    struct master *master;
    int number;
    struct app_sockets sockets;
    struct worker *serving, *rising; /* rising: to take over from serving */
    unsigned crashes;                /* in a row */
    uv_timer_t backoff;
};

struct master {
    struct app *app;
    uv_loop_t loop;
    uv_signal_t hangup, terminate, interrupt;
    int metrics_fd;
    struct metrics *metrics;
    uint64_t *restarts, *failed_rolls;
    struct slot *slots;
    size_t count; /* the last one the helper's, where there is one */
    size_t workers_wanted;
    struct list workers; /* live processes */
    size_t draining;     /* of them */
    size_t rolling;      /* slot that rolls, or count */
    bool roll_again, stopping;
    int status;
};

static void on_exit_of_worker(uv_process_t *process, int64_t status, int signo);
static void on_ready(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);
static void roll(struct master *m);
static void stop(struct master *m);

/* Starting one. */

static void drop(struct worker *w)
{
    if (--w->open == 0)
        mem_free(w);
}

static void on_part_closed(uv_handle_t *handle)
{
    drop(handle->data);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    struct worker *w = handle->data;

    (void)size;
    *buf = uv_buf_init(w->byte, sizeof(w->byte));
}

static void on_limit(uv_timer_t *timer)
{
    struct worker *w = timer->data;

    log_write(LOG_ERROR,
              w->state == DRAINING ? "worker does not drain"
                                   : "worker does not get ready",
              LOG_NUMBER("slot", w->slot->number));
    uv_process_kill(&w->process, SIGKILL);
}

static uv_stdio_container_t inherited(int fd)
{
    if (fd < 0)
        return (uv_stdio_container_t){.flags = UV_IGNORE};
    return (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = fd};
}

static int spawn(struct master *m, struct worker *w, bool rolling)
{
    const struct slot *slot = w->slot;
    struct app_post post = {.slot = slot->number,
                            .parent = getpid(),
                            .rolling = rolling,
                            .sockets = slot->sockets,
                            .port = m->app->port,
                            .tls_port = m->app->tls_port,
                            .extra_port = m->app->extra_port};
    char **env = app_post_environment(&post);
    uv_stdio_container_t fds[APP_FD_COUNT];
    uv_process_options_t options = {.exit_cb = on_exit_of_worker,
                                    .file = m->app->exe,
                                    .args = m->app->argv,
                                    .env = env,
                                    .stdio_count = APP_FD_COUNT,
                                    .stdio = fds};
    int err;

    for (int i = 0; i <= STDERR_FILENO; i++)
        fds[i] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = i};
    fds[APP_FD_METRICS] = (uv_stdio_container_t){.flags = UV_INHERIT_FD,
                                                 .data.fd = m->metrics_fd};
    fds[APP_FD_READY] =
        (uv_stdio_container_t){.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
                               .data.stream = (uv_stream_t *)&w->ready};
    fds[APP_FD_PLAIN] = inherited(slot->sockets.plain);
    fds[APP_FD_TLS] = inherited(slot->sockets.tls);
    fds[APP_FD_EXTRA] = inherited(slot->sockets.extra);
    err = uv_spawn(&m->loop, &w->process, &options);
    mem_free(env);
    return err;
}

/* uv_spawn() wants the handle closed also when it failed. */
static void close_worker(struct worker *w)
{
    uv_close((uv_handle_t *)&w->process, on_part_closed);
    uv_close((uv_handle_t *)&w->ready, on_part_closed);
    uv_close((uv_handle_t *)&w->limit, on_part_closed);
}

static struct worker *start_worker(struct slot *slot, bool rolling)
{
    struct master *m = slot->master;
    struct worker *w = mem_zalloc(MEM_APP, sizeof(*w));
    int err;

    *w =
        (struct worker){.slot = slot, .open = 3, .started_us = clock_mono_us()};
    w->process.data = w->ready.data = w->limit.data = w;
    uv_pipe_init(&m->loop, &w->ready, 0);
    uv_timer_init(&m->loop, &w->limit);
    err = spawn(m, w, rolling);
    if (err < 0) {
        log_write(LOG_ERROR, "cannot start a worker",
                  LOG_NUMBER("slot", slot->number),
                  LOG_STR("binary", m->app->exe),
                  LOG_STR("reason", uv_strerror(err)));
        close_worker(w);
        return NULL;
    }
    list_append(&m->workers, &w->node);
    uv_read_start((uv_stream_t *)&w->ready, on_alloc, on_ready);
    uv_timer_start(&w->limit, on_limit, READY_LIMIT_MS, 0);
    return w;
}

static void start_slot(struct slot *slot);

static void on_backoff(uv_timer_t *timer)
{
    start_slot(timer->data);
}

/* From the second crash in a row on, each one waits twice as long. */
static void start_slot_later(struct slot *slot)
{
    unsigned doublings = slot->crashes > 2 ? slot->crashes - 2 : 0;
    uint64_t ms = doublings > 5 ? MAX_BACKOFF_MS
                                : (uint64_t)FIRST_BACKOFF_MS << doublings;

    log_write(LOG_WARN, "worker starts later", LOG_NUMBER("slot", slot->number),
              LOG_NUMBER("ms", (int64_t)ms));
    uv_timer_start(&slot->backoff, on_backoff, ms, 0);
}

static void start_slot(struct slot *slot)
{
    slot->serving = start_worker(slot, false);
    if (slot->serving != NULL)
        return;
    slot->crashes++;
    start_slot_later(slot);
}

/* After the first crash at once. */
static void restart_slot(struct slot *slot)
{
    if (slot->master->stopping)
        return;
    if (slot->crashes < 2)
        start_slot(slot);
    else
        start_slot_later(slot);
}

/* What a worker's life brings. */

/* A worker ends itself a little before. */
static uint64_t drain_limit(const struct master *m)
{
    return (uint64_t)m->app->options.drain_timeout;
}

static void tell_to_drain(struct worker *w)
{
    struct master *m = w->slot->master;

    if (w->state == DRAINING)
        return;
    w->state = DRAINING;
    m->draining++;
    uv_process_kill(&w->process, SIGTERM);
    uv_timer_start(&w->limit, on_limit, drain_limit(m), 0);
}

static void take_over(struct slot *slot)
{
    struct worker *old = slot->serving;

    slot->serving = slot->rising;
    slot->rising = NULL;
    slot->crashes = 0;
    if (old != NULL)
        tell_to_drain(old);
}

static void on_ready(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct worker *w = stream->data;
    struct slot *slot = w->slot;

    (void)buf;
    if (n == 0)
        return;
    uv_read_stop(stream);
    if (n < 0 || w->state != STARTING)
        return; /* it ends: on_exit_of_worker() knows what to do */
    uv_timer_stop(&w->limit);
    w->state = SERVING;
    if (slot->rising == w) {
        take_over(slot);
        slot->master->rolling++;
        roll(slot->master);
    }
}

static void log_exit(const struct worker *w, int64_t status, int signo)
{
    bool bad = status != 0 || signo != 0;

    log_write(bad ? LOG_ERROR : LOG_INFO, "worker ended",
              LOG_NUMBER("slot", w->slot->number),
              LOG_NUMBER("pid", uv_process_get_pid(&w->process)),
              LOG_NUMBER("status", status), LOG_NUMBER("signal", signo));
}

static void on_rising_failed(struct slot *slot)
{
    struct master *m = slot->master;

    slot->rising = NULL;
    m->rolling = m->count;
    if (m->failed_rolls != NULL)
        metrics_add(m->failed_rolls, 1);
    log_write(LOG_ERROR, "rolling restart ends: the new worker failed",
              LOG_NUMBER("slot", slot->number));
}

static void on_serving_ended(struct slot *slot, const struct worker *w)
{
    bool stable = clock_mono_us() - w->started_us > STABLE_US;
    struct master *m = slot->master;

    slot->serving = NULL;
    if (m->stopping)
        return;
    slot->crashes = stable ? 1 : slot->crashes + 1;
    if (m->restarts != NULL)
        metrics_add(m->restarts, 1);
    if (slot->rising == NULL)
        restart_slot(slot); /* else that one takes over */
}

static void on_exit_of_worker(uv_process_t *process, int64_t status, int signo)
{
    struct worker *w = process->data;
    struct slot *slot = w->slot;
    struct master *m = slot->master;

    log_exit(w, status, signo);
    list_remove(&w->node);
    m->draining -= w->state == DRAINING;
    if (slot->rising == w) {
        on_rising_failed(slot);
        if (slot->serving == NULL)
            restart_slot(slot);
    } else if (slot->serving == w) {
        on_serving_ended(slot, w);
    }
    close_worker(w);
    if (m->stopping && list_is_empty(&m->workers))
        stop(m);
    else
        roll(m);
}

/* Rolling restart. */

/* Go on where the roll stands; or begin the one that was asked for. */
static void roll(struct master *m)
{
    if (m->stopping)
        return;
    /* At most two workers a slot, so that each finds a slot for its metrics. */
    if (m->rolling >= m->count && m->roll_again && m->draining == 0) {
        m->roll_again = false;
        m->rolling = 0;
        log_write(LOG_INFO, "rolling restart", LOG_STR("binary", m->app->exe));
    }
    if (m->rolling >= m->count || m->slots[m->rolling].rising != NULL)
        return;

    struct slot *slot = &m->slots[m->rolling];

    uv_timer_stop(&slot->backoff); /* it may have been waiting */
    slot->rising = start_worker(slot, slot->serving != NULL);
    if (slot->rising == NULL) {
        on_rising_failed(slot);
        if (slot->serving == NULL)
            restart_slot(slot);
    }
}

static void on_hangup(uv_signal_t *handle, int signo)
{
    struct master *m = handle->data;

    (void)signo;
    m->roll_again = true;
    roll(m);
}

/* The end. */

static void for_all(struct master *m, void (*act)(struct worker *w))
{
    for (struct list *n = m->workers.next; n != &m->workers; n = n->next)
        act(LIST_ENTRY(n, struct worker, node));
}

static void kill_now(struct worker *w)
{
    uv_process_kill(&w->process, SIGKILL);
}

/* So that who comes now is refused and not left waiting in a queue. */
static void close_sockets(struct master *m)
{
    for (size_t i = 0; i < m->workers_wanted; i++) {
        close(m->slots[i].sockets.plain);
        if (m->slots[i].sockets.tls >= 0)
            close(m->slots[i].sockets.tls);
        if (m->slots[i].sockets.extra >= 0)
            close(m->slots[i].sockets.extra);
    }
}

static void on_terminate(uv_signal_t *handle, int signo)
{
    struct master *m = handle->data;

    log_write(LOG_INFO, m->stopping ? "stopping at once" : "stopping",
              LOG_NUMBER("signal", signo));
    if (m->stopping) {
        m->status = 1;
        for_all(m, kill_now);
        return;
    }
    m->stopping = true;
    close_sockets(m);
    for (size_t i = 0; i < m->count; i++)
        uv_timer_stop(&m->slots[i].backoff);
    for_all(m, tell_to_drain);
    if (list_is_empty(&m->workers))
        stop(m);
}

/* No worker is left: close what keeps the loop turning. */
static void stop(struct master *m)
{
    uv_close((uv_handle_t *)&m->hangup, NULL);
    uv_close((uv_handle_t *)&m->terminate, NULL);
    uv_close((uv_handle_t *)&m->interrupt, NULL);
    for (size_t i = 0; i < m->count; i++)
        uv_close((uv_handle_t *)&m->slots[i].backoff, NULL);
}

static void init_signal(struct master *m, uv_signal_t *handle, uv_signal_cb cb,
                        int signo)
{
    uv_signal_init(&m->loop, handle);
    handle->data = m;
    uv_signal_start(handle, cb, signo);
}

static void init_master(struct master *m)
{
    char name[METRICS_NAME_MAX];

    uv_loop_init(&m->loop);
    init_signal(m, &m->hangup, on_hangup, SIGHUP);
    init_signal(m, &m->terminate, on_terminate, SIGTERM);
    init_signal(m, &m->interrupt, on_terminate, SIGINT);
    for (size_t i = 0; i < m->count; i++) {
        m->slots[i].master = m;
        m->slots[i].number = (int)i;
        uv_timer_init(&m->loop, &m->slots[i].backoff);
        m->slots[i].backoff.data = &m->slots[i];
    }
    m->metrics = metrics_open(m->metrics_fd, false);
    if (m->metrics == NULL)
        return; /* no /proc: the workers will say so */
    snprintf(name, sizeof(name), "%s_worker_restarts_total",
             m->app->service->name);
    m->restarts = metrics_cell(m->metrics, METRICS_COUNTER, name, "",
                               "Workers that ended without being told to.");
    snprintf(name, sizeof(name), "%s_rolls_failed_total",
             m->app->service->name);
    m->failed_rolls =
        metrics_cell(m->metrics, METRICS_COUNTER, name, "",
                     "Rolling restarts that a new worker's failure ended.");
}

static void run_master(struct master *m)
{
    init_master(m);
    log_write(LOG_INFO, "listening", LOG_STR("host", m->app->options.host),
              LOG_NUMBER("port", m->app->port),
              LOG_NUMBER("workers", (int64_t)m->workers_wanted),
              LOG_STR("build", app_build_id()));
    for (size_t i = 0; i < m->count; i++)
        start_slot(&m->slots[i]);
    uv_run(&m->loop, UV_RUN_DEFAULT);
    int err = uv_loop_close(&m->loop);

    assert(err == 0);
    metrics_close(m->metrics);
}

/* Everything that can fail, before the first worker. */
static bool acquire(struct master *m, char reason[APP_REASON_MAX])
{
    struct app_sockets sockets[APP_MAX_WORKERS];
    /* Two workers a slot while rolling, the master, and one to spare. */
    int fd = metrics_make((uint32_t)(2 * m->count + 2));

    if (fd < 0) {
        snprintf(reason, APP_REASON_MAX, "no memory file: %s", uv_strerror(fd));
        return false;
    }
    if (app_open_sockets(m->app, sockets, m->workers_wanted, reason) < 0) {
        close(fd);
        return false;
    }
    m->metrics_fd = fd;
    for (size_t i = 0; i < m->count; i++)
        m->slots[i].sockets = i < m->workers_wanted
                                  ? sockets[i]
                                  : (struct app_sockets){-1, -1, -1};
    return true;
}

int app_master(struct app *app)
{
    char reason[APP_REASON_MAX];
    int64_t wanted = app->options.workers;
    struct master *m = mem_zalloc(MEM_APP, sizeof(*m));
    int status = 1;

    m->app = app;
    m->workers_wanted =
        wanted > 0 ? (size_t)wanted : uv_available_parallelism();
    if (m->workers_wanted > APP_MAX_WORKERS)
        m->workers_wanted = APP_MAX_WORKERS;
    m->count = m->workers_wanted + (app->service->helper != NULL);
    m->rolling = m->count;
    list_init(&m->workers);
    m->slots = mem_zalloc(MEM_APP, m->count * sizeof(*m->slots));
    if (acquire(m, reason)) {
        run_master(m);
        close(m->metrics_fd);
        status = m->status;
    } else {
        fprintf(stderr, "%s: %s\n", app->service->name, reason);
    }
    mem_free(m->slots);
    mem_free(m);
    return status;
}
