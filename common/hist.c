/*
 * hist.c - see hist.h.
 *
 * Values below 2 * STEPS have a bucket each; above, every power of two is cut
 * into STEPS buckets of the same width.
 */
#include "common/hist.h"
#include "common/mem.h"

#define STEP_BITS 7
#define STEPS ((size_t)1 << STEP_BITS)
#define MAX_US UINT64_C(3600000000)
#define BUCKETS ((33 - STEP_BITS) * STEPS)

struct hist {
    uint64_t count, sum, max;
    uint64_t buckets[BUCKETS];
};

static size_t bucket_of(uint64_t us)
{
    if (us < 2 * STEPS)
        return (size_t)us;
    unsigned shift = 63 - (unsigned)__builtin_clzll(us) - STEP_BITS;
    return (size_t)shift * STEPS + (size_t)(us >> shift);
}

/* The largest value that falls into the bucket. */
static uint64_t upper_edge(size_t bucket)
{
    if (bucket < 2 * STEPS)
        return bucket;
    size_t shift = bucket / STEPS - 1;
    uint64_t step = bucket - shift * STEPS;
    return ((step + 1) << shift) - 1;
}

struct hist *hist_create(void)
{
    return mem_zalloc(MEM_LOAD, sizeof(struct hist));
}

void hist_destroy(struct hist *hist)
{
    mem_free(hist);
}

void hist_reset(struct hist *hist)
{
    *hist = (struct hist){0};
}

void hist_record(struct hist *hist, uint64_t us)
{
    if (us > MAX_US)
        us = MAX_US;
    hist->buckets[bucket_of(us)]++;
    hist->count++;
    hist->sum += us;
    if (us > hist->max)
        hist->max = us;
}

void hist_merge(struct hist *hist, const struct hist *from)
{
    for (size_t i = 0; i < BUCKETS; i++)
        hist->buckets[i] += from->buckets[i];
    hist->count += from->count;
    hist->sum += from->sum;
    if (from->max > hist->max)
        hist->max = from->max;
}

uint64_t hist_count(const struct hist *hist)
{
    return hist->count;
}

uint64_t hist_max(const struct hist *hist)
{
    return hist->max;
}

double hist_mean(const struct hist *hist)
{
    return hist->count ? (double)hist->sum / (double)hist->count : 0;
}

uint64_t hist_quantile(const struct hist *hist, double q)
{
    uint64_t seen = 0;
    uint64_t wanted = (uint64_t)(q * (double)hist->count);

    if (wanted >= hist->count && hist->count)
        wanted = hist->count - 1;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += hist->buckets[i];
        if (seen > wanted) {
            uint64_t edge = upper_edge(i);
            return edge < hist->max ? edge : hist->max;
        }
    }
    return 0;
}
