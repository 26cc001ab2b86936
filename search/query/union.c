/*
 * union.c - see union.h.
 *
 *   a window -- set_bounds(), split() --> passed over, or
 *   take_runs(), take_merged(), take_pieces(): documents of one, two or more
 *   essential terms -- complete() by the others --> top_add_all()
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "common/mem.h"
#include "search/query/match.h"
#include "search/query/union.h"

#define LOOKED_AT 8 /* blocks of the rarest term, before all else */
#define ENOUGH 16   /* of its documents, for each that is asked for */
/* Where a term cannot add more than that of what is needed, its blocks' bounds
   are not worth looking up. */
#define LITTLE 0.05F
/* Documents of a window at a time: their scores are in the L1 cache. */
#define PIECE 2048
#define WORD 64
#define SEEN_WORDS (PIECE / WORD)

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
    uint32_t docs[PIECE + 1]; /* candidates, and what may be none */
    double scores[PIECE + 1];
    size_t found;
    double sum[PIECE];         /* by document of the piece; else 0 */
    uint64_t seen[SEEN_WORDS]; /* else 0 */
    /* Scores of a term's documents in a block, and of another's. */
    float run[LIST_BLOCK + 1], other[LIST_BLOCK + 1];
    struct match match;
};

_Static_assert(PIECE >= 2 * LIST_BLOCK, "room for two blocks, merged");

/* ---- a window */

/*
 * The last document of the window: of the terms that were essential in the one
 * before, or are by the last split(), no block ends in it.  Terms that are used
 * up go.
 */
static uint32_t end_window(struct united *united, uint32_t from)
{
    uint32_t end = POSTINGS_END - 1;
    size_t kept = 0;
    size_t essential = united->essential;

    if (essential == united->count) /* the window was passed over */
        essential--;
    for (size_t i = 0; i < united->count; i++) {
        struct bounded term = united->terms[i];
        uint32_t last;
        if (!clause_last(term.clause, from, &last))
            continue;
        united->terms[kept++] = term;
        if (i >= essential && last < end)
            end = last;
    }
    united->count = kept;
    return end;
}

static void set_bounds(struct united *united, uint32_t from, uint32_t last)
{
    float little = top_bar(united->top) * LITTLE;

    for (size_t i = 0; i < united->count; i++) {
        struct clause *clause = united->terms[i].clause;
        united->terms[i].bound = clause->score.weight < little
                                     ? clause->score.weight
                                     : clause_bound_up_to(clause, from, last);
    }
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
            sum > (double)top_bar(united->top))
            united->essential = i;
    }
    return united->essential < united->count;
}

/* ---- candidates: documents of the essential terms */

/* What a candidate must be above, with what the others may add to it. */
static double least_of(const struct united *united)
{
    double rest = united->essential ? united->sums[united->essential - 1] : 0;

    return (double)top_bar(united->top) - rest;
}

/* Those of one term's block. */
static void collect_run(struct united *united, struct clause *clause,
                        uint32_t end)
{
    struct postings *postings = &clause->postings;
    uint32_t count = postings_run(postings, end);
    const uint32_t *docs = postings->docs + postings->at;
    double least = least_of(united);
    size_t found = 0;

    clause_scores(clause, count, united->run);
    for (uint32_t i = 0; i < count; i++) {
        double score = (double)united->run[i];
        united->docs[found] = docs[i];
        united->scores[found] = score;
        found += score > least;
    }
    postings_pass(postings, count);
    united->found = found;
}

/* Before end, and no further than either's block goes. */
static uint32_t end_of_both(const struct postings *one,
                            const struct postings *two, uint32_t end)
{
    uint32_t last = one->docs[one->len - 1];

    if (last > two->docs[two->len - 1])
        last = two->docs[two->len - 1];
    return last < end ? last + 1 : end;
}

/* Those of two terms' blocks, as far as both go.  Behind a run is a document
   from end on, if only POSTINGS_END: so there is no branch that depends on
   whose the next one is. */
