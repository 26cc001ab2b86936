/* check_input.h - {"checks": [{limit, key, cost?}], "id"?} as it came. */
#pragma once

#include "ratelimit/decide.h"

#define CHECK_COST_MAX 1000000000

/*
 * Take object apart into decision (names, asks, id), all in its arena or
 * borrowed from object; what is wrong goes to decision->errors.  False if
 * anything is.
 */
bool check_read(struct decision *decision, const json_t *object, bool with_id);

/* What a JSON string could be: bounded, UTF-8, without a NUL. */
bool check_key_is_valid(struct span key);

/* Does a limit and key stand there twice?  The index of the second; 0: no. */
size_t check_has_twice(const struct decision *decision);

/* May the caller ask about all of them? */
bool check_allowed(const struct decision *decision, const struct request *req);
