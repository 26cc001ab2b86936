/* test_feed.c - all updates in the order of references, heard or read. */
#include <stdio.h>

#include "tests/notifier/feed_kit.h"

/* ---- where partitions stand */

static void test_feed_listens_to_all_partitions(void **state)
{
    struct bench *bench = *state;
    char channel[32];

    assert_int_equal(bench->app.pubsub.count, HASH_PARTITIONS);
    for (int i = 0; i < HASH_PARTITIONS; i++) {
        snprintf(channel, sizeof(channel), "no:wake:{p%03d}", i);
        assert_string_equal(bench->app.pubsub.channels[i], channel);
    }
}

static void test_feed_is_known_when_all_partitions_are(void **state)
{
    struct bench *bench = *state;

    feed_await(bench->feed, &bench->wait);
    feed_set_live(bench->feed, false);
    assert_int_equal(bench->app.redis.waiting, 0);
    feed_set_live(bench->feed, true);
    assert_int_equal(bench->app.redis.waiting, HASH_PARTITIONS);
    assert_string_equal(
        bench->app.redis.calls[127].wire,
        "references.lua no:refs:{p127} 0 1 0 1048576 no:log:{p127}:");
    for (int i = 0; i < HASH_PARTITIONS; i++) {
        assert_int_equal(bench->known, 0);
        assert_false(feed_is_known(bench->feed));
        answer(bench, i == P ? kit_references((struct log_id){5, 7}, "t", 1, 0)
                             : fake_empty());
    }
    assert_int_equal(bench->known, 1);
    assert_true(feed_is_known(bench->feed));
    assert_place(bench, 5, 7);
    assert_true(log_id_eq(feed_place(bench->feed, 4), (struct log_id){0}));
}

/* A link that was away may hide that all is another: it is read first. */
static void test_feed_is_current_when_all_was_read_again(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    assert_true(feed_is_current(bench->feed));
    feed_set_live(bench->feed, false);
    assert_false(feed_is_current(bench->feed));
    assert_true(feed_is_known(bench->feed));
    feed_await(bench->feed, &bench->wait);
    feed_set_live(bench->feed, true);
    for (int i = 0; i < HASH_PARTITIONS; i++) {
        assert_int_equal(bench->known, 0);
        assert_false(feed_is_current(bench->feed));
        answer(bench, i == P
                          ? fake_empty()
                          : kit_references((struct log_id){5, 7}, "t", 1, 0));
    }
    assert_int_equal(bench->known, 1);
    assert_true(feed_is_current(bench->feed));
    assert_place(bench, 0, 0);
    feed_read_on(bench->feed, P);
    assert_false(feed_is_current(bench->feed));
    answer(bench, fake_empty());
    assert_true(feed_is_current(bench->feed));
}

static void test_feed_is_known_by_what_it_hears_too(void **state)
{
    struct bench *bench = *state;

    feed_set_live(bench->feed, true);
    wake(bench, 5, 8);
    while (bench->app.redis.waiting)
        answer(bench, kit_references((struct log_id){5, 7}, "t", 1, 0));
    assert_place(bench, 5, 8); /* the reading was before it */
    assert_true(feed_is_known(bench->feed));
    assert_told(bench, " t:5-8");
}

/* ---- in order */

static void test_feed_takes_what_comes_next(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    follow(bench);
    wake(bench, 5, 8);
    wake(bench, 5, 9);
    assert_told(bench, " t:5-8 t:5-9");
    assert_ring(bench, "5-8 5-9");
    assert_place(bench, 5, 9);
    assert_true(feed_is_known(bench->feed));
    assert_int_equal(bench->app.redis.waiting, 0);
}

static void test_feed_passes_over_what_is_old(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    wake(bench, 5, 7);
    wake(bench, 5, 1);
    wake(bench, 4, 8);
    assert_told(bench, "");
    assert_place(bench, 5, 7);
    assert_int_equal(bench->app.redis.waiting, 0);
}

