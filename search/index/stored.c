/* stored.c - see stored.h. */
#include <assert.h>
#include <uv.h>
#include <zstd.h>

#include "search/index/stored.h"
#include "search/index/varint.h"

#define LEVEL 1 /* 3 takes a third longer for 1 to 4 % less */
#define BLOCK_MAX (STORED_LENGTH_MAX + VARINT_MAX)
#define NO_BLOCK UINT32_MAX

/* ---- writing */

void stored_writer_init(struct stored_writer *writer, section_put put,
                        void *arg)
{
    *writer = (struct stored_writer){
        .put = put, .arg = arg, .context = ZSTD_createCCtx()};
    assert(writer->context);
    buf_init(&writer->block, MEM_APP);
    buf_init(&writer->frame, MEM_APP);
    buf_init(&writer->firsts, MEM_APP);
    buf_init(&writer->offsets, MEM_APP);
    buf_init(&writer->sizes, MEM_APP);
}

void stored_writer_deinit(struct stored_writer *writer)
{
    ZSTD_freeCCtx(writer->context);
    writer->context = NULL;
    buf_deinit(&writer->block);
    buf_deinit(&writer->frame);
    buf_deinit(&writer->firsts);
    buf_deinit(&writer->offsets);
    buf_deinit(&writer->sizes);
}

/* Of the documents since the last one. */
static void put_frame(struct stored_writer *writer, struct span frame,
                      int64_t size)
{
    packed_add(&writer->firsts, writer->from);
    packed_add(&writer->offsets, (int64_t)writer->offset);
    packed_add(&writer->sizes, size);
    writer->put(writer->arg, frame);
    writer->offset += frame.len;
    writer->from = writer->docs;
}

static void end_block(struct stored_writer *writer)
{
    struct buf *block = &writer->block;
    size_t room = ZSTD_compressBound(block->len);

    if (block->len == 0)
        return;
    writer->frame.len = 0;
    size_t len =
        ZSTD_compressCCtx(writer->context, buf_reserve(&writer->frame, room),
                          room, block->ptr, block->len, LEVEL);
    assert(!ZSTD_isError(len));
    put_frame(writer, (struct span){writer->frame.ptr, len},
              (int64_t)block->len);
    block->len = 0;
}

void stored_writer_add(struct stored_writer *writer, struct span source)
{
    assert(source.len <= STORED_LENGTH_MAX);
    if (writer->block.len + source.len > STORED_BLOCK)
        end_block(writer);
    varint_append(&writer->block, source.len);
    buf_append(&writer->block, source);
    writer->docs++;
}

void stored_writer_finish(struct stored_writer *writer, struct buf *index)
{
    end_block(writer);
    packed_add(&writer->firsts, writer->docs);
    packed_add(&writer->offsets, (int64_t)writer->offset);
    packed_append(index, &writer->firsts);
    packed_append(index, &writer->offsets);
    packed_append(index, &writer->sizes);
}

/* ---- reading */

bool stored_init(struct stored *stored, struct span blocks, struct span index,
                 uint32_t docs)
{
    struct stored read = {.blocks = blocks, .loaded = NO_BLOCK};

    if (!packed_take(&index, &read.firsts) ||
        !packed_take(&index, &read.offsets) ||
        !packed_take(&index, &read.sizes) || index.len ||
        !packed_covers(&read.offsets, read.sizes.count, blocks) ||
        !packed_covers(&read.firsts, read.sizes.count,
                       (struct span){NULL, docs}))
        return false;
    buf_init(&read.block, MEM_APP);
    *stored = read;
    return true;
}

void stored_deinit(struct stored *stored)
{
    ZSTD_freeDCtx(stored->context);
    stored->context = NULL;
    buf_deinit(&stored->block);
}

static uint32_t first_of(const struct stored *stored, uint32_t block)
{
    return (uint32_t)packed_get(&stored->firsts, block);
}

static uint32_t block_of(const struct stored *stored, uint32_t doc)
{
    uint32_t from = 0;
    uint32_t to = stored->sizes.count;

    while (to - from > 1) {
        uint32_t middle = from + (to - from) / 2;
        if (first_of(stored, middle) <= doc)
            from = middle;
        else
            to = middle;
    }
    return from;
}

struct span stored_frame(const struct stored *stored, uint32_t doc)
{
    return packed_span(&stored->offsets, stored->blocks, block_of(stored, doc));
}

static int load(struct stored *stored, uint32_t block)
{
    struct span frame = packed_span(&stored->offsets, stored->blocks, block);
    size_t size = (size_t)packed_get(&stored->sizes, block);

    if (stored->loaded == block)
        return 0;
    if (size == 0 || size > BLOCK_MAX)
        return UV_EIO;
    if (!stored->context)
        stored->context = ZSTD_createDCtx();
    assert(stored->context);
    stored->loaded = NO_BLOCK;
    stored->block.len = 0;
    size_t len =
        ZSTD_decompressDCtx(stored->context, buf_reserve(&stored->block, size),
                            size, frame.ptr, frame.len);
    if (len != size) /* as no error is */
        return UV_EIO;
    buf_commit(&stored->block, size);
    stored->loaded = block;
    return 0;
}

/* The document that *rest begins with, off its front. */
static int cut(struct span *rest, struct span *source)
{
    const unsigned char *at = (const unsigned char *)rest->ptr;
    const unsigned char *end = at + rest->len;
    uint64_t len;

    at = varint_read(at, end, &len);
    if (!at || len > (size_t)(end - at))
        return UV_EIO;
    *source = (struct span){(const char *)at, len};
    *rest = span_skip((struct span){source->ptr, (size_t)(end - at)}, len);
    return 0;
}

int stored_read(struct stored *stored, uint32_t doc, struct buf *out)
{
    uint32_t block = block_of(stored, doc);
    struct span source = {0};
    int err = load(stored, block);
    struct span rest = buf_span(&stored->block);

    for (uint32_t i = first_of(stored, block); i <= doc && !err; i++)
        err = cut(&rest, &source);
    if (!err)
        buf_append(out, source);
    return err;
}

uint64_t stored_bytes(const struct stored *stored)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < stored->sizes.count; i++)
        bytes += (uint64_t)packed_get(&stored->sizes, i);
    return bytes;
}

/* ---- merging */

static int copy_some(struct stored_writer *writer, struct stored *from,
                     const struct live *live, uint32_t block)
{
    int err = load(from, block);
    struct span rest = buf_span(&from->block);
    struct span source;
    uint32_t end = first_of(from, block + 1);

    for (uint32_t doc = first_of(from, block); doc < end && !err; doc++) {
        err = cut(&rest, &source);
        if (!err && live_has(live, doc))
            stored_writer_add(writer, source);
    }
    return err;
}

int stored_copy(struct stored_writer *writer, struct stored *from,
                const struct live *live)
{
    int err = 0;

    for (uint32_t block = 0; block < from->sizes.count && !err; block++) {
        uint32_t first = first_of(from, block);
        uint32_t end = first_of(from, block + 1);
        uint32_t count = live_range(live, first, end);
        int64_t size = packed_get(&from->sizes, block);
        if (count == end - first && size >= STORED_BLOCK / 2) {
            end_block(writer);
            writer->docs += count;
            put_frame(writer, packed_span(&from->offsets, from->blocks, block),
                      size);
        } else if (count) {
            err = copy_some(writer, from, live, block);
        }
    }
    return err;
}
