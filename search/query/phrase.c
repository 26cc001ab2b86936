/*
 * phrase.c - see phrase.h.
 *
 *   find_block() -- documents of the lead's block that have all terms -->
 *   try_document() by the fewest of them --> occurrences() --> top_add()
 */
#include <assert.h>
#include <string.h>

#include "common/mem.h"
#include "search/query/match.h"
#include "search/query/moved.h"
#include "search/query/phrase.h"

#define NO_BLOCK UINT32_MAX

struct phrase {
    size_t count;
    uint32_t slop;
    struct phrase_term *terms;             /* in the order of the phrase */
    struct phrase_term *order[PHRASE_MAX]; /* the rarest first: it leads */
    struct postings *filter;      /* NULL: all documents are looked at */
    uint32_t *starts, *positions; /* room for cap each, and BITS_SLACK */
    size_t cap;
    uint32_t docs[LIST_BLOCK]; /* candidates, and their numbers in found_… */
    uint8_t slots[LIST_BLOCK];
    size_t found;
    struct match match;
};

/* A phrase may have a term several times: it is looked up once. */
static void find_twins(struct phrase *phrase)
{
    for (size_t i = 0; i < phrase->count; i++) {
        struct phrase_term *term = phrase->order[i];
        const void *list = term->clause.postings.list;
        term->twin = NULL;
        for (size_t j = 0; j < i && list && !term->twin; j++)
            if (phrase->order[j]->clause.postings.list == list)
                term->twin = phrase->order[j];
    }
}

struct phrase *phrase_open(struct phrase_term *terms, size_t count,
                           uint32_t slop)
{
    struct phrase *phrase = mem_alloc(MEM_JOB, sizeof(*phrase));

    assert(count > 0 && count <= PHRASE_MAX);
    phrase->count = count;
    phrase->slop = slop;
    phrase->terms = terms;
    phrase->starts = phrase->positions = NULL;
    phrase->filter = NULL;
    phrase->cap = 0;
    match_init(&phrase->match);
    for (size_t i = 0; i < count; i++) {
        size_t j = i;
        for (; j > 0 && phrase->order[j - 1]->clause.postings.count >
                            terms[i].clause.postings.count;
             j--)
            phrase->order[j] = phrase->order[j - 1];
        phrase->order[j] = &terms[i];
        terms[i].block = NO_BLOCK;
    }
    find_twins(phrase);
    return phrase;
}

void phrase_close(struct phrase *phrase)
{
    mem_free(phrase->starts);
    mem_free(phrase->positions);
    mem_free(phrase);
}

void phrase_filter(struct phrase *phrase, struct postings *filter)
{
    phrase->filter = filter;
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
    term->places.kernel->sums(freqs, postings->len, first, term->ends);
}

/* A candidate is the document at that place of the cursor's block. */
static void keep(struct phrase_term *term, uint8_t slot, uint8_t at)
{
    uint32_t freq = term->clause.postings.freqs[at];

    term->found_first[slot] = term->ends[at] - freq;
    term->found_freq[slot] = freq;
}

/* The rest of the lead's block. */
static void begin_block(struct phrase *phrase)
{
    const struct postings *lead = &phrase->order[0]->clause.postings;

    phrase->found = lead->len - lead->at;
    for (size_t i = 0; i < phrase->found; i++) {
        phrase->docs[i] = lead->docs[lead->at + i];
        phrase->slots[i] = (uint8_t)i;
    }
}

/* Of those that are still there. */
static void keep_lead(struct phrase *phrase)
{
    struct phrase_term *term = phrase->order[0];

    if (phrase->found == 0)
        return;
    count_positions(term);
    for (size_t i = 0; i < phrase->found; i++) {
        uint8_t slot = phrase->slots[i];
        keep(term, slot, (uint8_t)(term->clause.postings.at + slot));
    }
}

static void copy_twin(const struct phrase *phrase, struct phrase_term *term)
{
    for (size_t i = 0; i < phrase->found; i++) {
        uint8_t slot = phrase->slots[i];
        term->found_first[slot] = term->twin->found_first[slot];
        term->found_freq[slot] = term->twin->found_freq[slot];
    }
}

