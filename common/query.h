/* query.h - percent-encoding, and the pairs of a query or a form. */
#pragma once

#include "common/arena.h"
#include "common/json.h"
#include "common/span.h"

/* Is each % followed by two hex digits? */
bool query_is_whole(struct span in);

/*
 * A query as it may stand in a URI: bytes that may not, and a % that begins no
 * escape, are escaped; what is escaped stays.  in itself when nothing had to
 * be.
 */
struct span query_escape(struct arena *arena, struct span in);

/*
 * Decode %XX (and + as a space, in a query or form).  False on a % without two
 * hex digits; *out is in itself when there was nothing to decode.
 */
bool query_decode(struct arena *arena, struct span in, bool plus_is_space,
                  struct span *out);

/*
 * The first value of name in a query string, decoded; ptr NULL when absent, ""
 * for a name without =.  A pair that cannot be decoded is passed over.
 */
struct span query_find(struct arena *arena, struct span query,
                       struct span name);

/* The next pair of *rest, decoded; false at the end. */
bool query_next(struct arena *arena, struct span *rest, struct span *name,
                struct span *value);

/*
 * values[i] is that of names[i], ptr NULL when absent.  What is not among the
 * names (a typo), or stands there twice (which of them counts?), goes to
 * errors.
 */
void query_take(struct arena *arena, struct span query,
                const char *const *names, size_t count, struct span *values,
                struct json_errors *errors);
