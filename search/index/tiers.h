/*
 * tiers.h - which segments of an index are worth merging.
 *
 * Segments lie in tiers by the bytes of what is live in them, each tier
 * `factor` times as large as the one before.  Neighbours become one, so that
 * documents stay in their order: as soon as `factor` of them, one behind the
 * other, are of a tier or of smaller ones, and the largest has not more than
 * all the others.  So a document is written again about once a tier.  A
 * segment of which more is deleted than is live is written anew, alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIERS_FACTOR 8
#define TIERS_FLOOR (UINT64_C(2) << 20) /* bytes; all below are one tier */
#define TIERS_MOST (UINT64_C(5) << 30)  /* bytes of a segment by merging */

struct tiers {
    size_t factor; /* at least 2 */
    uint64_t floor, most;
};

static const struct tiers tiers_usual = {TIERS_FACTOR, TIERS_FLOOR, TIERS_MOST};

struct tiers_segment {
    uint64_t bytes;
    uint32_t docs, live;
};

struct tiers_range {
    size_t from, count;
};

/* The most pressing merge, of the smallest segments first; false: none is worth
   it. */
bool tiers_choose(const struct tiers *tiers,
                  const struct tiers_segment *segments, size_t count,
                  struct tiers_range *range);
