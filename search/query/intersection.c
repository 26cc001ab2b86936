/* intersection.c - see intersection.h. */
#include <assert.h>

#include "search/query/intersection.h"

struct intersected {
    struct clause **clauses; /* the rarest first */
    size_t count;
    struct top *top;
    double rests[INTERSECTION_MAX + 1]; /* bounds of the terms from it on */
    uint32_t docs[LIST_BLOCK];          /* candidates */
    double scores[LIST_BLOCK];
    size_t found;
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
    all->rests[all->count] = 0;
    for (size_t i = all->count; i-- > 0;)
        all->rests[i] = all->rests[i + 1] + (double)clause_bound_up_to(
                                                all->clauses[i], from, last) *
                                                SCORE_ROUNDING;
}

static bool may_come(const struct intersected *all, double score, size_t next)
{
    return score + all->rests[next] > (double)top_threshold(all->top);
}

/* The rest of the block that the lead is in. */
static void collect(struct intersected *all)
{
    struct clause *lead = all->clauses[0];
    struct postings *postings = &lead->postings;

    all->found = 0;
    for (; postings->at < postings->len; postings->at++) {
        double score = clause_score(lead);
        if (!may_come(all, score, 1))
            continue;
        all->docs[all->found] = postings_doc(postings);
        all->scores[all->found++] = score;
    }
    postings->at--; /* at its last one: postings_next() goes on */
}

static void look_up(struct intersected *all, size_t which)
{
    struct clause *clause = all->clauses[which];
    size_t kept = 0;

    for (size_t i = 0; i < all->found; i++) {
        uint32_t doc = all->docs[i];
        double score = all->scores[i];
        if (!may_come(all, score, which) ||
            postings_seek(&clause->postings, doc) != doc)
            continue;
        score += clause_score(clause);
        if (!may_come(all, score, which + 1))
            continue;
        all->docs[kept] = doc;
        all->scores[kept++] = score;
    }
    all->found = kept;
}

/* To a document that is not before any term's: false: there is none. */
static bool align(struct intersected *all)
{
    struct postings *lead = &all->clauses[0]->postings;
    uint32_t doc = postings_doc(lead);

    for (size_t i = 1; i < all->count && doc != POSTINGS_END; i++) {
        struct postings *postings = &all->clauses[i]->postings;
        if (postings_doc(postings) > doc)
            doc = postings_seek(lead, postings_doc(postings));
        if (postings_doc(postings) == POSTINGS_END)
            return false;
    }
    return doc != POSTINGS_END;
}

static void take_block(struct intersected *all)
{
    struct postings *lead = &all->clauses[0]->postings;
    uint32_t last = lead->docs[lead->len - 1];

    set_rests(all, postings_doc(lead), last);
    if (!may_come(all, 0, 0)) {
        postings_seek(lead, last);
        return;
    }
    collect(all);
    for (size_t i = 1; i < all->count && all->found > 0; i++)
        look_up(all, i);
    top_add_all(all->top, all->docs, all->scores, all->found);
}

void intersection_top(struct clause **clauses, size_t count, struct top *top)
{
    struct intersected all = {.clauses = clauses, .count = count, .top = top};

    assert(count > 0 && count <= INTERSECTION_MAX);
    put_in_order(clauses, count);
    while (align(&all)) {
        take_block(&all);
        postings_next(&clauses[0]->postings);
    }
}

uint32_t intersection_count(struct clause **clauses, size_t count)
{
    uint32_t found = 0;
    uint32_t doc;

    assert(count > 0 && count <= INTERSECTION_MAX);
    put_in_order(clauses, count);
    struct postings *lead = &clauses[0]->postings;
    if (count == 1)
        return lead->count;
    for (doc = postings_doc(lead); doc != POSTINGS_END;) {
        size_t i = 1;
        uint32_t next = doc;
        while (i < count &&
               (next = postings_seek(&clauses[i]->postings, doc)) == doc)
            i++;
        if (i == count)
            found++;
        doc = i == count ? postings_next(lead) : postings_seek(lead, next);
    }
    return found;
}
