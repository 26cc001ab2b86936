/*
 * app_turns.c - how the loop turns: lag, slow turns, samples.
 *
 * libuv notes the time when poll returns; when the check handle runs, the
 * I/O callbacks of that turn have run.  What lies between is how long they
 * held the loop, and so how long another event had to wait: its lag.
 */
#include <stdio.h>

#include "common/app_internal.h"
#include "common/clock.h"

#define SLOW_US 10000

static void on_check(uv_check_t *check)
{
    struct app_turns *t = check->data;
    uint64_t callbacks = stream_loop_callbacks(t->loop);
    uint64_t ran = callbacks - t->callbacks;
    /* uv_now() is hrtime cut to milliseconds: so is this. */
    uint64_t now_ms = uv_hrtime() / 1000000;
    uint64_t busy_us = (now_ms - uv_now(check->loop)) * 1000;

    t->count++;
    t->callbacks = callbacks;
    metrics_observe(t->busy, busy_us);
    if (busy_us > t->busy_max_us)
        t->busy_max_us = busy_us;
    if (busy_us < SLOW_US)
        return;
    t->slow[t->next].at_ms = clock_wall_ms();
    t->slow[t->next].busy_us = busy_us;
    t->slow[t->next].callbacks = ran;
    t->next = (t->next + 1) % APP_SLOW_TURNS;
}

static uint64_t *gauge(struct app *app, enum metrics_kind kind,
                       const char *what, const char *help)
{
    char name[METRICS_NAME_MAX];

    snprintf(name, sizeof(name), "%s_%s", app->service->name, what);
    return metrics_cell(app->metrics, kind, name, "", help);
}

static void set_build_info(struct app *app)
{
    char name[METRICS_NAME_MAX];
    char labels[METRICS_NAME_MAX];

    snprintf(name, sizeof(name), "%s_build_info", app->service->name);
    snprintf(labels, sizeof(labels), "version=\"%s\",build=\"%s\"",
             app_version(), app_build_id());
    metrics_set(metrics_cell(app->metrics, METRICS_GAUGE, name, labels,
                             "Live workers of each build."),
                1);
}

void app_turns_start(struct app *app)
{
    struct app_turns *t = &app->turns;
    char name[METRICS_NAME_MAX];

    t->loop = app->loop;

    snprintf(name, sizeof(name), "%s_loop_busy_seconds", app->service->name);
    t->busy = metrics_histogram(app->metrics, name, "",
                                "How long a turn's callbacks held the loop.");
    t->resident = gauge(app, METRICS_GAUGE, "resident_memory_bytes",
                        "Resident memory of all workers.");
    t->log_dropped = gauge(app, METRICS_COUNTER, "log_dropped_total",
                           "Log lines dropped because stderr was full.");
    set_build_info(app);
    uv_check_init(&app->uv, &t->check);
    t->check.data = t;
    uv_check_start(&t->check, on_check);
}

void app_turns_sample(struct app *app)
{
    struct app_turns *t = &app->turns;
    uint64_t dropped = log_dropped();
    size_t resident = 0;

    uv_resident_set_memory(&resident);
    metrics_set(t->resident, resident);
    metrics_add(t->log_dropped, dropped - t->log_dropped_seen);
    t->log_dropped_seen = dropped;
}

void app_turns_write(const struct app *app, struct json_writer *w)
{
    const struct app_turns *t = &app->turns;

    json_put_key(w, "turns");
    json_put_int(w, (int64_t)t->count);
    json_put_key(w, "callbacks_a_turn");
    json_put_real(w, t->count ? (double)t->callbacks / (double)t->count : 0);
    json_put_key(w, "slowest_us");
    json_put_int(w, (int64_t)t->busy_max_us);
    json_put_key(w, "slow_turns");
    json_put_open(w, '[');
    for (size_t i = 0; i < APP_SLOW_TURNS; i++) {
        /* Latest first. */
        size_t at = (t->next + APP_SLOW_TURNS - 1 - i) % APP_SLOW_TURNS;
        char text[CLOCK_RFC3339_LEN + 1];

        if (t->slow[at].busy_us == 0)
            break;
        clock_format_rfc3339(t->slow[at].at_ms, text);
        json_put_open(w, '{');
        json_put_key(w, "at");
        json_put_string(w, span_str(text));
        json_put_key(w, "busy_us");
        json_put_int(w, (int64_t)t->slow[at].busy_us);
        json_put_key(w, "callbacks");
        json_put_int(w, (int64_t)t->slow[at].callbacks);
        json_put_close(w, '}');
    }
    json_put_close(w, ']');
}
