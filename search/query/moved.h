/*
 * moved.h - how often a phrase is in a text, words of which may be moved.
 *
 * As Lucene's SloppyPhraseMatcher counts: each word is at one of its places;
 * the first one moves on until it is behind the second, and what was the
 * narrowest counts 1 / (1 + moves).  Two that are the same word are not at the
 * same place.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MOVED_MAX 64 /* words, as phrase.h has them */

struct moved_word {
    const uint32_t *places; /* rising */
    uint32_t count;         /* 1 at least */
    uint32_t offset;        /* from the phrase's first word */
    const void *which;      /* the same of what is the same word */
};

/* One that counts: of each word the number of its place. */
typedef void (*moved_cb)(void *arg, const uint32_t *at);

/* words: up to MOVED_MAX.  cb: or NULL. */
float moved_count(const struct moved_word *words, size_t count, uint32_t slop,
                  moved_cb cb, void *arg);
