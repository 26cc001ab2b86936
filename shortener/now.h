/*
 * now.h - the wall clock of Redis, as near as one host can tell.
 *
 * Links are made, and expire, on many hosts but by one clock: each asks Redis
 * for its TIME every NOW_PERIOD_MS and keeps the difference to its own clock.
 * An answer that took over NOW_MAX_TRIP_MS is not used; a difference that the
 * trip itself explains is none, so that the workers of one host agree to the
 * microsecond.
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

/* Since 1970; its own clock until Redis has answered once.  Made for every
 * redirect: as of this turn of the loop. */
int64_t now_ms(const struct now *now);

/* The same exactly, and never twice. */
int64_t now_unique_us(struct now *now);
