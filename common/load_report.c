/* load_report.c - what the load generator measured. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "common/json.h"
#include "common/load_internal.h"

static double cpu_of(clockid_t clock)
{
    struct timespec time;

    if (clock_gettime(clock, &time) < 0)
        return 0;
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

double load_own_cpu(void)
{
    return cpu_of(CLOCK_PROCESS_CPUTIME_ID);
}

static int find_process(struct load_process *process, struct span text)
{
    uint64_t pid;

    if (!span_to_u64(text, INT32_MAX, &pid) ||
        clock_getcpuclockid((pid_t)pid, &process->clock) != 0)
        return UV_ESRCH;
    process->pid = (int)pid;
    return 0;
}

int load_find_processes(struct load *load)
{
    struct span rest = span_str(load->options.server_pid);
    struct span pid;
    int err = 0;

    while (load->options.server_pid && span_cut(&rest, ',', &pid) &&
           load->server_count < LOAD_MAX_PIDS && err == 0)
        err = find_process(&load->servers[load->server_count++], pid);
    if (load->options.redis_pid && err == 0)
        err = find_process(&load->redis, span_str(load->options.redis_pid));
    return err;
}

void load_sample(struct load *load, bool after)
{
    for (size_t i = 0; i <= load->server_count; i++) {
        struct load_process *process =
            i < load->server_count ? &load->servers[i] : &load->redis;
        if (!process->pid)
            continue;
        double now = cpu_of(process->clock);
        if (after)
            process->after = now;
        else
            process->before = now;
    }
}

/* Private bytes of the servers: what no other process shares. */
int64_t load_server_bytes(const struct load *load)
{
    char path[64];
    char line[256];
    int64_t total = 0;

    for (size_t i = 0; i < load->server_count; i++) {
        snprintf(path, sizeof(path), "/proc/%d/smaps_rollup",
                 load->servers[i].pid);
        FILE *file = fopen(path, "re");
        while (file && fgets(line, sizeof(line), file))
            if (strncmp(line, "Private_Dirty:", 14) == 0)
                total += strtoll(line + 14, NULL, 10) * 1024;
        if (file)
            fclose(file);
    }
    return total;
}

double load_server_cpu(const struct load *load)
{
    double total = 0;

    for (size_t i = 0; i < load->server_count; i++)
        total += load->servers[i].after - load->servers[i].before;
    return total;
}

/* The share of a core that the busiest of the servers used. */
static double busiest_server(const struct load *load)
{
    double most = 0;

    for (size_t i = 0; i < load->server_count; i++) {
        double used = load->servers[i].after - load->servers[i].before;
        if (used > most)
            most = used;
    }
    return most / load->window.seconds;
}

/*
 * Was the generator what held the figures down?  It was when it had no time
 * left while the server, as far as is known, had; when it made half of the p99
 * itself, by sending late what it could have sent; when the workers left it no
 * core.  Where nothing was due, nothing is known.
 */
bool load_is_inconclusive(const struct load *load)
{
    const struct load_window *window = &load->window;
    double own = (window->own_after - window->own_before) / window->seconds;
    uint64_t own_late_us = hist_quantile(window->own_late, 0.99);

    if (load->workers && load->workers >= sysconf(_SC_NPROCESSORS_ONLN))
        return true;
    if (own > 0.97 && busiest_server(load) < 0.9)
        return true;
    if (window->done && own_late_us * 2 > hist_quantile(window->hist, 0.99))
        return true;
    return window->due == 0;
}

void load_put_real(struct json_writer *w, const char *key, double value)
{
    json_put_key(w, key);
    json_put_real(w, value);
}

void load_put_int(struct json_writer *w, const char *key, uint64_t value)
{
    json_put_key(w, key);
    json_put_int(w, (int64_t)value);
}

void load_put_hist(struct json_writer *w, const char *key,
                   const struct hist *hist)
{
    json_put_key(w, key);
    json_put_open(w, '{');
    load_put_int(w, "p50", hist_quantile(hist, 0.5));
    load_put_int(w, "p90", hist_quantile(hist, 0.9));
    load_put_int(w, "p99", hist_quantile(hist, 0.99));
    load_put_int(w, "p999", hist_quantile(hist, 0.999));
    load_put_int(w, "max", hist_max(hist));
    load_put_real(w, "mean", hist_mean(hist));
    json_put_close(w, '}');
}

static uint64_t put_errors(struct json_writer *w,
                           const struct load_window *window)
{
    static const char *const names[] = {"refused", "reset", "timeout",
                                        "cut",     "wrong", "unsent"};
    uint64_t total = 0;

    json_put_key(w, "errors");
    json_put_open(w, '{');
    for (size_t i = 0; i < LOAD_ERRORS; i++) {
        load_put_int(w, names[i], window->errors[i]);
        total += window->errors[i];
    }
    json_put_close(w, '}');
    return total;
}

