/* date.c - see date.h. */
#include "search/index/date.h"
#include "common/clock.h"

#define DAY_MS INT64_C(86400000)

/* Days since 1970 of a date of the Gregorian calendar, at any time (H. Hinnant:
   "chrono-Compatible Low-Level Date Algorithms"). */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
           719468;
}

static int64_t month_days(int64_t year, int64_t month)
{
    return days_of(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1,
                   1) -
           days_of(year, month, 1);
}

/* So many digits of the front; false: they are not there. */
static bool digits(struct span *text, size_t count, int64_t *out)
{
    uint64_t value;

    if (text->len < count ||
        !span_to_u64((struct span){text->ptr, count}, INT64_MAX, &value))
        return false;
    *out = (int64_t)value;
    *text = span_skip(*text, count);
    return true;
}

static bool skip(struct span *text, char c)
{
    if (text->len == 0 || text->ptr[0] != c)
        return false;
    *text = span_skip(*text, 1);
    return true;
}

/* Behind the seconds' point: milliseconds of up to nine digits. */
static bool fraction(struct span *text, int64_t *ms)
{
    int64_t unit = 100;
    size_t count = 0;

    for (*ms = 0; text->len && text->ptr[0] >= '0' && text->ptr[0] <= '9';
         count++, unit /= 10) {
        *ms += unit * (text->ptr[0] - '0');
        *text = span_skip(*text, 1);
    }
    return count > 0 && count <= 9;
}

static bool offset(struct span *text, int64_t *minutes)
{
    int64_t hours;
    int64_t rest;

    *minutes = 0;
    if (text->len == 0 || skip(text, 'Z'))
        return true;
    bool west = skip(text, '-');
    if (!west && !skip(text, '+'))
        return false;
    if (!digits(text, 2, &hours) ||
        (skip(text, ':'), !digits(text, 2, &rest)) || hours > 18 || rest > 59)
        return false;
    *minutes = (west ? -1 : 1) * (hours * 60 + rest);
    return true;
}

static bool time_of(struct span *text, int64_t *ms)
{
    int64_t hour;
    int64_t minute = 0;
    int64_t second = 0;
    int64_t part = 0;
    int64_t minutes;

    if (!digits(text, 2, &hour) || hour > 23)
        return false;
    if (skip(text, ':') && (!digits(text, 2, &minute) || minute > 59))
        return false;
    if (skip(text, ':') && (!digits(text, 2, &second) || second > 59))
        return false;
    if ((skip(text, '.') || skip(text, ',')) && !fraction(text, &part))
        return false;
    if (!offset(text, &minutes))
        return false;
    *ms += ((hour * 60 + minute - minutes) * 60 + second) * 1000 + part;
    return true;
}

static bool is_number(struct span text, int64_t *ms)
{
    bool negative = skip(&text, '-');
    uint64_t value;

    if ((!negative && text.len <= 4) || !span_to_u64(text, DATE_LAST, &value))
        return false;
    *ms = negative ? -(int64_t)value : (int64_t)value;
    return true;
}

bool date_parse(struct span text, int64_t *ms)
{
    int64_t year;
    int64_t month = 1;
    int64_t day = 1;

    if (is_number(text, ms))
        return true;
    if (!digits(&text, 4, &year))
        return false;
    if (skip(&text, '-') &&
        (!digits(&text, 2, &month) || month < 1 || month > 12))
        return false;
    if (skip(&text, '-') &&
        (!digits(&text, 2, &day) || day < 1 || day > month_days(year, month)))
        return false;
    int64_t found = days_of(year, month, day) * DAY_MS;
    if ((skip(&text, 'T') || skip(&text, ' ')) && !time_of(&text, &found))
        return false;
    if (text.len)
        return false;
    *ms = found;
    return true;
}

/* Of the day since 1970: its year, and its month from 0 on. */
static void month_of(int64_t day, int64_t *year, int64_t *month)
{
    day += 719468;
    int64_t era = (day >= 0 ? day : day - 146096) / 146097;
    int64_t of_era = day - era * 146097;
    int64_t year_of_era =
        (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year =
        of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t from_march = (5 * of_year + 2) / 153;

    *month = from_march < 10 ? from_march + 2 : from_march - 10;
    *year = year_of_era + era * 400 + (*month < 2);
}

int64_t date_begin(int64_t ms, enum date_unit unit)
{
    int64_t day = ms / DAY_MS - (ms % DAY_MS < 0);
    int64_t year;
    int64_t month;

    if (unit == DATE_WEEK) /* 1970 began on a Thursday */
        return (day - ((day + 3) % 7 + 7) % 7) * DAY_MS;
    month_of(day, &year, &month);
    if (unit == DATE_QUARTER)
        month -= month % 3;
    if (unit == DATE_YEAR)
        month = 0;
    return days_of(year, month + 1, 1) * DAY_MS;
}

int64_t date_next(int64_t begin, enum date_unit unit)
{
    static const int64_t days[] = {[DATE_WEEK] = 7,
                                   [DATE_MONTH] = 31,
                                   [DATE_QUARTER] = 92,
                                   [DATE_YEAR] = 366};

    return date_begin(begin + days[unit] * DAY_MS, unit);
}

struct span date_write(char room[DATE_MAX], int64_t ms)
{
    clock_format_rfc3339(ms, room);
    return (struct span){room, CLOCK_RFC3339_LEN};
}
