/*
 * date.h - dates as they are written, in milliseconds since 1970, UTC:
 * 2024, 2024-02, 2024-02-29, 2024-02-29T13:05, …:07, …:07.123, each time with
 * Z or an offset as +01:00, or with none for UTC; or milliseconds as digits.
 */
#pragma once

#include "common/span.h"

/* Of the year 9999; as far before 1970 is the first. */
#define DATE_LAST INT64_C(253402300799999)

/* False: it is none. */
bool date_parse(struct span text, int64_t *ms);

#define DATE_MAX 32 /* room of a written date */
/* As 2024-02-29T13:05:07.123Z, from the year 0 to DATE_LAST; it is in room. */
struct span date_write(char room[DATE_MAX], int64_t ms);

/* DATE_MS: so many milliseconds, which have no place in the calendar. */
enum date_unit { DATE_MS, DATE_WEEK, DATE_MONTH, DATE_QUARTER, DATE_YEAR };

/* When the week (from Monday on), month .. of a time begins, and the next. */
int64_t date_begin(int64_t ms, enum date_unit unit);
int64_t date_next(int64_t begin, enum date_unit unit);