static void test_feed_of_nothing_begins_at_the_first(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 0, 0);
    wake(bench, 5, 1);
    assert_told(bench, " t:5-1");
    assert_place(bench, 5, 1);
    assert_int_equal(bench->app.redis.waiting, 0);
}

static void test_feed_of_nothing_reads_what_was_before_a_later_one(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 0, 0);
    wake(bench, 5, 2);
    assert_asked(bench, "0 1 128");
    answer(bench, kit_references((struct log_id){5, 2}, "t", 1, 2));
    assert_told(bench, " t:5-1 t:5-2");
}

static void test_feed_reads_what_was_not_heard(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    follow(bench);
    wake(bench, 5, 10);
    assert_asked(bench, "5 8 128");
    wake(bench, 5, 11);
    assert_int_equal(bench->app.redis.waiting, 1); /* one at a time */
    answer(bench, kit_references((struct log_id){5, 10}, "t", 8, 10));
    assert_asked(bench, "5 11 128"); /* until what it heard of is there */
    answer(bench, kit_references((struct log_id){5, 13}, "t", 11, 12));
    assert_asked(bench, "5 13 128"); /* there is more */
    answer(bench, kit_references((struct log_id){5, 13}, "t", 13, 13));
    assert_told(bench, " t:5-8 t:5-9 t:5-10 t:5-11 t:5-12 t:5-13");
    assert_ring(bench, "5-8 5-9 5-10 5-11 5-12 5-13");
    assert_int_equal(bench->app.redis.waiting, 0);
}

static void test_feed_hears_while_it_reads(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    wake(bench, 5, 9);
    wake(bench, 5, 8);
    answer(bench, kit_references((struct log_id){5, 9}, "t", 8, 9));
    assert_told(bench, " t:5-8 t:5-9"); /* once */
}

static void test_feed_forgets_what_it_heard_of_and_is_not_there(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    wake(bench, 5, 20);
    answer(bench, kit_references((struct log_id){5, 7}, "t", 1, 0));
    assert_int_equal(bench->app.redis.waiting, 0);
    assert_place(bench, 5, 7);
}

static void test_feed_tells_only_what_somebody_follows(void **state)
{
    struct bench *bench = *state;

    go_live(bench, 5, 7);
    bench->topics.has_t = false;
    wake(bench, 5, 8);
    assert_told(bench, "");
    assert_place(bench, 5, 8);
    follow(bench);
    wake(bench, 5, 9);
    assert_ring(bench, "5-9");
}

static void test_feed_passes_on_what_is_no_update(void **state)
{
    struct bench *bench = *state;
    const struct span wrong[] = {
        SPAN(""),
        SPAN("x"),
        SPAN("5-8"),
        SPAN("5-8 5-8 1"),
        SPAN("5-8 5-8 1 no record"),
        SPAN("5-8 x 1 i\n\n\n\nt\n\nd"),
        SPAN("x 5-8 1 i\n\n\n\nt\n\nd"),
        SPAN("5-8 5-8 x i\n\n\n\nt\n\nd"),
    };

    go_live(bench, 5, 7);
    for (size_t i = 0; i < COUNT(wrong); i++)
        bench->app.pubsub.cb[P](bench->app.pubsub.arg[P], SPAN("c"), wrong[i]);
    assert_told(bench, "");
    assert_place(bench, 5, 7);
    assert_string_equal(bench->other, "");
    bench->app.pubsub.cb[P](bench->app.pubsub.arg[P], SPAN("c"),
                            SPAN("@1 + x"));
    assert_string_equal(bench->other, "@1 + x");
}

/* ---- patterns */

static void test_pattern_has_only_what_it_matches(void **state)
{
    struct bench *bench = *state;
    struct pattern *other = use(bench, "u/{id}");

    go_live(bench, 5, 7);
    follow(bench);
    wake(bench, 5, 8);
    assert_ring(bench, "5-8");
    assert_string_equal(kit_ring(&other->ring), "");
    pattern_leave(other);
}

