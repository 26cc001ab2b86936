/*
 * wheel.c - see wheel.h.
 *
 * Level 0 has a slot for each of the next 64 ticks, level 1 for each 64 ticks
 * behind them, and so on; turning a level over hands its next slot's timers
 * down.  A bit per slot tells which are in use, so that the next tick of
 * interest is found without looking at empty slots.
 *
 * Moving a timer to a later moment, which every request does with its
 * connection's idle timer, only changes its due time: the slot finds it too
 * early and puts it where it belongs.
 */
#include <assert.h>

#include "common/mem.h"
#include "common/wheel.h"

#define LEVELS 6
#define SLOT_BITS 6
#define SLOTS (1u << SLOT_BITS)
#define SLOT_MASK (SLOTS - 1)

struct wheel {
    uv_loop_t *loop;
    uv_timer_t timer;
    uint64_t now;   /* every tick up to this one has run */
    uint64_t armed; /* when the uv timer goes off; UINT64_MAX: stopped */
    uint64_t used[LEVELS];
    struct list slots[LEVELS][SLOTS];
    size_t count;
    uint64_t ran;
    bool running;
};

static void on_timer(uv_timer_t *timer);

struct wheel *wheel_open(uv_loop_t *loop)
{
    struct wheel *wheel = mem_zalloc(MEM_APP, sizeof(*wheel));

    wheel->loop = loop;
    wheel->now = uv_now(loop);
    wheel->armed = UINT64_MAX;
    for (size_t level = 0; level < LEVELS; level++)
        for (size_t slot = 0; slot < SLOTS; slot++)
            list_init(&wheel->slots[level][slot]);
    uv_timer_init(loop, &wheel->timer);
    wheel->timer.data = wheel;
    return wheel;
}

static void on_close(uv_handle_t *handle)
{
    mem_free(handle->data);
}

void wheel_close(struct wheel *wheel)
{
    assert(wheel->count == 0);
    uv_close((uv_handle_t *)&wheel->timer, on_close);
}

/* The level whose slots are as wide as the wait is long. */
static size_t level_of(uint64_t wait)
{
    size_t level = 0;

    while (level < LEVELS - 1 && wait >> (SLOT_BITS * (level + 1)))
        level++;
    return level;
}

static void insert(struct wheel *wheel, struct wheel_timer *timer)
{
    uint64_t due = timer->due > wheel->now ? timer->due : wheel->now + 1;
    size_t level = level_of(due - wheel->now);
    size_t slot = due >> (SLOT_BITS * level) & SLOT_MASK;

    list_append(&wheel->slots[level][slot], &timer->node);
    wheel->used[level] |= UINT64_C(1) << slot;
}

/* The first tick, not before from, at which a level has a slot to open. */
static uint64_t next_of_level(const struct wheel *wheel, size_t level)
{
    uint64_t used = wheel->used[level];
    unsigned shift = (unsigned)(SLOT_BITS * level);
    uint64_t turn = wheel->now >> shift;
    unsigned at = (unsigned)(turn + 1) & SLOT_MASK;

    if (!used)
        return UINT64_MAX;
    uint64_t rotated = used >> at | (at ? used << (SLOTS - at) : 0);
    return (turn + 1 + (unsigned)__builtin_ctzll(rotated)) << shift;
}

static uint64_t next_tick(const struct wheel *wheel)
{
    uint64_t next = UINT64_MAX;

    for (size_t level = 0; level < LEVELS; level++) {
        uint64_t tick = next_of_level(wheel, level);
        if (tick < next)
            next = tick;
    }
    return next;
}

static void arm(struct wheel *wheel, uint64_t tick)
{
    uint64_t now = uv_now(wheel->loop);

    wheel->armed = tick;
    if (tick == UINT64_MAX)
        uv_timer_stop(&wheel->timer);
    else
        uv_timer_start(&wheel->timer, on_timer, tick > now ? tick - now : 0, 0);
}

void wheel_start(struct wheel *wheel, struct wheel_timer *timer, uint64_t ms,
                 wheel_timer_cb cb)
{
    uint64_t wait = ms < WHEEL_MAX_MS ? ms : WHEEL_MAX_MS;
    uint64_t due = uv_now(wheel->loop) + wait;
    bool started = wheel_is_started(timer);

    timer->cb = cb;
    if (started && due >= timer->due) {
        timer->due = due; /* its slot will hand it on */
        return;
    }
    if (started)
        wheel_stop(wheel, timer);
    if (wheel->count++ == 0 && !wheel->running)
        wheel->now = uv_now(wheel->loop);
    timer->due = due;
    insert(wheel, timer);
    if (!wheel->running && due < wheel->armed)
        arm(wheel, next_tick(wheel));
}

/* A slot's bit may stay behind: opening an empty slot is harmless. */
void wheel_stop(struct wheel *wheel, struct wheel_timer *timer)
{
    if (!wheel_is_started(timer))
        return;
    list_remove(&timer->node);
    if (--wheel->count == 0 && !wheel->running)
        arm(wheel, UINT64_MAX);
}

/* Open the slots that begin at wheel->now: run what is due, hand on the rest.
 */
static void open_slots(struct wheel *wheel, size_t level, struct list *due)
{
    unsigned shift = (unsigned)(SLOT_BITS * level);
    size_t slot = wheel->now >> shift & SLOT_MASK;
    struct list open;

    list_init(&open);
    list_move(&wheel->slots[level][slot], &open);
    wheel->used[level] &= ~(UINT64_C(1) << slot);
    for (struct list *node; (node = list_pop(&open));) {
        struct wheel_timer *timer = LIST_ENTRY(node, struct wheel_timer, node);
        if (timer->due <= wheel->now)
            list_append(due, node);
        else
            insert(wheel, timer);
    }
}

static void run_due(struct wheel *wheel, struct list *due)
{
    for (struct list *node; (node = list_pop(due));) {
        struct wheel_timer *timer = LIST_ENTRY(node, struct wheel_timer, node);
        if (timer->due > wheel->now) { /* moved by one that ran before it */
            insert(wheel, timer);
            continue;
        }
        wheel->count--;
        wheel->ran++;
        timer->cb(timer);
    }
}

uint64_t wheel_ran(const struct wheel *wheel)
{
    return wheel->ran;
}

void wheel_turn(struct wheel *wheel, uint64_t until)
{
    struct list due;

    wheel->running = true;
    list_init(&due);
    for (uint64_t tick; (tick = next_tick(wheel)) <= until;) {
        wheel->now = tick;
        for (size_t level = LEVELS; level-- > 0;)
            if ((tick & ((UINT64_C(1) << (SLOT_BITS * level)) - 1)) == 0)
                open_slots(wheel, level, &due);
        run_due(wheel, &due);
    }
    if (wheel->now < until)
        wheel->now = until;
    wheel->running = false;
    arm(wheel, wheel->count ? next_tick(wheel) : UINT64_MAX);
}

static void on_timer(uv_timer_t *handle)
{
    struct wheel *wheel = handle->data;

    wheel_turn(wheel, uv_now(wheel->loop));
}
