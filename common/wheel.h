/*
 * wheel.h - one timer wheel per loop.
 *
 * Starting, moving and stopping a timer is O(1) and touches no kernel state,
 * so that every connection and every command can carry its own deadline.
 * Hashed hierarchical wheel (Varghese, Lauck: "Hashed and hierarchical timing
 * wheels", 1987), ticks of one millisecond, one uv_timer_t below it.  That one
 * sleeps until a timer is due or comes near (five times at most for the
 * farthest); it stands still, and lets uv_run() end, while none is started.
 */
#pragma once

#include <uv.h>

#include "common/list.h"

struct wheel;
struct wheel_timer;

/* The timer is stopped before this runs, and may be started again inside. */
typedef void (*wheel_timer_cb)(struct wheel_timer *timer);

/* Inside the caller's struct (LIST_ENTRY finds it); all zero is stopped. */
struct wheel_timer {
    struct list node;
    uint64_t due; /* in ticks of the loop's clock */
    wheel_timer_cb cb;
};

#define WHEEL_MAX_MS (UINT64_C(1) << 32) /* longer waits are cut to this */

struct wheel *wheel_open(uv_loop_t *loop);
/* All timers must be stopped.  Memory goes when the loop has closed it. */
void wheel_close(struct wheel *wheel);

/* Run cb once, later, not before uv_now() is ms further; moves a started
   timer, which to a later time costs one store. */
void wheel_start(struct wheel *wheel, struct wheel_timer *timer, uint64_t ms,
                 wheel_timer_cb cb);
void wheel_stop(struct wheel *wheel, struct wheel_timer *timer);

/* How many timers have run. */
uint64_t wheel_ran(const struct wheel *wheel);

/* Run what is due by until, a time of the loop's clock; for tests. */
void wheel_turn(struct wheel *wheel, uint64_t until);

static inline bool wheel_is_started(const struct wheel_timer *timer)
{
    return timer->node.next != NULL && timer->node.next != &timer->node;
}
