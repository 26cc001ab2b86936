/*
 * manifest.h - which files an index is made of, in one small file that is
 * replaced as a whole: so an index is always as one manifest says.
 *
 * In JSON: {"version": 1, "generation": 7, "next": 12, "position": "…",
 * "schema": […], "segments": [{"file": "10.segment", "docs": 900, "live":
 * "10-7.live"}, …]}.  next: the number that the next file gets; position: how
 * far who writes has come, for it to know.  A segment that has deletions has a
 * file of who is live (live.h).
 */
#pragma once

#include "search/index/schema.h"

#define MANIFEST_NAME "manifest"
#define MANIFEST_SEGMENTS_MAX 4096
#define MANIFEST_DOCS_MAX INT32_MAX /* of all segments */
#define MANIFEST_FILE_MAX 64        /* bytes of a file's name */
#define MANIFEST_POSITION_MAX 256

struct manifest_segment {
    char file[MANIFEST_FILE_MAX], live[MANIFEST_FILE_MAX]; /* live: or "" */
    uint32_t docs;
};

struct manifest {
    uint64_t generation, next;
    char position[MANIFEST_POSITION_MAX];
    struct schema schema;
    struct manifest_segment *segments;
    size_t count;
    char (*gone)[MANIFEST_FILE_MAX]; /* files that the next one has no more */
    size_t gone_count;
};

/* An index with nothing in it. */
void manifest_init(struct manifest *manifest);
void manifest_deinit(struct manifest *manifest);

/* An initialized one, of its JSON and to it.  False: it is no manifest of this
   version. */
bool manifest_read(struct manifest *manifest, struct span text);
void manifest_put(const struct manifest *manifest, struct buf *out);
/* Of a directory; where there is none, the index is empty.  False: why. */
bool manifest_load(struct manifest *manifest, const char *dir, char *why,
                   size_t why_size);
bool manifest_is_there(const char *dir);
/*
 * The same for who writes the index, alone while what is returned is open: the
 * directory is made, and files that are of no use to it (after a crash: what
 * was not finished, or not told of) are removed.  Where there is no manifest,
 * one is made; but not for segments that have lost theirs.  -1: why.
 */
int manifest_open(struct manifest *manifest, const char *dir, char *why,
                  size_t why_size);
/* The next generation is on the disk, and counts: 0 or errno; EFBIG: it has too
   many segments or documents.  Files that it has no more are removed. */
int manifest_save(struct manifest *manifest, const char *dir);

/* A name for a new file, that no other has had: NUMBER.suffix. */
void manifest_name(struct manifest *manifest, const char *suffix,
                   char name[MANIFEST_FILE_MAX]);
/* docs: of the segment; live: "". */
void manifest_add(struct manifest *manifest, const char *file, uint32_t docs);
/* So many from one on, and what is deleted of them, are one file now; docs 0:
   or none. */
void manifest_replace(struct manifest *manifest, size_t from, size_t count,
                      const struct manifest_segment *by);
/* Who is live in a segment's file from the next generation on:
   NUMBER-GENERATION.live. */
void manifest_live_name(const struct manifest *manifest, const char *file,
                        char name[MANIFEST_FILE_MAX]);
void manifest_set_live(struct manifest *manifest, size_t i, const char *name);
