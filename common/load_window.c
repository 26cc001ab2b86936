/*
 * load_window.c - when units are due, and what each of them ends as.
 *
 *     warm-up  |  window  |  drain, DRAIN_US at most
 *   start_us  from_us  end_us
 *
 * A unit is the window's by its due time: in the open model the schedule's, in
 * the closed model that of sending.  Each of the window's units ends as one of
 *   - a latency, also where the answer comes in the drain;
 *   - an error of its connection or its answer;
 *   - a timeout: sent, and not answered when the drain is over;
 *   - unsent: the server held every connection until then.
 * What is due in the window still leaves in the drain, so that a stall at the
 * window's end shows as the latency that it is.
 */
#include <sys/epoll.h>
#include <uv.h>

#include "common/clock.h"
#include "common/load_internal.h"

#define EVENTS 256
#define DRAIN_US 2000000
#define REVIVE_US 100000
#define LEAST_WAIT_US 20 /* at high rates several units share a wake-up */

uint64_t load_due_us(const struct load *load, uint64_t n)
{
    return load->start_us + n * 1000000 / (uint64_t)load->options.rate;
}

uint64_t load_due_before(const struct load *load, uint64_t us)
{
    uint64_t limit = (uint64_t)load->options.requests;
    uint64_t count =
        ((us - load->start_us) * (uint64_t)load->options.rate + 999999) /
        1000000;

    return limit && count > limit ? limit : count;
}

bool load_counts(const struct load *load, uint64_t due_us)
{
    return due_us >= load->from_us && due_us < load->end_us;
}

/* When the next unit is due: in a closed loop, whenever it can be sent. */
static uint64_t next_due(const struct load *load, uint64_t now_us)
{
    return load->options.rate ? load_due_us(load, load->next_n) : now_us;
}

/* Is nothing more to be sent?  due_us is the next unit's. */
static bool is_over(const struct load *load, uint64_t due_us)
{
    return due_us >= load->end_us ||
           (load->options.requests &&
            load->next_n >= (uint64_t)load->options.requests);
}

/* ---- sending */

static bool has_room(const struct load_conn *conn)
{
    return conn->fd >= 0 && !conn->connecting && !conn->last &&
           conn->count < (unsigned)conn->load->options.pipeline;
}

/*
 * Late is the generator's own fault only for as long as it had a connection
 * that was free: before, it was the server that held them all.
 */
static void note_lateness(struct load *load, uint64_t due_us, uint64_t now_us)
{
    uint64_t since_us = due_us > load->free_us ? due_us : load->free_us;
    struct load_window *window = &load->window;

    if (now_us - due_us > window->late_us)
        window->late_us = now_us - due_us;
    hist_record(window->own_late,
                load->held || since_us > now_us ? 0 : now_us - since_us);
}

static void send_next(struct load_conn *conn, uint64_t due_us, uint64_t now_us)
{
    struct load *load = conn->load;

    if (load_counts(load, due_us)) {
        load->window.due++;
        if (load->options.rate)
            note_lateness(load, due_us, now_us);
    }
    load_queue(conn, load->next_n++, due_us);
}

/* The next unit on a connection of its own, now and then. */
static void open_extra(struct load *load, uint64_t now_us)
{
    uint64_t due_us = next_due(load, now_us);

    if (!load->renew || due_us > now_us || is_over(load, due_us))
        return;
    for (size_t i = 0; i < LOAD_EXTRA; i++) {
        struct load_conn *conn = &load->conns[load->conn_count + i];
        if (conn->fd >= 0)
            continue;
        load->renew = false;
        conn->extra = true;
        load_open(load, conn);
        if (conn->fd >= 0)
            send_next(conn, due_us, now_us);
        return;
    }
}

void load_refill(struct load_conn *conn)
{
    struct load *load = conn->load;
    uint64_t now_us = clock_mono_us();

    if (conn->extra)
        return;
    open_extra(load, now_us);
    if (conn->fd < 0 && !is_over(load, next_due(load, now_us)))
        load_open(load, conn);
    while (has_room(conn)) {
        uint64_t due_us = next_due(load, now_us);
        if (due_us > now_us || is_over(load, due_us)) {
            if (load->held)
                load->free_us = now_us;
            load->held = false;
            return;
        }
        send_next(conn, due_us, now_us);
    }
}

/* NULL: the server holds them all. */
static struct load_conn *find_free(struct load *load)
{
    for (size_t tried = 0; tried < load->conn_count; tried++) {
        struct load_conn *conn = &load->conns[load->free_at];
        load->free_at = (load->free_at + 1) % load->conn_count;
        if (has_room(conn))
            return conn;
    }
    return NULL;
}

/*
 * Units that are due go to connections that are free, in turn.  Once none is,
 * load_refill() sends on each as it becomes free.
 */
