/*
 * fuzz_search_query.c - a query over a small index of three segments, one with
 * deletions: refused, or answered the same in each way.
 *
 * The first byte: which syntax, which kernel, how many hits.
 */
#include <stdlib.h>

#include "tests/fuzz/search_kit.h"

#define SEGMENTS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    struct schema schema;
    struct segment *segments[SEGMENTS];
    struct reader *readers[SEGMENTS];
    struct live lives[SEGMENTS];
    struct searcher searchers[2]; /* of each kernel */
    size_t kernels;
} kit;

static void setup(void)
{
    static const uint32_t docs[SEGMENTS] = {300, 40, 1};
    const struct bits_kernel *kernels[2];
    char why[KIT_WHY];
    uint32_t base = 0;

    if (kit.kernels)
        return;
    kit_schema(&kit.schema);
    for (size_t i = 0; i < SEGMENTS; base += docs[i++]) {
        size_t size;
        char *bytes = kit_build(&kit.schema, base, docs[i], &size);
        kit.segments[i] = kit_open((struct span){bytes, size}, why);
        free(bytes);
        live_init(&kit.lives[i], docs[i]);
        for (uint32_t doc = 3; i == 0 && doc < docs[i]; doc += 7)
            live_delete(&kit.lives[i], doc);
        kit.readers[i] = reader_open(kit.segments[i], &kit.lives[i], base);
        KIT_ASSERT(kit.readers[i]);
    }
    kit.kernels = bits_kernels(kernels);
    for (size_t i = 0; i < kit.kernels; i++) {
        searcher_init(&kit.searchers[i], &kit.schema, kit.readers, SEGMENTS);
        kit.searchers[i].kernel = kernels[i];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t mosts[] = {0, 1, 10, KIT_HITS};
    struct arena arena;

    setup();
    if (size == 0)
        return 0;
    arena_init(&arena, MEM_REQUEST, 0);
    struct query *query = kit_query(
        &arena, (struct span){(const char *)data + 1, size - 1}, data[0] % 3);
    if (query)
        kit_ask(&kit.searchers[data[0] / 4 % kit.kernels], query,
                mosts[data[0] / 16 % 4]);
    arena_deinit(&arena);
    return 0;
}
