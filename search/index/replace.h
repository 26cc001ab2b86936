/*
 * replace.h - a new segment, and what its documents take the place of: those of
 * the same id in the index, and in the segment itself but for the last.
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

/*
 * Add a segment's file to the manifest, with files of who is live, those of
 * others that lose some too; the caller saves it.  opened: the index as it was.
 * 0, errno, or UV_EIO: a file is damaged; then the manifest is as it was.
 */
int replace_add(struct manifest *manifest, const char *dir,
                struct opened *opened, const char *file);
/* The same of one that others may have later documents than. */
int replace_add_by(struct manifest *manifest, const char *dir,
                   struct opened *opened, const char *file,
                   const struct replace_order *order);
