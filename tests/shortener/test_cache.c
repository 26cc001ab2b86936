/* test_cache.c - what is known about codes, and for how long. */
#include <stdio.h>
#include <stdlib.h>

#include "shortener/cache.h"
#include "shortener/clicks.h"
#include "tests/test.h"

#define FOREVER_MS 86400000

static const struct cache_fill live_link = {
    .state = LINK_LIVE, .status = 302, .head = {"HEAD", 4}};

static uint64_t stored_bytes, stored_entries; /* metric cells */

/* The cache tells the cell's owner alone; cells are not its own. */
void clicks_detach(struct click_cell *cell)
{
    *cell->slot = NULL;
    cell->slot = NULL;
}

static struct cache *make(size_t bytes, uint64_t stale_for_ms)
{
    struct cache *cache =
        cache_create(&(struct cache_options){.max_bytes = bytes,
                                             .stale_for_ms = stale_for_ms,
                                             .bytes = &stored_bytes,
                                             .entries = &stored_entries});

    cache_set_live(cache, true);
    return cache;
}

static struct cache_entry *fill(struct cache *cache, struct span code)
{
    return cache_end_fill(cache, cache_begin_fill(cache, code), &live_link);
}

static enum cache_verdict look(struct cache *cache, struct span code)
{
    struct cache_entry *entry;

    return cache_find(cache, code, &entry);
}

static void test_cache_keeps_what_was_filled(void **state)
{
    struct cache *cache = make(1 << 20, 0);
    struct cache_entry *entry;
    (void)state;

    assert_int_equal(look(cache, SPAN("abc")), CACHE_MISS);
    assert_non_null(fill(cache, SPAN("abc")));
    assert_int_equal(cache_find(cache, SPAN("abc"), &entry), CACHE_HIT);
    assert_true(span_eq(cache_code(entry), SPAN("abc")));
    assert_true(span_eq(cache_head(entry), SPAN("HEAD")));
    assert_int_equal(look(cache, SPAN("abd")), CACHE_MISS);
    cache_destroy(cache);
}

static void test_cache_says_that_a_read_is_on_its_way(void **state)
{
    struct cache *cache = make(1 << 20, 0);
    struct cache_entry *filling = cache_begin_fill(cache, SPAN("abc"));
    (void)state;

    assert_int_equal(look(cache, SPAN("abc")), CACHE_FILLING);
    assert_null(cache_end_fill(cache, filling, NULL)); /* the read failed */
    assert_int_equal(look(cache, SPAN("abc")), CACHE_MISS);
    cache_destroy(cache);
}

static void
test_cache_stores_no_read_that_an_invalidation_overtook(void **state)
{
    static const struct {
        struct span key;
        bool stored;
    } cases[] = {{{"abc", 3}, false}, {{"abd", 3}, true}, {{NULL, 0}, false}};
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cache *cache = make(1 << 20, 0);
        struct cache_entry *filling = cache_begin_fill(cache, SPAN("abc"));

        cache_invalidate(cache, cases[i].key);
        assert_int_equal(cache_end_fill(cache, filling, &live_link) != NULL,
                         cases[i].stored);
        cache_destroy(cache);
    }
}

static void test_cache_stores_no_read_of_another_epoch(void **state)
{
    struct cache *cache = make(1 << 20, FOREVER_MS);
    (void)state;

    struct cache_entry *filling = cache_begin_fill(cache, SPAN("abc"));
    cache_set_live(cache, false);
    assert_null(cache_end_fill(cache, filling, &live_link));

    filling = cache_begin_fill(cache, SPAN("abc")); /* while away */
    cache_set_live(cache, true);
    assert_null(cache_end_fill(cache, filling, &live_link));

    filling = cache_begin_fill(cache, SPAN("abc"));
    cache_set_live(cache, false);
    cache_set_live(cache, true);
    assert_null(cache_end_fill(cache, filling, &live_link));
    cache_destroy(cache);
}

