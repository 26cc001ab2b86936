/* test_arena.c - memory that goes all at once. */
#include "common/arena.h"
#include "tests/test.h"

static int nothing_left(void **state)
{
    (void)state;
    return mem_live(MEM_JOB) == 0 ? 0 : -1;
}

static void test_arena_gives_aligned_runs_that_do_not_overlap(void **state)
{
    static const size_t sizes[] = {1, 16, 17, 0, 3000, 5, 100000, 1, 2048};
    unsigned char *runs[COUNT(sizes)];
    struct arena arena;
    (void)state;

    arena_init(&arena, MEM_JOB, 64);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        runs[i] = arena_alloc(&arena, sizes[i]);
        assert_non_null(runs[i]);
        assert_int_equal((uintptr_t)runs[i] % 16, 0);
        memset(runs[i], (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (size_t at = 0; at < sizes[i]; at++)
            assert_int_equal(runs[i][at], i + 1);
    arena_deinit(&arena);
}

static void test_arena_waits_for_its_first_use(void **state)
{
    struct arena arena;
    (void)state;

    arena_init(&arena, MEM_JOB, 0);
    assert_int_equal(mem_live(MEM_JOB), 0);
    arena_deinit(&arena);
    arena_init(&arena, MEM_JOB, 0);
    assert_non_null(arena_alloc(&arena, 0)); /* never NULL */
    assert_true(mem_live(MEM_JOB) > 0);
    arena_deinit(&arena);
    assert_int_equal(mem_live(MEM_JOB), 0);
    assert_non_null(arena_alloc(&arena, 1)); /* as new */
    arena_deinit(&arena);
}

static void test_arena_grows_by_few_chunks(void **state)
{
    struct arena arena;
    size_t seen = 0;
    size_t chunks = 0;
    (void)state;

    arena_init(&arena, MEM_JOB, 64);
    for (int i = 0; i < 10000; i++) { /* 160,000 bytes */
        arena_alloc(&arena, 16);
        if (mem_live(MEM_JOB) != seen)
            chunks++;
        seen = mem_live(MEM_JOB);
    }
    assert_in_range(chunks, 2, 16);
    assert_in_range(seen, 160000, 160000 + 65536 + 16 * 64);
    arena_deinit(&arena);
}

static void test_arena_zalloc_gives_zeros(void **state)
{
    static const char zeros[64];
    struct arena_pool pool = {.size = 256, .max = 1};
    struct arena arena;
    (void)state;

    arena_init_pooled(&arena, MEM_JOB, &pool);
    memset(arena_alloc(&arena, 64), 0xff, 64);
    arena_deinit(&arena);
    arena_init_pooled(&arena, MEM_JOB, &pool); /* the same chunk, dirty */
    assert_memory_equal(arena_zalloc(&arena, 64), zeros, 64);
    arena_deinit(&arena);
    arena_pool_deinit(&pool);
}

static void test_arena_copy_ends_in_a_nul_that_does_not_count(void **state)
{
    char text[] = "abc";
    struct arena arena;
    (void)state;

    arena_init(&arena, MEM_JOB, 16);
    struct span copy = arena_copy(&arena, (struct span){text, 3});
    struct span none = arena_copy(&arena, (struct span){NULL, 0});
    text[0] = 'x';
    assert_string_equal(copy.ptr, "abc");
    assert_int_equal(copy.len, 3);
    assert_string_equal(none.ptr, "");
    assert_int_equal(none.len, 0);
    arena_deinit(&arena);
}

/* What is left of the chunk may be one byte short for the NUL, or nothing. */
static void test_arena_printf_fits_whatever_is_left(void **state)
{
    (void)state;

    for (size_t used = 0; used <= 64; used++) {
        struct arena arena;

        arena_init(&arena, MEM_JOB, 64);
        arena_alloc(&arena, used);
        struct span text = arena_printf(&arena, "%s-%d", "0123456789abc", 42);
        assert_string_equal(text.ptr, "0123456789abc-42");
        assert_int_equal(text.len, 16);
        char *next = arena_alloc(&arena, 1);
        *next = '!'; /* the NUL is its own */
        assert_string_equal(text.ptr, "0123456789abc-42");
        arena_deinit(&arena);
    }
    struct arena arena;
    arena_init(&arena, MEM_JOB, 0);
    assert_string_equal(arena_printf(&arena, "%d", 7).ptr, "7");
    arena_deinit(&arena);
}

static void test_arena_pool_keeps_first_chunks_up_to_its_bound(void **state)
{
    struct arena_pool pool = {.size = 512, .max = 2};
    struct arena arenas[3];
    (void)state;

    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT(arenas); i++) {
            arena_init_pooled(&arenas[i], MEM_JOB, &pool);
            arena_alloc(&arenas[i], 5000); /* a second one, not for the pool */
        }
        assert_int_equal(pool.count, 0);
        for (size_t i = 0; i < COUNT(arenas); i++)
            arena_deinit(&arenas[i]);
        assert_int_equal(pool.count, 2);
        assert_in_range(mem_live(MEM_JOB), 2 * 512, 2 * 512 + 100);
    }
    arena_pool_deinit(&pool);
    assert_int_equal(pool.count, 0);
    assert_int_equal(mem_live(MEM_JOB), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, NULL, nothing_left)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_arena_gives_aligned_runs_that_do_not_overlap),
        TEST(test_arena_waits_for_its_first_use),
        TEST(test_arena_grows_by_few_chunks),
        TEST(test_arena_zalloc_gives_zeros),
        TEST(test_arena_copy_ends_in_a_nul_that_does_not_count),
        TEST(test_arena_printf_fits_whatever_is_left),
        TEST(test_arena_pool_keeps_first_chunks_up_to_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