static void send_due(struct load *load)
{
    uint64_t now_us = clock_mono_us();

    while (!load->held) {
        open_extra(load, now_us);
        uint64_t due_us = load_due_us(load, load->next_n);
        if (due_us > now_us || is_over(load, due_us))
            return;
        struct load_conn *conn = find_free(load);
        if (conn) {
            send_next(conn, due_us, now_us);
            load_push(conn);
        } else {
            load->held = true;
        }
    }
}

/* ---- the loop */

static void wait_events(struct load *load, uint64_t until_us)
{
    struct epoll_event events[EVENTS];
    uint64_t now_us = clock_mono_us();
    uint64_t wait_us = until_us > now_us ? until_us - now_us : 0;
    struct timespec timeout = {.tv_sec = (time_t)(wait_us / 1000000),
                               .tv_nsec = (long)(wait_us % 1000000) * 1000};
    int count = epoll_pwait2(load->epoll, events, EVENTS, &timeout, NULL);

    for (int i = 0; i < count; i++)
        load_on_event(events[i].data.ptr, events[i].events);
}

/* Open again what was refused, or failed while it was sent to. */
static void revive(struct load *load, uint64_t now_us)
{
    if (now_us < load->revive_us)
        return;
    load->revive_us = now_us + REVIVE_US;
    for (size_t i = 0; i < load->conn_count; i++)
        if (load->conns[i].fd < 0)
            load_refill(&load->conns[i]);
}

/* In the open model; never where only an event can bring it about. */
static uint64_t next_send(const struct load *load)
{
    uint64_t due_us = load_due_us(load, load->next_n);
    uint64_t soon_us = clock_mono_us() + LEAST_WAIT_US;

    if (load->held || is_over(load, due_us))
        return UINT64_MAX;
    return due_us > soon_us ? due_us : soon_us;
}

static void turn(struct load *load, uint64_t until_us)
{
    revive(load, clock_mono_us());
    uint64_t wake_us = until_us < load->revive_us ? until_us : load->revive_us;

    if (load->options.rate) {
        send_due(load);
        uint64_t next_us = next_send(load);
        wake_us = next_us < wake_us ? next_us : wake_us;
    }
    wait_events(load, wake_us);
}

static bool all_ended(const struct load *load)
{
    return load->options.requests && load->waiting == 0 &&
           load->next_n >= (uint64_t)load->options.requests;
}

static void run_until(struct load *load, uint64_t end_us)
{
    while (clock_mono_us() < end_us && !all_ended(load))
        turn(load, end_us);
}

/* How many of the window's units are still to be sent. */
static uint64_t unsent(const struct load *load)
{
    if (!load->options.rate)
        return 0;
    uint64_t first = load_due_before(load, load->from_us);
    uint64_t end = load_due_before(load, load->end_us);
    if (first < load->next_n)
        first = load->next_n;
    return end > first ? end - first : 0;
}

static void drain(struct load *load)
{
    uint64_t last_us = clock_mono_us() + DRAIN_US;

    while ((load->waiting || unsent(load)) && clock_mono_us() < last_us)
        turn(load, last_us);
}

/* ---- the window */

static void open_all(struct load *load)
{
    for (size_t i = 0; i < load->conn_count + LOAD_EXTRA; i++) {
        struct load_conn *conn = &load->conns[i];
        conn->fd = -1;
        buf_init(&conn->out, MEM_LOAD);
        buf_init(&conn->in, MEM_LOAD);
        if (i < load->conn_count)
            load_open(load, conn);
    }
}

/* Whatever has not ended yet ends here. */
static void close_all(struct load *load)
{
    uint64_t left = unsent(load);

    load->window.due += left;
    load->window.errors[LOAD_UNSENT] += left;
    for (size_t i = 0; i < load->conn_count + LOAD_EXTRA; i++) {
        if (load->conns[i].count)
            load_fail(&load->conns[i], LOAD_TIMEOUT);
        else
            load_close(&load->conns[i]);
    }
}

static void reset(struct load *load)
{
    struct load_window *window = &load->window;

    hist_reset(window->hist);
    hist_reset(window->own_late);
    *window = (struct load_window){.hist = window->hist,
                                   .own_late = window->own_late};
    load->start_us = clock_mono_us();
    load->from_us = load->start_us + (uint64_t)load->options.warmup_ms * 1000;
    load->end_us = load->from_us + (uint64_t)load->options.duration_ms * 1000;
    load->revive_us = load->start_us + REVIVE_US;
    load->next_n = load->answered = load->waiting = 0;
    load->phase = LOAD_WARMUP;
    load->held = true; /* until the first is open */
    load->renew = false;
}

void load_run_window(struct load *load)
{
    reset(load);
    open_all(load);
    run_until(load, load->from_us);
    load->phase = LOAD_WINDOW;
    load->window.own_before = load_own_cpu();
    load_sample(load, false);
    uint64_t began_us = clock_mono_us();
    run_until(load, load->end_us);
    load->window.seconds = (double)(clock_mono_us() - began_us) / 1e6;
    load_sample(load, true);
    load->window.own_after = load_own_cpu();
    load->phase = LOAD_DRAIN;
    drain(load);
    close_all(load);
}
