/* oracle_match.c - phrases, patterns, and how far words are from each other:
 * see oracle.h. */
#include <stdlib.h>
#include <string.h>

#include "tests/search/oracle.h"

/* A word of a phrase, at one of its places in the document. */
struct placed {
    size_t which, offset, place; /* offset: in the phrase */
};

static long start_of(const struct placed *word)
{
    return (long)word->place - (long)word->offset;
}

static long last_start(const struct placed *words, size_t count)
{
    long last = start_of(&words[0]);

    for (size_t i = 1; i < count; i++)
        last = start_of(&words[i]) > last ? start_of(&words[i]) : last;
    return last;
}

/* Its next place from one on; false: there is none. */
static bool place(const struct oracle_doc *doc, struct placed *word,
                  size_t from)
{
    while (from < doc->word_count && doc->words[from] != word->which)
        from++;
    word->place = from;
    return from < doc->word_count;
}

static int by_start(const void *a, const void *b)
{
    const struct placed *one = a;
    const struct placed *two = b;

    if (start_of(one) != start_of(two))
        return start_of(one) < start_of(two) ? -1 : 1;
    return (one->offset > two->offset) - (one->offset < two->offset);
}

static bool part(const struct oracle_doc *doc, struct placed *words,
                 size_t count, struct placed *moved)
{
    for (size_t i = 0; i < count;) {
        struct placed *other = &words[i++];
        if (other == moved || other->which != moved->which ||
            other->place != moved->place)
            continue;
        moved = by_start(other, moved) < 0 ? other : moved;
        if (!place(doc, moved, moved->place + 1))
            return false;
        i = 0;
    }
    return true;
}

/* As Lucene's SloppyPhraseMatcher: words in the order of where the phrase would
   begin by them; the first moves until it is behind the second, what was the
   narrowest on its way counts; two that are the same are not at one place. */
static double how_sloppy(const struct oracle_doc *doc, struct placed *words,
                         size_t count, long slop)
{
    double freq = 0;

    for (bool more = true; more;) {
        qsort(words, count, sizeof(words[0]), by_start);
        long second = start_of(&words[1]);
        long narrowest = last_start(words, count) - start_of(&words[0]);
        do {
            more = place(doc, &words[0], words[0].place + 1) &&
                   part(doc, words, count, &words[0]);
            long width = last_start(words, count) - start_of(&words[0]);
            if (more && start_of(&words[0]) <= second && width < narrowest)
                narrowest = width;
        } while (more && start_of(&words[0]) <= second);
        freq += narrowest <= slop ? 1.0 / (double)(1 + narrowest) : 0;
    }
    return freq;
}

static double sloppily(const struct oracle_doc *doc, const size_t *which,
                       size_t count, long slop)
{
    struct placed words[ORACLE_ASKED];

    for (size_t i = 0; i < count; i++) {
        size_t from = 0;
        words[i] = (struct placed){.which = which[i], .offset = i};
        for (size_t j = 0; j < i; j++) /* the last one of the same */
            from = which[j] == which[i] ? words[j].place + 1 : from;
        if (!place(doc, &words[i], from))
            return 0;
    }
    return how_sloppy(doc, words, count, slop);
}

static double exactly(const struct oracle_doc *doc, const size_t *which,
                      size_t count)
{
    size_t freq = 0;

    for (size_t from = 0; from + count <= doc->word_count; from++) {
        size_t i = 0;
        while (i < count && doc->words[from + i] == which[i])
            i++;
        freq += i == count;
    }
    return (double)freq;
}

double oracle_often(const struct oracle_doc *doc, const size_t *which,
                    size_t count, long slop)
{
    return slop && count > 1 ? sloppily(doc, which, count, slop)
                             : exactly(doc, which, count);
}

bool oracle_is_like(const char *pattern, size_t left, const char *text)
{
    if (left == 0)
        return !*text;
    if (*pattern == '*')
        return oracle_is_like(pattern + 1, left - 1, text) ||
               (*text && oracle_is_like(pattern, left, text + 1));
    return *text && (*pattern == '?' || *pattern == *text) &&
           oracle_is_like(pattern + 1, left - 1, text + 1);
}

/* Optimal string alignment. */
unsigned oracle_distance(struct span a, const char *b)
{
    size_t len = strlen(b);
    unsigned d[16][16];

    for (size_t i = 0; i <= a.len; i++)
        for (size_t j = 0; j <= len; j++) {
            if (!i || !j) {
                d[i][j] = (unsigned)(i + j);
                continue;
            }
            unsigned best = d[i - 1][j - 1] + (a.ptr[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a.ptr[i - 1] == b[j - 2] &&
                a.ptr[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[a.len][len];
}
