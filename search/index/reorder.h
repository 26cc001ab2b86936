/*
 * reorder.h - an order of a segment's documents in which those that have terms
 * in common are neighbours: so gaps are small, blocks are of documents that are
 * alike, and more of them are passed over.
 *
 * Recursive graph bisection (L. Dhulipala et al.: "Compressing Graphs and
 * Indexes with Recursive Graph Bisection", 2016): a range of documents is
 * halved, and documents change sides while that makes the gaps of their terms
 * shorter, as far as the logarithms of the mean ones say; then each half is
 * such a range.  Of two halves that whose documents are shorter is the first:
 * scores are high there, and high early.
 */
#pragma once

#include <stdatomic.h>

#include "search/index/reader.h"

/*
 * order: all documents of the segment, in the order that they are in; the same
 * becomes of the same.  0, UV_EIO when it is damaged (it says where), or
 * UV_ECANCELED; cancelled may be NULL.
 */
int reorder_documents(struct reader *reader, const atomic_bool *cancelled,
                      uint32_t *order);
