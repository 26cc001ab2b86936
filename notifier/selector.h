/*
 * selector.h - topic selectors of Mercure 0.x: which topics a subscriber means.
 *
 * A topic matches "*", a selector of the same bytes, or a URI template (RFC
 * 6570, all levels) that can expand to it.  A template becomes an automaton
 * over bytes whose states are all followed at once (K. Thompson, "Regular
 * expression search algorithm", 1968), as bits of words: a match costs at most
 * bytes of the topic times states, whatever the two are; nothing is tried
 * again.  What is not a valid template, or has no expression, is an exact
 * string: such selectors are found by hash, not by matching.
 *
 * An IRI's characters past ASCII count as unreserved; in a template's own text
 * they stand for themselves and for their escapes, of either case.  Names in
 * {;x*}, {?x*} and {&x*} may hold reserved characters, as the RFC writes them.
 *
 * More than the RFC's expansions match where
 * - a variable stands twice in a template: it may have two values;
 * - {x:n} has n above SELECTOR_MAX_PREFIX: the value may have any length;
 * - an escaped character is cut by the template's own text, "{a}%C3{x:1}":
 *   what is left of it counts as one character;
 * - escapes in a topic are not UTF-8: each of them counts as one character.
 * A ' in a template is text (erratum 6937).  An exact string stands for its own
 * bytes only, not for escapes of them.
 */
#pragma once

#include "common/span.h"

#define SELECTOR_MAX 1024       /* bytes */
#define SELECTOR_MAX_STATES 512 /* of the automaton; plain ends need none */
#define SELECTOR_MAX_PREFIX 64  /* characters of {x:n} that are counted */

struct selector; /* compiled, immutable, shared */

enum selector_verdict {
    SELECTOR_OK,
    SELECTOR_EMPTY,
    SELECTOR_TOO_LONG,
    SELECTOR_HAS_CONTROL,
    SELECTOR_NOT_UTF8,
    SELECTOR_TOO_COMPLEX, /* past SELECTOR_MAX_STATES */
    SELECTOR_VERDICTS
};

/* What a client is told; static. */
const char *selector_verdict_text(enum selector_verdict verdict);

/* Copies text.  *out has one reference, the caller's. */
enum selector_verdict selector_create(struct span text, struct selector **out);

struct selector *selector_ref(struct selector *selector);

/* The last one frees; NULL is fine. */
void selector_unref(struct selector *selector);

/* As it was given; lives as long as the selector. */
struct span selector_text(const struct selector *selector);

/* Neither "*" nor a template: matches its own text and nothing else. */
bool selector_is_exact(const struct selector *selector);

/* The topic may be any bytes, also none. */
bool selector_matches(const struct selector *selector, struct span topic);

/*
 * For tests and metrics: the same, and *steps grows by the bytes read and the
 * states looked up: at most selector_states() for each byte, and one more.
 */
bool selector_matches_counted(const struct selector *selector,
                              struct span topic, uint64_t *steps);
size_t selector_states(const struct selector *selector);
