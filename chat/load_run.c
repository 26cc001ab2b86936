/*
 * load_run.c - when requests leave, and what is waited for.
 *
 *   all are there, and watch -- warm-up -- window -- what is still due comes
 *
 * A closed loop sends a burst to a room when the one before it was delivered
 * to everybody, and its window begins and ends between two bursts; an open one
 * does at --rate.  A profile that pipelines holds requests out instead.
 */
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <uv.h>

#include "chat/load_crowd.h"
#include "common/clock.h"

#define EVENTS 512
#define LEAST_WAIT_US 20
#define MOST_WAIT_US 100000

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/*
 * A client that sleeps is woken by each delivery, or not, as chance will have
 * it, and its server pays for that: twice the CPU of a write.  So one that is
 * never ahead of its server, in bursts that follow each other, does not sleep.
 */
static bool sleeps(const struct crowd *crowd)
{
    return crowd->profile->pipelines || crowd->options.rate ||
           crowd->profile->run != crowd_run_window;
}

void crowd_wait(struct crowd *crowd, uint64_t until_us)
{
    struct epoll_event events[EVENTS];
    uint64_t now_us = clock_mono_us();
    uint64_t wait_us = until_us > now_us ? until_us - now_us : 0;
    struct timespec timeout = {0};

    if (sleeps(crowd))
        timeout.tv_nsec = (long)least(wait_us, MOST_WAIT_US) * 1000;
    int count = epoll_pwait2(crowd->epoll, events, EVENTS, &timeout, NULL);
    for (int i = 0; i < count; i++)
        crowd_on_socket(crowd, &crowd->members[events[i].data.u64]);
    if (crowd->sent_again < crowd->refused)
        crowd_say_again(crowd);
}

bool crowd_is_stalled(const struct crowd *crowd)
{
    return clock_mono_us() >
           crowd->moved_us + (uint64_t)crowd->options.stall_ms * 1000;
}

bool crowd_settle(struct crowd *crowd, size_t most)
{
    while (crowd->waiting > most && !crowd_is_stalled(crowd))
        crowd_wait(crowd, UINT64_MAX);
    return crowd->waiting <= most;
}

/* ---- what is sent */

static bool all_came(const struct crowd *crowd)
{
    return crowd->received >= crowd->due && crowd->answered >= crowd->acts;
}

static bool is_enough(const struct crowd *crowd)
{
    return crowd->options.messages &&
           crowd->acts >= (uint64_t)crowd->options.messages;
}

static size_t talking_rooms(const struct crowd *crowd)
{
    return crowd->profile->make == crowd_make_large ? 1 : crowd->room_count;
}

/* The next room's turn; in each room the speakers take turns. */
static void speak(struct crowd *crowd, uint64_t due_us)
{
    size_t rooms = talking_rooms(crowd);
    const struct crowd_room *room = &crowd->rooms[crowd->next_at % rooms];
    size_t speaker = crowd->next_at / rooms % crowd->profile->speakers;

    crowd->next_at++;
    for (int64_t i = 0; i < crowd->options.burst; i++)
        crowd_say(crowd, &crowd->members[room->first + speaker], due_us, true);
}

/* Some member that has nothing out. */
static bool act(struct crowd *crowd)
{
    for (size_t tried = 0; tried < crowd->count; tried++) {
        struct crowd_member *member =
            &crowd->members[crowd->act_at++ % crowd->count];
        if (member->waiting || member->fd < 0)
            continue;
        crowd_act(crowd, member);
        return true;
    }
    return false;
}

static void fill(struct crowd *crowd)
{
    while (crowd->waiting < (size_t)crowd->options.out && !is_enough(crowd)) {
        if (!crowd->profile->mixes)
            speak(crowd, clock_mono_us());
        else if (!act(crowd))
            return;
    }
}

/* The large room's messages have a schedule of their own. */
static uint64_t speak_large(struct crowd *crowd, uint64_t now_us)
{
    uint64_t rate = (uint64_t)crowd->options.large_rate;
    uint64_t due_us = UINT64_MAX;

    if (crowd->profile->make != crowd_make_large)
        return due_us;
    while (rate > 0) {
        due_us = crowd->from_us + crowd->large_at * 1000000 / rate;
        if (due_us > now_us)
            break;
        crowd_say(crowd, &crowd->members[crowd->rooms[1].first], due_us, false);
        crowd->large_at++;
    }
    return due_us;
}

