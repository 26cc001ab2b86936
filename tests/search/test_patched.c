/* test_patched.c - blocks with a few large numbers are read as they were. */
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "search/index/patched.h"
#include "tests/test.h"

static void assert_read(const uint32_t values[BITS_BLOCK],
                        struct patched patched, const struct buf *out)
{
    const struct bits_kernel *kernels[2];
    uint32_t found[BITS_BLOCK];
    /* exactly so long, so that a read past the end is seen */
    char *bytes = malloc(out->len + !out->len);

    if (out->len)
        memcpy(bytes, out->ptr, out->len);
    for (size_t i = bits_kernels(kernels); i-- > 0;) {
        patched_read(kernels[i], bytes, patched, 0, found);
        assert_memory_equal(found, values, sizeof(found));
    }
    free(bytes);
}

/* Its size. */
static size_t check(const uint32_t values[BITS_BLOCK])
{
    struct buf out;

    buf_init(&out, MEM_APP);
    struct patched patched = patched_append(&out, values);
    size_t size = out.len;
    assert_true(size <= bits_size(bits_width(values, BITS_BLOCK)));
    assert_read(values, patched, &out);
    buf_deinit(&out);
    return size;
}

static void test_few_large_numbers_do_not_widen_the_block(void **state)
{
    uint32_t values[BITS_BLOCK] = {0};

    (void)state;
    assert_int_equal(check(values), 0);
    values[7] = 100;
    assert_int_equal(check(values), 2);
    values[255] = UINT32_MAX;
    assert_int_equal(check(values), 2 + 2 * 4);
    for (size_t i = 0; i < BITS_BLOCK; i++)
        values[i] = UINT32_MAX - (uint32_t)i;
    assert_int_equal(check(values), bits_size(32));
    for (size_t i = 0; i < BITS_BLOCK; i++) /* all would be patches: 256 */
        values[i] = 1;
    assert_int_equal(check(values), bits_size(1));
}

static void test_blocks_of_all_widths_are_read_as_they_were(void **state)
{
    uint32_t values[BITS_BLOCK];

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        unsigned width = i % 33;
        for (size_t j = 0; j < BITS_BLOCK; j++) {
            uint32_t number = (uint32_t)random() ^ (uint32_t)random() << 16;
            unsigned bits = random() % 20 ? width / 2 : width;
            values[j] = bits ? number >> (32 - bits) : 0;
        }
        check(values);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_large_numbers_do_not_widen_the_block),
        cmocka_unit_test(test_blocks_of_all_widths_are_read_as_they_were),
    };

    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
