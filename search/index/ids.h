/*
 * ids.h - which document of a segment has an id.
 *
 *   seed     64 bits: of the hash, XXH3 in 64 bits
 *   offsets  packed (packed.h): where the id of each document begins among the
 *            bytes; one more, of their end
 *   table    2^k slots of 32 bits, the fewest that are at most 2/3 full were
 *            all ids different; 2 at least.  A slot has the document in its low
 *            k bits, and in the others those of the hash's high half; all bits
 *            set: it is free.  An id is in the slot that the low k bits of the
 *            hash name or, where that is taken, in a next one that is free; the
 *            first one is next to the last.
 *   bytes    the ids in the order of their documents
 *
 * So most other ids are told apart without a look at their bytes, by bits that
 * the document's number does not need.  An id that several documents have is
 * found in the last of them: the table has no other.
 */
#pragma once

#include "search/index/packed.h"

/* Bytes of an id: who takes documents refuses a longer one. */
#define IDS_LENGTH_MAX 512
#define IDS_DOCS_MAX (UINT32_C(1) << 30)

/* Borrows its section, which is sound. */
struct ids {
    uint64_t seed;
    struct packed offsets;
    const char *slots;
    unsigned slot_bits;
    struct span bytes;
};

/* False, ids untouched: by its sizes it is not of so many documents. */
bool ids_init(struct ids *ids, struct span section, uint32_t docs);

/* The last document that has it; UINT32_MAX: none. */
uint32_t ids_find(const struct ids *ids, struct span id);

static inline struct span ids_of(const struct ids *ids, uint32_t doc)
{
    return packed_span(&ids->offsets, ids->bytes, doc);
}

/* ---- writing: all is kept until it is put */

struct ids_writer {
    struct buf offsets, bytes;
    uint32_t *slots;
    unsigned slot_bits;
    uint32_t count;
    uint64_t seed;
};

/* seed: one that outsiders do not know, where ids are theirs. */
void ids_writer_init(struct ids_writer *writer, uint64_t seed);
void ids_writer_deinit(struct ids_writer *writer);
/* The id of the next document; copied. */
void ids_writer_add(struct ids_writer *writer, struct span id);
/* Of what was added, to be looked at until more is. */
struct ids ids_writer_view(const struct ids_writer *writer);
void ids_writer_finish(const struct ids_writer *writer, section_put put,
                       void *arg);
