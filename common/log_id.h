/*
 * log_id.h - where an entry stands in a log (of entries, as a Redis stream is
 * one; not that of log.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* All zero: before the first entry, or there is no log. */
struct log_id {
    /* Offsets of an epoch count from 1; a log that begins again has a later
       epoch, one that never does may have 0. */
    uint64_t epoch, offset;
};

static inline bool log_id_eq(struct log_id a, struct log_id b)
{
    return a.epoch == b.epoch && a.offset == b.offset;
}

static inline bool log_id_is_before(struct log_id a, struct log_id b)
{
    return a.epoch < b.epoch || (a.epoch == b.epoch && a.offset < b.offset);
}
