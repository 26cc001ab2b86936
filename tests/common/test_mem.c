/* test_mem.c - who holds how much. */
#include <pthread.h>
#include <string.h>

#include "common/mem.h"
#include "tests/test.h"

static void test_mem_counts_what_each_subsystem_holds(void **state)
{
    (void)state;

    void *app = mem_alloc(MEM_APP, 100);
    void *cache = mem_zalloc(MEM_CACHE, 30);
    void *more = mem_alloc(MEM_CACHE, 12);
    assert_int_equal(mem_live(MEM_APP), 100);
    assert_int_equal(mem_live(MEM_CACHE), 42);
    assert_int_equal(mem_live(MEM_CONN), 0);
    mem_free(cache);
    assert_int_equal(mem_live(MEM_CACHE), 12);
    mem_free(more);
    mem_free(app);
    for (int tag = 0; tag < MEM_TAGS; tag++)
        assert_int_equal(mem_live((enum mem_tag)tag), 0);
}

static void test_mem_zalloc_gives_zeros_and_blocks_are_aligned(void **state)
{
    static const size_t sizes[] = {0, 1, 15, 16, 17, 5000};
    static const char zeros[5000];
    (void)state;

    for (size_t i = 0; i < COUNT(sizes); i++) {
        char *dirty = mem_alloc(MEM_APP, sizes[i]);
        memset(dirty, 0xff, sizes[i]);
        mem_free(dirty);
        char *clean = mem_zalloc(MEM_APP, sizes[i]);
        assert_int_equal((uintptr_t)clean % 16, 0);
        assert_memory_equal(clean, zeros, sizes[i]);
        mem_free(clean);
    }
}

static void test_mem_realloc_keeps_bytes_and_tag(void **state)
{
    (void)state;

    char *block = mem_realloc(MEM_JSON, NULL, 4);
    memcpy(block, "abc", 4);
    assert_int_equal(mem_live(MEM_JSON), 4);
    block = mem_realloc(MEM_AUTH, block, 100000);
    assert_string_equal(block, "abc");
    assert_int_equal(mem_live(MEM_JSON), 100000);
    assert_int_equal(mem_live(MEM_AUTH), 0);
    block = mem_realloc(MEM_JSON, block, 4);
    assert_string_equal(block, "abc");
    assert_int_equal(mem_live(MEM_JSON), 4);
    mem_free(block);
    assert_int_equal(mem_live(MEM_JSON), 0);
}

#define THREADS 4
#define BLOCKS 20000

/* Its own come and go; some are left. */
static void *allocate(void *arg)
{
    void **left = arg;

    for (size_t i = 0; i < BLOCKS; i++) {
        void *block = mem_realloc(MEM_JOB, mem_alloc(MEM_JOB, 8), 24);
        if (i % 100)
            mem_free(block);
        else
            left[i / 100] = block;
    }
    return NULL;
}

static void test_mem_counts_what_threads_leave_to_others(void **state)
{
    static void *left[THREADS][BLOCKS / 100];
    pthread_t threads[THREADS];
    (void)state;

    for (int again = 0; again < 3; again++) { /* ended ones are followed */
        for (size_t i = 0; i < THREADS; i++)
            assert_int_equal(
                pthread_create(&threads[i], NULL, allocate, left[i]), 0);
        for (size_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(mem_live(MEM_JOB), THREADS * BLOCKS / 100 * 24);
        for (size_t i = 0; i < THREADS; i++)
            for (size_t j = 0; j < BLOCKS / 100; j++)
                mem_free(left[i][j]);
        assert_int_equal(mem_live(MEM_JOB), 0);
    }
}

static void test_mem_free_takes_null(void **state)
{
    (void)state;

    mem_free(NULL);
}

static void test_mem_names_each_subsystem_once(void **state)
{
    (void)state;

    for (int a = 0; a < MEM_TAGS; a++) {
        assert_non_null(mem_tag_name((enum mem_tag)a));
        for (int b = 0; b < a; b++)
            assert_string_not_equal(mem_tag_name((enum mem_tag)a),
                                    mem_tag_name((enum mem_tag)b));
    }
    assert_string_equal(mem_tag_name(MEM_REDIS), "redis");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mem_counts_what_each_subsystem_holds),
        cmocka_unit_test(test_mem_zalloc_gives_zeros_and_blocks_are_aligned),
        cmocka_unit_test(test_mem_realloc_keeps_bytes_and_tag),
        cmocka_unit_test(test_mem_counts_what_threads_leave_to_others),
        cmocka_unit_test(test_mem_free_takes_null),
        cmocka_unit_test(test_mem_names_each_subsystem_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
