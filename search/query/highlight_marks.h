/*
 * highlight_marks.h - which words of a text a query is about.
 *
 * A plan is what a query asks of a field in a segment; it is run over texts.
 */
#pragma once

#include "search/query/compile_internal.h"

struct mark {
    uint32_t start, end; /* bytes */
    uint32_t what;       /* words and patterns of the plan are numbered */
};

/* Of a text's words those that are the plan's, as they come. */
struct occurrence {
    struct mark mark;
    uint32_t position;
    uint32_t next; /* with the same word; UINT32_MAX: none */
    bool marked;
};

struct plan_word {
    struct span term;
    bool alone;                  /* it is marked wherever it is */
    uint32_t first, last, count; /* occurrences; first UINT32_MAX: none */
};

struct plan_pattern {
    enum { PATTERN_PREFIX, PATTERN_WILDCARD, PATTERN_RANGE } kind;
    struct span text;
    const struct query *query; /* RANGE */
};

struct plan_phrase {
    const struct node_about *about;
    const uint32_t *words; /* numbers of its words */
};

struct plan {
    struct plan *next; /* the caller's, as these two are */
    uint32_t segment, field;
    bool any_field;
    struct plan_word *words; /* rising */
    struct plan_pattern *patterns;
    struct plan_phrase *phrases;
    size_t word_count, pattern_count, phrase_count;
    /* Of the field that is being read. */
    struct buf occurrences; /* struct occurrence */
    size_t steps;
    uint32_t base, position, last; /* of the value; of the last word */
};

/* Of what was compiled to name: field, or SCHEMA_NONE, of any.  In the arena;
   plan_deinit() ends it. */
struct plan *plan_make(struct arena *arena, const struct node *root,
                       uint32_t field);
void plan_deinit(struct plan *plan);

/* A field's values: begin, each of them, then what is marked, by place. */
void plan_begin(struct plan *plan);
/* base: bytes before it; analyzer NULL: it is one word. */
void plan_read(struct plan *plan, struct analyzer *analyzer, struct span text,
               size_t base);
/* struct mark, to out's end; they may overlap. */
void plan_finish(struct plan *plan, struct buf *out);
