/*
 * inverter.h - terms as they come, document by document, turned into posting
 * lists: in memory, until they are written.
 *
 * Each term has two runs of bytes that grow: its documents and how often each
 * has it, and its positions.  A run is a chain of slices, each twice as long as
 * the one before it, so that rare terms are small and frequent ones are not
 * copied (Lucene's and tantivy's way).
 */
#pragma once

#include "common/span.h"
#include "search/index/list.h"

#define INVERTER_TERM_MAX 32766 /* bytes, as Lucene's */

struct inverter;

struct inverter *inverter_create(void);
void inverter_destroy(struct inverter *inverter);

/*
 * Documents must not fall; positions of a term in a document must rise, or be
 * the same.  The term is copied; it is not longer than INVERTER_TERM_MAX.
 */
void inverter_add(struct inverter *inverter, struct span term, uint32_t doc,
                  uint32_t position);

/* Bytes that it has, about. */
size_t inverter_size(const struct inverter *inverter);

/*
 * Each term in the order of its bytes, once; list is good until cb returns, its
 * norms are the caller's.
 */
typedef void (*inverter_term_cb)(void *arg, struct span term,
                                 struct list_source *list);
void inverter_each(struct inverter *inverter, inverter_term_cb cb, void *arg);
