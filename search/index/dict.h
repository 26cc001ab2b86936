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
#include "search/index/inverter.h"

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
/* Terms rise, none is longer than INVERTER_TERM_MAX; of an entry doc and freq
   are written, or total and list. */
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

/* Bytes that both begin with. */
size_t dict_shared(struct span a, struct span b);

/* False: it is not one, by its sizes. */
bool dict_init(struct dict *dict, struct span blocks, struct span index,
               struct span keys, bool has_places);
bool dict_find(const struct dict *dict, struct span term,
               struct dict_entry *entry);

/* How far a block is read. */
struct dict_scan {
    const unsigned char *at, *end;
    uint64_t list, places;
    bool has_places;
};

/*
 * A place among the terms, in the caller's memory; there is nothing to free.
 * Each move is false where no term is left; what the cursor says is then
 * undefined, and so it is before the first seek.
 */
struct dict_cursor {
    struct span term; /* good until the next move */
    size_t shared;    /* bytes that it begins with as the term that the cursor
                         moved from; 0 after a seek */
    uint32_t ordinal; /* terms before it in the dictionary */
    struct dict_entry entry;

    const struct dict *dict; /* from here on its own */
    struct dict_scan scan;
    uint32_t block;
    char bytes[INVERTER_TERM_MAX];
};

/* To the first term that is not before from. */
bool dict_cursor_seek(struct dict_cursor *cursor, const struct dict *dict,
                      struct span from);
/* To the term of a number. */
bool dict_cursor_seek_ordinal(struct dict_cursor *cursor,
                              const struct dict *dict, uint32_t ordinal);
bool dict_cursor_next(struct dict_cursor *cursor);
/*
 * To the next term that does not begin with the first len bytes of this one;
 * where it has fewer, to the next one.  Blocks in between are not read.
 */
bool dict_cursor_skip(struct dict_cursor *cursor, size_t len);
