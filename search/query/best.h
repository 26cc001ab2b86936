/*
 * best.h - the first few of many, by any order: a heap of numbers that stand
 * for them, the last one on top.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether one comes behind the other; no two are the same. */
typedef bool (*best_behind_cb)(const void *arg, uint32_t one, uint32_t other);

struct best {
    uint32_t *items; /* the caller's, room for most */
    size_t count, most;
    best_behind_cb is_behind;
    const void *arg;
};

static inline bool best_is_full(const struct best *best)
{
    return best->count == best->most;
}

/* While it is not full. */
void best_add(struct best *best, uint32_t item);
/* In the place of the last one, items[0], which is given back. */
uint32_t best_replace(struct best *best, uint32_t item);
/* One that may be among them. */
void best_offer(struct best *best, uint32_t item);
/* The first one first; nothing is added any more. */
void best_sort(struct best *best);