static void merge_runs(struct united *united, struct clause *a,
                       struct clause *b, uint32_t end)
{
    end = end_of_both(&a->postings, &b->postings, end);
    uint32_t a_count = postings_run(&a->postings, end);
    uint32_t b_count = postings_run(&b->postings, end);
    const uint32_t *a_docs = a->postings.docs + a->postings.at;
    const uint32_t *b_docs = b->postings.docs + b->postings.at;
    double least = least_of(united);
    size_t found = 0;

    clause_scores(a, a_count, united->run);
    clause_scores(b, b_count, united->other);
    united->run[a_count] = united->other[b_count] = 0;
    for (uint32_t i = 0, j = 0; i < a_count || j < b_count;) {
        uint32_t doc = a_docs[i] < b_docs[j] ? a_docs[i] : b_docs[j];
        bool of_a = a_docs[i] == doc;
        bool of_b = b_docs[j] == doc;
        double score = (of_a ? (double)united->run[i] : 0) +
                       (of_b ? (double)united->other[j] : 0);
        united->docs[found] = doc;
        united->scores[found] = score;
        found += score > least;
        i += of_a;
        j += of_b;
    }
    postings_pass(&a->postings, a_count);
    postings_pass(&b->postings, b_count);
    united->found = found;
}

static void add_scores(struct united *united, struct clause *clause,
                       uint32_t from, uint32_t end)
{
    struct postings *postings = &clause->postings;
    uint64_t *seen = united->seen;

    while (postings_doc(postings) < end) {
        uint32_t count = postings_run(postings, end);
        const uint32_t *docs = postings->docs + postings->at;
        clause_scores(clause, count, united->run);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t place = docs[i] - from;
            united->sum[place] += (double)united->run[i];
            seen[place / WORD] |= UINT64_C(1) << place % WORD;
        }
        postings_pass(postings, count);
    }
}

static void collect_seen(struct united *united, uint32_t from, uint32_t end)
{
    uint32_t words = (end - from + WORD - 1) / WORD;
    double least = least_of(united);
    size_t found = 0;

    for (uint32_t word = 0; word < words; word++) {
        for (uint64_t bits = united->seen[word]; bits; bits &= bits - 1) {
            uint32_t place = word * WORD + (uint32_t)__builtin_ctzll(bits);
            double score = united->sum[place];
            united->docs[found] = from + place;
            united->scores[found] = score;
            found += score > least;
            united->sum[place] = 0;
        }
        united->seen[word] = 0;
    }
    united->found = found;
}

static void collect(struct united *united, uint32_t from, uint32_t end)
{
    for (size_t i = united->essential; i < united->count; i++)
        postings_seek(&united->terms[i].clause->postings, from);
    for (size_t i = united->essential; i < united->count; i++)
        add_scores(united, united->terms[i].clause, from, end);
    collect_seen(united, from, end);
}

/* ---- what the others add */

/* Those that can still come in, with the terms up to one. */
static void keep_above(struct united *united, size_t term)
{
    double threshold = (double)top_bar(united->top);
    size_t kept = 0;

    for (size_t i = 0; i < united->found; i++) {
        double score = united->scores[i];
        united->docs[kept] = united->docs[i];
        united->scores[kept] = score;
        kept += score + united->sums[term] > threshold;
    }
    united->found = kept;
}

/* To those of so many that have it. */
static void add_found(struct united *united, struct clause *clause,
                      const uint32_t *docs, double *scores, size_t count)
{
    struct match *match = &united->match;

    for (size_t from = 0; from < count;) {
        size_t found =
            match_block(match, &clause->postings, docs, count, &from);
        clause_scores_found(clause, match, docs, found, united->run);
        for (size_t i = 0; i < found; i++)
            scores[match->which[i]] += (double)united->run[i];
    }
}

static void add_term(struct united *united, size_t term)
{
    keep_above(united, term);
    for (size_t from = 0, count; from < united->found; from += count) {
        count = united->found - from;
        if (count > LIST_BLOCK)
            count = LIST_BLOCK;
        add_found(united, united->terms[term].clause, united->docs + from,
                  united->scores + from, count);
    }
}

static void complete(struct united *united)
{
    for (size_t i = united->essential; i-- > 0 && united->found > 0;)
        add_term(united, i);
    top_add_all(united->top, united->docs, united->scores, united->found);
}

