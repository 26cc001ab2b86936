/*
 * oracle.h - documents in memory, and queries answered by a look at each of
 * them: what search.h is compared with.
 */
#pragma once

#include "search/index/manifest.h"
#include "search/query/query.h"
#include "search/query/top.h"

#define ORACLE_DOCS 5000 /* more than a window */
#define ORACLE_WORDS 40  /* of a document, at most */
#define ORACLE_VOCABULARY 30
#define ORACLE_KEYWORDS 6
#define ORACLE_ASKED 8 /* words of a query, at most */

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
/* Some are deleted, of these some as a later one has their id now; those that
   are, go. */
void oracle_kill(struct oracle *oracle);
void oracle_bury(struct oracle *oracle);
/* A document in JSON: fields t, k and n. */
void oracle_put(const struct oracle *oracle, size_t doc, struct buf *out);

/* Some are in most documents, some in few. */
uint8_t oracle_any_word(void);

/* ---- oracle_ask.c */

enum oracle_kind {
    ORACLE_TERM,
    ORACLE_MATCH,
    ORACLE_PHRASE,
    ORACLE_SLOPPY,
    ORACLE_PREFIX,
    ORACLE_WILDCARD,
    ORACLE_FUZZY,
    ORACLE_RANGE,
    ORACLE_EXISTS,
    ORACLE_IDS,
    ORACLE_ALL,
    ORACLE_BOOL,
    ORACLE_CONSTANT,
    ORACLE_DIS_MAX,
    ORACLE_FIELDS, /* a text, of several */
    ORACLE_KINDS
};

const char *oracle_kind_name(enum oracle_kind kind);
/* A query in JSON, at random; each kind is as likely, as the outermost one. */
enum oracle_kind oracle_ask(const struct oracle *oracle, struct buf *out);

/* ---- answers */

/* oracle_match.c: how often it has the words, moved by slop in all; whether a
   pattern is the word; by how many changes one is the other. */
double oracle_often(const struct oracle_doc *doc, const size_t *which,
                    size_t count, long slop);
bool oracle_is_like(const char *pattern, size_t left, const char *text);
unsigned oracle_distance(struct span a, const char *b);

/* Into hits, all that match, the best first; how many. */
size_t oracle_answer(const struct oracle *oracle, const struct query *query,
                     struct top_hit hits[ORACLE_DOCS]);
