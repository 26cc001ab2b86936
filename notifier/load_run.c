/*
 * load_run.c - when messages leave, and what is waited for.
 *
 *   window: all subscribe -- warm-up -- window -- what is still due comes
 *   storm:  all subscribe -- all leave -- what they miss is published --
 *           all come back at once
 *
 * A closed loop publishes a burst when the one before it was delivered to
 * everybody, and its window begins and ends between two bursts; an open one
 * does at --rate.  A profile that pipelines holds its publishers busy instead.
 */
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <uv.h>

#include "common/clock.h"
#include "notifier/load_hub.h"

#define EVENTS 512
#define LEAST_WAIT_US 20
#define MOST_WAIT_US 100000
#define WEIGH_US 200000
#define SLOW_RECEIVES 4096 /* bytes that a slow reader's socket takes */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/*
 * A client that sleeps is woken by each delivery, or not, as chance will have
 * it, and its server pays for that: twice the CPU of a write.  So one that is
 * never ahead of its server, in bursts that follow each other, does not sleep.
 */
static bool sleeps(const struct hub *hub)
{
    return hub->profile->pipelines || hub->options.rate ||
           hub->profile->run != hub_run_window;
}

void hub_wait(struct hub *hub, uint64_t until_us)
{
    struct epoll_event events[EVENTS];
    uint64_t now_us = clock_mono_us();
    uint64_t wait_us = until_us > now_us ? until_us - now_us : 0;
    struct timespec timeout = {0};

    if (sleeps(hub))
        timeout.tv_nsec = (long)least(wait_us, MOST_WAIT_US) * 1000;
    int count = epoll_pwait2(hub->epoll, events, EVENTS, &timeout, NULL);
    for (int i = 0; i < count; i++) {
        uint64_t at = events[i].data.u64;
        if (at < LOAD_MAX_CONNECTIONS)
            hub_on_stream(hub, &hub->subscribers[at]);
        else
            hub_on_answers(hub, &hub->publishers[at - LOAD_MAX_CONNECTIONS],
                           events[i].events);
    }
}

static bool is_stalled(const struct hub *hub)
{
    return clock_mono_us() >
           hub->moved_us + (uint64_t)hub->options.stall_ms * 1000;
}

/* ---- subscribers */

/* At most --opening of them are on their way at a time. */
static int open_in_turn(struct hub *hub)
{
    for (size_t i = 0; i < hub->count; i++) {
        while (hub->opening >= (size_t)hub->options.opening && !is_stalled(hub))
            hub_wait(hub, UINT64_MAX);
        if (hub_open(hub, &hub->subscribers[i]) < 0 || is_stalled(hub))
            return UV_ECONNREFUSED;
    }
    return 0;
}

static void wait_settled(struct hub *hub)
{
    while (hub->settled < hub->count && hub->opening > 0 && !is_stalled(hub))
        hub_wait(hub, UINT64_MAX);
}

int hub_open_all(struct hub *hub)
{
    hub->moved_us = clock_mono_us();
    hub->bytes_before = load_server_bytes(hub->load);
    int err = open_in_turn(hub);
    if (err < 0)
        return err;
    wait_settled(hub);
    if (hub->settled < hub->count) {
        fprintf(stderr, "only %zu of %zu subscribers were served, status %d\n",
                hub->settled, hub->count, hub->wrong_status);
        return UV_ECONNREFUSED;
    }
    hub->bytes_open = load_server_bytes(hub->load);
    return 0;
}

/* They ask and never read. */
static void open_slow(struct hub *hub)
{
    for (int64_t i = 0; i < hub->options.slow; i++) {
        if (hub->slow_fds[i] > 0)
            close(hub->slow_fds[i]);
        hub->slow_fds[i] = hub_ask(hub, 0, SPAN(""), SLOW_RECEIVES);
        if (hub->slow_fds[i] < 0)
            hub->errors[HUB_REFUSED]++;
    }
}

/* The server ends who is too slow, which one that does not read cannot see. */
static void renew_slow(struct hub *hub, uint64_t now_us)
{
    if (hub->slow_us > now_us)
        return;
    open_slow(hub);
    hub->slow_us = hub->options.slow_ms
                       ? now_us + (uint64_t)hub->options.slow_ms * 1000
                       : UINT64_MAX;
}

/* What a slow one makes the servers hold comes and goes. */
static void weigh(struct hub *hub)
{
    int64_t bytes = load_server_bytes(hub->load);

    if (bytes > hub->bytes_most)
        hub->bytes_most = bytes;
}

