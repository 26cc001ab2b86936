/*
 * phrase.c - see phrase.h.
 *
 *   find_block() -- documents of the lead's block that have all terms -->
 *   may_come() by the fewest of them --> occurrences() --> top_add()
 */
#include <assert.h>
#include <string.h>

#include "common/mem.h"
#include "search/query/match.h"
#include "search/query/phrase.h"

#define STEP 8 /* positions that are passed over at once */
#define NO_BLOCK UINT32_MAX

struct matcher {
    size_t count;
    struct phrase_term *order[PHRASE_MAX]; /* the rarest first: it leads */
    uint32_t *starts, *positions;          /* room for cap each, and a step */
    size_t cap;
    uint32_t docs[LIST_BLOCK]; /* candidates, and their numbers in found_… */
    uint8_t slots[LIST_BLOCK];
    size_t found;
    struct match match;
};

/* A phrase may have a term several times: it is looked up once. */
static void find_twins(struct matcher *matcher)
{
    for (size_t i = 0; i < matcher->count; i++) {
        struct phrase_term *term = matcher->order[i];
        const void *list = term->clause.postings.list;
        term->twin = NULL;
        for (size_t j = 0; j < i && list && !term->twin; j++)
            if (matcher->order[j]->clause.postings.list == list)
                term->twin = matcher->order[j];
    }
}

static struct matcher *create(struct phrase_term *terms, size_t count)
{
    struct matcher *matcher = mem_alloc(MEM_JOB, sizeof(*matcher));

    assert(count > 0 && count <= PHRASE_MAX);
    matcher->count = count;
    matcher->starts = matcher->positions = NULL;
    matcher->cap = 0;
    match_init(&matcher->match);
    for (size_t i = 0; i < count; i++) {
        size_t j = i;
        for (; j > 0 && matcher->order[j - 1]->clause.postings.count >
                            terms[i].clause.postings.count;
             j--)
            matcher->order[j] = matcher->order[j - 1];
        matcher->order[j] = &terms[i];
        terms[i].block = NO_BLOCK;
    }
    find_twins(matcher);
    return matcher;
}

static void destroy(struct matcher *matcher)
{
    mem_free(matcher->starts);
    mem_free(matcher->positions);
    mem_free(matcher);
}

/* ---- documents that have all terms */

/* The cursor's block is one that it has not been in. */
static void count_positions(struct phrase_term *term)
{
    struct postings *postings = &term->clause.postings;
    const uint32_t *freqs = postings_freqs(postings);
    uint32_t first = postings_block_places(postings);

    if (term->block == postings->block)
        return;
    term->block = postings->block;
    for (uint32_t i = 0; i < postings->len; i++) {
        term->first[i] = first;
        first += freqs[i];
    }
}

/* A candidate is the document at that place of the cursor's block. */
static void keep(struct phrase_term *term, uint8_t slot, uint8_t at)
{
    term->found_first[slot] = term->first[at];
    term->found_freq[slot] = term->clause.postings.freqs[at];
}

/* The rest of the lead's block. */
static void begin_block(struct matcher *matcher)
{
    struct phrase_term *term = matcher->order[0];
    const struct postings *lead = &term->clause.postings;

    matcher->found = lead->len - lead->at;
    count_positions(term);
    for (size_t i = 0; i < matcher->found; i++) {
        matcher->docs[i] = lead->docs[lead->at + i];
        matcher->slots[i] = (uint8_t)i;
        keep(term, (uint8_t)i, (uint8_t)(lead->at + i));
    }
}

static void copy_twin(const struct matcher *matcher, struct phrase_term *term)
{
    for (size_t i = 0; i < matcher->found; i++) {
        uint8_t slot = matcher->slots[i];
        term->found_first[slot] = term->twin->found_first[slot];
        term->found_freq[slot] = term->twin->found_freq[slot];
    }
}

static void look_up(struct matcher *matcher, struct phrase_term *term)
{
    struct match *match = &matcher->match;
    size_t count = matcher->found;
    size_t kept = 0;

    for (size_t from = 0; from < count;) {
        size_t found = match_block(match, &term->clause.postings, matcher->docs,
                                   count, &from);
        if (found)
            count_positions(term);
        for (size_t i = 0; i < found; i++, kept++) {
            size_t which = match->which[i];
            matcher->docs[kept] = matcher->docs[which];
            matcher->slots[kept] = matcher->slots[which];
            keep(term, matcher->slots[kept], match->at[i]);
        }
    }
    matcher->found = kept;
}

/* To the next block that may have some; false: there is none. */
static bool align(struct matcher *matcher)
{
    struct postings *lead = &matcher->order[0]->clause.postings;
    uint32_t doc = postings_doc(lead);

    for (size_t i = 1; i < matcher->count && doc != POSTINGS_END; i++) {
        struct postings *postings = &matcher->order[i]->clause.postings;
        if (postings_doc(postings) > doc)
            doc = postings_seek(lead, postings_doc(postings));
    }
    return doc != POSTINGS_END;
}

static void pass_block(struct matcher *matcher)
{
    struct postings *lead = &matcher->order[0]->clause.postings;

    postings_pass(lead, lead->len - lead->at);
}

