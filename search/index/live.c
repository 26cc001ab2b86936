/* live.c - see live.h. */
#include "search/index/live.h"
#include "search/index/files.h"

struct head {
    uint32_t docs, count;
};

void live_init(struct live *live, uint32_t docs)
{
    size_t size = bitmap_size(docs);

    *live = (struct live){docs, docs, mem_zalloc(MEM_APP, size)};
    memset(live->bits, UINT8_MAX, docs / 8);
    if (docs % 8)
        live->bits[docs / 8] = (unsigned char)((1 << docs % 8) - 1);
}

void live_deinit(struct live *live)
{
    mem_free(live->bits);
    live->bits = NULL;
}

bool live_delete(struct live *live, uint32_t doc)
{
    if (!live_has(live, doc))
        return false;
    live->bits[doc / 8] &= (unsigned char)~(1 << doc % 8);
    live->count--;
    return true;
}

void live_append(const struct live *live, struct buf *out)
{
    struct head head = {live->docs, live->count};

    buf_append_bytes(out, &head, sizeof(head));
    buf_append(
        out, (struct span){(const char *)live->bits, bitmap_size(live->docs)});
}

bool live_read(struct live *live, struct span bytes, uint32_t docs)
{
    struct span bits = span_skip(bytes, sizeof(struct head));
    struct head head;

    if (bytes.len != sizeof(head) + bitmap_size(docs))
        return false;
    memcpy(&head, bytes.ptr, sizeof(head));
    if (head.docs != docs || head.count != bitmap_count(bits.ptr, 0, docs))
        return false;
    *live = (struct live){docs, head.count, mem_alloc(MEM_APP, bits.len)};
    memcpy(live->bits, bits.ptr, bits.len);
    return true;
}

int live_save(const struct live *live, const char *path)
{
    struct buf bytes;

    buf_init(&bytes, MEM_APP);
    live_append(live, &bytes);
    int err = files_write(path, buf_span(&bytes));
    buf_deinit(&bytes);
    return err;
}

bool live_load(struct live *live, const char *path, uint32_t docs)
{
    struct buf bytes;

    buf_init(&bytes, MEM_APP);
    bool fine =
        files_read(path, &bytes) && live_read(live, buf_span(&bytes), docs);
    buf_deinit(&bytes);
    return fine;
}
