/* log_id.h - where an entry stands in a log: the id of a Redis stream. */
#pragma once

#include "common/span.h"

/* All zero: before the first entry, or there is no log. */
struct log_id {
    uint64_t epoch, offset; /* offsets of an epoch count from 1 */
};

#define LOG_ID_NO_EPOCH 1 /* of no log: epochs are times in us */

/* "epoch-offset"; false: it is none. */
bool log_id_parse(struct span text, struct log_id *id);

/* Room for both numbers and what is between. */
#define LOG_ID_MAX (2 * SPAN_U64_MAX + 2)
/* As it is parsed; "" of no log. */
struct span log_id_text(char room[LOG_ID_MAX], struct log_id id);

static inline bool log_id_eq(struct log_id a, struct log_id b)
{
    return a.epoch == b.epoch && a.offset == b.offset;
}

static inline bool log_id_is_before(struct log_id a, struct log_id b)
{
    return a.epoch < b.epoch || (a.epoch == b.epoch && a.offset < b.offset);
}
