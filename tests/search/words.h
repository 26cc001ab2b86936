/*
 * words.h - random words in a dictionary, and what is expected of a pattern:
 * what the ways to find them are compared with.
 */
#pragma once

#include "search/query/expand.h"

#define WORDS_TERMS 1500
#define WORDS_LETTERS_MAX 9 /* of a word */
#define WORDS_LONGEST 72    /* bytes of a pattern */
#define WORDS_LETTERS 21    /* kinds, the plain ones first */

struct words_word {
    char bytes[WORDS_LONGEST];
    size_t len;
};

struct words_term {
    struct words_word word;
    uint32_t count;
};

struct words_hit {
    const struct words_term *term;
    unsigned distance;
};

struct words {
    struct words_term terms[WORDS_TERMS]; /* in order */
    size_t count;
    struct dict_writer writer;
    struct dict dict;
    struct words_hit expected[WORDS_TERMS];
    size_t expected_count;
    size_t found; /* so far */
    size_t most;  /* the callback ends it with this one */
};

/* At most so many different ones, of the first so many kinds of letters. */
struct words *words_make(size_t count, size_t kinds);
void words_drop(struct words *words);

struct words_word words_random(size_t most_letters, size_t kinds);
/* One of them, or any. */
struct words_word words_any(const struct words *words, size_t kinds);
struct span words_span(const struct words_word *word);
void words_append(struct words_word *word, struct span bytes);

struct words_points {
    uint32_t at[WORDS_LONGEST]; /* the bytes of each code point as a number */
    size_t count;
};
struct words_points words_points(struct span s);

/* Expect nothing, then one after the other; words_on_term() takes them as an
   expand_cb, and at the end all have come, unless it ended it. */
void words_begin(struct words *words);
void words_expect(struct words *words, const struct words_term *term,
                  unsigned distance);
bool words_on_term(void *arg, struct span span, const struct dict_entry *entry,
                   unsigned distance);
void words_end(const struct words *words);
/* Takes any, and counts them in a size_t. */
bool words_on_any(void *arg, struct span term, const struct dict_entry *entry,
                  unsigned distance);
