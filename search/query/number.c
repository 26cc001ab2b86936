/* number.c - see number.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "search/index/date.h"
#include "search/index/values.h"
#include "search/query/number.h"

#define TEXT_MAX 64 /* bytes */
#define LONG_LIMIT 9223372036854775808.0

/* ---- reading */

bool number_read_real(struct span text, double *out)
{
    char copy[TEXT_MAX];
    char *end;

    if (text.len == 0 || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *out = strtod(copy, &end);
    return !*end && !isnan(*out);
}

/* Digits, all of which count. */
static bool read_long(struct span text, int64_t *out)
{
    bool negative = text.len && text.ptr[0] == '-';
    uint64_t digits;

    if (!span_to_u64(span_skip(text, negative), INT64_MAX, &digits))
        return false;
    *out = negative ? -(int64_t)digits : (int64_t)digits;
    return true;
}

bool number_read(enum schema_type type, struct span text, bool up, int64_t *out)
{
    double real;

    if (type == SCHEMA_DATE)
        return date_parse(text, out);
    if (type == SCHEMA_BOOLEAN) {
        *out = span_eq(text, SPAN("true"));
        return *out || span_eq(text, SPAN("false"));
    }
    if (type == SCHEMA_LONG && read_long(text, out))
        return true;
    if (!number_read_real(text, &real))
        return false;
    if (type == SCHEMA_DOUBLE) {
        *out = values_from_double(real);
        return true;
    }
    real = up ? ceil(real) : floor(real);
    *out = real >= LONG_LIMIT    ? INT64_MAX
           : real <= -LONG_LIMIT ? INT64_MIN
                                 : (int64_t)real;
    return true;
}

bool number_read_value(enum schema_type type, const struct query_value *value,
                       bool up, int64_t *out)
{
    bool digits = value->kind == QUERY_NUMBER && type != SCHEMA_DOUBLE;

    return number_read(digits ? SCHEMA_LONG : type, value->text, up, out);
}

/* ---- writing */

static void put(struct json_writer *w, const char *text)
{
    struct span written = span_str(text);
    bool whole = !strpbrk(text, ".e");
    char room[TEXT_MAX];

    snprintf(room, sizeof(room), "%.*s%s", (int)written.len, text,
             whole ? ".0" : "");
    json_put_raw(w, span_str(room));
}

static bool put_infinite(struct json_writer *w, double value)
{
    if (isfinite(value))
        return false;
    json_put_string(w, value > 0 ? SPAN("Infinity") : SPAN("-Infinity"));
    return true;
}

void number_put_real(struct json_writer *w, double value)
{
    char text[TEXT_MAX];

    if (put_infinite(w, value))
        return;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    put(w, text);
}

void number_put_float(struct json_writer *w, float value)
{
    char text[TEXT_MAX];

    if (put_infinite(w, (double)value))
        return;
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    put(w, text);
}
