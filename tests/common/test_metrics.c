/* test_metrics.c - one memory file, several processes, some of them killed. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/metrics.h"
#include "tests/test.h"

static int make(uint32_t slots)
{
    int fd = metrics_make(slots);

    assert_true(fd >= 0);
    return fd;
}

static char *text_of(const struct metrics *m, struct buf *out)
{
    buf_init(out, MEM_APP);
    metrics_write(m, out);
    buf_append_char(out, '\0');
    return out->ptr;
}

static void test_metrics_gives_one_cell_per_name_and_labels(void **state)
{
    int fd = make(1);
    struct metrics *m = metrics_open(fd, false);
    uint64_t *a = metrics_cell(m, METRICS_COUNTER, "a_total", "", "A.");
    (void)state;

    assert_ptr_equal(metrics_cell(m, METRICS_COUNTER, "a_total", "", "B."), a);
    assert_ptr_not_equal(
        metrics_cell(m, METRICS_COUNTER, "a_total", "x=\"1\"", "A."), a);
    metrics_add(a, 3);
    assert_int_equal(metrics_sum(m, "a_total", ""), 3);
    assert_int_equal(metrics_sum(m, "a_total", "x=\"1\""), 0);
    assert_int_equal(metrics_sum(m, "b_total", ""), 0);
    metrics_close(m);
    close(fd);
}

static void test_metrics_writes_sorted_families(void **state)
{
    int fd = make(1);
    struct metrics *m = metrics_open(fd, false);
    struct buf out;
    (void)state;

    metrics_add(metrics_cell(m, METRICS_COUNTER, "z_total", "r=\"b\"", "Z."),
                1);
    metrics_set(metrics_cell(m, METRICS_GAUGE, "b", "", "B."), 7);
    metrics_add(metrics_cell(m, METRICS_COUNTER, "z_total", "r=\"a\"", "Z."),
                2);
    metrics_set(
        metrics_cell(m, METRICS_GAUGE_SECONDS, "lag_seconds", "", "Lag."),
        1500001);
    assert_string_equal(text_of(m, &out),
                        "# HELP b B.\n# TYPE b gauge\nb 7\n"
                        "# HELP lag_seconds Lag.\n"
                        "# TYPE lag_seconds gauge\nlag_seconds 1.500001\n"
                        "# HELP metrics_overflow_total Series refused: too "
                        "many, too long, or of two kinds.\n"
                        "# TYPE metrics_overflow_total counter\n"
                        "metrics_overflow_total 0\n"
                        "# HELP z_total Z.\n# TYPE z_total counter\n"
                        "z_total{r=\"a\"} 2\nz_total{r=\"b\"} 1\n");
    buf_deinit(&out);
    metrics_close(m);
    close(fd);
}

static void test_histogram_buckets_are_cumulative(void **state)
{
    static const uint64_t seen_us[] = {0, 50, 51, 1000, 10000000, 10000001};
    int fd = make(1);
    struct metrics *m = metrics_open(fd, false);
    struct metrics_histogram *h =
        metrics_histogram(m, "t_seconds", "r=\"/\"", "T.");
    struct buf out;
    char *text;
    (void)state;

    for (size_t i = 0; i < COUNT(seen_us); i++)
        metrics_observe(h, seen_us[i]);
    text = text_of(m, &out);
    assert_non_null(strstr(text, "# TYPE t_seconds histogram\n"));
    assert_non_null(strstr(text, "t_seconds_bucket{r=\"/\",le=\"5e-05\"} 2\n"));
    assert_non_null(
        strstr(text, "t_seconds_bucket{r=\"/\",le=\"0.0001\"} 3\n"));
    assert_non_null(strstr(text, "t_seconds_bucket{r=\"/\",le=\"0.001\"} 4\n"));
    assert_non_null(strstr(text, "t_seconds_bucket{r=\"/\",le=\"10\"} 5\n"));
    assert_non_null(strstr(text, "t_seconds_bucket{r=\"/\",le=\"+Inf\"} 6\n"));
    assert_non_null(strstr(text, "t_seconds_sum{r=\"/\"} 20.001102\n"));
    assert_non_null(strstr(text, "t_seconds_count{r=\"/\"} 6\n"));
    assert_int_equal(metrics_sum(m, "t_seconds", "r=\"/\""), 6);
    buf_deinit(&out);
    metrics_close(m);
    close(fd);
}

static void test_metrics_counts_series_it_refuses(void **state)
{
    char labels[METRICS_NAME_MAX + 8];
    int fd = make(1);
    struct metrics *m = metrics_open(fd, false);
    uint64_t *cell = NULL;
    (void)state;

    for (int i = 1; i < METRICS_MAX_SERIES; i++) {
        snprintf(labels, sizeof(labels), "i=\"%d\"", i);
        cell = metrics_cell(m, METRICS_COUNTER, "a_total", labels, "A.");
    }
    metrics_add(cell, 1);
    assert_int_equal(metrics_sum(m, "a_total", labels), 1);
    assert_int_equal(metrics_sum(m, "metrics_overflow_total", ""), 0);
    cell = metrics_cell(m, METRICS_COUNTER, "one_more_total", "", "");
    metrics_add(cell, 1);
    assert_int_equal(metrics_sum(m, "one_more_total", ""), 0);
    memset(labels, 'x', sizeof(labels) - 1);
    labels[sizeof(labels) - 1] = '\0';
    metrics_cell(m, METRICS_COUNTER, "a_total", labels, "");
    metrics_observe(metrics_histogram(m, "a_total", "", ""), 1);
    assert_int_equal(metrics_sum(m, "metrics_overflow_total", ""), 3);
    metrics_close(m);
    close(fd);
}

static void test_metrics_refuses_a_second_kind_of_one_family(void **state)
{
    int fd = make(1);
    struct metrics *m = metrics_open(fd, false);
    (void)state;

    metrics_cell(m, METRICS_COUNTER, "a_total", "x=\"1\"", "A.");
    metrics_set(metrics_cell(m, METRICS_GAUGE, "a_total", "x=\"2\"", "A."), 5);
    metrics_set(metrics_cell(m, METRICS_GAUGE, "a_total", "x=\"1\"", "A."), 5);
    assert_int_equal(metrics_sum(m, "a_total", "x=\"1\""), 0);
    assert_int_equal(metrics_sum(m, "a_total", "x=\"2\""), 0);
    assert_int_equal(metrics_sum(m, "metrics_overflow_total", ""), 2);
    metrics_close(m);
    close(fd);
}

static void test_metrics_hands_a_slot_on_with_its_counters(void **state)
{
    int fd = make(1);
    struct metrics *watcher = metrics_open(fd, true);
    struct metrics *m = metrics_open(fd, false);
    (void)state;

    metrics_add(metrics_cell(m, METRICS_COUNTER, "a_total", "", "A."), 4);
    metrics_set(metrics_cell(m, METRICS_GAUGE, "g", "", "G."), 9);
    assert_null(metrics_open(fd, false)); /* the slot is taken */
    assert_int_equal(metrics_sum(watcher, "g", ""), 9);
    metrics_close(m);
    assert_int_equal(metrics_sum(watcher, "a_total", ""), 4);
    assert_int_equal(metrics_sum(watcher, "g", ""), 0);
    m = metrics_open(fd, false);
    assert_non_null(m);
    assert_int_equal(metrics_sum(watcher, "g", ""), 0);
    metrics_add(metrics_cell(m, METRICS_COUNTER, "a_total", "", "A."), 1);
    assert_int_equal(metrics_sum(watcher, "a_total", ""), 5);
    metrics_close(m);
    metrics_close(watcher);
    close(fd);
}

