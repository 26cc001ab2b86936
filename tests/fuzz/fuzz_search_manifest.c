/*
 * fuzz_search_manifest.c - a manifest, and which documents are live.
 *
 * The first byte: 0, a manifest follows; else a file of who is live, of a
 * segment of as many documents as the next two bytes say.
 */
#include "search/index/live.h"
#include "search/index/manifest.h"
#include "tests/fuzz/search_kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(const struct manifest *manifest, struct buf *out)
{
    buf_init(out, MEM_APP);
    manifest_put(manifest, out);
}

/* What is read of what it is written as is written the same. */
static void read_manifest(struct span text)
{
    struct manifest manifest;
    struct manifest again;
    struct buf first;
    struct buf second;

    manifest_init(&manifest);
    manifest_init(&again);
    if (manifest_read(&manifest, text)) {
        put(&manifest, &first);
        KIT_ASSERT(manifest_read(&again, buf_span(&first)));
        put(&again, &second);
        KIT_ASSERT(span_eq(buf_span(&first), buf_span(&second)));
        buf_deinit(&first);
        buf_deinit(&second);
    }
    manifest_deinit(&again);
    manifest_deinit(&manifest);
}

static void read_live(struct span bytes, uint32_t docs)
{
    struct live live;
    struct buf out;
    uint32_t count = 0;

    if (!live_read(&live, bytes, docs))
        return;
    for (uint32_t doc = 0; doc < docs; doc++)
        count += live_has(&live, doc);
    KIT_ASSERT(count == live.count && count == live_range(&live, 0, docs));
    buf_init(&out, MEM_APP);
    live_append(&live, &out);
    KIT_ASSERT(span_eq(buf_span(&out), bytes));
    buf_deinit(&out);
    live_deinit(&live);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_setup;
    struct span rest = span_skip((struct span){(const char *)data, size}, 1);

    if (!is_setup)
        json_setup();
    is_setup = true;
    if (size && data[0] == 0)
        read_manifest(rest);
    else if (size > 2)
        read_live(span_skip(rest, 2), (uint32_t)(data[1] | data[2] << 8));
    return 0;
}