static void test_cache_forgets_what_was_invalidated(void **state)
{
    struct cache *cache = make(1 << 20, 0);
    (void)state;

    fill(cache, SPAN("abc"));
    fill(cache, SPAN("abd"));
    cache_invalidate(cache, SPAN("abc"));
    assert_int_equal(look(cache, SPAN("abc")), CACHE_MISS);
    assert_int_equal(look(cache, SPAN("abd")), CACHE_HIT);
    cache_invalidate(cache, (struct span){NULL, 0});
    assert_int_equal(look(cache, SPAN("abd")), CACHE_MISS);
    cache_destroy(cache);
}

static void test_cache_is_stale_while_the_link_is_away(void **state)
{
    struct cache *cache = make(1 << 20, FOREVER_MS);
    (void)state;

    fill(cache, SPAN("abc"));
    cache_set_live(cache, false);
    assert_int_equal(look(cache, SPAN("abc")), CACHE_STALE);
    assert_int_equal(look(cache, SPAN("abd")), CACHE_MISS);
    cache_set_live(cache, true); /* the new epoch knows nothing */
    assert_int_equal(look(cache, SPAN("abc")), CACHE_MISS);
    cache_destroy(cache);
}

static void test_cache_serves_nothing_stale_past_its_time(void **state)
{
    struct cache *cache = make(1 << 20, 0);
    (void)state;

    fill(cache, SPAN("abc"));
    cache_set_live(cache, false);
    while (look(cache, SPAN("abc")) == CACHE_STALE)
        ; /* until the clock has moved by a microsecond */
    assert_int_equal(look(cache, SPAN("abc")), CACHE_MISS);
    cache_destroy(cache);
}

static void test_cache_stays_in_its_bounds_and_keeps_what_is_used(void **state)
{
    struct cache *cache = make(16384, 0);
    char code[8];
    (void)state;

    fill(cache, SPAN("hot"));
    for (int i = 0; i < 5000; i++) {
        snprintf(code, sizeof(code), "c%06d", i);
        fill(cache, span_str(code));
        assert_true(stored_bytes <= 16384);
        assert_int_equal(look(cache, SPAN("hot")), CACHE_HIT);
    }
    assert_in_range(stored_entries, 50, 200);
    cache_destroy(cache);
}

static void test_cache_of_no_size_stores_nothing(void **state)
{
    struct cache *cache = make(0, 0);
    (void)state;

    assert_null(fill(cache, SPAN("abc")));
    assert_int_equal(look(cache, SPAN("abc")), CACHE_MISS);
    cache_destroy(cache);
}

static void test_cache_tells_a_cell_that_its_entry_went(void **state)
{
    struct cache *cache = make(1 << 20, 0);
    struct cache_entry *entry = fill(cache, SPAN("abc"));
    struct click_cell *cell = calloc(1, sizeof(*cell));
    (void)state;

    entry->cell = cell;
    cell->slot = &entry->cell;
    cache_invalidate(cache, SPAN("abc"));
    assert_null(cell->slot);
    free(cell);
    cache_destroy(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache_keeps_what_was_filled),
        cmocka_unit_test(test_cache_says_that_a_read_is_on_its_way),
        cmocka_unit_test(
            test_cache_stores_no_read_that_an_invalidation_overtook),
        cmocka_unit_test(test_cache_stores_no_read_of_another_epoch),
        cmocka_unit_test(test_cache_forgets_what_was_invalidated),
        cmocka_unit_test(test_cache_is_stale_while_the_link_is_away),
        cmocka_unit_test(test_cache_serves_nothing_stale_past_its_time),
        cmocka_unit_test(test_cache_stays_in_its_bounds_and_keeps_what_is_used),
        cmocka_unit_test(test_cache_of_no_size_stores_nothing),
        cmocka_unit_test(test_cache_tells_a_cell_that_its_entry_went),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