static void test_metrics_refuses_a_file_that_is_none(void **state)
{
    FILE *file = tmpfile();
    (void)state;

    assert_non_null(file);
    assert_null(metrics_open(fileno(file), false));
    assert_int_equal(ftruncate(fileno(file), 1 << 20), 0);
    assert_null(metrics_open(fileno(file), true));
    assert_null(metrics_open(-1, true));
    fclose(file);
}

/* Processes. */

enum { WRITERS = 4, OWN = 100, TURNS = 400 };

static pid_t spawn(int fd, void (*body)(struct metrics *m))
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        struct metrics *m = metrics_open(fd, false);

        if (m == NULL)
            _exit(1);
        body(m);
        _exit(0);
    }
    return pid;
}

static void reap(pid_t pid, int signo)
{
    int status = 0;

    if (signo != 0)
        kill(pid, signo);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (signo == 0)
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Register the same series as everybody, in an order of our own. */
static void register_series(struct metrics *m)
{
    unsigned start = (unsigned)getpid();

    for (unsigned i = 0; i < OWN; i++) {
        char labels[32];

        snprintf(labels, sizeof(labels), "i=\"%u\"", (start + i) % OWN);
        metrics_add(metrics_cell(m, METRICS_COUNTER, "s_total", labels, "S."),
                    1);
        metrics_observe(metrics_histogram(m, "h_seconds", labels, "H."), 1);
    }
}

static void test_metrics_registers_once_from_many_processes(void **state)
{
    int fd = make(WRITERS);
    struct metrics *watcher = metrics_open(fd, true);
    pid_t pids[WRITERS];
    (void)state;

    for (int i = 0; i < WRITERS; i++)
        pids[i] = spawn(fd, register_series);
    for (int i = 0; i < WRITERS; i++)
        reap(pids[i], 0);
    for (int i = 0; i < OWN; i++) {
        char labels[32];

        snprintf(labels, sizeof(labels), "i=\"%d\"", i);
        assert_int_equal(metrics_sum(watcher, "s_total", labels), WRITERS);
        assert_int_equal(metrics_sum(watcher, "h_seconds", labels), WRITERS);
    }
    metrics_close(watcher);
    close(fd);
}

static void count_for_ever(struct metrics *m)
{
    uint64_t *cell = metrics_cell(m, METRICS_COUNTER, "a_total", "", "A.");

    metrics_set(metrics_cell(m, METRICS_GAUGE, "up", "", "Up."), 1);
    for (;;)
        metrics_add(cell, 1);
}

static uint64_t wait_for_more(const struct metrics *m, uint64_t than)
{
    uint64_t sum;

    do {
        sum = metrics_sum(m, "a_total", "");
        assert_true(sum >= than); /* it never shrinks */
        sched_yield();
    } while (sum == than);
    return sum;
}

static void test_metrics_sums_never_shrink_when_writers_are_killed(void **state)
{
    int fd = make(WRITERS);
    struct metrics *watcher = metrics_open(fd, true);
    pid_t pids[WRITERS];
    uint64_t last = 0;
    (void)state;

    for (int i = 0; i < WRITERS; i++)
        pids[i] = spawn(fd, count_for_ever);
    for (int turn = 0; turn < TURNS; turn++) {
        last = wait_for_more(watcher, last);
        assert_true(metrics_sum(watcher, "up", "") <= WRITERS);
        if (turn % 10 == 9) {
            int victim = turn / 10 % WRITERS;

            reap(pids[victim], SIGKILL);
            pids[victim] = spawn(fd, count_for_ever);
        }
    }
    for (int i = 0; i < WRITERS; i++)
        reap(pids[i], SIGKILL);
    assert_true(metrics_sum(watcher, "a_total", "") >= last);
    assert_int_equal(metrics_sum(watcher, "up", ""), 0);
    metrics_close(watcher);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics_gives_one_cell_per_name_and_labels),
        cmocka_unit_test(test_metrics_writes_sorted_families),
        cmocka_unit_test(test_histogram_buckets_are_cumulative),
        cmocka_unit_test(test_metrics_counts_series_it_refuses),
        cmocka_unit_test(test_metrics_refuses_a_second_kind_of_one_family),
        cmocka_unit_test(test_metrics_hands_a_slot_on_with_its_counters),
        cmocka_unit_test(test_metrics_refuses_a_file_that_is_none),
        cmocka_unit_test(test_metrics_registers_once_from_many_processes),
        cmocka_unit_test(
            test_metrics_sums_never_shrink_when_writers_are_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
