/*
 * check.h - is a segment what a segment is to be?  All its sums, and then that
 * what was written makes sense: terms rise, documents rise and are there,
 * impacts bound what they stand for, positions rise, lengths and totals are
 * those of the documents, each id leads to its document, each document can be
 * read.
 */
#pragma once

#include "search/index/reader.h"

struct check_counts {
    uint64_t terms, postings, positions, values;
};

/* False: why says what is wrong, with the section. */
bool check_segment(struct reader *reader, struct check_counts *counts,
                   char *why, size_t why_size);
