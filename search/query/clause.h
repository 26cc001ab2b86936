/*
 * clause.h - a term of a query: where it is, what it is worth, and the most
 * that it can be worth ahead.
 */
#pragma once

#include "search/query/match.h"
#include "search/query/score.h"

struct clause {
    struct postings postings; /* the caller's to set, with score */
    struct score score;
    const uint8_t *norms; /* of all documents; NULL: they are all 0 */
    uint32_t from_block;  /* that was found last; none before it is asked for */
    uint32_t bound_block; /* that bound is of */
    float bound;
    uint32_t bound_group; /* that group_bound is of */
    float group_bound;
    bool one_by_one; /* ablation.h: a score at a time */
};

/* Postings and score are set. */
void clause_init(struct clause *clause, const uint8_t *norms);

/* What a document has that it is in so often. */
static inline float clause_score_of(const struct clause *clause, uint32_t doc,
                                    float freq)
{
    return score_of(&clause->score, freq,
                    clause->norms ? clause->norms[doc] : 0);
}

/* What it adds to each of so many documents of the block, from the cursor on;
   in scores is room for the next multiple of BITS_LANES. */
void clause_scores(struct clause *clause, uint32_t count, float *scores);
/* The same of so many of docs that were found in the block. */
void clause_scores_found(struct clause *clause, const struct match *match,
                         const uint32_t *docs, size_t found, float *scores);

/*
 * Of documents from on, which is never before an earlier one: the last document
 * of the block that from is in, or would be.  False: no block is left.
 */
bool clause_last(struct clause *clause, uint32_t from, uint32_t *last);
/* The most that it adds to any of them up to last. */
float clause_bound_up_to(struct clause *clause, uint32_t from, uint32_t last);
