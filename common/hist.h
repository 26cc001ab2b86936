/*
 * hist.h - a histogram of microseconds with bounded relative error.
 *
 * Log-linear buckets (after Gil Tene's HdrHistogram): 1 part in 128 from 1 us
 * to an hour, in a fixed size; what is longer counts as an hour.
 */
#pragma once

#include <stdint.h>

struct hist;

struct hist *hist_create(void);
void hist_destroy(struct hist *hist);
void hist_reset(struct hist *hist);
void hist_record(struct hist *hist, uint64_t us);

/* Add what from holds. */
void hist_merge(struct hist *hist, const struct hist *from);

uint64_t hist_count(const struct hist *hist);
uint64_t hist_max(const struct hist *hist);
double hist_mean(const struct hist *hist);

/* The upper edge of the bucket that holds quantile q of 0 to 1; 0 if empty. */
uint64_t hist_quantile(const struct hist *hist, double q);
