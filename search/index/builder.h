/*
 * builder.h - documents in JSON, one after the other, made into a segment.
 *
 *   builder_add() -- read() all of a document, or why it cannot be --> its
 *   terms, values, source and id, in memory but for the source
 *   builder_finish() -- the file
 *
 * A document that is refused leaves nothing behind.
 */
#pragma once

#include "search/index/schema.h"

#define BUILDER_SOURCE_MAX (16 << 20) /* bytes of a document */
#define BUILDER_VALUES_MAX 100000     /* of a document */
#define BUILDER_GAP 100               /* positions between values of a text */

struct builder;

struct builder_options {
    /* The member that is a document's id, where builder_add() is given none. */
    const char *id_field;
    /* What its id is where there is none, of each document, borrowed; NULL: its
       number in the segment. */
    const char *other_id;
    bool no_source, no_values; /* for indexes that are only searched */
    /*
     * Others may add fields that this one's schema does not have yet.  A
     * document has such a field: settle() may add to the schema what there is;
     * the document is read again from its beginning.  True: nobody else adds
     * any before builder_add() returns.
     */
    bool (*settle)(void *arg);
    void *arg;
};

/* The schema is borrowed, and grows by what documents have.  NULL: errno. */
struct builder *builder_create(const char *path, struct schema *schema,
                               const struct builder_options *options);
/* Nothing is there. */
void builder_abandon(struct builder *builder);

/*
 * The next document, its number being how many there were; id.ptr NULL: it has
 * it.  False: it is none, and why says what is wrong with it.
 */
bool builder_add(struct builder *builder, struct span id, struct span source,
                 char *why, size_t why_size);

/* What the document that was added last has in a field of integers beside what
   it came with. */
void builder_give(struct builder *builder, uint32_t field, int64_t number);

/*
 * Would it be added?  The schema grows as by builder_add(); so a document that
 * is added later to a schema that begins with the same fields, which does not
 * grow by itself, is taken and means the same.
 */
bool builder_check(struct schema *schema, struct span source, char *why,
                   size_t why_size);

uint32_t builder_docs(const struct builder *builder);
/* Bytes of memory, about. */
size_t builder_size(const struct builder *builder);

/* The segment is there and on the disk, or nothing: 0 or errno. */
int builder_finish(struct builder *builder);