static void take_pieces(struct united *united, uint32_t from, uint32_t end)
{
    for (uint32_t to; from < end && !top_is_late(united->top); from = to) {
        to = end - from < PIECE ? end : from + PIECE;
        collect(united, from, to);
        complete(united);
    }
}

/* Of one essential term a block at a time, however far apart. */
static void take_runs(struct united *united, uint32_t from, uint32_t end)
{
    struct clause *clause = united->terms[united->essential].clause;

    postings_seek(&clause->postings, from);
    while (postings_doc(&clause->postings) < end) {
        collect_run(united, clause, end);
        complete(united);
    }
}

/* Of two: what is behind one's block, or before the other's, comes next. */
static void take_merged(struct united *united, uint32_t from, uint32_t end)
{
    struct clause *a = united->terms[united->essential].clause;
    struct clause *b = united->terms[united->essential + 1].clause;

    postings_seek(&a->postings, from);
    postings_seek(&b->postings, from);
    for (;;) {
        bool has_a = postings_doc(&a->postings) < end;
        bool has_b = postings_doc(&b->postings) < end;
        if (has_a && has_b)
            merge_runs(united, a, b, end);
        else if (has_a || has_b)
            collect_run(united, has_a ? a : b, end);
        else
            break;
        complete(united);
    }
}

/*
 * What the first documents of the rarest term that has as many as are asked for
 * get from it alone is what the best get at least: so nothing that is worse is
 * looked at from the beginning.
 */
static void set_least(struct united *united)
{
    struct top *top = united->top;
    struct clause *rarest = NULL;

    for (size_t i = 0; i < united->count; i++) {
        struct clause *clause = united->terms[i].clause;
        if (clause->postings.count >= top->most &&
            (!rarest || clause->score.weight > rarest->score.weight))
            rarest = clause;
    }
    if (!rarest || united->count == 1 || top->count || top->looks_not)
        return;
    struct postings *postings = &rarest->postings;
    size_t looked_at = 0;
    for (unsigned i = 0; i < LOOKED_AT && looked_at < top->most * ENOUGH &&
                         postings->at < postings->len;
         i++) {
        uint32_t count = postings->len;
        clause_scores(rarest, count, united->run);
        for (uint32_t j = 0; j < count; j++)
            united->scores[j] = (double)united->run[j];
        top_add_all(top, postings->docs, united->scores, count);
        postings_pass(postings, count);
        looked_at += count;
    }
    if (top->count == top->most)
        top->least = nextafterf(top->hits[0].score, -1);
    top->count = 0;
    postings_rewind(postings);
}

static void take_windows(struct united *united, uint32_t docs)
{
    for (uint32_t from = 0, end;
         from < docs && united->count && !top_is_late(united->top);
         from = end) {
        end = end_window(united, from) + 1;
        if (united->count == 0)
            break;
        if (end > docs)
            end = docs;
        set_bounds(united, from, end - 1);
        if (!split(united))
            continue;
        uint32_t shorter = end_window(united, from) + 1;
        if (shorter < end) { /* others are essential */
            end = shorter;
            set_bounds(united, from, end - 1);
            if (!split(united))
                continue;
        }
        if (united->count - united->essential == 1)
            take_runs(united, from, end);
        else if (united->count - united->essential == 2)
            take_merged(united, from, end);
        else
            take_pieces(united, from, end);
    }
}

void union_top(struct clause *const *clauses, size_t count, uint32_t docs,
               struct top *top)
{
    struct united *united = mem_alloc(MEM_JOB, sizeof(*united));

    assert(count > 0 && count <= UNION_MAX);
    united->count = count;
    united->top = top;
    united->essential = 0;
    match_init(&united->match);
    memset(united->sum, 0, sizeof(united->sum));
    memset(united->seen, 0, sizeof(united->seen));
    for (size_t i = 0; i < count; i++)
        united->terms[i] = (struct bounded){.clause = clauses[i]};
    set_least(united);
    if (top->passes_none) /* all are essential, wherever their blocks end */
        take_pieces(united, 0, docs);
    else
        take_windows(united, docs);
    mem_free(united);
}
