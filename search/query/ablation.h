/*
 * ablation.h - what a way to find the best documents is worth: each of these
 * can be left out, and the answers stay the same.
 *
 * How lists lie in a segment (packed, as sets of bits, frequencies apart) is
 * decided when it is written: there is nothing to leave out.
 */
#pragma once

#include "common/span.h"

struct ablation {
    bool union_bounds;        /* every document of any term is scored */
    bool intersection_bounds; /* … of all terms */
    bool phrase_bounds;       /* positions are read wherever all terms are */
    bool first_look;          /* no threshold before the first window */
    bool shared_threshold;    /* each segment begins without one */
    bool block_scores;        /* a document's score at a time */
    bool counting;            /* what is counted is looked for, and scored */
    bool simd;                /* the scalar kernel */
};

/* Their names (union-bounds …), with commas between.  False: *unknown is none.
 */
bool ablation_read(struct ablation *without, struct span names,
                   struct span *unknown);
