/* match.c - see match.h. */
#include <string.h>

#include "search/query/match.h"

#define FEW 16 /* that are sought one by one */

void match_init(struct match *match)
{
    memset(match, 0, sizeof(*match));
}

/* The first of the documents that is not before target. */
static size_t behind(const uint32_t *docs, size_t from, size_t count,
                     uint32_t target)
{
    size_t step = 1;

    while (from + step <= count && docs[from + step - 1] < target) {
        from += step;
        step *= 2;
    }
    for (; step > 0; step /= 2)
        if (from + step <= count && docs[from + step - 1] < target)
            from += step;
    return from;
}

static size_t seek_each(struct match *match, struct postings *postings,
                        const uint32_t *docs, size_t from, size_t to)
{
    size_t found = 0;

    for (size_t i = from; i < to; i++) {
        uint32_t doc = postings_seek(postings, docs[i]);
        match->which[found] = (uint16_t)i;
        match->at[found] = (uint8_t)postings->at;
        found += doc == docs[i];
    }
    return found;
}

static size_t look_up(struct match *match, const struct postings *postings,
                      const uint32_t *docs, size_t from, size_t to)
{
    const uint32_t *mine = postings->docs;
    uint32_t base = mine[postings->at];
    uint8_t *places = match->places;
    size_t found = 0;

    for (uint32_t i = postings->at; i < postings->len; i++)
        places[mine[i] - base] = (uint8_t)i;
    for (size_t i = from; i < to; i++) {
        uint8_t at = places[docs[i] - base];
        match->which[found] = (uint16_t)i;
        match->at[found] = at;
        found += mine[at] == docs[i];
    }
    return found;
}

size_t match_block(struct match *match, struct postings *postings,
                   const uint32_t *docs, size_t count, size_t *from)
{
    size_t first = *from;
    uint32_t doc = postings_seek(postings, docs[first]);

    if (doc == POSTINGS_END) {
        *from = count;
        return 0;
    }
    uint32_t last = postings->docs[postings->len - 1];
    first = behind(docs, first, count, doc);
    size_t end = behind(docs, first, count, last + 1);
    *from = end;
    if (end - first < FEW || last - doc >= MATCH_SPAN)
        return seek_each(match, postings, docs, first, end);
    size_t found = look_up(match, postings, docs, first, end);
    if (found)
        postings->at = match->at[found - 1];
    return found;
}
