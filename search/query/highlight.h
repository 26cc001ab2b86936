/*
 * highlight.h - the passages of a hit's field that a query is about, what it
 * matched between two tags.
 *
 * Marked are words that the query's terms, prefixes, patterns, ranges and
 * changed words stand for, in the field that they are asked of, and phrases
 * where all of their words are; nothing of must_not.  What words are says the
 * field's analyzer.  Marks that touch become one.
 *
 * A passage begins and ends with a sentence if there is one to begin or end
 * with, else with a word; of text that is not ASCII ICU says where they are.
 * Passages do not overlap, nor reach over values of an array.  The best ones
 * have the most different words, then rare ones, then near the begin (BM25 over
 * passages, as Lucene's UnifiedHighlighter).
 */
#pragma once

#include "search/query/searcher.h"

/* Bytes of a field's values that are looked at: more of them is as if it were
   not there. */
#define HIGHLIGHT_TEXT_MAX (1 << 20)
/* How often words are compared with patterns, and tried as a phrase's, in a
   field; behind that nothing is marked by these. */
#define HIGHLIGHT_STEPS_MAX (1 << 24)
#define HIGHLIGHT_FRAGMENTS_MAX 100 /* more are as many */
#define HIGHLIGHT_SIZE_MAX 4096     /* characters; more are as many */
#define HIGHLIGHT_MARKS_MAX                           \
    16384 /* of a field, to be the first of a passage \
           */

struct highlight_options {
    size_t fragment_size; /* characters; longer only if one mark is */
    size_t fragments;     /* the most; 0: each value that has a mark, whole */
    size_t no_match_size; /* characters of the begin, if there is no mark */
    struct span pre_tag, post_tag; /* as they are */
    bool by_score;                 /* the best first, not by place */
    bool html;      /* encoder: & < > " ' and / of the text are escaped */
    bool any_field; /* what is asked of other fields counts as well */
};
/* Elasticsearch's: 100, 5, 0, <em>, </em>, none of the rest. */
extern const struct highlight_options highlight_defaults;

struct highlight; /* of one query, for all hits; of one thread */

/* Both are borrowed.  NULL: error says why the query cannot be. */
struct highlight *highlight_create(struct searcher *searcher,
                                   const struct query *query,
                                   struct query_error *error);
void highlight_destroy(struct highlight *highlight);

struct highlight_hit {
    uint32_t doc;   /* with its base, as top_hit has it */
    json_t *source; /* of the document; an object */
};

/*
 * How many fragments the field has; they are good until the next call.  0: it
 * has none, or is neither a text nor a keyword, or not at all.
 */
size_t highlight_find(struct highlight *highlight,
                      const struct highlight_hit *hit, struct span field,
                      const struct highlight_options *options,
                      const struct span **fragments);

/*
 * "field":["…"] of each field that has fragments; name may have *, which stands
 * for any characters.  How many fields it were; 0: nothing was written.
 */
size_t highlight_put(struct highlight *highlight,
                     const struct highlight_hit *hit, struct span name,
                     const struct highlight_options *options,
                     struct json_writer *w);
