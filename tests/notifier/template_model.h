/*
 * template_model.h - URI templates by the letter of RFC 6570, slow and plain.
 *
 * What selectors are compared with: each way to cut a topic is tried, and
 * expansions are written from values.  For small inputs.
 */
#pragma once

#include "common/span.h"

enum model_answer { MODEL_NO, MODEL_YES, MODEL_TIRED };

/* Tired: it would take too many attempts to tell. */
enum model_answer model_matches(struct span selector, struct span topic);

#define MODEL_MEMBERS 3

enum model_type { MODEL_UNDEFINED, MODEL_STRING, MODEL_LIST, MODEL_PAIRS };

struct model_value {
    enum model_type type;
    size_t count;                       /* of members; at least one */
    struct span members[MODEL_MEMBERS]; /* a string is the first one */
    struct span names[MODEL_MEMBERS];
};

struct model_variable {
    struct span name;
    int prefix; /* 0: none */
    bool explode;
    struct model_value value;
};

/* A buffer of MODEL_TEXT bytes; what is past it is an assertion. */
#define MODEL_TEXT 4096

struct model_text {
    char bytes[MODEL_TEXT];
    size_t len;
};

void model_put(struct model_text *out, struct span s);

/* The expression as a template has it, and as RFC 6570, 3.2.1 expands it. */
void model_write(struct model_text *out, char sign,
                 const struct model_variable *variables, size_t count);
void model_expand(struct model_text *out, char sign,
                  const struct model_variable *variables, size_t count);
