/*
 * ledger.h - the manifest of an index that several threads write segments of.
 *
 * Documents came in batches, which have numbers from 1 on, rising; a segment
 * has whole ones.  Of several documents with one id that of the last batch
 * stays, whichever segment is added first; in a batch, the last one.
 *
 * A thread of its own merges what is worth it (tiers.h) meanwhile.
 */
#pragma once

#include "search/index/manifest.h"

struct ledger;

/* Where a batch begins among a segment's documents. */
struct ledger_origin {
    uint64_t batch;
    uint32_t doc;
};

/* The manifest is the ledger's until it is destroyed; merges: in the background
   as well. */
struct ledger *ledger_create(struct manifest *manifest, const char *dir,
                             bool merges);
/* The first thing that failed, of any thread, stays; all else is to end then.
   why: a text, good until the ledger is destroyed. */
void ledger_fail(struct ledger *ledger, const char *what, const char *why);
bool ledger_failed(const struct ledger *ledger);
const char *ledger_why(const struct ledger *ledger);

/* A name for a segment, and its path. */
void ledger_name(struct ledger *ledger, char name[MANIFEST_FILE_MAX],
                 char *path, size_t path_size);
/*
 * A segment's file is of the index now, on the disk.  origins: of the struct
 * above, rising; the ledger has their memory then.  schema: has all fields.
 */
void ledger_add(struct ledger *ledger, const char *name,
                const struct schema *schema, struct buf *origins);

/* Nothing is added any more; merges that are worth it are done.  Most: of
   segments that are left, 0: as many as there are; each is reordered then, if
   that is asked for (reorder.h). */
void ledger_finish(struct ledger *ledger, size_t most, bool reorders);
void ledger_destroy(struct ledger *ledger);
