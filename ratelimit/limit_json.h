/* limit_json.h - a limit as clients see it: LIMIT of the API. */
#pragma once

#include "common/json.h"
#include "common/limit.h"

#define DESCRIPTION_MAX 256

/* A limit and what only people read of it. */
struct limit_text {
    struct limit_spec spec;  /* name, numbers, mode, …: no earlier versions */
    struct span description; /* ptr NULL: none */
};

bool limit_name_is_valid(struct span name);

/*
 * An object with the members of LIMIT but name and version (with name, if
 * named), taken apart; description is borrowed from it.  False, with errors.
 */
bool limit_from_json(const json_t *object, bool named, struct limit_text *out,
                     struct json_errors *errors);

void limit_put_json(struct json_writer *w, const struct limit_spec *spec,
                    struct span description);

const char *limit_mode_name(enum limit_mode mode);
const char *limit_policy_name(enum limit_policy policy);
bool limit_mode_parse(struct span name, enum limit_mode *out);
bool limit_policy_parse(struct span name, enum limit_policy *out);
