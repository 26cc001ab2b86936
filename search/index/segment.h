/*
 * segment.h - one immutable file of an index, mapped.
 *
 *   head      SEGMENT_ALIGN bytes: SEGMENT_MAGIC, then 0
 *   sections  one behind the other, each from a multiple of SEGMENT_ALIGN on
 *   sums      of each SEGMENT_CHUNK bytes of all before them, the last one
 *             shorter: XXH3, 64 bits
 *   table     a struct segment_section each, by kind and field
 *   foot      a struct segment_foot, the last bytes of the file
 *
 * Between them are zeros.  Opening checks the foot, the table and the sums, so
 * it costs the same for a large file; what they sum up is checked chunk by
 * chunk when it is first read, by segment_check().  What has been checked is
 * as it was written, so who reads it need not doubt it.  Sums find what broke,
 * not who meant to break it: a segment that others may have written is looked
 * at with check.h before it is read.
 */
#pragma once

#include "common/span.h"

#define SEGMENT_MAGIC "drawnseg"
#define SEGMENT_VERSION 2
#define SEGMENT_ALIGN 64
#define SEGMENT_CHUNK 65536
#define SEGMENT_SECTIONS_MAX 65536
#define SEGMENT_NO_FIELD UINT32_MAX
#define SEGMENT_DOCS_MAX (UINT32_C(1) << 30)

enum segment_kind {
    SEGMENT_SCHEMA,  /* schema.h: a list; no field */
    SEGMENT_STORED,  /* stored.h: blocks; no field */
    SEGMENT_SOURCES, /* stored.h: index; no field */
    SEGMENT_IDS,     /* ids.h; no field */
    SEGMENT_VALUES,  /* values.h */
    SEGMENT_TERMS,   /* dict.h: blocks */
    SEGMENT_INDEX,   /* dict.h */
    SEGMENT_KEYS,    /* dict.h */
    SEGMENT_LISTS,   /* list.h, as the dictionary says where */
    SEGMENT_PLACES,  /* list.h: positions */
    SEGMENT_LENGTHS, /* norm.h: a byte for each document */
    SEGMENT_TOTALS,  /* field_write.h */
    SEGMENT_KINDS
};

struct segment_section {
    uint32_t kind, field;
    uint64_t offset, size;
};
_Static_assert(sizeof(struct segment_section) == 24, "as in a file");

struct segment_foot {
    char magic[8];
    uint32_t version, sections;
    uint32_t docs, unused; /* unused: 0 */
    uint64_t sums, table;  /* where they are; the table ends at the foot */
    uint64_t inner;        /* XXH3 of sums and table */
    uint64_t own;          /* XXH3 of the foot before it */
};
_Static_assert(sizeof(struct segment_foot) == 56, "as in a file");

const char *segment_kind_name(enum segment_kind kind);

/* ---- reading */

struct segment;

/* NULL: why says what is wrong, with the file's name. */
struct segment *segment_open(const char *path, char *why, size_t why_size);
/* Another that will close it; by any thread that has it open. */
struct segment *segment_ref(struct segment *segment);
void segment_close(struct segment *segment);

uint32_t segment_docs(const struct segment *segment);
uint64_t segment_size(const struct segment *segment);
/* Not checked yet; empty: it has none. */
struct span segment_section(const struct segment *segment,
                            enum segment_kind kind, uint32_t field);

/*
 * Whether bytes of the segment are as they were written; by any thread, once
 * for each chunk.  After false segment_damage() says where, for good.
 */
bool segment_check(struct segment *segment, struct span bytes);
/* All of it, and that no section is of another field than of these many, or
   there twice.  NULL: it is fine. */
const char *segment_check_all(struct segment *segment, uint32_t fields);
/* NULL: none was found. */
const char *segment_damage(const struct segment *segment);
