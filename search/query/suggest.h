/*
 * suggest.h - what may have been meant: by its begin, or by what is like it.
 *
 * Both look at the ordered terms of a field, of all segments.  What only
 * deleted documents have is not given.
 */
#pragma once

#include "search/query/searcher.h"

/* ---- completion */

#define COMPLETE_TERMS_MAX                             \
    262144 /* that are read; those behind do not count \
            */
/* Looked at for their weights, or because others are deleted; as above. */
#define COMPLETE_DOCS_MAX 1048576
#define COMPLETE_MOST 100
#define COMPLETE_PREFIX_MAX 256 /* bytes; nothing begins with a longer one */

struct complete_request {
    struct span field; /* a keyword (titles, names) or a text (words) */
    struct span prefix;
    struct span weight; /* a number's field: the greatest that a document with
                           the term has; empty: how many documents have it */
    size_t most;        /* at most COMPLETE_MOST */
    bool fold;          /* capitals or not is the same */
    bool fuzzy;         /* of three characters or more, but for the first one,
                           one may be changed; what is not is better */
};

struct complete_option {
    struct span text; /* in the arena */
    unsigned distance;
    double weight;
    uint64_t docs; /* live ones that have it */
};

struct complete_result {
    struct complete_option *options; /* in the arena; the best first: distance,
                                        weight, text */
    size_t count;
    bool is_cut; /* there was more than is read */
};

/* False: error says what is wrong with the fields, or which segment is damaged.
 */
bool complete_run(struct searcher *searcher, struct arena *arena,
                  const struct complete_request *request,
                  struct complete_result *result, struct query_error *error);

/* ---- did you mean */

#define SUGGEST_TEXT_MAX 4096 /* bytes; words behind are left alone */
#define SUGGEST_WORDS_MAX 32  /* so are more words */
#define SUGGEST_MOST 10       /* corrections of a word */
#define SUGGEST_TRIES 32      /* texts that are searched for */

struct suggest_request {
    struct span field;          /* a text, or a keyword: then text is a word */
    struct span text;           /* what was asked for */
    const struct query *filter; /* hits of a text have this, too; or NULL */
    size_t most;                /* corrections of a word; SUGGEST_MOST */
    unsigned max_edits;         /* 1 or 2; 0: as long as the word is, 0 to 2 */
    size_t prefix_length;       /* characters that stay */
    size_t min_word_length;     /* characters; shorter ones are left alone */
    bool always;          /* corrections of words that seem right as well */
    uint64_t deadline_us; /* by clock_mono_us(): what is not tried by then is
                             left out; or SEARCH_NO_DEADLINE */
};
extern const struct suggest_request suggest_defaults;

/*
 * A correction is as likely as documents have it, and a hundredfold less for
 * each change: score is log10(docs) - 2 * distance.  A word is wrong if one of
 * them is likelier than it is.
 */
struct suggest_option {
    struct span text; /* as a document writes it, in lower case */
    struct span term; /* of the field; the same where nothing is stemmed */
    unsigned distance;
    uint64_t docs;
    double score;
};

struct suggest_word {
    struct span text;    /* as it was asked for */
    uint32_t start, end; /* where, in bytes of the text */
    uint64_t docs;       /* that have it */
    bool is_wrong;
    struct suggest_option *options; /* the best first; none of a right word */
    size_t count;
};

struct suggest_result {
    struct suggest_word *words;
    size_t count;
    /* The likeliest text, some words of it corrected, that documents have all
       words of, or, where there is none, any.  ptr NULL: what was asked for is
       that, or there is no other one. */
    struct span text;
    bool has_all;
    uint64_t hits; /* of text: documents with all of its words, or any */
};

/* All of it is in the arena.  False: as complete_run(). */
bool suggest_run(struct searcher *searcher, struct arena *arena,
                 const struct suggest_request *request,
                 struct suggest_result *result, struct query_error *error);
