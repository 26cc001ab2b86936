/*
 * now.h - the wall clock of Redis, as near as one host can tell.
 *
 * Expiry is decided on many hosts but must happen at one moment: each asks
 * Redis for its TIME every NOW_PERIOD_MS and keeps the difference to its own
 * clock; an answer that took over NOW_MAX_TRIP_MS is not used.
 */
#pragma once

#include "common/redis.h"
#include "common/stream.h"

#define NOW_PERIOD_MS 5000
#define NOW_MAX_TRIP_MS 100

struct now;

struct now *now_create(struct stream_loop *loop, struct redis *redis);
/* redis must be closed by then. */
void now_destroy(struct now *now);

/* Since 1970; its own clock until Redis has answered once. */
int64_t now_ms(const struct now *now);
