/*
 * replace.h - a new segment, and what its documents take the place of: those of
 * the same id in the index, and in the segment itself but for the last; and
 * documents that are deleted.
 */
#pragma once

#include "search/index/opened.h"

/* When a document came, where segments are not in the order of that. */
struct replace_order {
    /* Of the i-th segment, one behind the last being the new one; what came
       later has more. */
    uint64_t (*when)(const void *arg, size_t i, uint32_t doc);
    const void *arg;
};

struct replace_change {
    const char *file;        /* of the segment; NULL: none is added */
    const struct span *gone; /* ids that nobody has any more, it neither */
    size_t gone_count;
    /* Others may have later documents than the segment; NULL: none has. */
    const struct replace_order *order;
};

/*
 * Add the segment's file to the manifest, with files of who is live, those of
 * others that lose some too; the caller saves it, and opens the index anew.
 * opened: as it was.  0, errno, or UV_EIO: a file is damaged; then the manifest
 * is as it was.
 */
int replace_add(struct manifest *manifest, struct opened *opened,
                const struct replace_change *change);
