/* check_input.h - {"checks": [{limit, key, cost?}], "id"?} as it came. */
#pragma once

#include "ratelimit/decide.h"

/*
 * Take object apart into decision (names, asks, id), all in its arena or
 * borrowed from object; what is wrong goes to decision->errors.  False if
 * anything is.
 */
bool check_read(struct decision *decision, const json_t *object, bool with_id);

/* May the caller ask about all of them? */
bool check_allowed(const struct decision *decision, const struct request *req);
