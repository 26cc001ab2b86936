/*
 * metrics.h - counters, gauges and histograms shared by a service's processes.
 *
 * One memory file, made by the master and inherited: a directory of series
 * (name and labels, so that an older and a newer build may share it) and a
 * slot of values per live process.  A slot outlives its process and is taken
 * over by the next, so a counter's sum never shrinks; gauges of a slot that
 * nobody holds do not count.  An update is one plain store: each slot has one
 * writer.  Any process reads them all.
 */
#pragma once

#include "common/buf.h"

/* Later ones are counted in metrics_overflow_total and dropped. */
#define METRICS_MAX_SERIES 2048
#define METRICS_NAME_MAX 160 /* bytes of name and labels, with their NULs */

struct metrics;

enum metrics_kind {
    METRICS_COUNTER,
    METRICS_GAUGE,
    METRICS_GAUGE_SECONDS, /* set in microseconds, shown in seconds */
};

/* Make a memory file with so many slots; its descriptor, or UV_E*. */
int metrics_make(uint32_t slots);

/*
 * Map the file of fd and take a slot that no live process holds; the process
 * must end before its slot is free again (a robust file lock says so).
 * NULL when none is free.  observer: take no slot, only read; its cells count
 * nowhere.
 */
struct metrics *metrics_open(int fd, bool observer);
void metrics_close(struct metrics *metrics);

/*
 * The cell of one series, the same for the same name and labels.  labels is
 * "route=\"/x\",status=\"200\"" or "".  Never NULL; valid until metrics_close.
 * Add by metrics_add(), or set a gauge, through the cell.  help is kept from
 * the first caller.
 */
uint64_t *metrics_cell(struct metrics *metrics, enum metrics_kind kind,
                       const char *name, const char *labels, const char *help);

static inline void metrics_add(uint64_t *cell, uint64_t n)
{
    __atomic_store_n(cell, *cell + n, __ATOMIC_RELAXED);
}

static inline void metrics_set(uint64_t *cell, uint64_t value)
{
    __atomic_store_n(cell, value, __ATOMIC_RELAXED);
}

/* Seconds in fixed buckets: 50 us, 100, 250, 500, 1 ms … 10 s. */
struct metrics_histogram;

/* Lives until metrics_close(). */
struct metrics_histogram *metrics_histogram(struct metrics *metrics,
                                            const char *name,
                                            const char *labels,
                                            const char *help);
void metrics_observe(struct metrics_histogram *histogram, uint64_t us);

/*
 * A series summed over all slots, for health and tests: 0 when unknown, of a
 * histogram the number of observations.
 */
uint64_t metrics_sum(const struct metrics *metrics, const char *name,
                     const char *labels);

/* The text format of Prometheus, families together, sorted, with HELP, TYPE. */
void metrics_write(const struct metrics *metrics, struct buf *out);
