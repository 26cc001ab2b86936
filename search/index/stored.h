/*
 * stored.h - the documents of a segment as they came, compressed.
 *
 * Two sections:
 *   blocks  zstd frames, one behind the other.  A block is of documents that
 *           follow each other: of each how many bytes it has, a varint
 *           (varint.h), and these.  One of more than STORED_BLOCK bytes is a
 *           block of its own.
 *   index   three columns (packed.h): the first document of each block, and
 *           how many there are in all; where each frame begins, and where all
 *           end; how many bytes each block has uncompressed
 */
#pragma once

#include "search/index/live.h"
#include "search/index/packed.h"

#define STORED_BLOCK 8192
/* Bytes of a document: who takes documents refuses a longer one. */
#define STORED_LENGTH_MAX (UINT32_C(64) << 20)

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

/* ---- writing: blocks are put as they fill; 24 bytes of each are kept */

struct stored_writer {
    section_put put;
    void *arg;
    struct ZSTD_CCtx_s *context;
    struct buf block, frame;
    struct buf firsts, offsets, sizes;
    uint64_t offset;     /* of the next frame */
    uint32_t docs, from; /* from: the first of the block */
};

/* put is called for blocks, within the calls below. */
void stored_writer_init(struct stored_writer *writer, section_put put,
                        void *arg);
void stored_writer_deinit(struct stored_writer *writer);
/* The next document, which may be empty; at most STORED_LENGTH_MAX bytes. */
void stored_writer_add(struct stored_writer *writer, struct span source);
/* Once, after the last one; the index goes to its buffer's end. */
void stored_writer_finish(struct stored_writer *writer, struct buf *index);

/* ---- reading: by one thread, as the block that was read last is kept */

struct stored {
    struct span blocks; /* borrowed, as the index is; sound, else UV_EIO */
    struct packed firsts, offsets, sizes;
    struct ZSTD_DCtx_s *context;
    struct buf block;
    uint32_t loaded; /* block; UINT32_MAX: none */
};

/* False, stored untouched: by their sizes they are not of so many documents. */
bool stored_init(struct stored *stored, struct span blocks, struct span index,
                 uint32_t docs);
void stored_deinit(struct stored *stored);
/* What stored_read() of a document reads of the blocks. */
struct span stored_frame(const struct stored *stored, uint32_t doc);
/* Of a document that there is, to out's end.  UV_EIO, out untouched: its block
   is not as the index says. */
int stored_read(struct stored *stored, uint32_t doc, struct buf *out);
/* By the index: of all documents and their lengths, uncompressed. */
uint64_t stored_bytes(const struct stored *stored);

/*
 * Add all documents that are live.  A block that has no other goes as it is,
 * unless it is small.  After UV_EIO the writer is good for
 * stored_writer_deinit() only.
 */
int stored_copy(struct stored_writer *writer, struct stored *from,
                const struct live *live);
