/*
 * opened.h - an index as its manifest says, open to be read: each segment, and
 * who is live in it.  Of one thread.
 */
#pragma once

#include "search/index/manifest.h"
#include "search/index/reader.h"

struct opened {
    char *dir;
    struct manifest manifest;
    struct segment **segments; /* as many as the manifest has, as those below */
    struct live *lives;
    struct reader **readers;
};

/* False: why says which file is not as it should be; opened_close() all the
   same.  Another process may write the index meanwhile. */
bool opened_open(struct opened *opened, const char *dir, char *why,
                 size_t why_size);
/* The same of some segments that a manifest has, without its schema. */
bool opened_open_some(struct opened *opened, const char *dir,
                      const struct manifest_segment *segments, size_t count,
                      char *why, size_t why_size);
/* The index as it is now, of which much may be as it was: segments that older
   has are not opened once more. */
bool opened_reopen(struct opened *opened, const struct opened *older, char *why,
                   size_t why_size);
/* The same in the place of the older one: 0 or UV_EIO. */
int opened_renew(struct opened *opened);
void opened_close(struct opened *opened);
/* What was found to be damaged since; NULL: nothing. */
const char *opened_damage(const struct opened *opened);
