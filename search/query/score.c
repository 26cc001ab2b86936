/* score.c - see score.h. */
#include <math.h>

#include "search/index/norm.h"
#include "search/query/score.h"

void score_lengths_init(struct score_lengths *lengths, float k1, float b,
                        double average)
{
    for (unsigned norm = 0; norm < SCORE_NORMS; norm++) {
        double length = norm_length((uint8_t)norm);
        double k = (double)k1 * (1 - (double)b + (double)b * length / average);
        lengths->inverse[norm] = (float)(1 / k);
        lengths->length[norm] = (float)length;
    }
}

void score_init(struct score *score, const struct score_lengths *lengths,
                float boost, uint64_t docs, uint64_t having)
{
    double idf =
        log(1 + ((double)docs - (double)having + 0.5) / ((double)having + 0.5));

    score->weight = boost * (float)idf;
    score->lengths = lengths;
}

float score_bound(const struct score *score, const struct list_impact *impacts,
                  size_t count)
{
    const struct score_lengths *lengths = score->lengths;
    float best = 0; /* freq * inverse: the score rises with it */

    for (size_t i = 0; i < count; i++) {
        float found = lengths->length[impacts[i].freq] *
                      lengths->inverse[impacts[i].norm];
        best = found > best ? found : best;
    }
    return score->weight - score->weight / (1.0F + best);
}
