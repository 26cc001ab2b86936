/*
 * union.c - see union.h.
 *
 *   a window -- set_bounds(), split() --> skipped, or a piece at a time
 *   collect() those of the essential terms --> complete() by the others
 *   --> top_add_all()
 */
#include <assert.h>
#include <string.h>

#include "common/mem.h"
#include "search/query/union.h"

#define PIECE                                                       \
    2048 /* documents of a window at a time: scores in the L1 cache \
          */
#define SEEN_WORDS (PIECE / 64)
/* A term in the window. */
struct bounded {
    struct clause *clause;
    float bound;
};

struct united {
    struct bounded terms[UNION_MAX]; /* by bound in the window, rising */
    double sums[UNION_MAX];          /* of bounds up to it */
    size_t count, essential;         /* essential: the first one that is */
    struct top *top;
    uint32_t docs[PIECE]; /* candidates */
    double scores[PIECE];
    size_t found;
    double sum[PIECE]; /* by document of the piece */
    uint64_t seen[SEEN_WORDS];
};

/* ---- a window */

/* The document behind the window; terms that are used up go. */
static uint32_t set_bounds(struct united *united, uint32_t from)
{
    uint32_t end = POSTINGS_END;
    size_t kept = 0;

    for (size_t i = 0; i < united->count; i++) {
        struct bounded term = united->terms[i];
        uint32_t last;
        if (!clause_bound(term.clause, from, &term.bound, &last))
            continue;
        united->terms[kept++] = term;
        if (last < end)
            end = last;
    }
    united->count = kept;
    return end + 1;
}

/* False: nothing of the window can come in. */
static bool split(struct united *united)
{
    struct bounded *terms = united->terms;
    double sum = 0;

    for (size_t i = 1; i < united->count; i++) {
        struct bounded term = terms[i];
        size_t j = i;
        for (; j > 0 && terms[j - 1].bound > term.bound; j--)
            terms[j] = terms[j - 1];
        terms[j] = term;
    }
    united->essential = united->count;
    for (size_t i = united->count; i-- > 0;)
        united->sums[i] = 0;
    for (size_t i = 0; i < united->count; i++) {
        sum += (double)terms[i].bound * SCORE_ROUNDING;
        united->sums[i] = sum;
        if (united->essential == united->count &&
            sum > (double)top_threshold(united->top))
            united->essential = i;
    }
    return united->essential < united->count;
}

/* ---- candidates: documents of the essential terms */

/* Whether it can come in with what the others may add. */
static bool may_come(const struct united *united, double score)
{
    double rest = united->essential ? united->sums[united->essential - 1] : 0;

    return score + rest > (double)top_threshold(united->top);
}

static void collect_one(struct united *united, struct clause *clause,
                        uint32_t end)
{
    struct postings *postings = &clause->postings;

    for (; postings_doc(postings) < end; postings_next(postings)) {
        uint32_t doc = postings_doc(postings);
        double score = clause_score(clause);
        if (!may_come(united, score))
            continue;
        united->docs[united->found] = doc;
        united->scores[united->found++] = score;
    }
}

static void add_scores(struct united *united, struct clause *clause,
                       uint32_t from, uint32_t end)
{
    struct postings *postings = &clause->postings;

    for (; postings_doc(postings) < end; postings_next(postings)) {
        uint32_t doc = postings_doc(postings);
        uint32_t place = doc - from;
        double score = clause_score(clause);
        uint64_t bit = UINT64_C(1) << place % 64;
        if (united->seen[place / 64] & bit)
            united->sum[place] += score;
        else
            united->sum[place] = score;
        united->seen[place / 64] |= bit;
    }
}

static void collect_seen(struct united *united, uint32_t from)
{
    for (uint32_t word = 0; word < SEEN_WORDS; word++)
        for (uint64_t bits = united->seen[word]; bits; bits &= bits - 1) {
            uint32_t place = word * 64 + (uint32_t)__builtin_ctzll(bits);
            if (!may_come(united, united->sum[place]))
                continue;
            united->docs[united->found] = from + place;
            united->scores[united->found++] = united->sum[place];
        }
}

static void collect(struct united *united, uint32_t from, uint32_t end)
{
    united->found = 0;
    for (size_t i = united->essential; i < united->count; i++)
        postings_seek(&united->terms[i].clause->postings, from);
    if (united->count - united->essential == 1) {
        collect_one(united, united->terms[united->essential].clause, end);
        return;
    }
    memset(united->seen, 0, sizeof(united->seen));
    for (size_t i = united->essential; i < united->count; i++)
        add_scores(united, united->terms[i].clause, from, end);
    collect_seen(united, from);
}

/* ---- what the others add */

static void add_term(struct united *united, size_t term)
{
    struct clause *clause = united->terms[term].clause;
    struct postings *postings = &clause->postings;
    double threshold = (double)top_threshold(united->top);
    size_t kept = 0;

    for (size_t i = 0; i < united->found; i++) {
        uint32_t doc = united->docs[i];
        double score = united->scores[i];
        if (score + united->sums[term] <= threshold)
            continue;
        if (postings_seek(postings, doc) == doc)
            score += clause_score(clause);
        united->docs[kept] = doc;
        united->scores[kept++] = score;
    }
    united->found = kept;
}

static void take_piece(struct united *united, uint32_t from, uint32_t end)
{
    collect(united, from, end);
    for (size_t i = united->essential; i-- > 0 && united->found > 0;)
        add_term(united, i);
    top_add_all(united->top, united->docs, united->scores, united->found);
}

void union_top(struct clause *const *clauses, size_t count, uint32_t docs,
               struct top *top)
{
    struct united *united = mem_alloc(MEM_JOB, sizeof(*united));

    assert(count > 0 && count <= UNION_MAX);
    united->count = count;
    united->top = top;
    for (size_t i = 0; i < count; i++)
        united->terms[i] = (struct bounded){.clause = clauses[i]};
    for (uint32_t from = 0, end; from < docs && united->count; from = end) {
        end = set_bounds(united, from);
        if (united->count == 0 || !split(united))
            continue;
        for (uint32_t at = from, to; at < end; at = to) {
            to = end - at < PIECE ? end : at + PIECE;
            take_piece(united, at, to);
        }
    }
    mem_free(united);
}
