/*
 * segment_write.h - a segment as it is written: section by section, behind each
 * other, into a file that is not there under its name before it is whole and on
 * the disk.
 */
#pragma once

#include "search/index/segment.h"

struct segment_writer;

/* NULL: errno says why. */
struct segment_writer *segment_writer_open(const char *path);

/* What comes next belongs to it; each kind of a field once. */
void segment_writer_begin(struct segment_writer *writer, enum segment_kind kind,
                          uint32_t field);
void segment_writer_put(struct segment_writer *writer, struct span bytes);
/* Both, of a whole section. */
void segment_writer_section(struct segment_writer *writer,
                            enum segment_kind kind, uint32_t field,
                            struct span bytes);

/*
 * Written, synced and named, or nothing is there: 0 or the errno of what failed
 * first.  The writer is gone.
 */
int segment_writer_finish(struct segment_writer *writer, uint32_t docs);
/* Nothing is there. */
void segment_writer_abandon(struct segment_writer *writer);
