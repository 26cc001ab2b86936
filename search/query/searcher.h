/*
 * searcher.h - an index as one thread searches it: its segments, what is known
 * of all of them together, and a query made ready for one of them.
 *
 * Scores are of the whole index: how many documents have a term, and how long
 * they are, is counted over all segments, the deleted ones included, as Lucene
 * does.
 */
#pragma once

#include "search/index/analyzer.h"
#include "search/index/reader.h"
#include "search/query/ablation.h"
#include "search/query/node.h"
#include "search/query/query.h"

#define SEARCHER_TERMS_MAX 1024        /* that a pattern or a word stands for */
#define SEARCHER_BYTES_MAX (256 << 20) /* of a compiled query */
#define SEARCHER_PHRASES_MAX 64 /* that a phrase with synonyms stands for */

#define SEARCHER_NEAR 16        /* words whose near ones are kept */
#define SEARCHER_KNOWN 1024     /* terms whose number of documents is kept */
#define SEARCHER_KNOWN_BYTES 31 /* of one */

/* How many documents have a term, over all segments. */
struct searcher_known {
    const struct schema_field *field; /* NULL: none yet */
    uint64_t count;
    uint8_t len;
    char term[SEARCHER_KNOWN_BYTES];
};

struct searcher {
    const struct schema *schema; /* borrowed, as readers are */
    struct reader **readers;
    size_t count;
    const struct bits_kernel *kernel;
    struct ablation without;
    uint64_t deadline_us; /* by clock_mono_us(), of compiling; 0: none */
    struct searcher_field *fields; /* by number in the schema */
    struct analyzer *normalizer;   /* of patterns; when it was needed */
    struct searcher_near *near;    /* SEARCHER_NEAR, when it was needed */
    struct searcher_known *known;  /* SEARCHER_KNOWN, by a hash of the term */
};

void searcher_init(struct searcher *searcher, const struct schema *schema,
                   struct reader **readers, size_t count);
void searcher_deinit(struct searcher *searcher);
void searcher_leave_out(struct searcher *searcher,
                        const struct ablation *without);

/* A field to sort or count by, as it is numbered in the schema; SCHEMA_NONE:
   there is none of the name.  False: it is a text, which has no values. */
bool searcher_find(const struct searcher *searcher, struct span name,
                   uint32_t *field, struct query_error *error);
/* NULL: the segment has none. */
const struct values *searcher_values(const struct searcher *searcher,
                                     size_t reader, uint32_t field);

/* False: one of the segments is damaged, and error says where. */
bool searcher_is_sound(const struct searcher *searcher,
                       struct query_error *error);

/* A query over one segment; all of it is in the arena. */
struct compiled {
    struct node *root;
    struct phrase **phrases; /* to be closed */
    size_t phrase_count, phrase_cap;
    bool late; /* the deadline came first: it is not to run */
};

/* False: error says why it cannot be. */
bool searcher_compile(struct searcher *searcher, struct arena *arena,
                      size_t reader, const struct query *query,
                      struct compiled *compiled, struct query_error *error);
void compiled_deinit(struct compiled *compiled);
