/*
 * union_count.c - see union.h: a bit for each document, a window at a time, and
 * how many are set (a count of the bits of several words at once: H. S. Warren,
 * "Hacker's Delight", 2003).
 */
#include <assert.h>
#include <string.h>

#include "common/mem.h"
#include "search/query/union.h"

#define WINDOW 65536 /* documents: their bits are in the L1 cache */
#define WORDS (WINDOW / 64)
#define LANES 4

typedef uint64_t lanes __attribute__((vector_size(LANES * sizeof(uint64_t)),
                                      aligned(8), may_alias));

static uint32_t count_bits(const uint64_t *words)
{
    const lanes *all = (const lanes *)words;
    lanes sum = {0};

    for (size_t i = 0; i < WORDS / LANES; i++) {
        lanes bits = all[i];
        bits -= bits >> 1 & 0x5555555555555555;
        bits = (bits & 0x3333333333333333) + (bits >> 2 & 0x3333333333333333);
        bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0f;
        bits += bits >> 8;
        bits += bits >> 16;
        sum += (bits + (bits >> 32)) & 0xff;
    }
    return (uint32_t)(sum[0] + sum[1] + sum[2] + sum[3]);
}

uint32_t union_count(struct clause *const *clauses, size_t count, uint32_t docs,
                     struct top *top)
{
    uint32_t found = 0;

    assert(count > 0 && count <= UNION_MAX);
    for (size_t i = 0; i < count; i++)
        if (count == 1 || clauses[i]->postings.count > top->count_most)
            return clauses[i]->postings.count;
    uint64_t *words = mem_alloc(MEM_JOB, WORDS * sizeof(*words));
    for (uint32_t from = 0;
         from < docs && found <= top->count_most && !top_is_late(top);
         from += WINDOW) {
        uint32_t end = docs - from < WINDOW ? docs : from + WINDOW;
        memset(words, 0, WORDS * sizeof(*words));
        for (size_t i = 0; i < count; i++)
            postings_set(&clauses[i]->postings, from, end, words);
        found += count_bits(words);
    }
    mem_free(words);
    return found;
}
