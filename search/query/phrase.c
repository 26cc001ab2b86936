/*
 * phrase.c - see phrase.h.
 *
 *   seek_all() -- a document that has all terms --> may_come() by the fewest of
 *   them --> occurrences() --> top_add()
 */
#include <assert.h>

#include "common/mem.h"
#include "search/query/phrase.h"

struct matcher {
    struct phrase_term *terms;
    size_t count;
    struct phrase_term *order[PHRASE_MAX]; /* the rarest first */
    uint32_t *starts, *positions;          /* room for cap each */
    size_t cap;
};

static void init(struct matcher *matcher, struct phrase_term *terms,
                 size_t count)
{
    assert(count > 0 && count <= PHRASE_MAX);
    *matcher = (struct matcher){.terms = terms, .count = count};
    for (size_t i = 0; i < count; i++) {
        size_t j = i;
        for (; j > 0 && matcher->order[j - 1]->clause.postings.count >
                            terms[i].clause.postings.count;
             j--)
            matcher->order[j] = matcher->order[j - 1];
        matcher->order[j] = &terms[i];
    }
}

static void deinit(struct matcher *matcher)
{
    mem_free(matcher->starts);
    mem_free(matcher->positions);
}

/* ---- documents that have all terms */

static uint32_t seek_all(struct matcher *matcher, uint32_t doc)
{
    struct postings *lead = &matcher->order[0]->clause.postings;

    for (size_t i = 1; i < matcher->count && doc != POSTINGS_END;) {
        uint32_t next = postings_seek(&matcher->order[i]->clause.postings, doc);
        if (next == doc) {
            i++;
            continue;
        }
        doc = postings_seek(lead, next);
        i = 1;
    }
    return doc;
}

/* ---- where the phrase is in one */

static uint32_t fewest(struct matcher *matcher)
{
    uint32_t least = UINT32_MAX;

    for (size_t i = 0; i < matcher->count; i++) {
        uint32_t freq = postings_freq(&matcher->order[i]->clause.postings);
        least = freq < least ? freq : least;
    }
    return least;
}

static void make_room(struct matcher *matcher, uint32_t freq)
{
    if (matcher->cap >= freq)
        return;
    matcher->cap = (size_t)freq * 2;
    matcher->starts = mem_realloc(MEM_JOB, matcher->starts,
                                  matcher->cap * sizeof(matcher->starts[0]));
    matcher->positions =
        mem_realloc(MEM_JOB, matcher->positions,
                    matcher->cap * sizeof(matcher->positions[0]));
}

/* Where the phrase would begin, by one term: how many places there are. */
static uint32_t read_starts(struct phrase_term *term, uint32_t *out)
{
    struct postings *postings = &term->clause.postings;
    uint32_t freq = postings_freq(postings);
    uint32_t count = 0;

    places_read(&term->places, postings_first_place(postings), freq, out);
    for (uint32_t i = 0; i < freq; i++)
        if (out[i] >= term->offset)
            out[count++] = out[i] - term->offset;
    return count;
}

static uint32_t keep_common(uint32_t *a, uint32_t a_count, const uint32_t *b,
                            uint32_t b_count)
{
    uint32_t kept = 0;
    uint32_t j = 0;

    for (uint32_t i = 0; i < a_count; i++) {
        while (j < b_count && b[j] < a[i])
            j++;
        if (j < b_count && b[j] == a[i])
            a[kept++] = a[i];
    }
    return kept;
}

static uint32_t occurrences(struct matcher *matcher)
{
    uint32_t count;

    for (size_t i = 0; i < matcher->count; i++)
        make_room(matcher, postings_freq(&matcher->order[i]->clause.postings));
    count = read_starts(matcher->order[0], matcher->starts);
    for (size_t i = 1; i < matcher->count && count > 0; i++) {
        uint32_t more = read_starts(matcher->order[i], matcher->positions);
        count = keep_common(matcher->starts, count, matcher->positions, more);
    }
    return count;
}

/* ---- the best */

/* The rest of the lead's block can come in: no term is there more often than
   its impacts say. */
static bool block_may_come(struct matcher *matcher, uint32_t doc,
                           const struct top *top)
{
    struct clause *lead = &matcher->order[0]->clause;
    uint32_t last = lead->postings.docs[lead->postings.len - 1];

    for (size_t i = 0; i < matcher->count; i++)
        if (clause_bound_up_to(&matcher->order[i]->clause, doc, last) <=
            top_threshold(top))
            return false;
    return true;
}

static void try_document(struct matcher *matcher, uint32_t doc, struct top *top)
{
    const struct clause *clause = &matcher->terms[0].clause;
    uint8_t norm = clause->norms[doc];

    if (score_of(&clause->score, fewest(matcher), norm) <= top_threshold(top))
        return;
    uint32_t freq = occurrences(matcher);
    float score = score_of(&clause->score, freq, norm);
    if (freq > 0 && score > top_threshold(top))
        top_add(top, doc, score);
}

void phrase_top(struct phrase_term *terms, size_t count, struct top *top)
{
    struct matcher matcher;
    uint32_t block = UINT32_MAX;

    init(&matcher, terms, count);
    struct postings *lead = &matcher.order[0]->clause.postings;
    for (uint32_t doc = seek_all(&matcher, postings_doc(lead));
         doc != POSTINGS_END;) {
        if (block != lead->block && !block_may_come(&matcher, doc, top)) {
            postings_seek(lead, lead->docs[lead->len - 1]);
        } else {
            block = lead->block;
            try_document(&matcher, doc, top);
        }
        doc = seek_all(&matcher, postings_next(lead));
    }
    deinit(&matcher);
}

uint32_t phrase_count(struct phrase_term *terms, size_t count)
{
    struct matcher matcher;
    uint32_t found = 0;

    init(&matcher, terms, count);
    struct postings *lead = &matcher.order[0]->clause.postings;
    for (uint32_t doc = seek_all(&matcher, postings_doc(lead));
         doc != POSTINGS_END; doc = seek_all(&matcher, postings_next(lead)))
        found += occurrences(&matcher) > 0;
    deinit(&matcher);
    return found;
}
