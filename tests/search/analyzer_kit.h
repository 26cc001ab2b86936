/* analyzer_kit.h - what the tests of analyzers share. */
#pragma once

#include "search/index/analyzer.h"

#define FOUND_MAX 512      /* tokens */
#define FOUND_TEXT_MAX 512 /* bytes of a random text */

/* What an analyzer gave; terms are copies. */
struct found {
    struct token tokens[FOUND_MAX];
    size_t count;
};

/* text is copied, so that a read past its end is seen. */
struct found *found_of(struct analyzer *analyzer, struct span text);
void found_release(struct found *found);

/* As analyzer_cb, of a struct found: asserts what all tokens have. */
void found_add(void *arg, const struct token *token);

/* Tokens by position, then by term; as qsort() has it. */
int found_compare(const void *a, const void *b);

/* The same tokens, whatever the order of those of a position; releases both. */
void found_assert_same(struct found *one, struct found *two);

/* Of settings, as JSON; NULL with errors. */
struct analyzer *analyzer_of_text(const char *settings,
                                  struct json_errors *errors);

struct example {
    const char *settings, *text;
    const char *tokens; /* "position:term[start,end) ..." */
};

/* with_bytes: tokens say where they start and end. */
void examples_check(const struct example *examples, size_t count,
                    bool with_bytes);

/* Up to most of the pieces, one behind the other. */
struct span random_text(char out[FOUND_TEXT_MAX], const char *const *pieces,
                        size_t count, size_t most);
