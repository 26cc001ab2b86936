/* test_wheel.c - timers, against a plain list of them. */
#include <limits.h>
#include <stdlib.h>

#include "common/wheel.h"
#include "tests/test.h"

#define TIMERS 300
#define STEPS 20000

struct clock_timer {
    struct wheel_timer timer;
    uint64_t due; /* as the plain list has it; 0: stopped */
    uv_loop_t *loop;
    int runs;
};

static void on_run(struct wheel_timer *timer)
{
    struct clock_timer *self = LIST_ENTRY(timer, struct clock_timer, timer);

    assert_false(wheel_is_started(timer));
    assert_true(self->due != 0);
    assert_true(uv_now(self->loop) >= self->due);
    self->due = 0;
    self->runs++;
}

static void finish(uv_loop_t *loop, struct wheel *wheel)
{
    wheel_close(wheel);
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
}

static void test_wheel_runs_a_timer_once_and_not_early(void **state)
{
    static const uint64_t waits[] = {0, 1, 2, 63, 64, 65, 130};
    uv_loop_t loop;
    (void)state;

    for (size_t i = 0; i < COUNT(waits); i++) {
        uv_loop_init(&loop);
        struct wheel *wheel = wheel_open(&loop);
        struct clock_timer self = {.loop = &loop,
                                   .due = uv_now(&loop) + waits[i]};
        wheel_start(wheel, &self.timer, waits[i], on_run);
        assert_true(wheel_is_started(&self.timer));
        while (self.runs == 0)
            uv_run(&loop, UV_RUN_ONCE);
        uv_run(&loop, UV_RUN_NOWAIT);
        assert_int_equal(self.runs, 1);
        finish(&loop, wheel);
    }
}

static void test_wheel_stopped_timer_does_not_run(void **state)
{
    uv_loop_t loop;
    struct clock_timer stopped = {.loop = &loop};
    struct clock_timer last = {.loop = &loop};
    (void)state;

    uv_loop_init(&loop);
    struct wheel *wheel = wheel_open(&loop);
    wheel_start(wheel, &stopped.timer, 1, on_run);
    last.due = uv_now(&loop) + 3;
    wheel_start(wheel, &last.timer, 3, on_run);
    wheel_stop(wheel, &stopped.timer);
    wheel_stop(wheel, &stopped.timer); /* twice is fine */
    while (last.runs == 0)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(stopped.runs, 0);
    finish(&loop, wheel);
}

struct pair {
    struct wheel_timer first, second;
    struct wheel *wheel;
    int first_runs, second_runs;
};

static void on_second(struct wheel_timer *timer)
{
    LIST_ENTRY(timer, struct pair, second)->second_runs++;
}

static void on_first(struct wheel_timer *timer)
{
    struct pair *pair = LIST_ENTRY(timer, struct pair, first);

    wheel_stop(pair->wheel, &pair->second);
    if (++pair->first_runs < 3)
        wheel_start(pair->wheel, timer, 0, on_first);
}

static void
test_wheel_timer_may_start_itself_and_stop_its_neighbour(void **state)
{
    uv_loop_t loop;
    struct pair pair = {0};
    (void)state;

    uv_loop_init(&loop);
    pair.wheel = wheel_open(&loop);
    wheel_start(pair.wheel, &pair.first, 2, on_first);
    wheel_start(pair.wheel, &pair.second, 2, on_second);
    while (pair.first_runs < 3)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(pair.second_runs, 0);
    finish(&loop, pair.wheel);
}

static void on_mover(struct wheel_timer *timer)
{
    struct pair *pair = LIST_ENTRY(timer, struct pair, first);

    pair->first_runs++;
    wheel_start(pair->wheel, &pair->second, 100, on_second);
}

static void test_wheel_timer_may_move_one_that_is_due_with_it(void **state)
{
    uv_loop_t loop;
    struct pair pair = {0};
    (void)state;

    uv_loop_init(&loop);
    pair.wheel = wheel_open(&loop);
    wheel_start(pair.wheel, &pair.first, 2, on_mover);
    wheel_start(pair.wheel, &pair.second, 2, on_second);
    loop.time += 2;
    wheel_turn(pair.wheel, loop.time);
    assert_int_equal(pair.first_runs, 1);
    assert_int_equal(pair.second_runs, 0);
    loop.time += 100;
    wheel_turn(pair.wheel, loop.time);
    assert_int_equal(pair.second_runs, 1);
    finish(&loop, pair.wheel);
}

static void on_prepare(uv_prepare_t *handle)
{
    (void)handle;
}

