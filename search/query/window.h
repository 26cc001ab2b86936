/*
 * window.h - some neighbouring documents: which of them match, and what they
 * score.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WINDOW_DOCS 4096 /* what is kept of them is in the L1 cache, about */
#define WINDOW_WORDS (WINDOW_DOCS / 64)

struct window {
    uint32_t from, end; /* from: a multiple of WINDOW_DOCS */
    uint64_t bits[WINDOW_WORDS];
    double scores[WINDOW_DOCS]; /* of those that do not match 0 */
};

/* Nobody matches; scored: scores are going to be added. */
static inline void window_clear(struct window *window, uint32_t from,
                                uint32_t end, bool scored)
{
    window->from = from;
    window->end = end;
    memset(window->bits, 0, sizeof(window->bits));
    if (scored)
        memset(window->scores, 0, sizeof(window->scores));
}

static inline void window_set(struct window *window, uint32_t place)
{
    window->bits[place / 64] |= UINT64_C(1) << place % 64;
}

static inline bool window_has(const struct window *window, uint32_t place)
{
    return window->bits[place / 64] >> place % 64 & 1;
}

static inline bool window_is_empty(const struct window *window)
{
    uint64_t any = 0;

    for (size_t i = 0; i < WINDOW_WORDS; i++)
        any |= window->bits[i];
    return any == 0;
}

/* Each that matches: for (uint32_t word = 0, place; window_next(…);) */
struct window_each {
    uint32_t word;
    uint64_t left;
};

static inline struct window_each window_first(const struct window *window)
{
    return (struct window_each){0, window->bits[0]};
}

/* False: there are no more. */
static inline bool window_next(const struct window *window,
                               struct window_each *each, uint32_t *place)
{
    while (!each->left) {
        if (++each->word == WINDOW_WORDS)
            return false;
        each->left = window->bits[each->word];
    }
    *place = each->word * 64 + (uint32_t)__builtin_ctzll(each->left);
    each->left &= each->left - 1;
    return true;
}
