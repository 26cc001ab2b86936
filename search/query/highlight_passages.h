/*
 * highlight_passages.h - which parts of a text to show, for its marks.
 */
#pragma once

#include "search/query/highlight.h"
#include "search/query/highlight_marks.h"

struct UBreakIterator;

/* Values of a field, one behind the other. */
struct passage_text {
    struct span text;
    const uint32_t *ends; /* of each value */
    size_t count;
    struct UBreakIterator **breaks; /* two, opened when they are needed */
};

struct passage {
    uint32_t start, end;
    double score;
};

/*
 * marks: by place.  Into passages, at most HIGHLIGHT_FRAGMENTS_MAX: the best
 * ones by place, each about as long as the options say.  whats: marks' what is
 * below it.
 */
size_t passages_find(const struct passage_text *text, const struct mark *marks,
                     size_t mark_count, size_t whats,
                     const struct highlight_options *options,
                     struct passage *passages);
/* So many characters of the begin, to a word's end. */
struct passage passages_begin(const struct passage_text *text, size_t most);