static void look_after_slow(struct hub *hub, uint64_t now_us)
{
    if (!hub->options.slow)
        return;
    renew_slow(hub, now_us);
    if (now_us < hub->weigh_us)
        return;
    weigh(hub);
    hub->weigh_us = now_us + WEIGH_US;
}

/* The next one that is there leaves. */
static void leave_one(struct hub *hub, uint64_t now_us)
{
    for (size_t tried = 0; tried < hub->count; tried++) {
        struct hub_subscriber *subscriber =
            &hub->subscribers[(hub->churn_at + tried) % hub->count];
        if (!subscriber->settled || !subscriber->last)
            continue;
        hub_close(hub, subscriber);
        hub->away[(hub->away_first + hub->away_count++) % hub->count] =
            (struct hub_away){
                .subscriber = subscriber,
                .until_us = now_us + (uint64_t)hub->options.away_ms * 1000};
        return;
    }
}

/* Who was away long enough comes back where it was.  What it returns is when
   the next one does. */
static uint64_t come_back(struct hub *hub, uint64_t now_us)
{
    while (hub->away_count) {
        struct hub_away *away = &hub->away[hub->away_first];
        if (away->until_us > now_us)
            return away->until_us;
        hub_open(hub, away->subscriber);
        hub->resumed++;
        hub->away_first = (hub->away_first + 1) % hub->count;
        hub->away_count--;
    }
    return UINT64_MAX;
}

/* What it returns is when it wants to run again. */
static uint64_t churn(struct hub *hub, uint64_t now_us)
{
    uint64_t rate = (uint64_t)hub->options.resume_rate;
    uint64_t due_us = UINT64_MAX;

    while (rate > 0) {
        due_us = hub->from_us + hub->churn_at * 1000000 / rate;
        if (due_us > now_us)
            break;
        leave_one(hub, now_us);
        hub->churn_at++;
    }
    return due_us;
}

/* ---- messages */

static bool all_came(const struct hub *hub)
{
    return hub->received >= hub->due && hub->answered >= hub->messages;
}

static bool is_enough(const struct hub *hub)
{
    return hub->options.messages &&
           hub->messages >= (uint64_t)hub->options.messages;
}

static void burst(struct hub *hub, uint64_t due_us)
{
    uint32_t topic = (uint32_t)(hub->next_at++ % hub->topic_count);

    for (int64_t i = 0; i < hub->options.burst; i++)
        hub_publish(hub, topic, due_us);
    hub_push(hub, hub_publisher_of(hub, topic));
}

/* Each publisher has its own topics, so that theirs keep their order. */
static void fill(struct hub *hub, struct hub_publisher *publisher)
{
    size_t index = (size_t)(publisher - hub->publishers);
    uint64_t own = (hub->topic_count - index + hub->publisher_count - 1) /
                   hub->publisher_count;
    uint64_t now_us = clock_mono_us();

    while (publisher->waiting < (size_t)hub->options.pipeline &&
           publisher->fd >= 0 && !is_enough(hub)) {
        uint64_t turn = publisher->turns++ % own;
        hub_publish(hub, (uint32_t)(index + turn * hub->publisher_count),
                    now_us);
    }
    hub_push(hub, publisher);
}

/* Publish what is due; what it returns is when the next is. */
static uint64_t publish_due(struct hub *hub, uint64_t now_us)
{
    uint64_t rate = (uint64_t)hub->options.rate;
    uint64_t due_us;

    if (hub->profile->pipelines) {
        for (size_t i = 0; i < hub->publisher_count; i++)
            fill(hub, &hub->publishers[i]);
        return UINT64_MAX;
    }
    if (!rate) {
        if (all_came(hub) && !is_enough(hub))
            burst(hub, now_us);
        return UINT64_MAX;
    }
    while (!is_enough(hub)) {
        due_us = hub->from_us + hub->next_at * 1000000 / rate;
        if (due_us > now_us)
            return due_us > now_us + LEAST_WAIT_US ? due_us
                                                   : now_us + LEAST_WAIT_US;
        burst(hub, due_us);
    }
    return UINT64_MAX;
}

static void turn(struct hub *hub, uint64_t until_us)
{
    uint64_t now_us = clock_mono_us();
    uint64_t wake_us = UINT64_MAX;

    look_after_slow(hub, now_us);
    if (now_us < until_us)
        wake_us = least(least(publish_due(hub, now_us), churn(hub, now_us)),
                        until_us);
    hub_wait(hub, least(wake_us, come_back(hub, now_us)));
}