static void put_setting(struct json_writer *w, const struct load *load)
{
    const struct load_options *options = &load->options;

    json_put_key(w, "profile");
    json_put_string(w, span_str(load->profile->name));
    json_put_key(w, "model");
    json_put_string(w, options->rate ? SPAN("open") : SPAN("closed"));
    load_put_int(w, "rate", (uint64_t)options->rate);
    load_put_int(w, "connections", (uint64_t)options->connections);
    load_put_int(w, "pipeline", (uint64_t)options->pipeline);
    load_put_int(w, "seed", (uint64_t)options->seed);
    if (load->workers)
        load_put_int(w, "workers", (uint64_t)load->workers);
}

/* What CPU time was used for: the answers that came while it was measured. */
static double answers_of(const struct load_window *window)
{
    return window->answers ? (double)window->answers : 1;
}

static void put_cpu(struct json_writer *w, const struct load *load)
{
    const struct load_window *window = &load->window;
    double each = 1e6 / answers_of(window);

    load_put_real(w, "own_cpu_us",
                  (window->own_after - window->own_before) * each);
    if (load->server_count)
        load_put_real(w, "server_cpu_us", load_server_cpu(load) * each);
    if (load->redis.pid)
        load_put_real(w, "redis_cpu_us",
                      (load->redis.after - load->redis.before) * each);
}

static uint64_t put_report(struct json_writer *w, const struct load *load)
{
    const struct load_window *window = &load->window;

    json_put_open(w, '{');
    put_setting(w, load);
    load_put_real(w, "seconds", window->seconds);
    load_put_int(w, "due", window->due);
    load_put_int(w, "requests", window->done);
    load_put_int(w, "answers", window->answers);
    load_put_real(w, "requests_per_s",
                  (double)window->answers / window->seconds);
    load_put_hist(w, "latency_us", window->hist);
    uint64_t errors = put_errors(w, window);
    load_put_int(w, "connection_errors", window->connection_errors);
    if (window->wrong_status)
        load_put_int(w, "wrong_status", (uint64_t)window->wrong_status);
    load_put_int(w, "opened", window->opened);
    load_put_int(w, "late_us", window->late_us);
    if (load->options.rate)
        load_put_hist(w, "own_late_us", window->own_late);
    put_cpu(w, load);
    if (load->options.idle)
        load_put_real(w, "idle_connection_bytes", load->idle_bytes);
    json_put_key(w, "inconclusive");
    json_put_bool(w, load_is_inconclusive(load));
    json_put_close(w, '}');
    return errors;
}

/* Microseconds a request, of each process that was looked at. */
static void print_cost(const struct load *load)
{
    const struct load_window *window = &load->window;
    double each = 1e6 / answers_of(window);

    fprintf(stderr,
            "seed %" PRId64 ", sent late by %" PRIu64
            " us at most; CPU us a request: own %.2f",
            load->options.seed, window->late_us,
            (window->own_after - window->own_before) * each);
    if (load->server_count)
        fprintf(stderr, ", server %.2f", load_server_cpu(load) * each);
    if (load->redis.pid)
        fprintf(stderr, ", Redis %.2f",
                (load->redis.after - load->redis.before) * each);
    fprintf(stderr, "\n");
}

static void print_human(const struct load *load)
{
    const struct load_window *window = &load->window;
    const struct hist *hist = window->hist;

    fprintf(stderr,
            "%s %s, %s loop: %.0f requests/s, p50 %" PRIu64 " p90 %" PRIu64
            " p99 %" PRIu64 " p99.9 %" PRIu64 " max %" PRIu64 " us\n",
            load->service, load->profile->name,
            load->options.rate ? "open" : "closed",
            (double)window->answers / window->seconds, hist_quantile(hist, 0.5),
            hist_quantile(hist, 0.9), hist_quantile(hist, 0.99),
            hist_quantile(hist, 0.999), hist_max(hist));
    print_cost(load);
    if (load_is_inconclusive(load))
        fprintf(stderr, "inconclusive: the generator was the bottleneck, or "
                        "nothing could be sent\n");
    if (load->options.idle)
        fprintf(stderr, "idle connections: %.0f bytes each\n",
                load->idle_bytes);
}

int load_report(struct load *load, FILE *json)
{
    struct buf text;
    struct json_writer w = {.out = &text};

    buf_init(&text, MEM_LOAD);
    uint64_t errors = put_report(&w, load);
    if (json)
        fprintf(json, "%.*s\n", (int)text.len, text.ptr);
    print_human(load);
    if (errors)
        fprintf(stderr, "errors: %.*s\n", (int)text.len, text.ptr);
    buf_deinit(&text);
    return errors ? 1 : 0;
}