/* term: NULL: postings are the filter's. */
static void look_up(struct phrase *phrase, struct postings *postings,
                    struct phrase_term *term)
{
    struct match *match = &phrase->match;
    size_t count = phrase->found;
    size_t kept = 0;

    for (size_t from = 0; from < count;) {
        size_t found = match_block(match, postings, phrase->docs, count, &from);
        if (found && term)
            count_positions(term);
        for (size_t i = 0; i < found; i++, kept++) {
            size_t which = match->which[i];
            phrase->docs[kept] = phrase->docs[which];
            phrase->slots[kept] = phrase->slots[which];
            if (term)
                keep(term, phrase->slots[kept], match->at[i]);
        }
    }
    phrase->found = kept;
}

/* To the next block that may have some; false: there is none. */
static bool align(struct phrase *phrase)
{
    struct postings *lead = &phrase->order[0]->clause.postings;
    uint32_t doc = postings_doc(lead);

    for (size_t i = 1; i < phrase->count && doc != POSTINGS_END; i++) {
        struct postings *postings = &phrase->order[i]->clause.postings;
        if (postings_doc(postings) > doc)
            doc = postings_seek(lead, postings_doc(postings));
    }
    if (phrase->filter && postings_doc(phrase->filter) > doc)
        doc = postings_seek(lead, postings_doc(phrase->filter));
    return doc != POSTINGS_END;
}

static void pass_block(struct phrase *phrase)
{
    struct postings *lead = &phrase->order[0]->clause.postings;

    postings_pass(lead, lead->len - lead->at);
}

/* ---- where the phrase is in one */

static uint32_t fewest(const struct phrase *phrase, uint8_t slot)
{
    uint32_t least = UINT32_MAX;

    for (size_t i = 0; i < phrase->count; i++) {
        uint32_t freq = phrase->order[i]->found_freq[slot];
        least = freq < least ? freq : least;
    }
    return least;
}

static void make_room(struct phrase *phrase, uint32_t freq)
{
    if (phrase->cap >= freq)
        return;
    phrase->cap = (size_t)freq * 2;
    size_t size = (phrase->cap + BITS_SLACK) * sizeof(phrase->starts[0]);
    phrase->starts = mem_realloc(MEM_JOB, phrase->starts, size);
    phrase->positions = mem_realloc(MEM_JOB, phrase->positions, size);
}

/* Where the phrase would begin, by its rarest term: how many places there are.
 */
static uint32_t read_starts(struct phrase *phrase, uint8_t slot)
{
    struct phrase_term *term = phrase->order[0];
    uint32_t freq = term->found_freq[slot];
    uint32_t count = 0;

    make_room(phrase, freq);
    uint32_t *starts = phrase->starts;
    places_read(&term->places, term->found_first[slot], freq, starts);
    for (uint32_t i = 0; i < freq; i++) {
        uint32_t start = starts[i];
        starts[count] = start - term->offset;
        count += start >= term->offset;
    }
    return count;
}

/* Those where the term is, too. */
static uint32_t keep_common(struct phrase *phrase, struct phrase_term *term,
                            uint8_t slot, uint32_t count)
{
    uint32_t freq = term->found_freq[slot];

    make_room(phrase, freq);
    places_read(&term->places, term->found_first[slot], freq,
                phrase->positions);
    return (uint32_t)term->places.kernel->common(
        phrase->starts, count, term->offset, phrase->positions);
}

static uint32_t occurrences(struct phrase *phrase, uint8_t slot)
{
    uint32_t count = read_starts(phrase, slot);

    for (size_t i = 1; i < phrase->count && count > 0; i++)
        count = keep_common(phrase, phrase->order[i], slot, count);
    return count;
}

static uint32_t sum_of(const struct phrase *phrase, uint8_t slot)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < phrase->count; i++)
        sum += phrase->terms[i].found_freq[slot];
    return sum;
}

/* With words moved. */
static float sloppy(struct phrase *phrase, uint8_t slot)
{
    struct moved_word words[PHRASE_MAX];
    uint32_t used = 0;

    make_room(phrase, sum_of(phrase, slot));
    for (size_t i = 0; i < phrase->count; i++) {
        struct phrase_term *term = &phrase->terms[i];
        uint32_t *all = phrase->positions + used;
        uint32_t freq = term->found_freq[slot];
        places_read(&term->places, term->found_first[slot], freq, all);
        words[i] =
            (struct moved_word){all, freq, term->offset, term->places.blocks};
        used += freq;
    }
    return moved_count(words, phrase->count, phrase->slop, NULL, NULL);
}

