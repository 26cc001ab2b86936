/*
 * fake_service.h - the rooms below the shortener's jobs, run by the test: an
 * app, a Redis that answers when told to, a wheel whose time is the test's.
 */
#pragma once

#include "common/app.h"
#include "common/wheel.h"

#define FAKE_MAX_CALLS 64
#define FAKE_MAX_ARGS 32

struct fake_call {
    char *argv[FAKE_MAX_ARGS]; /* the first of them; copies */
    size_t argc;
    redis_reply_cb cb;
    void *arg;
};

struct fake_service {
    int refuse; /* what the next calls return, if not 0 */
    struct fake_call calls[FAKE_MAX_CALLS];
    size_t made, answered; /* calls so far */
    struct wheel_timer *timer;
    wheel_timer_cb timer_cb;
};

extern struct fake_service fake;

void fake_reset(void);

/* Answer the oldest call that waits: two integers, or an error. */
void fake_answer(long long counted, long long refused);
void fake_fail(int status);

/* Let the started timer run out. */
void fake_tick(void);

/* What the cell of that name holds. */
uint64_t fake_metric(const char *name);