/* Send what is due; what it returns is when the next is. */
static uint64_t speak_due(struct crowd *crowd, uint64_t now_us)
{
    uint64_t rate = (uint64_t)crowd->options.rate;

    if (!rate && crowd->profile->pipelines)
        fill(crowd);
    else if (!rate && all_came(crowd) && !is_enough(crowd))
        speak(crowd, now_us);
    while (rate && !is_enough(crowd)) {
        uint64_t due_us = crowd->from_us + crowd->next_at * 1000000 / rate;
        if (due_us > now_us)
            return due_us > now_us + LEAST_WAIT_US ? due_us
                                                   : now_us + LEAST_WAIT_US;
        speak(crowd, due_us);
    }
    return UINT64_MAX;
}

static void turn(struct crowd *crowd, uint64_t until_us)
{
    uint64_t now_us = clock_mono_us();
    uint64_t wake_us = UINT64_MAX;

    if (now_us < until_us)
        wake_us =
            least(least(speak_due(crowd, now_us), speak_large(crowd, now_us)),
                  until_us);
    crowd_wait(crowd, wake_us);
}

/* A closed loop goes on to the end of its burst. */
static bool is_between(const struct crowd *crowd)
{
    return crowd->profile->pipelines || crowd->options.rate || all_came(crowd);
}

static void run_until(struct crowd *crowd, uint64_t until_us)
{
    while ((clock_mono_us() < until_us && !is_enough(crowd)) ||
           !is_between(crowd)) {
        if (crowd_is_stalled(crowd) && !is_between(crowd))
            return;
        turn(crowd, until_us);
    }
}

static void await_all(struct crowd *crowd)
{
    crowd->moved_us = clock_mono_us();
    while (!all_came(crowd) && !crowd_is_stalled(crowd))
        crowd_wait(crowd, UINT64_MAX);
}

void crowd_drain(struct crowd *crowd)
{
    await_all(crowd);
    if (crowd->due > crowd->received)
        crowd->errors[CROWD_LOST] += crowd->due - crowd->received;
    crowd->errors[CROWD_TIMEOUT] += crowd->waiting;
}

/* The schedule begins anew with the window. */
static void begin(struct crowd *crowd, enum load_phase phase, int64_t length_ms)
{
    crowd->phase = phase;
    crowd->next_at = crowd->large_at = 0;
    crowd->from_us = clock_mono_us();
    crowd->end_us = crowd->from_us + (uint64_t)length_ms * 1000;
}

static void forget_warmup(struct crowd *crowd)
{
    hist_reset(crowd->deliveries);
    hist_reset(crowd->answers);
    hist_reset(crowd->behind);
    crowd->in_window = crowd->answered_in_window = 0;
}

void crowd_sample(struct crowd *crowd, bool after)
{
    load_sample(crowd->load, after);
    if (after)
        crowd->own_after = load_own_cpu();
    else
        crowd->own_before = load_own_cpu();
}

static int enter_all(struct crowd *crowd)
{
    static int (*const steps[])(struct crowd * crowd) = {
        crowd_open_all,    crowd_sync_all, crowd_make_rooms,
        crowd_join_absent, crowd_join_all, crowd_watch_all};
    int err = 0;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && err == 0; i++)
        err = steps[i](crowd);
    return err;
}

static int enter(struct crowd *crowd)
{
    crowd->bytes_before = load_server_bytes(crowd->load);
    int err = enter_all(crowd);

    if (err < 0)
        return err;
    crowd->bytes_open = load_server_bytes(crowd->load);
    crowd->moved_us = clock_mono_us();
    begin(crowd, LOAD_WARMUP, crowd->load->options.warmup_ms);
    run_until(crowd, crowd->end_us);
    return 0;
}

static void run_window(struct crowd *crowd)
{
    forget_warmup(crowd);
    crowd_sample(crowd, false);
    begin(crowd, LOAD_WINDOW, crowd->load->options.duration_ms);
    run_until(crowd, crowd->end_us);
    crowd->seconds = (double)(clock_mono_us() - crowd->from_us) / 1e6;
    crowd_sample(crowd, true);
    crowd->phase = LOAD_DRAIN;
}

int crowd_run_window(struct crowd *crowd)
{
    int err = enter(crowd);

    if (err < 0)
        return err;
    run_window(crowd);
    crowd_drain(crowd);
    return 0;
}

/* Windows by turns: the large room is silent, or it is not. */
int crowd_run_lurkers(struct crowd *crowd)
{
    int64_t rate = crowd->options.large_rate;
    int err = enter(crowd);

    if (err < 0)
        return err;
    for (int64_t i = 0; i < 2 * crowd->options.rounds; i++) {
        crowd->options.large_rate = i % 2 ? rate : 0;
        run_window(crowd);
        await_all(crowd);
        crowd->round_figures[i] =
            (double)hist_quantile(crowd->deliveries, 0.99);
    }
    crowd_drain(crowd);
    return 0;
}
