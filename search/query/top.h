/*
 * top.h - the best documents so far: by score, then by number.
 *
 * Documents come with rising numbers, so one whose score is not above the worst
 * of them is none of them: top_threshold() is what all others may be passed
 * over by.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "search/index/live.h"

struct top_hit {
    float score;
    uint32_t doc;
};

/* A heap, the worst first, in the caller's memory. */
struct top {
    struct top_hit *hits; /* room for most */
    size_t count, most;
    float least;   /* what a document needs more than while there is room */
    uint32_t base; /* added to the documents' numbers */
    const struct live *live; /* NULL: all are; else no others come in */
    bool passes_none;        /* nothing is passed over because it is worse */
    bool looks_not;          /* ablation.h: no first look */
    uint64_t seen; /* documents that came: where none are passed over, all */
    uint64_t count_most;  /* counting may stop past so many */
    uint64_t deadline_us; /* by clock_mono_us(); 0: none */
    bool late;            /* it came, and not all was looked at */
};

void top_init(struct top *top, struct top_hit *hits, size_t most);

/* A document needs more than this. */
static inline float top_threshold(const struct top *top)
{
    return top->count < top->most ? top->least : top->hits[0].score;
}

/* What is not above this may be passed over. */
static inline float top_bar(const struct top *top)
{
    return top->passes_none ? -1 : top_threshold(top);
}

/* To be asked once for many documents. */
bool top_is_late(struct top *top);
/* It is live, and needs more than the threshold; its number is not below those
   before. */
void top_add(struct top *top, uint32_t doc, float score);
/* Those that need to be in, and are live; docs rise. */
void top_add_all(struct top *top, const uint32_t *docs, const double *scores,
                 size_t count);
/* Once: the best first; nothing is added any more. */
void top_sort(struct top *top);
