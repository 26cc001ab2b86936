/* clock.h - monotonic and wall time, and their spellings. */
#pragma once

#include <stdint.h>

#include "common/span.h"

#define CLOCK_RFC3339_LEN 24 /* 2026-01-31T23:59:59.123Z */
#define CLOCK_HTTP_LEN 29    /* Sat, 31 Jan 2026 23:59:59 GMT */

/* Monotonic microseconds; only differences mean something. */
uint64_t clock_mono_us(void);

/* Since 1970 by the system's clock. */
int64_t clock_wall_us(void);
int64_t clock_wall_ms(void);

/* Both write the length above and a NUL. */
void clock_format_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_LEN + 1]);
void clock_format_http(int64_t wall_ms, char out[CLOCK_HTTP_LEN + 1]);

/*
 * RFC 3339, any offset, up to nine fraction digits (kept to milliseconds),
 * years 1970 to 9999.  False, *wall_ms untouched, otherwise.
 */
bool clock_parse_rfc3339(struct span text, int64_t *wall_ms);
