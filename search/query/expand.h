/*
 * expand.h - from a pattern to the terms of a field that it stands for.
 *
 * Terms are bytes in the order of their bytes; as far as characters count, they
 * are code points of UTF-8, and each byte that belongs to none counts as one
 * (code_point.h).  The dictionary is sound (dict.h).
 */
#pragma once

#include "search/index/dict.h"

/*
 * A term; both are good until it returns.  distance: of expand_fuzzy(), else 0.
 * False: no more of them.  How many there may be is up to it.
 */
typedef bool (*expand_cb)(void *arg, struct span term,
                          const struct dict_entry *entry, unsigned distance);

/* Those that begin with these bytes, in order. */
void expand_prefix(const struct dict *dict, struct span prefix, expand_cb cb,
                   void *arg);

/* NULL: no bound on this side. */
struct expand_range {
    const struct span *from, *to;
    bool from_inclusive, to_inclusive;
};
/* Those in between, in order. */
void expand_range(const struct dict *dict, const struct expand_range *range,
                  expand_cb cb, void *arg);

#define EXPAND_PATTERN_MAX 1024 /* bytes */

/*
 * Those that a pattern matches as a whole, in order: * is any run of code
 * points, ? is one, \ takes the meaning off the next one (the last of all is
 * itself).  All terms that begin as the pattern does before its first * or ?
 * are read, each in time of at most both lengths multiplied.  False, and none:
 * the pattern is longer than EXPAND_PATTERN_MAX.
 */
bool expand_wildcard(const struct dict *dict, struct span pattern, expand_cb cb,
                     void *arg);
/* Whether it matches this term. */
bool expand_matches(struct span pattern, struct span term);

#define EXPAND_DISTANCE_MAX 2
#define EXPAND_FUZZY_MAX 1024 /* terms, as union.h takes */

struct expand_fuzzy {
    unsigned distance;     /* at most EXPAND_DISTANCE_MAX */
    size_t prefix_length;  /* code points that must be the same */
    size_t max_expansions; /* more than EXPAND_FUZZY_MAX is as many */
    bool fold;             /* capitals or not is the same (Unicode's simple case
                              folding) */
};

/*
 * Those that so few changes make of the wanted one: a code point put in, left
 * out or replaced, or two neighbours that change places, if nothing else
 * happens to them.  The max_expansions best of them, the best first: by
 * distance, then by documents, then in order.  False, and none: the wanted one
 * is longer than EXPAND_PATTERN_MAX.
 *
 * An automaton reads the terms in order (K. Schulz, S. Mihov: "Fast String
 * Correction with Levenshtein Automata", 2002); its states, bits of what is
 * reached (S. Wu, U. Manber: "Fast Text Searching Allowing Errors", 1992), are
 * relative to how much is read.  They are kept for each code point of a term,
 * so that the next one is read from where it differs; where none is left, all
 * terms that begin so are passed over.
 */
bool expand_fuzzy(const struct dict *dict, struct span wanted,
                  const struct expand_fuzzy *options, expand_cb cb, void *arg);

/*
 * What terms begin with that so few changes make of the wanted one: of each
 * term the shortest such begin, in order, each once, as a term that has no
 * entry; distance: the fewest changes for that begin.  At most max_expansions.
 */
bool expand_begins(const struct dict *dict, struct span wanted,
                   const struct expand_fuzzy *options, expand_cb cb, void *arg);

/* Elasticsearch's AUTO: 0 up to 2 code points, 1 up to 5, else 2. */
unsigned expand_auto_distance(struct span wanted);
