/* clock.c - see clock.h. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"

uint64_t clock_mono_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
    return clock_wall_us() / 1000;
}

void clock_format_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_LEN + 1])
{
    int64_t part = wall_ms % 1000 + (wall_ms % 1000 < 0 ? 1000 : 0);
    time_t seconds = (time_t)((wall_ms - part) / 1000);
    struct tm tm;
    char text[64];

    gmtime_r(&seconds, &tm);
    snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
             tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
             tm.tm_min, tm.tm_sec, (int)part);
    memcpy(out, text, CLOCK_RFC3339_LEN);
    out[CLOCK_RFC3339_LEN] = '\0';
}

void clock_format_http(int64_t wall_ms, char out[CLOCK_HTTP_LEN + 1])
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed",
                                   "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    char text[64];

    gmtime_r(&seconds, &tm);
    snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT",
             days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
             tm.tm_hour, tm.tm_min, tm.tm_sec);
    memcpy(out, text, CLOCK_HTTP_LEN);
    out[CLOCK_HTTP_LEN] = '\0';
}

/* Exactly count digits off *rest, from low to high. */
static bool take_number(struct span *rest, size_t count, uint64_t low,
                        uint64_t high, int *out)
{
    uint64_t value;

    if (rest->len < count ||
        !span_to_u64((struct span){rest->ptr, count}, high, &value) ||
        value < low)
        return false;
    *rest = span_skip(*rest, count);
    *out = (int)value;
    return true;
}

static bool take_char(struct span *rest, const char *any)
{
    if (rest->len == 0 || !strchr(any, rest->ptr[0]) || !rest->ptr[0])
        return false;
    *rest = span_skip(*rest, 1);
    return true;
}

static bool take_fraction(struct span *rest, int *ms)
{
    int digits = 0;
    int unit = 100;

    *ms = 0;
    if (!take_char(rest, "."))
        return true;
    for (int digit; take_number(rest, 1, 0, 9, &digit); digits++, unit /= 10)
        *ms += digit * unit;
    return digits >= 1 && digits <= 9;
}

static bool take_offset(struct span *rest, int *minutes)
{
    int hour;
    int minute;

    *minutes = 0;
    if (take_char(rest, "Zz"))
        return true;
    int sign = rest->len && rest->ptr[0] == '-' ? -1 : 1;
    if (!take_char(rest, "+-") || !take_number(rest, 2, 0, 23, &hour) ||
        !take_char(rest, ":") || !take_number(rest, 2, 0, 59, &minute))
        return false;
    *minutes = sign * (hour * 60 + minute);
    return true;
}

static bool is_day_of_month(int year, int month, int day)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return day <= days[month - 1] + (month == 2 && leap);
}

bool clock_parse_rfc3339(struct span text, int64_t *wall_ms)
{
    struct tm tm = {0};
    int year;
    int month;
    int ms;
    int offset;

    if (!take_number(&text, 4, 1970, 9999, &year) || !take_char(&text, "-") ||
        !take_number(&text, 2, 1, 12, &month) || !take_char(&text, "-") ||
        !take_number(&text, 2, 1, 31, &tm.tm_mday) ||
        !is_day_of_month(year, month, tm.tm_mday) || !take_char(&text, "Tt ") ||
        !take_number(&text, 2, 0, 23, &tm.tm_hour) || !take_char(&text, ":") ||
        !take_number(&text, 2, 0, 59, &tm.tm_min) || !take_char(&text, ":") ||
        !take_number(&text, 2, 0, 60, &tm.tm_sec) ||
        !take_fraction(&text, &ms) || !take_offset(&text, &offset) || text.len)
        return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    *wall_ms = ((int64_t)timegm(&tm) - (int64_t)offset * 60) * 1000 + ms;
    return true;
}