static void test_pattern_is_one_of_a_text(void **state)
{
    struct bench *bench = *state;
    struct pattern *a = use(bench, "u/{id}");
    struct pattern *b = use(bench, "u/{id}");
    struct pattern *c = use(bench, "u/{x}");

    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_int_equal(metrics_sum(bench->app.metrics, "notifier_patterns", ""),
                     2);
    pattern_leave(a);
    assert_int_equal(metrics_sum(bench->app.metrics, "notifier_patterns", ""),
                     2);
    pattern_leave(b);
    pattern_leave(c);
    assert_int_equal(metrics_sum(bench->app.metrics, "notifier_patterns", ""),
                     0);
}

static void test_patterns_are_bounded(void **state)
{
    static struct pattern *patterns[FEED_PATTERNS_MAX];
    struct bench *bench = *state;
    char text[32];

    for (size_t i = 0; i < FEED_PATTERNS_MAX; i++) {
        snprintf(text, sizeof(text), "u/%zu/{id}", i);
        patterns[i] = use(bench, text);
        assert_non_null(patterns[i]);
    }
    assert_null(use(bench, "one/{more}"));
    assert_ptr_equal(use(bench, "u/7/{id}"), patterns[7]);
    pattern_leave(patterns[7]);
    for (size_t i = 0; i < FEED_PATTERNS_MAX; i++)
        pattern_leave(patterns[i]);
}

/* Who follows patterns has an id that says where all partitions stand. */
static void test_pattern_message_has_a_position_behind_it(void **state)
{
    struct bench *bench = *state;
    struct log_id places[HASH_PARTITIONS];
    bool lost[HASH_PARTITIONS];
    struct position position;
    struct arena arena;
    struct pattern *other = use(bench, "{any}"); /* one line serves all */

    go_live(bench, 5, 7);
    follow(bench);
    wake(bench, 5, 8);
    assert_string_equal(kit_ring(&other->ring), "5-8");
    pattern_leave(other);
    struct message *message = message_of(
        fanout_at(&bench->followed->ring, bench->followed->ring.first));
    struct span line = buf_span(&message->all_line);
    assert_true(span_has_prefix(line, SPAN("id: ")));
    assert_int_equal(span_find(line, '\n'), line.len - 1);
    assert_int_equal(message->partition, P);
    assert_true(log_id_eq(message->reference, (struct log_id){5, 8}));
    arena_init(&arena, MEM_REQUEST, 0);
    assert_true(position_open(bench->key,
                              (struct span){line.ptr + 4, line.len - 5}, &arena,
                              &position));
    position_resolve(bench->key, position.opened, feed_places(bench->feed),
                     places, lost);
    assert_memory_equal(places, feed_places(bench->feed), sizeof(places));
    assert_false(lost[P]);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_feed_listens_to_all_partitions),
        TEST(test_feed_is_known_when_all_partitions_are),
        TEST(test_feed_is_current_when_all_was_read_again),
        TEST(test_feed_is_known_by_what_it_hears_too),
        TEST(test_feed_takes_what_comes_next),
        TEST(test_feed_passes_over_what_is_old),
        TEST(test_feed_of_nothing_begins_at_the_first),
        TEST(test_feed_of_nothing_reads_what_was_before_a_later_one),
        TEST(test_feed_reads_what_was_not_heard),
        TEST(test_feed_hears_while_it_reads),
        TEST(test_feed_forgets_what_it_heard_of_and_is_not_there),
        TEST(test_feed_tells_only_what_somebody_follows),
        TEST(test_feed_passes_on_what_is_no_update),
        TEST(test_pattern_has_only_what_it_matches),
        TEST(test_pattern_is_one_of_a_text),
        TEST(test_patterns_are_bounded),
        TEST(test_pattern_message_has_a_position_behind_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
