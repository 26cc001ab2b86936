/* moved.c - see moved.h. */
#include <stdbool.h>
#include <string.h>

#include "search/query/moved.h"

struct moved {
    const struct moved_word *words;
    size_t count;
    uint32_t at[MOVED_MAX];
    int64_t most; /* the last of where the phrase would begin by each */
};

static int64_t start_of(const struct moved *moved, size_t i)
{
    return (int64_t)moved->words[i].places[moved->at[i]] -
           moved->words[i].offset;
}

static bool is_same_word(const struct moved *moved, size_t i, size_t j)
{
    return moved->words[i].which == moved->words[j].which;
}

/* To its next place. */
static bool move_on(struct moved *moved, size_t i)
{
    if (++moved->at[i] == moved->words[i].count)
        return false;
    if (start_of(moved, i) > moved->most)
        moved->most = start_of(moved, i);
    return true;
}

/* Two that are the same word are not at the same place: who is first moves. */
static bool move_apart(struct moved *moved, size_t i)
{
    for (size_t j = 0; j < moved->count; j++) {
        if (i == j || !is_same_word(moved, i, j) ||
            moved->words[i].places[moved->at[i]] !=
                moved->words[j].places[moved->at[j]])
            continue;
        if (start_of(moved, j) < start_of(moved, i) ||
            (start_of(moved, j) == start_of(moved, i) && j < i))
            i = j;
        if (!move_on(moved, i))
            return false;
        j = SIZE_MAX; /* from the first on */
    }
    return true;
}

/* The second of the same word begins at its second place.  False: there is
   none. */
static bool begin_moved(struct moved *moved)
{
    moved->most = INT64_MIN;
    for (size_t i = 0; i < moved->count; i++) {
        moved->at[i] = 0;
        for (size_t j = 0; j < i; j++)
            moved->at[i] += is_same_word(moved, i, j);
        if (moved->at[i] >= moved->words[i].count)
            return false;
        if (start_of(moved, i) > moved->most)
            moved->most = start_of(moved, i);
    }
    return true;
}

/* Where the first word is; next: the second one. */
static size_t first_of(const struct moved *moved, int64_t *next)
{
    int64_t least = INT64_MAX;
    size_t first = 0;

    *next = INT64_MAX;
    for (size_t i = 0; i < moved->count; i++) {
        int64_t start = start_of(moved, i);
        if (start < least) {
            *next = least;
            least = start;
            first = i;
        } else if (start < *next) {
            *next = start;
        }
    }
    return first;
}

float moved_count(const struct moved_word *words, size_t count, uint32_t slop,
                  moved_cb cb, void *arg)
{
    struct moved moved = {.words = words, .count = count};
    uint32_t narrowest[MOVED_MAX];
    bool more = begin_moved(&moved);
    float freq = 0;

    while (more) {
        int64_t next;
        size_t first = first_of(&moved, &next);
        int64_t width = moved.most - start_of(&moved, first);
        if (cb)
            memcpy(narrowest, moved.at, sizeof(narrowest));
        while ((more = move_on(&moved, first) && move_apart(&moved, first)) &&
               start_of(&moved, first) <= next) {
            if (moved.most - start_of(&moved, first) >= width)
                continue;
            width = moved.most - start_of(&moved, first);
            if (cb)
                memcpy(narrowest, moved.at, sizeof(narrowest));
        }
        if (width > (int64_t)slop)
            continue;
        freq += 1.0F / (float)(1 + width);
        if (cb)
            cb(arg, narrowest);
    }
    return freq;
}
