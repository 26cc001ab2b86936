/*
 * check.h - is a segment what a segment is to be?  All its sums, and then that
 * what was written makes sense: that each number leads to something (sound.h),
 * terms rise, documents rise and are there, impacts bound what they stand for,
 * positions rise, lengths and totals are those of the documents, a keyword's
 * terms are its values, ranges bound them, each id leads to its document, each
 * document can be read.
 *
 * Its bytes may be anything, right sums or not.  What passes can be read by
 * all readers without harm, and finds what it would find without passing over
 * anything.
 */
#pragma once

#include "search/index/reader.h"

struct check_counts {
    uint64_t terms, postings, positions, values;
};

/* reader: of the segment's documents all, whoever is live.  False: why says
   what is wrong, with the section. */
bool check_segment(struct reader *reader, struct check_counts *counts,
                   char *why, size_t why_size);
