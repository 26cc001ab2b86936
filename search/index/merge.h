/*
 * merge.h - segments made into one, without the documents that were deleted.
 */
#pragma once

#include "search/index/reader.h"

/*
 * Documents in the order of the segments, and of each in its own.  schema: the
 * index's.  0, or errno, or UV_EIO when one of them is damaged (it says where);
 * then nothing is there.
 */
int merge_segments(const char *path, const struct schema *schema,
                   struct reader *const *readers, size_t count, uint32_t *docs);
