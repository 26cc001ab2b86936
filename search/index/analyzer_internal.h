/* analyzer_internal.h - what the steps of an analyzer know of each other. */
#pragma once

#include <libstemmer.h>
#include <unicode/ubrk.h>
#include <unicode/unorm2.h>
#include <unicode/utrans.h>

#include "common/arena.h"
#include "common/buf.h"
#include "search/index/analyzer.h"

struct units { /* UTF-16 */
    UChar *ptr;
    int32_t len, cap;
};

struct analyzer {
    enum analyzer_words words;
    bool cjk, lowercase, possessive;
    UBreakIterator *breaks;
    UText utext;
    const UNormalizer2 *casefold; /* ICU's own */
    UTransliterator *accents;     /* NULL: they stay */
    struct units raw, folded;
    struct buf term;            /* folded, in UTF-8 */
    json_t *stopwords;          /* members of an object; or NULL */
    struct sb_stemmer *stemmer; /* or NULL */
    struct synonyms *synonyms;  /* or NULL */
    /* what is being read */
    struct span text;
    uint32_t position; /* of the next word */
    analyzer_cb cb;
    void *arg;
};

/* A word of the text; is_folded: it is ASCII without a capital. */
void analyzer_take(struct analyzer *a, size_t start, size_t end,
                   bool is_folded);

/* analyzer_words.c: each word to analyzer_take(). */
void words_split(struct analyzer *a);

/* analyzer_fold.c: term itself, or good until the next one; may be empty. */
struct span fold_term(struct analyzer *a, struct span term);

/* analyzer_synonyms.c; a has all other steps.  NULL: why says why. */
struct synonyms *synonyms_create(struct analyzer *a,
                                 const struct analyzer_options *options,
                                 char *why, size_t why_size);
void synonyms_destroy(struct synonyms *synonyms);
void synonyms_push(struct analyzer *a, const struct token *token);
void synonyms_finish(struct analyzer *a); /* the text has no more */
