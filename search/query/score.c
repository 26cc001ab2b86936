/* score.c - see score.h. */
#include <math.h>

#include "search/index/norm.h"
#include "search/query/score.h"

void score_init(struct score *score, const struct score_facts *facts)
{
    double docs = (double)facts->docs;
    double having = (double)facts->having;
    double idf = log(1 + (docs - having + 0.5) / (having + 0.5));

    score->weight = facts->boost * (float)idf;
    for (unsigned norm = 0; norm < SCORE_NORMS; norm++) {
        double length = norm_length((uint8_t)norm);
        double k =
            (double)facts->k1 *
            (1 - (double)facts->b + (double)facts->b * length / facts->average);
        score->inverse[norm] = (float)(1 / k);
    }
}

float score_bound(const struct score *score, const struct list_impact *impacts,
                  size_t count)
{
    float best = 0;

    for (size_t i = 0; i < count; i++) {
        float found = impacts[i].freq == LIST_FREQ_MAX
                          ? score->weight
                          : score_of(score, impacts[i].freq, impacts[i].norm);
        best = found > best ? found : best;
    }
    return best;
}
