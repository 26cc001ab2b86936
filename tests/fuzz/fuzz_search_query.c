/*
 * fuzz_search_query.c - a query over a small index of three segments, one with
 * deletions: refused, or answered the same in each way.
 *
 * The first byte: which syntax, which kernel, how many hits.
 */
#include "tests/fuzz/search_kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct kit_index kit;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t mosts[] = {0, 1, 10, KIT_HITS};
    const struct bits_kernel *kernels[2];
    size_t kernel_count = bits_kernels(kernels);
    struct arena arena;

    kit_index(&kit, (const uint32_t[]){300, 40, 1}, 3);
    if (size == 0)
        return 0;
    arena_init(&arena, MEM_REQUEST, 0);
    struct query *query = kit_query(
        &arena, (struct span){(const char *)data + 1, size - 1}, data[0] % 3);
    kit.searcher.kernel = kernels[data[0] / 4 % kernel_count];
    if (query)
        kit_ask(&kit.searcher, query, mosts[data[0] / 16 % 4]);
    arena_deinit(&arena);
    return 0;
}
