/* duration.c - see duration.h. */
#include <inttypes.h>
#include <stdio.h>

#include "ratelimit/duration.h"

#define LONGEST_US (UINT64_C(1) << 53)

static const struct {
    const char *name;
    uint64_t us;
} units[] = {
    {"w", UINT64_C(604800000000)}, {"d", UINT64_C(86400000000)},
    {"h", UINT64_C(3600000000)},   {"m", UINT64_C(60000000)},
    {"s", UINT64_C(1000000)},      {"ms", UINT64_C(1000)},
};

#define UNITS (sizeof(units) / sizeof(units[0]))

static size_t digits_of(struct span text)
{
    size_t count = 0;

    while (count < text.len && text.ptr[count] >= '0' && text.ptr[count] <= '9')
        count++;
    return count;
}

bool duration_parse(struct span text, uint64_t *us)
{
    size_t digits = digits_of(text);
    struct span unit = span_skip(text, digits);
    uint64_t number;

    for (size_t i = 0; i < UNITS; i++) {
        if (!span_eq(unit, span_str(units[i].name)))
            continue;
        if (!span_to_u64((struct span){text.ptr, digits},
                         LONGEST_US / units[i].us, &number))
            return false;
        *us = number * units[i].us;
        return true;
    }
    return false;
}

struct span duration_write(uint64_t us, char text[DURATION_TEXT_MAX])
{
    size_t i = 0;

    while (i < UNITS - 1 && us % units[i].us)
        i++;
    int len = snprintf(text, DURATION_TEXT_MAX, "%" PRIu64 "%s",
                       us / units[i].us, units[i].name);
    return (struct span){text, (size_t)len};
}