/* ---- a block */

/* Those where the two rarest terms are as far from each other as they should
   be: so the others, which are in most documents, are looked up for few. */
static void keep_pairs(struct phrase *phrase)
{
    size_t kept = 0;

    for (size_t i = 0; i < phrase->found; i++) {
        uint8_t slot = phrase->slots[i];
        uint32_t count = read_starts(phrase, slot);
        if (count)
            count = keep_common(phrase, phrase->order[1], slot, count);
        phrase->docs[kept] = phrase->docs[i];
        phrase->slots[kept] = slot;
        kept += count > 0;
    }
    phrase->found = kept;
}

static void find_block(struct phrase *phrase)
{
    begin_block(phrase);
    if (phrase->filter)
        look_up(phrase, phrase->filter, NULL);
    if (phrase->count == 1)
        keep_lead(phrase);
    for (size_t i = 1; i < phrase->count && phrase->found > 0; i++) {
        struct phrase_term *term = phrase->order[i];
        if (!term->twin)
            look_up(phrase, &term->clause.postings, term);
        if (i == 1)
            keep_lead(phrase);
        if (term->twin)
            copy_twin(phrase, term);
        if (i == 1 && phrase->count > 2 && !phrase->slop)
            keep_pairs(phrase);
    }
}

/* ---- what comes of it */

/* The rest of the lead's block can come in: no term is there more often than
   its impacts say. */
static bool block_may_come(struct phrase *phrase, float least)
{
    const struct postings *lead = &phrase->order[0]->clause.postings;
    uint32_t from = postings_doc(lead);
    uint32_t last = lead->docs[lead->len - 1];

    /* with words moved, a place may count for more than one */
    for (size_t i = 0; i < phrase->count && least >= 0 && !phrase->slop; i++)
        if (clause_bound_up_to(&phrase->order[i]->clause, from, last) <= least)
            return false;
    return true;
}

static void try_document(struct phrase *phrase, size_t i, float least,
                         struct phrase_hits *hits)
{
    const struct clause *clause = &phrase->order[0]->clause;
    uint8_t slot = phrase->slots[i];
    uint32_t most = phrase->slop ? sum_of(phrase, slot) : fewest(phrase, slot);

    if (least >= 0 &&
        clause_score_of(clause, phrase->docs[i], (float)most) <= least)
        return;
    hits->docs[hits->count] = phrase->docs[i];
    hits->freqs[hits->count] =
        phrase->slop ? sloppy(phrase, slot) : (float)occurrences(phrase, slot);
    hits->count += hits->freqs[hits->count] > 0;
}

bool phrase_next(struct phrase *phrase, float least, struct phrase_hits *hits)
{
    hits->count = 0;
    if (!align(phrase))
        return false;
    if (block_may_come(phrase, least)) {
        find_block(phrase);
        for (size_t i = 0; i < phrase->found; i++)
            try_document(phrase, i, least, hits);
    }
    pass_block(phrase);
    return true;
}

uint32_t phrase_seek(struct phrase *phrase, uint32_t target)
{
    return postings_seek(&phrase->order[0]->clause.postings, target);
}

void phrase_top(struct phrase *phrase, struct top *top)
{
    const struct clause *clause = &phrase->order[0]->clause;
    struct phrase_hits hits = {.count = 0};

    while (!top_is_late(top) && phrase_next(phrase, top_bar(top), &hits)) {
        top->seen += hits.count;
        for (size_t i = 0; i < hits.count; i++) {
            float score = clause_score_of(clause, hits.docs[i], hits.freqs[i]);
            if (score > top_threshold(top) &&
                (!top->live || live_has(top->live, hits.docs[i])))
                top_add(top, hits.docs[i], score);
        }
    }
}

uint32_t phrase_count(struct phrase *phrase, struct top *top)
{
    struct phrase_hits hits = {.count = 0};
    uint32_t found = 0;

    while (found <= top->count_most && !top_is_late(top) &&
           phrase_next(phrase, -1, &hits))
        found += (uint32_t)hits.count;
    return found;
}