/* ---- where the phrase is in one */

static uint32_t fewest(const struct matcher *matcher, uint8_t slot)
{
    uint32_t least = UINT32_MAX;

    for (size_t i = 0; i < matcher->count; i++) {
        uint32_t freq = matcher->order[i]->found_freq[slot];
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
                    (matcher->cap + STEP) * sizeof(matcher->positions[0]));
}

/* Where the phrase would begin, by its rarest term: how many places there are.
 */
static uint32_t read_starts(struct matcher *matcher, uint8_t slot)
{
    struct phrase_term *term = matcher->order[0];
    uint32_t freq = term->found_freq[slot];
    uint32_t count = 0;

    make_room(matcher, freq);
    uint32_t *starts = matcher->starts;
    places_read(&term->places, term->found_first[slot], freq, starts);
    for (uint32_t i = 0; i < freq; i++)
        if (starts[i] >= term->offset)
            starts[count++] = starts[i] - term->offset;
    return count;
}

/* Those where the term is, too. */
static uint32_t keep_common(struct matcher *matcher, struct phrase_term *term,
                            uint8_t slot, uint32_t count)
{
    uint32_t freq = term->found_freq[slot];
    uint32_t kept = 0;

    make_room(matcher, freq);
    uint32_t *starts = matcher->starts;
    uint32_t *at = matcher->positions;
    places_read(&term->places, term->found_first[slot], freq, at);
    for (uint32_t i = 0; i < STEP; i++)
        at[freq + i] = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t wanted = starts[i] + term->offset;
        bool found = false;
        while (at[STEP - 1] < wanted)
            at += STEP;
        for (uint32_t j = 0; j < STEP; j++)
            found |= at[j] == wanted;
        starts[kept] = starts[i];
        kept += found;
    }
    return kept;
}

static uint32_t occurrences(struct matcher *matcher, uint8_t slot)
{
    uint32_t count = read_starts(matcher, slot);

    for (size_t i = 1; i < matcher->count && count > 0; i++)
        count = keep_common(matcher, matcher->order[i], slot, count);
    return count;
}

/* ---- a block */

/* Those where the two rarest terms are as far from each other as they should
   be: so the others, which are in most documents, are looked up for few. */
static void keep_pairs(struct matcher *matcher)
{
    size_t kept = 0;

    for (size_t i = 0; i < matcher->found; i++) {
        uint8_t slot = matcher->slots[i];
        uint32_t count = read_starts(matcher, slot);
        if (count)
            count = keep_common(matcher, matcher->order[1], slot, count);
        matcher->docs[kept] = matcher->docs[i];
        matcher->slots[kept] = slot;
        kept += count > 0;
    }
    matcher->found = kept;
}

static void find_block(struct matcher *matcher)
{
    begin_block(matcher);
    for (size_t i = 1; i < matcher->count && matcher->found > 0; i++) {
        if (matcher->order[i]->twin)
            copy_twin(matcher, matcher->order[i]);
        else
            look_up(matcher, matcher->order[i]);
        if (i == 1 && matcher->count > 2)
            keep_pairs(matcher);
    }
}

/* ---- the best */

/* The rest of the lead's block can come in: no term is there more often than
   its impacts say. */
static bool block_may_come(struct matcher *matcher, const struct top *top)
{
    const struct postings *lead = &matcher->order[0]->clause.postings;
    uint32_t from = postings_doc(lead);
    uint32_t last = lead->docs[lead->len - 1];

    for (size_t i = 0; i < matcher->count; i++)
        if (clause_bound_up_to(&matcher->order[i]->clause, from, last) <=
            top_threshold(top))
            return false;
    return true;
}

static void try_document(struct matcher *matcher, size_t i, struct top *top)
{
    const struct clause *clause = &matcher->order[0]->clause;
    uint8_t slot = matcher->slots[i];
    uint8_t norm = clause->norms[matcher->docs[i]];

    if (score_of(&clause->score, fewest(matcher, slot), norm) <=
        top_threshold(top))
        return;
    uint32_t freq = occurrences(matcher, slot);
    float score = score_of(&clause->score, freq, norm);
    if (freq > 0 && score > top_threshold(top))
        top_add(top, matcher->docs[i], score);
}

void phrase_top(struct phrase_term *terms, size_t count, struct top *top)
{
    struct matcher *matcher = create(terms, count);

    for (; align(matcher); pass_block(matcher)) {
        if (!block_may_come(matcher, top))
            continue;
        find_block(matcher);
        for (size_t i = 0; i < matcher->found; i++)
            try_document(matcher, i, top);
    }
    destroy(matcher);
}

uint32_t phrase_count(struct phrase_term *terms, size_t count)
{
    struct matcher *matcher = create(terms, count);
    uint32_t found = 0;

    for (; align(matcher); pass_block(matcher)) {
        find_block(matcher);
        for (size_t i = 0; i < matcher->found; i++)
            found += occurrences(matcher, matcher->slots[i]) > 0;
    }
    destroy(matcher);
    return found;
}
