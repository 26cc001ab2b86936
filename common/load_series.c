/*
 * load_series.c - several windows, one after another.
 *
 *   load_find_knee():    the rate rises until the objective breaks
 *   load_scan_workers(): the service is started with 1, 2, 4 … workers
 */
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "common/clock.h"
#include "common/load_internal.h"

#define KNEE_STEP 1.25
#define START_US 30000000 /* for a service to become ready */
#define BAR_WIDTH 40

extern char **environ;

static uint64_t all_errors(const struct load *load)
{
    uint64_t total = 0;

    for (size_t i = 0; i < LOAD_ERRORS; i++)
        total += load->window.errors[i];
    return total;
}

/* Raise the rate step by step; the last one that kept the objective. */
void load_find_knee(struct load *load)
{
    struct load_options *options = &load->options;
    int64_t good = 0;

    if (!options->rate)
        options->rate = 1000;
    for (;;) {
        load_run_window(load);
        uint64_t p99 = hist_quantile(load->window.hist, 0.99);
        fprintf(stderr, "%lld/s: p99 %llu us\n", (long long)options->rate,
                (unsigned long long)p99);
        if (p99 > (uint64_t)options->objective_ms * 1000 || all_errors(load) ||
            load->window.done <
                (uint64_t)((double)options->rate * load->window.seconds * 0.95))
            break;
        good = options->rate;
        options->rate = (int64_t)((double)options->rate * KNEE_STEP);
    }
    fprintf(stderr, "knee: %lld/s\n", (long long)good);
    options->rate = good ? good : 1;
    load_run_window(load);
}

/* ---- the scan */

/* The service's program stands beside the load's. */
static bool find_program(const struct load *load, char *path, size_t size)
{
    ssize_t len = readlink("/proc/self/exe", path, size - 1);
    size_t name = strlen(load->service);

    if (len <= 0)
        return false;
    path[len] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash || (size_t)(slash - path) + name + 2 > size)
        return false;
    memcpy(slash + 1, load->service, name + 1);
    return true;
}

static int start_service(const struct load *load, const char *workers,
                         pid_t *pid)
{
    char path[4096];
    char port[16];
    char redis[300];
    const char *colon = strrchr(load->authority, ':');
    struct {
        const char *words[10];
    } command = {{path, "--open", "--workers", workers, "--port", port,
                  "--write-rate=0", "--log-level=error", redis, NULL}};

    if (!find_program(load, path, sizeof(path)))
        return UV_ENOENT;
    snprintf(port, sizeof(port), "%s", colon ? colon + 1 : "80");
    if (load->options.redis)
        snprintf(redis, sizeof(redis), "--redis=%s", load->options.redis);
    else
        command.words[8] = NULL;
    /* posix_spawn() writes to no argument: its type is older than const. */
    return -posix_spawn(pid, path, NULL, NULL, (char *const *)&command,
                        environ);
}

static bool is_ready(const struct load *load)
{
    char text[512] = "";
    int len =
        snprintf(text, sizeof(text), "GET /readyz HTTP/1.1\r\nHost: %s\r\n\r\n",
                 load->authority);
    int fd = load_connect(load);

    if (fd < 0)
        return false;
    ssize_t got = send(fd, text, (size_t)len, MSG_NOSIGNAL) == len
                      ? recv(fd, text, sizeof(text) - 1, 0)
                      : -1;
    close(fd);
    return got > 12 && strncmp(text, "HTTP/1.1 200", 12) == 0;
}

static int wait_ready(const struct load *load, pid_t pid)
{
    uint64_t last_us = clock_mono_us() + START_US;

    while (!is_ready(load)) {
        if (waitpid(pid, NULL, WNOHANG) == pid)
            return UV_ESRCH; /* it has said why */
        if (clock_mono_us() > last_us)
            return UV_ETIMEDOUT;
        usleep(10000);
    }
    return 0;
}

/* The workers are what is measured; alone, the process is its own. */
static int find_workers(struct load *load, pid_t pid)
{
    static char pids[LOAD_MAX_PIDS * 12];
    char path[64];
    size_t len = 0;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    FILE *file = fopen(path, "re");
    if (file) {
        len = fread(pids, 1, sizeof(pids) - 1, file);
        fclose(file);
    }
    while (len && pids[len - 1] == ' ')
        len--;
    pids[len] = '\0';
    for (char *blank = pids; (blank = strchr(blank, ' '));)
        *blank = ',';
    load->options.server_pid = pids;
    load->server_count = 0;
    return load_find_processes(load);
}

static int measure(struct load *load, pid_t pid)
{
    int err = wait_ready(load, pid);

    if (err == 0)
        err = load_prepare(load);
    if (err == 0)
        err = find_workers(load, pid);
    if (err == 0)
        load_run_window(load);
    return err;
}

static void draw(const struct load *load, double first)
{
    const struct load_window *window = &load->window;
    double rate = (double)window->answers / window->seconds;
    double times = first > 0 ? rate / first : 0;
    double most = (double)load->workers;
    int width = (int)(BAR_WIDTH * (times < most ? times / most : 1));

    fprintf(stderr, "%3d workers %9.0f/s  %5.2f of %d  |%-*.*s|\n",
            load->workers, rate, times, load->workers, BAR_WIDTH, width,
            "########################################");
}

/* One count of workers; *first is the rate of the first. */
static int scan_one(struct load *load, const char *workers, FILE *json,
                    double *first)
{
    pid_t pid;
    uint64_t count = 1;
    int err = start_service(load, workers, &pid);

    if (err < 0)
        return err;
    span_to_u64(span_str(workers), INT32_MAX, &count);
    load->workers = (int)count;
    err = measure(load, pid);
    if (err != UV_ESRCH) {
        kill(pid, SIGTERM);
        waitpid(pid, NULL, 0);
    }
    if (err < 0)
        return err;
    load_report(load, json);
    if (*first <= 0)
        *first = (double)load->window.answers / load->window.seconds /
                 (double)load->workers;
    draw(load, *first);
    return 0;
}

int load_scan_workers(struct load *load, FILE *json)
{
    struct span rest = span_str(load->options.workers_scan);
    struct span word;
    double first = 0;
    int err = 0;

    while (err == 0 && span_cut(&rest, ',', &word)) {
        uint64_t count;
        char text[8];
        if (!span_to_u64(word, LOAD_MAX_PIDS, &count) || count == 0)
            return UV_EINVAL;
        snprintf(text, sizeof(text), "%d", (int)count);
        err = scan_one(load, text, json, &first);
    }
    return err;
}