/* A loop that has turned once: before, uv_backend_timeout() is always 0. */
static void init_turned(uv_loop_t *loop)
{
    uv_prepare_t alive;

    uv_loop_init(loop);
    uv_prepare_init(loop, &alive);
    uv_prepare_start(&alive, on_prepare);
    uv_run(loop, UV_RUN_NOWAIT);
    uv_close((uv_handle_t *)&alive, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
}

static void test_wheel_sleeps_while_nothing_is_due(void **state)
{
    uv_loop_t loop;
    struct clock_timer near = {.loop = &loop};
    struct clock_timer far = {.loop = &loop};
    (void)state;

    init_turned(&loop);
    struct wheel *wheel = wheel_open(&loop);
    assert_int_equal(uv_backend_timeout(&loop), 0); /* nothing to wait for */
    wheel_start(wheel, &far.timer, 60000, on_run);
    assert_in_range(uv_backend_timeout(&loop), 60000 - 4096, 60000);
    wheel_start(wheel, &near.timer, 50, on_run);
    assert_in_range(uv_backend_timeout(&loop), 1, 50);
    wheel_stop(wheel, &near.timer);
    wheel_stop(wheel, &far.timer);
    assert_false(uv_loop_alive(&loop));
    finish(&loop, wheel);
}

/*
 * How often the wheel turns until a timer runs that was started at time from.
 * uv_backend_timeout() is an int: a poll that ends by that turns nothing.
 */
static int turns_until_run(uint64_t from)
{
    uv_loop_t loop;
    struct clock_timer far = {.loop = &loop};
    int turns = 0;

    init_turned(&loop);
    loop.time = from;
    struct wheel *wheel = wheel_open(&loop);
    far.due = from + WHEEL_MAX_MS;
    wheel_start(wheel, &far.timer, WHEEL_MAX_MS + 1, on_run); /* is cut */
    while (far.runs == 0) {
        int sleep = uv_backend_timeout(&loop);
        loop.time += (uint64_t)sleep;
        if (sleep == INT_MAX)
            continue;
        wheel_turn(wheel, loop.time);
        turns++;
    }
    finish(&loop, wheel);
    return turns;
}

static void test_wheel_opens_few_slots_for_a_far_timer(void **state)
{
    static const struct {
        uint64_t from;
        int turns;
    } cases[] = {
        {UINT64_C(1) << 40, 1},          /* due where a slot begins */
        {(UINT64_C(1) << 40) + 1000, 3}, /* one of level 5, one of level 1 */
        {(UINT64_C(1) << 40) - 1, 6},    /* one of each level */
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(turns_until_run(cases[i].from), cases[i].turns);
}

/* A plain list of timers, and the wheel that has the same. */
struct model {
    uv_loop_t loop;
    struct wheel *wheel;
    struct clock_timer timers[TIMERS];
    uint64_t seed; /* of splitmix64, so that each run is the same */
};

static struct model model;

static uint64_t draw(void)
{
    uint64_t z = model.seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void on_model_run(struct wheel_timer *timer);

/* Start, move or stop one of them. */
static void act(void)
{
    struct clock_timer *timer = &model.timers[draw() % TIMERS];
    uint64_t wait = (draw() & UINT32_MAX) >> draw() % 33;

    timer->loop = &model.loop;
    if (draw() % 4 == 0) {
        wheel_stop(model.wheel, &timer->timer);
        timer->due = 0;
        assert_false(wheel_is_started(&timer->timer));
        return;
    }
    timer->due = uv_now(&model.loop) + wait;
    wheel_start(model.wheel, &timer->timer, wait, on_model_run);
    assert_true(wheel_is_started(&timer->timer));
}

/* Callbacks act too, on timers that are due in the same turn as well. */
static void on_model_run(struct wheel_timer *timer)
{
    on_run(timer);
    if (draw() % 2)
        act();
}

/* The loop's time is moved by hand, far and near. */
static void test_wheel_agrees_with_a_plain_list(void **state)
{
    int runs = 0;
    (void)state;

    model.seed = 7;
    uv_loop_init(&model.loop);
    model.loop.time = UINT32_MAX - 1000; /* soon past 32 bits */
    model.wheel = wheel_open(&model.loop);
    for (int step = 0; step < STEPS; step++) {
        act();
        model.loop.time += (draw() & UINT32_MAX) >> draw() % 33;
        wheel_turn(model.wheel, model.loop.time);
        for (size_t i = 0; i < TIMERS; i++) /* none is late */
            assert_true(!model.timers[i].due ||
                        model.timers[i].due >= uv_now(&model.loop));
    }
    for (size_t i = 0; i < TIMERS; i++) {
        runs += model.timers[i].runs;
        wheel_stop(model.wheel, &model.timers[i].timer);
    }
    assert_true(runs > STEPS / 4);
    finish(&model.loop, model.wheel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wheel_runs_a_timer_once_and_not_early),
        cmocka_unit_test(test_wheel_stopped_timer_does_not_run),
        cmocka_unit_test(
            test_wheel_timer_may_start_itself_and_stop_its_neighbour),
        cmocka_unit_test(test_wheel_timer_may_move_one_that_is_due_with_it),
        cmocka_unit_test(test_wheel_sleeps_while_nothing_is_due),
        cmocka_unit_test(test_wheel_opens_few_slots_for_a_far_timer),
        cmocka_unit_test(test_wheel_agrees_with_a_plain_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
