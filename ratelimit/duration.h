/* duration.h - "250ms", "1s", "10m", "1h", "1d", "2w" as microseconds. */
#pragma once

#include "common/span.h"

#define DURATION_TEXT_MAX 32

/* False, *us untouched, when text is none or is longer than 2^53 us. */
bool duration_parse(struct span text, uint64_t *us);

/* In the largest unit that divides it; us is whole milliseconds. */
struct span duration_write(uint64_t us, char text[DURATION_TEXT_MAX]);