/* A closed loop goes on to the end of its burst. */
static bool is_between(const struct hub *hub)
{
    return hub->profile->pipelines || hub->options.rate || all_came(hub);
}

static void run_until(struct hub *hub, uint64_t until_us)
{
    while ((clock_mono_us() < until_us && !is_enough(hub)) ||
           !is_between(hub)) {
        if (is_stalled(hub) && !is_between(hub))
            return;
        turn(hub, until_us);
    }
}

static void drain(struct hub *hub)
{
    hub->moved_us = clock_mono_us();
    come_back(hub, UINT64_MAX);
    while (!all_came(hub) && !is_stalled(hub))
        hub_wait(hub, UINT64_MAX);
}

static void count_missing(struct hub *hub)
{
    hub->errors[HUB_LOST] += hub->due - hub->received;
    if (hub->messages > hub->answered)
        hub->errors[HUB_TIMEOUT] += hub->messages - hub->answered;
}

/* The schedules of bursts and of resumptions begin anew with the window. */
static void begin(struct hub *hub, enum load_phase phase, int64_t length_ms)
{
    hub->phase = phase;
    hub->next_at = hub->churn_at = 0;
    hub->from_us = clock_mono_us();
    hub->end_us = hub->from_us + (uint64_t)length_ms * 1000;
}

static void forget_warmup(struct hub *hub)
{
    hist_reset(hub->hist);
    hub->done = hub->in_window = hub->answered_in_window = 0;
}

static void sample(struct hub *hub, bool after)
{
    load_sample(hub->load, after);
    if (after)
        hub->own_after = load_own_cpu();
    else
        hub->own_before = load_own_cpu();
}

int hub_run_window(struct hub *hub)
{
    int err = hub_open_all(hub);

    if (err < 0)
        return err;
    hub->moved_us = clock_mono_us();
    begin(hub, LOAD_WARMUP, hub->load->options.warmup_ms);
    run_until(hub, hub->end_us);
    forget_warmup(hub);
    hub->bytes_from = hub->bytes_most = load_server_bytes(hub->load);
    sample(hub, false);
    begin(hub, LOAD_WINDOW, hub->load->options.duration_ms);
    run_until(hub, hub->end_us);
    hub->seconds = (double)(clock_mono_us() - hub->from_us) / 1e6;
    sample(hub, true);
    weigh(hub);
    hub->phase = LOAD_DRAIN;
    drain(hub);
    count_missing(hub);
    return 0;
}

/* ---- the storm */

static void publish_missed(struct hub *hub)
{
    uint64_t now_us = clock_mono_us();

    for (int64_t i = 0; i < hub->options.missed; i++)
        for (uint32_t topic = 0; topic < hub->topic_count; topic++) {
            struct hub_publisher *publisher = hub_publisher_of(hub, topic);
            hub_publish(hub, topic, now_us);
            hub_push(hub, publisher);
            while (publisher->waiting >= (size_t)hub->options.pipeline &&
                   publisher->fd >= 0 && !is_stalled(hub))
                hub_wait(hub, UINT64_MAX);
        }
    while (hub->answered < hub->messages && !is_stalled(hub))
        hub_wait(hub, UINT64_MAX);
}

/* What was missed counts as due when all come back. */
static void set_due(struct hub *hub)
{
    for (size_t i = 0; i < HUB_DUE_KEPT; i++)
        hub->due_us[i] = hub->from_us;
    hub->counts_missed = true;
}

int hub_run_storm(struct hub *hub)
{
    int err = hub_open_all(hub);

    if (err < 0)
        return err;
    for (size_t i = 0; i < hub->count; i++)
        hub_close(hub, &hub->subscribers[i]);
    publish_missed(hub);
    begin(hub, LOAD_WINDOW, hub->load->options.duration_ms);
    set_due(hub);
    sample(hub, false);
    hub->moved_us = clock_mono_us();
    hub->bytes_from = hub->bytes_most = load_server_bytes(hub->load);
    err = open_in_turn(hub);
    drain(hub);
    hub->seconds = (double)(hub->moved_us - hub->from_us) / 1e6;
    wait_settled(hub);
    sample(hub, true);
    weigh(hub);
    count_missing(hub);
    return err;
}
