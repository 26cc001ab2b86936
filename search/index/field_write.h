/*
 * field_write.h - an indexed field of a segment that is being made: its terms
 * in memory, then in sections.
 */
#pragma once

#include "search/index/field_put.h"
#include "search/index/inverter.h"

struct field_writer;

/* full: with positions and lengths; else only which documents have a term. */
struct field_writer *field_writer_create(bool full);
void field_writer_destroy(struct field_writer *writer);

/* As inverter_add(). */
void field_writer_add(struct field_writer *writer, struct span term,
                      uint32_t doc, uint32_t position);
/* A document has ended that had so many tokens; each of them, once, in turn. */
void field_writer_end(struct field_writer *writer, uint32_t doc,
                      uint32_t length);

/* Bytes that it has, about. */
size_t field_writer_size(const struct field_writer *writer);

/* Of a segment of so many documents; nothing is added any more. */
void field_writer_put(struct field_writer *writer, struct segment_writer *out,
                      uint32_t field, uint32_t docs);
