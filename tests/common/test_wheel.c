/* test_wheel.c - timers, against a plain list of them. */
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
    struct clock_timer stopped = {.loop = &loop}, last = {.loop = &loop};
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

/* The loop's time is moved by hand, far and near. */
static void test_wheel_agrees_with_a_plain_list(void **state)
{
    static struct clock_timer timers[TIMERS];
    uv_loop_t loop;
    (void)state;

    srand(7);
    uv_loop_init(&loop);
    struct wheel *wheel = wheel_open(&loop);
    for (int step = 0; step < STEPS; step++) {
        struct clock_timer *timer = &timers[rand() % TIMERS];
        uint64_t wait = (uint64_t)rand() >> (rand() % 31);

        timer->loop = &loop;
        if (rand() % 4 == 0) {
            wheel_stop(wheel, &timer->timer);
            timer->due = 0;
        } else {
            timer->due = uv_now(&loop) + wait;
            wheel_start(wheel, &timer->timer, wait, on_run);
        }
        loop.time += (uint64_t)rand() >> (8 + rand() % 23);
        wheel_turn(wheel, loop.time);
        for (size_t i = 0; i < TIMERS; i++)
            assert_true(timers[i].due == 0 || timers[i].due >= uv_now(&loop));
    }
    for (size_t i = 0; i < TIMERS; i++)
        wheel_stop(wheel, &timers[i].timer);
    finish(&loop, wheel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wheel_runs_a_timer_once_and_not_early),
        cmocka_unit_test(test_wheel_stopped_timer_does_not_run),
        cmocka_unit_test(
            test_wheel_timer_may_start_itself_and_stop_its_neighbour),
        cmocka_unit_test(test_wheel_agrees_with_a_plain_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
