/*
 * query.h - a query as a tree, and how it is read: from Elasticsearch's JSON,
 * from Lucene's query strings.
 *
 * A tree says what was asked for, before anything is known of the fields: these
 * are names, or patterns with * to be expanded, texts are not analyzed, values
 * not converted.  It lies in the caller's arena, with copies of what was read,
 * at most QUERY_DEPTH_MAX deep and of at most QUERY_CLAUSES_MAX queries.
 *
 * JSON: match_all, match_none, match, match_phrase, match_phrase_prefix,
 * match_bool_prefix, multi_match (but cross_fields), term, terms, prefix,
 * wildcard, fuzzy, range, exists, ids, bool, constant_score, dis_max,
 * query_string and simple_query_string, in short and long form.  What is asked
 * of several fields is a DIS_MAX of each: most_fields with a tie_breaker of 1.
 * What would change the answer and is not done is refused, as a range's format.
 *
 * Query strings, Lucene's classic syntax: word, "a phrase"~2, field:word,
 * field:(a b), x* x?y, field:* (is it there), *:*, word~ word~1, [a TO b]
 * {a TO b}, field:>=10, ^2, \ before what is meant as it is; + - ! NOT, AND &&
 * OR || and parentheses.  Regular expressions are refused; \u is no escape.
 * AND and OR do not nest, they change their neighbours: AND makes both must,
 * NOT and - make must_not, any other clause is should, or must if that is the
 * default: then OR makes both its neighbours should.
 *
 *   a AND b OR c      bool(must=[a b] should=[c])
 *   a OR b AND NOT c  bool(must=[b] should=[a] must_not=[c])
 *   +a b -c           bool(must=[a] should=[b] must_not=[c])
 *
 * The simple syntax, + | - " * ( ) ~N and \, joins from left to right, a + b |
 * c as (a + b) | c, and knows no wrong input: what has no meaning is text.
 */
#pragma once

#include "common/arena.h"
#include "common/json.h"

#define QUERY_DEPTH_MAX 32
#define QUERY_CLAUSES_MAX 1024
#define QUERY_TEXT_MAX 65536  /* bytes of a text, a value, a name */
#define QUERY_TERMS_MAX 65536 /* values of TERMS or IDS */
#define QUERY_SLOP_MAX 1000000
#define QUERY_EXPANSIONS_MAX 1024
#define QUERY_EXPANSIONS 50 /* unless said */

enum query_kind {
    QUERY_MATCH_ALL,
    QUERY_MATCH_NONE,
    QUERY_TERM,
    QUERY_TERMS,
    QUERY_IDS,
    QUERY_EXISTS,
    QUERY_RANGE,
    QUERY_PREFIX,
    QUERY_WILDCARD, /* * and ?; \ before one that is meant as it is */
    QUERY_FUZZY,
    QUERY_MATCH,          /* some or all words of a text */
    QUERY_PHRASE,         /* the words of a text, one behind the other */
    QUERY_BOOL,           /* no clause but must_not: all but those */
    QUERY_CONSTANT_SCORE, /* one clause, in filter */
    QUERY_DIS_MAX,        /* in should: the best counts */
};

struct query_value {
    enum query_value_kind {
        QUERY_NO_VALUE, /* of a bound: it is open */
        QUERY_TEXT,
        QUERY_NUMBER,
        QUERY_BOOLEAN,
    } kind; /* that it was written in; all are TEXT in a query string */
    struct span text;
};

struct query_bound {
    struct query_value value;
    bool exclusive;
};

/* How many of some clauses or words must match; negative: may be missing. */
struct query_minimum {
    bool is_set, is_percent;
    int32_t value;
};

struct query_list {
    struct query *first, *last; /* by next */
    size_t count;
};

enum query_occur {
    QUERY_MUST,
    QUERY_FILTER,
    QUERY_SHOULD,
    QUERY_MUST_NOT,
    QUERY_OCCURS
};

#define QUERY_FUZZY_AUTO 3 /* edits: by the word's length */

struct query {
    enum query_kind kind;
    float boost;         /* finite, not negative */
    struct query *next;  /* in its list */
    struct span field;   /* ptr NULL: ALL, NONE, IDS, and what has clauses */
    struct span text;    /* MATCH, PHRASE, PREFIX, WILDCARD, FUZZY */
    bool all;            /* MATCH: of all words, not of one */
    bool last_is_prefix; /* MATCH, PHRASE: the last word is a word's begin */
    bool none_is_all;    /* MATCH, PHRASE: no word is left: all documents */
    bool normalize; /* PREFIX, WILDCARD, FUZZY: as the analyzer does, uncut */
    uint32_t edits; /* MATCH, FUZZY: 0 to 2, or QUERY_FUZZY_AUTO */
    uint32_t prefix_length;       /* characters that are not edited */
    uint32_t max_expansions;      /* edits, last_is_prefix: terms of a word */
    uint32_t slop;                /* PHRASE: moves of words */
    struct query_minimum minimum; /* MATCH: of words; BOOL: of should, where 1
                                     is meant without must and filter, else 0 */
    float tie_breaker;            /* DIS_MAX: the others count so much */
    const struct query_value *values;      /* TERM, TERMS, IDS */
    size_t value_count;                    /* TERM: 1 */
    struct query_bound lower, upper;       /* RANGE */
    struct query_list lists[QUERY_OCCURS]; /* BOOL, CONSTANT_SCORE, DIS_MAX */
};

struct query_error {
    const char *type; /* as Elasticsearch names it: "parsing_exception" */
    char reason[256];
};

/* The first one stays; type NULL: there was none yet.  False. */
bool query_refuse(struct query_error *error, const char *type,
                  const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct query_field {
    struct span name;
    float boost;
};

struct query_syntax {
    const struct query_field *fields; /* of words without one; the names must
                                         live as long as the tree */
    size_t field_count;               /* 0: "*" */
    bool all;                         /* the default is must */
    bool simple;                      /* then only limits are ever refused */
};

/*
 * NULL: *error says why.  Documents of json_read() end before trees have to:
 * its depth is of brackets, so that bools in arrays are at most 21 deep.
 */
struct query *query_read_json(struct arena *arena, const json_t *json,
                              struct query_error *error);
struct query *query_read_text(struct arena *arena, struct span text,
                              const struct query_syntax *syntax,
                              struct query_error *error);

/* Of a field; * stands for any characters. */
bool query_name_matches(struct span pattern, struct span name);

/* Of count clauses; fallback when it is not set.  Past count: no match. */
size_t query_minimum(const struct query_minimum *minimum, size_t count,
                     size_t fallback);

/*
 * What it means, the same however it was written, defaults left out:
 * bool(must=[match(title:"a b" and)] filter=[range(year:[1990 TO *])])^2
 */
void query_print(const struct query *query, struct buf *out);
