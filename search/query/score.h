/*
 * score.h - BM25 as Lucene computes it: what a document that has a term freq
 * times and is of a length adds to its score,
 *
 *   weight * freq / (freq + k1 * (1 - b + b * length / average))
 *   weight = boost * ln(1 + (N - n + 0.5) / (n + 0.5))
 *
 * of N documents, n of which have the term (S. Robertson, H. Zaragoza: "The
 * Probabilistic Relevance Framework: BM25 and Beyond", 2009; without its factor
 * k1 + 1, which changes no order).  Written as weight - weight / (1 + freq *
 * inverse) it never falls when freq rises or the length falls, rounded or not:
 * so impacts give true bounds.
 */
#pragma once

#include "search/index/list.h"

#define SCORE_NORMS 256
/* Sums are rounded: a bound that is one is made larger by more than that. */
#define SCORE_ROUNDING (1 + 1e-9)

/* What lengths do in a field: the same for all its terms. */
struct score_lengths {
    float inverse[SCORE_NORMS]; /* by norm */
    float length[SCORE_NORMS];
};
void score_lengths_init(struct score_lengths *lengths, float k1, float b,
                        double average);

struct score {
    float weight;
    const struct score_lengths *lengths; /* borrowed */
};
/* docs: N; having: n. */
void score_init(struct score *score, const struct score_lengths *lengths,
                float boost, uint64_t docs, uint64_t having);

static inline float score_of(const struct score *score, float freq,
                             uint8_t norm)
{
    return score->weight -
           score->weight / (1.0F + freq * score->lengths->inverse[norm]);
}

/* No document of these impacts has more. */
float score_bound(const struct score *score, const struct list_impact *impacts,
                  size_t count);
