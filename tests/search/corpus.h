/*
 * corpus.h - random posting lists, and all documents scored one by one: what
 * the fast ways are compared with.
 */
#pragma once

#include "search/query/clause.h"
#include "search/query/phrase.h"
#include "search/query/top.h"

#define CORPUS_DOCS 6000
#define CORPUS_TERMS 12

struct corpus_list {
    uint32_t docs[CORPUS_DOCS], freqs[CORPUS_DOCS];
    size_t index[CORPUS_DOCS]; /* of each document, by its number */
    size_t first[CORPUS_DOCS]; /* its first position */
    size_t count;
    uint32_t *positions;
    size_t position_count;
    struct buf bytes, places;
};

struct corpus {
    uint8_t norms[CORPUS_DOCS];
    struct score_lengths lengths;
    struct corpus_list lists[CORPUS_TERMS];
    float boosts[CORPUS_TERMS];
    size_t terms;
    struct clause clauses[CORPUS_TERMS];
    struct clause *order[CORPUS_TERMS]; /* of the clauses; may be changed */
    size_t words[CORPUS_TERMS],
        word_count; /* of a phrase: the terms' numbers */
    struct top_hit expected[CORPUS_DOCS], found[CORPUS_DOCS];
};

/* most_every: a term may be as rare as one in so many documents. */
void corpus_make(struct corpus *corpus, size_t terms, uint32_t most_every);
void corpus_free(struct corpus *corpus);
/* All cursors at their first documents. */
void corpus_rewind(struct corpus *corpus, const struct bits_kernel *kernel);

/* The words as a phrase, with these offsets; of the caller's memory. */
void corpus_phrase(struct corpus *corpus, const struct bits_kernel *kernel,
                   const uint32_t *offsets, struct phrase_term *terms);
/* Into expected, of documents that have it. */
size_t corpus_score_phrase(struct corpus *corpus,
                           const struct phrase_term *terms, size_t most);

/* Into expected, of documents that have at least so many terms; how many there
   are, which is not more than most. */
size_t corpus_score(struct corpus *corpus, size_t at_least, size_t most);
/* The same of those that have all of the first required terms, and none of the
   last excluded ones. */
size_t corpus_score_all(struct corpus *corpus, size_t required, size_t excluded,
                        size_t most);
/* found is expected. */
void corpus_assert(const struct corpus *corpus, const struct top *top,
                   size_t expected);
