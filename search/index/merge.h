/*
 * merge.h - segments made into one, without the documents that were deleted.
 */
#pragma once

#include <stdatomic.h>

#include "search/index/reader.h"

struct merge_source {
    const struct schema *schema;   /* the index's */
    struct reader *const *readers; /* each says who is live */
    size_t count;
    bool reorders; /* each segment's documents, as reorder.h has them */
    const atomic_bool *cancelled; /* looked at now and then; or NULL */
};

/*
 * Documents in the order of the segments, and of each in its own, or reordered.
 * 0, or errno,
 * EFBIG when they are too many for one, UV_EIO when one of them is damaged (it
 * says where), or UV_ECANCELED; then nothing is there.
 */
int merge_segments(const char *path, const struct merge_source *source,
                   uint32_t *docs);
