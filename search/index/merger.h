/*
 * merger.h - a merge of neighbours in an index while others write and read it.
 *
 *   merger_begin()   opens them as they are       by who writes the manifest
 *   merger_run()     their documents in one file  by any thread
 *   merger_commit()  the manifest has it instead; by who writes the manifest,
 *                    what was deleted since is     who saves it then
 *                    deleted of it too
 *   merger_close()   what was not committed is not there
 *
 * Meanwhile segments may be added, documents deleted, and others merged: only
 * those of a merger must stay.
 */
#pragma once

#include "search/index/opened.h"
#include "search/index/tiers.h"

struct merger;

/* False: none is worth it. */
bool merger_choose(const struct opened *opened, struct tiers_range *range);

/* NULL: why says which file is not as it should be.  Takes a name of the
   manifest.  Segments are opened anew, so that all that is copied is looked at
   once more. */
struct merger *merger_begin(struct manifest *manifest, const char *dir,
                            const struct tiers_range *range, char *why,
                            size_t why_size);
/* Before it runs: documents as reorder.h has them.  Then merger_number() knows
   nothing of them, and none is deleted meanwhile. */
void merger_reorder(struct merger *merger);
/* 0, errno, UV_EIO: one is damaged, see merger_damage(); UV_ECANCELED. */
int merger_run(struct merger *merger);
/* From any thread: a run ends soon. */
void merger_cancel(struct merger *merger);
/* After a run that was well.  0, errno, or UV_EIO: who is live cannot be read;
   then the manifest is as it was. */
int merger_commit(struct merger *merger, struct manifest *manifest);
void merger_close(struct merger *merger);

/* Where the segments are in a manifest now, as they were at the beginning. */
struct tiers_range merger_range(const struct merger *merger,
                                const struct manifest *manifest);
/* The new number of a document of the i-th segment, or, if it was deleted
   before, that of the next one. */
uint32_t merger_number(const struct merger *merger, size_t i, uint32_t doc);
/* NULL: none was found. */
const char *merger_damage(const struct merger *merger);
