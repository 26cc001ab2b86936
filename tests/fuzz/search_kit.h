/*
 * search_kit.h - small segments for fuzzers of the search engine: as bytes, so
 * that they can be changed before they are opened, or as an index; and a way to
 * ask them twice.
 */
#pragma once

#include <stdlib.h>

#include "search/index/builder.h"
#include "search/query/search.h"

#define KIT_HITS 100
#define KIT_WHY 300
#define KIT_SEGMENTS 3

/* Ends it: what must not be was seen. */
#define KIT_ASSERT(what) \
    do {                 \
        if (!(what))     \
            abort();     \
    } while (0)

/* t: text, k: keyword, n: long, d: double, w: date, b: boolean. */
void kit_schema(struct schema *schema);
/* So many documents, from a number on; the caller's, malloc'ed. */
char *kit_build(struct schema *schema, uint32_t from, uint32_t docs,
                size_t *size);
/* Bytes as a file that has them. */
struct segment *kit_open(struct span bytes, char why[KIT_WHY]);

/* An index of such segments, of this many documents each; of the first one some
   are deleted.  Once: it stays. */
struct kit_index {
    struct schema schema;
    struct segment *segments[KIT_SEGMENTS];
    struct reader *readers[KIT_SEGMENTS];
    struct live lives[KIT_SEGMENTS];
    struct searcher searcher;
    size_t count;
};
void kit_index(struct kit_index *index, const uint32_t *docs, size_t count);

/* NULL: it is none.  By one of: 0 JSON, 1 a query string, 2 a simple one. */
struct query *kit_query(struct arena *arena, struct span text, unsigned syntax);
/* Passing over what cannot be among the best changes nothing.  False: it was
   refused, or is damaged, both ways. */
bool kit_ask(struct searcher *searcher, const struct query *query, size_t most);
