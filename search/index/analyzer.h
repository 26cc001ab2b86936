/*
 * analyzer.h - text turned into terms, to be indexed or searched:
 *
 *   words -> case -> accents -> 's -> stop words -> stemmer -> synonyms
 *
 * Each step but the first may be off.  Bytes that are not UTF-8 separate words.
 *
 *   words     standard: those of UAX #29 (ICU, root locale) that have a letter
 *             or a digit; @ separates, whatever ICU says (72 joins by it).
 *             With cjk, a run of Han, kana and Hangul is its pairs of
 *             neighbouring characters (as Lucene's CJKBigramFilter), or the
 *             character that is alone; else, words of ICU's dictionaries.
 *             letters: runs of them.  white space: what is between it.
 *             These are cut after ANALYZER_WORD_MAX bytes.  all: the text, if
 *             it is no longer than INVERTER_TERM_MAX.
 *   case      NFKC_Casefold (Unicode 3.13, D150): case, width, ligatures
 *   accents   ICU's Latin-ASCII: of Latin letters only
 *   stemmer   Snowball's (libstemmer)
 *   synonyms  Solr's rules, as Elasticsearch has them: "a, b => c, d" puts both
 *             c and d in the place of a or b, "a, b" both in the place of
 *             either.  The words of a rule go through the other steps first;
 *             the longest phrase that fits is taken.  What replaces it begins
 *             where it began, and may reach over the words behind it.
 */
#pragma once

#include "common/json.h"
#include "search/index/inverter.h"

#define ANALYZER_TEXT_MAX (64 << 20) /* bytes */
#define ANALYZER_WORD_MAX 255        /* bytes, as Lucene's */
#define ANALYZER_STOPWORDS_MAX 10000
#define ANALYZER_RULES_MAX 10000 /* of synonyms */
#define ANALYZER_RULE_MAX 4096   /* bytes of one */
#define ANALYZER_PHRASE_MAX 8    /* positions of a phrase in a rule */
#define ANALYZER_SYNONYMS_MAX 32 /* phrases of a side; and for one phrase */

enum analyzer_words {
    ANALYZER_WORDS_STANDARD,
    ANALYZER_WORDS_LETTERS,
    ANALYZER_WORDS_WHITE_SPACE,
    ANALYZER_WORDS_ALL,
};

struct analyzer_options {
    enum analyzer_words words;
    bool cjk, lowercase, fold, possessive; /* fold: accents; possessive: 's */
    struct span stemmer;                   /* its name, or empty */
    const struct span *stopwords; /* words with spaces between them, or sets:
                                     _english_ (Lucene's 33), _none_ */
    const struct span *synonyms;  /* rules */
    size_t stopword_count, synonym_count;
};

struct token {
    struct span term;    /* 1 to INVERTER_TERM_MAX bytes, until cb returns */
    uint32_t start, end; /* bytes of the text that it is for */
    uint32_t position;   /* from 0; words that are left out count */
};

/* Positions never fall; tokens may share one.  Must not use the analyzer. */
typedef void (*analyzer_cb)(void *arg, const struct token *token);

struct analyzer; /* of one thread at a time */

/*
 * Elasticsearch's standard, simple, whitespace, keyword, stop and english (as
 * Lucene's EnglishAnalyzer).  A language of libstemmer (french, german, ...) is
 * standard with its stemmer, without stop words or elision.  False: none.
 */
bool analyzer_options_of_name(struct span name,
                              struct analyzer_options *options);

/* options are done with.  NULL: why says which of them is wrong, and how. */
struct analyzer *analyzer_create(const struct analyzer_options *options,
                                 char *why, size_t why_size);
/* NULL: there is none of the name. */
struct analyzer *analyzer_of_name(struct span name);
/*
 * Members: type (a name; standard), stopwords (one or an array), synonyms (an
 * array), stemmer, lowercase, fold, cjk; what is there takes the place of what
 * the name has.  NULL: errors were added.
 */
struct analyzer *analyzer_of_json(const json_t *object,
                                  struct json_errors *errors);
void analyzer_destroy(struct analyzer *analyzer);

/* Terms are what a stemmer makes, which may be no words. */
bool analyzer_is_stemming(const struct analyzer *analyzer);

/* text: any bytes, at most ANALYZER_TEXT_MAX. */
void analyzer_run(struct analyzer *analyzer, struct span text, analyzer_cb cb,
                  void *arg);
