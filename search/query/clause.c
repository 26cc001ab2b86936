/* clause.c - see clause.h. */
#include "search/query/clause.h"

#define NO_BLOCK UINT32_MAX
/* Blocks, then as many groups; after these, any document's bound. */
#define LOOKED_AT 8

void clause_init(struct clause *clause, const uint8_t *norms)
{
    clause->norms = norms;
    clause->bound_block = NO_BLOCK;
    clause->bound = 0;
    clause->bound_group = NO_BLOCK;
    clause->group_bound = 0;
    clause->from_block = 0;
    clause->one_by_one = false;
}

/* What a frequency is multiplied with. */
static float factor_of(const struct clause *clause, uint32_t doc)
{
    return clause->score.lengths
        ->inverse[clause->norms ? clause->norms[doc] : 0];
}

/* Out of line, so that one is not computed beside the next. */
static __attribute__((noinline)) float score_alone(const struct clause *clause,
                                                   uint32_t doc, uint32_t freq)
{
    return clause_score_of(clause, doc, (float)freq);
}

void clause_scores(struct clause *clause, uint32_t count, float *scores)
{
    struct postings *postings = &clause->postings;
    const uint32_t *docs = postings->docs + postings->at;
    const uint32_t *freqs = postings_freqs(postings) + postings->at;

    if (clause->one_by_one) {
        for (uint32_t i = 0; i < count; i++)
            scores[i] = score_alone(clause, docs[i], freqs[i]);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        scores[i] = factor_of(clause, docs[i]);
    postings->kernel->saturate(freqs, count, clause->score.weight, scores);
}

void clause_scores_found(struct clause *clause, const struct match *match,
                         const uint32_t *docs, size_t found, float *scores)
{
    if (found == 0)
        return;
    const uint32_t *freqs = postings_freqs(&clause->postings);
    if (clause->one_by_one) {
        for (size_t i = 0; i < found; i++)
            scores[i] =
                score_alone(clause, docs[match->which[i]], freqs[match->at[i]]);
        return;
    }
    uint32_t often[LIST_BLOCK + BITS_LANES];
    for (size_t i = 0; i < found; i++) {
        often[i] = freqs[match->at[i]];
        scores[i] = factor_of(clause, docs[match->which[i]]);
    }
    clause->postings.kernel->saturate(often, found, clause->score.weight,
                                      scores);
}

/* All of a short list are here. */
static float bound_of_short(const struct clause *clause)
{
    const struct postings *postings = &clause->postings;
    float best = 0;

    for (uint32_t i = 0; i < postings->len; i++) {
        float score = clause_score_of(clause, postings->docs[i],
                                      (float)postings->freqs[i]);
        best = score > best ? score : best;
    }
    return best;
}

static float bound_of(struct clause *clause, uint32_t block)
{
    const struct postings *postings = &clause->postings;
    const struct list_impact *impacts;

    if (block == clause->bound_block)
        return clause->bound;
    clause->bound_block = block;
    if (postings->block_count) {
        size_t count = postings_impacts(postings, block, &impacts);
        clause->bound = score_bound(&clause->score, impacts, count);
    } else {
        clause->bound = bound_of_short(clause);
    }
    return clause->bound;
}

static float bound_of_group(struct clause *clause, uint32_t group)
{
    const struct list_impact *impacts;

    if (group == clause->bound_group)
        return clause->group_bound;
    size_t count = postings_group_impacts(&clause->postings, group, &impacts);
    clause->bound_group = group;
    clause->group_bound = score_bound(&clause->score, impacts, count);
    return clause->group_bound;
}

/* Of a block; or of all that is left of its group, if that is wanted or one by
   one would be too many: then *block is the last one of it. */
static float bound_from(struct clause *clause, uint32_t *block, uint32_t last,
                        bool too_many)
{
    const struct postings *postings = &clause->postings;
    uint32_t group = *block / LIST_GROUP;
    uint32_t end = (group + 1) * LIST_GROUP - 1;

    if (end >= postings->block_count)
        end = postings->block_count - 1;
    if (!too_many && (postings->group_count == 0 || end == *block ||
                      postings_block_last(postings, end) > last))
        return bound_of(clause, *block);
    *block = end;
    return postings->group_count ? bound_of_group(clause, group)
                                 : clause->score.weight;
}

/* The block that from is in, or would be, and its last document. */
static bool find_block(struct clause *clause, uint32_t from, uint32_t *block,
                       uint32_t *last)
{
    const struct postings *postings = &clause->postings;

    *block = 0;
    *last = postings->docs[postings->len - 1];
    if (postings->block_count) {
        *block = clause->from_block > postings->block ? clause->from_block
                                                      : postings->block;
        *block = postings_block_of(postings, *block, from);
        if (*block == postings->block_count)
            return false;
        clause->from_block = *block;
        *last = postings_block_last(postings, *block);
    }
    return *last >= from;
}

bool clause_last(struct clause *clause, uint32_t from, uint32_t *last)
{
    uint32_t block;

    return find_block(clause, from, &block, last);
}

float clause_bound_up_to(struct clause *clause, uint32_t from, uint32_t last)
{
    struct postings *postings = &clause->postings;
    uint32_t block;
    uint32_t end;

    if (postings->block_count == 0)
        postings_seek(postings, from);
    if (postings_doc(postings) > last ||
        !find_block(clause, from, &block, &end))
        return 0;
    float best = bound_of(clause, block);
    for (unsigned i = 1; end < last; i++) {
        if (postings->block_count == 0 || ++block == postings->block_count)
            return best;
        if (i == 2 * LOOKED_AT)
            return clause->score.weight;
        float bound = bound_from(clause, &block, last, i >= LOOKED_AT);
        best = bound > best ? bound : best;
        end = postings_block_last(postings, block);
    }
    return best;
}
