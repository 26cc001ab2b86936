/* match.c - see match.h. */
#include <assert.h>
#include <string.h>

#include "search/query/match.h"

#define FEW 32 /* that are looked for one by one */

void match_init(struct match *match)
{
    memset(match, 0, sizeof(*match));
}

/* The first of the documents, from one on, that is past last. */
static size_t behind(const uint32_t *docs, size_t from, size_t count,
                     uint32_t last)
{
    if (docs[count - 1] <= last)
        return count;
    while (docs[from] <= last)
        from++;
    return from;
}

/* By a table of where the block has documents between the first and the last of
   these, of which there is one at least. */
static size_t look_up(struct match *match, struct postings *postings,
                      const uint32_t *docs, size_t from, size_t to)
{
    const uint32_t *mine = postings->docs;
    uint32_t base = docs[from];
    uint32_t last = docs[to - 1];
    uint8_t *places = match->places;
    size_t found = 0;
    uint32_t at = postings_before(postings, base);

    for (uint32_t i = at; mine[i] <= last; i++)
        places[mine[i] - base] = (uint8_t)i;
    for (size_t i = from; i < to; i++) {
        uint8_t place = places[docs[i] - base];
        match->which[found] = (uint16_t)i;
        match->at[found] = place;
        found += mine[place] == docs[i];
    }
    postings->at = found ? match->at[found - 1] : at;
    return found;
}

size_t match_block(struct match *match, struct postings *postings,
                   const uint32_t *docs, size_t count, size_t *from)
{
    size_t first = *from;

    if (!postings_enter(postings, docs[first])) {
        *from = count;
        return 0;
    }
    uint32_t last = postings->docs[postings->len - 1];
    size_t end = *from = behind(docs, first, count, last);
    assert(end > first); /* or the list is not sound */
    if (!postings->has_docs)
        return postings->kernel->find(postings->set, postings->set_base, docs,
                                      first, end, match->which, match->at);
    if (end - first >= FEW && docs[end - 1] - docs[first] < MATCH_SPAN)
        return look_up(match, postings, docs, first, end);
    postings->at = postings_before(postings, docs[end - 1]);
    return postings->kernel->search(postings->docs, docs, first, end,
                                    match->which, match->at);
}
