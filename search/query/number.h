/* number.h - numbers as they are written, in queries and in answers. */
#pragma once

#include "search/index/schema.h"
#include "search/query/query.h"

/*
 * Of a field of this type, as values.h keeps it.  up: where it lies between
 * two, the least that is not below it, else the most that is not above.  False:
 * it is none.
 */
bool number_read(enum schema_type type, struct span text, bool up,
                 int64_t *out);
/* A value of a query: an integer is that of a date or a boolean, too. */
bool number_read_value(enum schema_type type, const struct query_value *value,
                       bool up, int64_t *out);
bool number_read_real(struct span text, double *out);

/* As short as it can be read again, with a point or an exponent; what is not
   finite as a text. */
void number_put_real(struct json_writer *w, double value);
void number_put_float(struct json_writer *w, float value);
