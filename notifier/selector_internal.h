/*
 * selector_internal.h - between selector.c, which runs automata, and
 * selector_template.c, which builds them.
 */
#pragma once

#include "notifier/selector.h"

/*
 * What a state takes: a topic's bytes, told apart by what they are part of.
 * Control characters match nothing, so their codes serve for the rest: each of
 * the 22 digits of an escape, and the % of an escape that goes on with the
 * character of the one before.
 */
enum {
    SYMBOL_NONE,
    SYMBOL_DIGIT, /* and 21 more: 0-9, A-F, a-f */
    SYMBOL_MORE = SYMBOL_DIGIT + 22,
    SYMBOLS = 256
};

/* SYMBOL_NONE for what is no hexadecimal digit. */
unsigned char selector_digit_symbol(char c);

/* The byte of the escape that s begins with, or -1. */
int selector_read_escape(struct span s);

struct selector_set { /* of states */
    uint64_t words[SELECTOR_MAX_STATES / 64];
};

struct selector_takes {
    uint8_t classes; /* those of selector_template.c */
    unsigned char symbols[2];
};

/*
 * Glushkov's automaton: a state is a place in the template and takes what may
 * stand there; the first one, before all, takes nothing.
 */
struct selector_automaton {
    size_t states;
    bool full;                /* wanted more than there may be */
    struct selector_set open; /* those that what is added next follows */
    struct selector_takes takes[SELECTOR_MAX_STATES];
    struct selector_set follow[SELECTOR_MAX_STATES];
    struct selector_set masks[SYMBOLS]; /* who takes a symbol */
};

static inline void selector_set_add(struct selector_set *set, size_t state)
{
    set->words[state / 64] |= UINT64_C(1) << state % 64;
}

/* False if text is not a template's; a must be zero; what is open accepts. */
bool selector_build(struct span text, struct selector_automaton *a);

/* Without expressions. */
bool selector_is_literal(struct span text);
