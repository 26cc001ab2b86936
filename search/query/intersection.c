/*
 * intersection.c - see intersection.h.
 *
 *   take_block() -- the lead's documents that can still come in --> look_up()
 *   in one required term after the other --> leave_out() by the excluded ones
 *   --> add() of the optional ones --> top_add_all()
 */
#include <assert.h>
#include <string.h>

#include "search/query/intersection.h"
#include "search/query/match.h"

struct intersected {
    struct clause **clauses; /* the rarest first */
    size_t required, scored; /* scored: with the optional ones */
    size_t count;            /* and with the excluded ones */
    struct top *top;
    double needed; /* bound of those that are required, in the lead's block */
    double needed_anywhere;             /* the same in any block */
    double rests[INTERSECTION_MAX + 1]; /* bounds of the terms from it on */
    uint32_t docs[LIST_BLOCK + 1];      /* candidates */
    double scores[LIST_BLOCK + 1];
    float run[LIST_BLOCK];
    size_t found;
    struct match match;
};

static void put_in_order(struct clause **clauses, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct clause *clause = clauses[i];
        size_t j = i;
        for (; j > 0 && clauses[j - 1]->postings.count > clause->postings.count;
             j--)
            clauses[j] = clauses[j - 1];
        clauses[j] = clause;
    }
}

/* Of the documents from on up to last. */
static void set_rests(struct intersected *all, uint32_t from, uint32_t last)
{
    all->rests[all->scored] = all->needed = 0;
    for (size_t i = all->scored; i-- > 0;) {
        double bound = (double)clause_bound_up_to(all->clauses[i], from, last) *
                       SCORE_ROUNDING;
        all->rests[i] = all->rests[i + 1] + bound;
        all->needed += i < all->required ? bound : 0;
    }
}

/* What a candidate must be above, with what the terms from next on may add. */
static double least_of(const struct intersected *all, size_t next)
{
    return (double)top_bar(all->top) - all->rests[next];
}

/* The rest of the block that the lead is in. */
static void collect(struct intersected *all)
{
    struct clause *lead = all->clauses[0];
    struct postings *postings = &lead->postings;
    const uint32_t *docs = postings->docs + postings->at;
    uint32_t count = postings->len - postings->at;
    double least = least_of(all, 1);

    all->found = 0;
    clause_scores(lead, count, all->run);
    for (uint32_t i = 0; i < count; i++) {
        all->docs[all->found] = docs[i];
        all->scores[all->found] = (double)all->run[i];
        all->found += (double)all->run[i] > least;
    }
}

/* An optional term: of those that do not have it the score stays. */
static void add(struct intersected *all, size_t which)
{
    struct clause *clause = all->clauses[which];
    struct match *match = &all->match;
    double least = least_of(all, which + 1);
    size_t kept = 0;

    for (size_t from = 0; from < all->found;) {
        size_t found =
            match_block(match, &clause->postings, all->docs, all->found, &from);
        clause_scores_found(clause, match, all->docs, found, all->run);
        for (size_t i = 0; i < found; i++)
            all->scores[match->which[i]] += (double)all->run[i];
    }
    for (size_t i = 0; i < all->found; i++) {
        double score = all->scores[i];
        all->docs[kept] = all->docs[i];
        all->scores[kept] = score;
        kept += score > least;
    }
    all->found = kept;
}

/* Those that have an excluded term go. */
static void leave_out(struct intersected *all, size_t which)
{
    struct postings *postings = &all->clauses[which]->postings;
    bool has[LIST_BLOCK] = {false};
    size_t kept = 0;

    for (size_t from = 0; from < all->found;) {
        size_t found =
            match_block(&all->match, postings, all->docs, all->found, &from);
        for (size_t i = 0; i < found; i++)
            has[all->match.which[i]] = true;
    }
    for (size_t i = 0; i < all->found; i++) {
        double score = all->scores[i];
        all->docs[kept] = all->docs[i];
        all->scores[kept] = score;
        kept += !has[i];
    }
    all->found = kept;
}

static void look_up(struct intersected *all, size_t which)
{
    struct clause *clause = all->clauses[which];
    struct match *match = &all->match;
    double least = least_of(all, which + 1);
    size_t count = all->found;
    size_t kept = 0;

    for (size_t from = 0; from < count;) {
        size_t found =
            match_block(match, &clause->postings, all->docs, count, &from);
        clause_scores_found(clause, match, all->docs, found, all->run);
        for (size_t i = 0; i < found; i++) {
            size_t at = match->which[i];
            double score = all->scores[at] + (double)all->run[i];
            all->docs[kept] = all->docs[at];
            all->scores[kept] = score;
            kept += score > least;
        }
    }
    all->found = kept;
}

