/*
 * oracle.h - documents in memory, and queries answered by a look at each of
 * them: what search.h is compared with.
 */
#pragma once

#include "search/index/manifest.h"
#include "search/query/query.h"
#include "search/query/top.h"

#define ORACLE_DOCS 600
#define ORACLE_WORDS 40 /* of a document, at most */
#define ORACLE_VOCABULARY 30
#define ORACLE_KEYWORDS 6

struct oracle_doc {
    uint8_t words[ORACLE_WORDS]; /* numbers of the vocabulary's */
    size_t word_count;           /* 0: the field is not there */
    uint8_t keywords[3];
    size_t keyword_count;
    int64_t number;
    bool has_number;
    uint32_t id;
    bool dead; /* deleted, but counted for scores */
};

struct oracle {
    struct oracle_doc docs[ORACLE_DOCS];
    size_t count;
    double average;                   /* length, of those that have the text */
    size_t texts, keywords;           /* documents that have the field */
    size_t having[ORACLE_VOCABULARY]; /* that have the word */
};

/* Of the vocabulary; k0, k1 … are the keywords. */
const char *oracle_word(size_t number);

void oracle_make(struct oracle *oracle, size_t count);
/* Some are deleted; those that are, go. */
void oracle_kill(struct oracle *oracle);
void oracle_bury(struct oracle *oracle);
/* A document in JSON: fields t, k and n. */
void oracle_put(const struct oracle *oracle, size_t doc, struct buf *out);

/* A query in JSON, at random. */
void oracle_ask(struct buf *out);
/* Into hits, all that match, the best first; how many. */
size_t oracle_answer(const struct oracle *oracle, const struct query *query,
                     struct top_hit hits[ORACLE_DOCS]);
