/*
 * dict.h - the terms of a field in the order of their bytes, and where their
 * posting lists are.
 *
 *   blocks  of DICT_BLOCK terms, the last one shorter.  A block begins with
 *           where its first list and its first positions are; a term is
 *             bytes that it shares with the one before it (of a block's first
 *             0), bytes behind them, and these; documents that have it; then
 *             of one document: its number, how often it has it
 *             of more: how often all have it less their number, bytes of
 *             their list;
 *             and, where positions are kept, bytes of its positions.
 *           Lists and positions lie one behind the other, as their terms do.
 *   index   of each block: where it begins and where its first term is among
 *           the keys, 32 bits each; one more, of the end of both
 *   keys    the first term of each block, one behind the other
 *
 * Numbers are varints but for the index.
 */
#pragma once

#include "common/buf.h"

#define DICT_BLOCK 16

/* What a term is in its field. */
struct dict_entry {
    uint32_t count;     /* documents */
    uint32_t doc, freq; /* of the only one */
    uint64_t total;     /* how often all have it */
    uint64_t list, list_size;
    uint64_t places, places_size;
};

/* ---- writing */

struct dict_writer {
    struct buf blocks, index, keys;
    struct buf last; /* term */
    uint64_t count;  /* of terms */
    bool has_places;
};

void dict_writer_init(struct dict_writer *writer, enum mem_tag tag,
                      bool has_places);
void dict_writer_deinit(struct dict_writer *writer);
/* Terms rise; of an entry doc and freq are written, or total and list. */
void dict_writer_add(struct dict_writer *writer, struct span term,
                     const struct dict_entry *entry);
void dict_writer_finish(struct dict_writer *writer);

/* ---- reading */

/* Borrows all of it, which is sound. */
struct dict {
    struct span blocks, index, keys;
    uint32_t block_count;
    bool has_places;
};

/* False: it is not one, by its sizes. */
bool dict_init(struct dict *dict, struct span blocks, struct span index,
               struct span keys, bool has_places);
bool dict_find(const struct dict *dict, struct span term,
               struct dict_entry *entry);