/* To a document that is not before any term's: false: there is none. */
static bool align(struct intersected *all)
{
    struct postings *lead = &all->clauses[0]->postings;
    uint32_t doc = postings_doc(lead);

    for (size_t i = 1; i < all->required && doc != POSTINGS_END; i++) {
        struct postings *postings = &all->clauses[i]->postings;
        if (postings_doc(postings) > doc)
            doc = postings_seek(lead, postings_doc(postings));
        if (postings_doc(postings) == POSTINGS_END)
            return false;
    }
    return doc != POSTINGS_END;
}

/* The next one, from the lead's document on, that has an optional term. */
static uint32_t next_optional(struct intersected *all)
{
    uint32_t doc = postings_doc(&all->clauses[0]->postings);
    uint32_t next = POSTINGS_END;

    for (size_t i = all->required; i < all->scored; i++) {
        uint32_t found = postings_seek(&all->clauses[i]->postings, doc);
        next = found < next ? found : next;
    }
    return next;
}

/* To the first document behind it. */
static void take_block(struct intersected *all)
{
    struct postings *lead = &all->clauses[0]->postings;
    uint32_t last = lead->docs[lead->len - 1];

    set_rests(all, postings_doc(lead), last);
    bool alone =
        all->required == all->scored || all->needed > (double)top_bar(all->top);
    uint32_t next = alone ? 0 : next_optional(all);
    if (next > last && all->needed_anywhere <= (double)top_bar(all->top)) {
        postings_seek(lead, next);
        return;
    }
    if (next <= last && least_of(all, 0) < 0) {
        collect(all);
        for (size_t i = 1; i < all->required && all->found > 0; i++)
            look_up(all, i);
        for (size_t i = all->scored; i < all->count && all->found > 0; i++)
            leave_out(all, i);
        for (size_t i = all->required; i < all->scored && all->found > 0; i++)
            add(all, i);
        top_add_all(all->top, all->docs, all->scores, all->found);
        all->top->seen += all->found;
    }
    postings_pass(lead, lead->len - lead->at);
}

static void init(struct intersected *all, const struct intersection *of)
{
    all->clauses = of->clauses;
    all->required = of->required;
    all->scored = of->required + of->optional;
    all->count = all->scored + of->excluded;
    assert(all->required > 0 && all->count <= INTERSECTION_MAX);
    all->needed_anywhere = 0;
    for (size_t i = 0; i < all->required; i++)
        all->needed_anywhere +=
            (double)all->clauses[i]->score.weight * SCORE_ROUNDING;
    match_init(&all->match);
    put_in_order(all->clauses, all->required);
}

void intersection_top(const struct intersection *of, struct top *top)
{
    struct intersected all; /* not all of it need be set */

    init(&all, of);
    all.top = top;
    while (!top_is_late(top) && align(&all))
        take_block(&all);
}

/* Of the lead's block, from the cursor on. */
static size_t count_block(struct intersected *all)
{
    const struct postings *lead = &all->clauses[0]->postings;

    all->found = lead->len - lead->at;
    memcpy(all->docs, lead->docs + lead->at, all->found * sizeof(all->docs[0]));
    for (size_t i = 1; i < all->required && all->found > 0; i++) {
        size_t kept = 0;
        for (size_t from = 0; from < all->found;) {
            size_t found = match_block(&all->match, &all->clauses[i]->postings,
                                       all->docs, all->found, &from);
            for (size_t j = 0; j < found; j++)
                all->docs[kept++] = all->docs[all->match.which[j]];
        }
        all->found = kept;
    }
    for (size_t i = all->scored; i < all->count && all->found > 0; i++)
        leave_out(all, i);
    return all->found;
}

uint32_t intersection_count(const struct intersection *of, struct top *top)
{
    struct intersected all; /* as above */
    size_t found = 0;

    if (of->required == 1 && !of->excluded)
        return of->clauses[0]->postings.count;
    init(&all, of);
    while (found <= top->count_most && !top_is_late(top) && align(&all)) {
        struct postings *lead = &all.clauses[0]->postings;
        found += count_block(&all);
        postings_pass(lead, lead->len - lead->at);
    }
    return (uint32_t)found;
}
