/* test_fanout.c - each message once to each reader, in order, in few writes. */
#include <stdio.h>
#include <stdlib.h>

#include "common/fanout.h"
#include "common/mem.h"
#include "tests/fake/stream.h"
#include "tests/test.h"

#define READERS 100
#define TOPICS 3

struct message {
    struct fanout_message base;
    char text[16];
};

struct reader {
    struct fanout_reader base;
    struct stream stream;
    struct fanout_follow follows[TOPICS];
    int overtaken;
    uint64_t lost_from;
    bool leaves; /* when it is overtaken */
    bool deaf;   /* no message is for it */
    bool signs;  /* messages with its own bytes behind */
};

struct kit {
    uv_loop_t uv;
    uv_timer_t alive; /* so that the loop is */
    struct stream_loop loop;
    struct fanout *fanout;
    struct fanout_topic topics[TOPICS];
    struct reader readers[READERS];
};

static int alive;

static void on_free(struct fanout_message *message)
{
    alive--;
    mem_free(LIST_ENTRY(message, struct message, base));
}

static void put(struct fanout_follow *follow, struct fanout_message *base,
                struct fanout_write *write)
{
    struct message *message = LIST_ENTRY(base, struct message, base);
    struct reader *reader = LIST_ENTRY(follow->reader, struct reader, base);

    if (reader->deaf)
        return;
    fanout_put(write, span_str(message->text));
    if (!reader->signs)
        return;
    memcpy(fanout_own(write), "!", 1);
    fanout_put_own(write, 1);
}

static bool on_overtaken(struct fanout_follow *follow)
{
    struct reader *reader = LIST_ENTRY(follow->reader, struct reader, base);

    reader->overtaken++;
    reader->lost_from = follow->place;
    if (!reader->leaves)
        return true;
    for (struct list *n;
         (n = reader->base.follows.next) != &reader->base.follows;)
        fanout_unfollow(LIST_ENTRY(n, struct fanout_follow, mine));
    return false;
}

static const struct fanout_reader_events events = {
    .put = put, .on_overtaken = on_overtaken};

static void on_alive(uv_timer_t *timer)
{
    (void)timer;
}

static int setup(void **state)
{
    struct kit *kit = calloc(1, sizeof(*kit));

    alive = 0;
    assert_int_equal(uv_loop_init(&kit->uv), 0);
    uv_timer_init(&kit->uv, &kit->alive);
    uv_timer_start(&kit->alive, on_alive, 1000000, 0);
    kit->loop.uv = &kit->uv;
    kit->fanout = fanout_open(&kit->loop, 1000);
    for (int i = 0; i < TOPICS; i++)
        fanout_topic_init(kit->fanout, &kit->topics[i], 1000, 1 << 20, false);
    for (int i = 0; i < READERS; i++) {
        buf_init(&kit->readers[i].stream.got, MEM_CONN);
        fanout_reader_init(&kit->readers[i].base, &kit->readers[i].stream,
                           &events);
    }
    *state = kit;
    return 0;
}

/* All that is left is unfollowed, and the loop must close. */
static int teardown(void **state)
{
    struct kit *kit = *state;

    for (int i = 0; i < READERS; i++) {
        struct list *follows = &kit->readers[i].base.follows;
        while (!list_is_empty(follows))
            fanout_unfollow(
                LIST_ENTRY(follows->next, struct fanout_follow, mine));
        buf_deinit(&kit->readers[i].stream.got);
    }
    for (int i = 0; i < TOPICS; i++)
        fanout_topic_deinit(&kit->topics[i]);
    assert_int_equal(alive, 0);
    fanout_close(kit->fanout);
    uv_close((uv_handle_t *)&kit->alive, NULL);
    uv_run(&kit->uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&kit->uv), 0);
    assert_int_equal(mem_live(MEM_CACHE), 0);
    free(kit);
    return 0;
}

static struct message *make(const char *text)
{
    struct message *message = mem_zalloc(MEM_CACHE, sizeof(*message));

    snprintf(message->text, sizeof(message->text), "%s", text);
    message->base.size = strlen(text);
    message->base.refs = 1;
    message->base.free = on_free;
    alive++;
    return message;
}

static void publish(struct kit *kit, int topic, const char *text)
{
    struct message *message = make(text);

    fanout_publish(&kit->topics[topic], &message->base);
    fanout_message_unref(&message->base);
}

static void follow_from(struct kit *kit, int reader, int topic, uint64_t place)
{
    fanout_follow(&kit->readers[reader].follows[topic],
                  &kit->readers[reader].base, &kit->topics[topic], place);
}

static void follow(struct kit *kit, int reader, int topic)
{
    follow_from(kit, reader, topic, kit->topics[topic].next);
}

static void turn(struct kit *kit)
{
    uv_run(&kit->uv, UV_RUN_NOWAIT);
}

static void turns(struct kit *kit)
{
    for (int i = 0; i < 50; i++)
        turn(kit);
}

static void assert_got(struct kit *kit, int reader, const char *text)
{
    struct buf *got = &kit->readers[reader].stream.got;

    assert_int_equal(got->len, strlen(text));
    assert_memory_equal(got->ptr ? got->ptr : "", text, got->len);
}

static void test_fanout_tells_each_reader_once_and_later(void **state)
{
    struct kit *kit = *state;

    follow(kit, 0, 0);
    follow(kit, 1, 0);
    follow(kit, 2, 1);
    publish(kit, 0, "a");
    assert_got(kit, 0, "");
    turns(kit);
    publish(kit, 0, "b");
    turns(kit);
    assert_got(kit, 0, "ab");
    assert_got(kit, 1, "ab");
    assert_got(kit, 2, "");
}

static void test_fanout_sends_a_turns_messages_in_one_write(void **state)
{
    struct kit *kit = *state;

    follow(kit, 0, 0);
    follow(kit, 0, 1);
    for (int i = 0; i < 8; i++) {
        publish(kit, 0, "a");
        publish(kit, 1, "b");
    }
    turns(kit);
    assert_got(kit, 0, "abababababababab");
    assert_int_equal(kit->readers[0].stream.writes, 1);
}

static void test_fanout_serves_a_slice_a_turn(void **state)
{
    struct kit *kit = *state;
    int had = 0;

    for (int i = 0; i < READERS; i++)
        follow(kit, i, 0);
    publish(kit, 0, "a");
    turn(kit);
    for (int i = 0; i < READERS; i++)
        had += kit->readers[i].stream.writes;
    assert_int_equal(had, FANOUT_SLICE);
    turns(kit);
    for (int i = 0; i < READERS; i++)
        assert_got(kit, i, "a");
}

static void test_fanout_few_do_not_wait_for_many(void **state)
{
    struct kit *kit = *state;

    for (int i = 0; i < READERS - 1; i++)
        follow(kit, i, 0);
    follow(kit, READERS - 1, 1);
    publish(kit, 0, "a");
    publish(kit, 1, "b");
    turn(kit);
    assert_got(kit, READERS - 1, "b");
    turns(kit);
    assert_got(kit, READERS - 2, "a");
}

static void test_fanout_serves_for_as_long_as_the_loop_was_busy(void **state)
{
    struct kit *kit = *state;

    for (int i = 0; i < READERS; i++)
        follow(kit, i, 0);
    publish(kit, 0, "a");
    turn(kit);
    assert_int_equal(kit->readers[READERS - 1].stream.writes, 0);
    for (uint64_t end = uv_hrtime() + 100000000; uv_hrtime() < end;)
        ;
    turn(kit);
    assert_got(kit, READERS - 1, "a");
}

/* Those of the first slice are due again behind those that wait. */
static void test_fanout_publish_between_slices_reaches_all(void **state)
{
    struct kit *kit = *state;

    for (int i = 0; i < READERS; i++)
        follow(kit, i, 0);
    publish(kit, 0, "a");
    turn(kit);
    publish(kit, 0, "b");
    turns(kit);
    for (int i = 0; i < READERS; i++) {
        assert_got(kit, i, "ab");
        assert_int_equal(kit->readers[i].stream.writes,
                         i < FANOUT_SLICE ? 2 : 1);
    }
}

static void test_fanout_keeps_the_order_of_publishing_over_topics(void **state)
{
    struct kit *kit = *state;

    follow(kit, 0, 2);
    follow(kit, 0, 0);
    follow(kit, 0, 1);
    publish(kit, 1, "1");
    publish(kit, 0, "2");
    publish(kit, 2, "3");
    publish(kit, 1, "4");
    publish(kit, 2, "5");
    turns(kit);
    assert_got(kit, 0, "12345");
}

static void test_fanout_a_message_in_two_rings_has_one_number(void **state)
{
    struct kit *kit = *state;
    struct message *message = make("a");

    follow(kit, 0, 0);
    follow(kit, 0, 1);
    fanout_publish(&kit->topics[0], &message->base);
    uint64_t number = message->base.number;
    fanout_publish(&kit->topics[1], &message->base);
    assert_int_equal(message->base.number, number);
    fanout_message_unref(&message->base);
    turns(kit);
    assert_got(kit, 0, "aa");
}

static void test_fanout_reader_begins_at_any_place_of_the_ring(void **state)
{
    struct kit *kit = *state;

    publish(kit, 0, "a");
    publish(kit, 0, "b");
    publish(kit, 0, "c");
    follow_from(kit, 0, 0, kit->topics[0].first);
    follow_from(kit, 1, 0, kit->topics[0].next - 1);
    follow(kit, 2, 0);
    turns(kit);
    publish(kit, 0, "d");
    turns(kit);
    assert_got(kit, 0, "abcd");
    assert_got(kit, 1, "cd");
    assert_got(kit, 2, "d");
}

static void test_fanout_message_is_replaced_for_who_has_not_had_it(void **state)
{
    struct kit *kit = *state;
    struct message *bare = make("-");

    follow(kit, 0, 0);
    publish(kit, 0, "a");
    turns(kit);
    publish(kit, 1, "x");
    publish(kit, 0, "secret");
    publish(kit, 0, "c");
    fanout_replace(&kit->topics[0], 1, &bare->base);
    fanout_message_unref(&bare->base);
    follow_from(kit, 1, 0, 0);
    follow_from(kit, 1, 1, 0);
    turns(kit);
    assert_got(kit, 0, "a-c");
    assert_got(kit, 1, "ax-c"); /* with the number of the one before */
    assert_int_equal(kit->topics[0].bytes, 3);
}

static void test_fanout_slow_reader_lags_and_catches_up(void **state)
{
    struct kit *kit = *state;

    follow(kit, 0, 0);
    follow(kit, 1, 0);
    kit->readers[0].stream.kept = 1;
    publish(kit, 0, "a");
    turns(kit);
    publish(kit, 0, "b");
    turns(kit);
    assert_got(kit, 0, "");
    assert_got(kit, 1, "ab");
    kit->readers[0].stream.kept = 0;
    fanout_reader_drained(&kit->readers[0].base);
    assert_got(kit, 0, "");
    turns(kit);
    assert_got(kit, 0, "ab");
    assert_int_equal(kit->readers[0].stream.writes, 1);
}

static void limit(struct kit *kit, size_t count, size_t bytes, bool newest)
{
    fanout_topic_deinit(&kit->topics[0]);
    fanout_topic_init(kit->fanout, &kit->topics[0], count, bytes, newest);
}

static void publish_lines(struct kit *kit, int count)
{
    char text[16];

    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "%d\n", i % 10);
        publish(kit, 0, text);
        turns(kit);
    }
}

static void test_fanout_ring_is_bounded_by_count_and_bytes(void **state)
{
    struct kit *kit = *state;

    limit(kit, 4, 1000, false);
    publish_lines(kit, 9);
    assert_int_equal(alive, 4);
    assert_int_equal(kit->topics[0].first, 5);
    limit(kit, 1000, 6, false);
    publish_lines(kit, 9);
    assert_int_equal(alive, 3);
    assert_int_equal(kit->topics[0].bytes, 6);
    publish(kit, 0, "longer than 6");
    assert_int_equal(alive, 1); /* one stays, whatever its size */
}

static void test_fanout_rings_are_bounded_together(void **state)
{
    struct kit *kit = *state;
    char text[101] = {0};

    memset(text, 'x', 100);
    for (int i = 0; i < 10; i++)
        publish(kit, i % 2, text);
    assert_int_equal(alive, 10);
    publish(kit, 0, text); /* it alone makes room */
    assert_int_equal(alive, 10);
    assert_int_equal(kit->topics[0].next - kit->topics[0].first, 5);
    fanout_topic_deinit(&kit->topics[1]);
    fanout_topic_init(kit->fanout, &kit->topics[1], 1000, 1 << 20, false);
    assert_int_equal(alive, 5);
    for (int i = 0; i < 5; i++)
        publish(kit, 0, text); /* what is gone counts no more */
    assert_int_equal(alive, 10);
}

static void test_fanout_overtaken_reader_is_told_what_it_lost(void **state)
{
    struct kit *kit = *state;

    limit(kit, 4, 1000, false);
    follow(kit, 0, 0);
    follow(kit, 1, 0);
    kit->readers[0].stream.kept = 1;
    publish_lines(kit, 4);
    assert_int_equal(kit->readers[0].overtaken, 0);
    publish_lines(kit, 1);
    assert_int_equal(kit->readers[0].overtaken, 1);
    assert_int_equal(kit->readers[0].lost_from, 0);
    kit->readers[0].stream.kept = 0;
    fanout_reader_drained(&kit->readers[0].base);
    turns(kit);
    assert_got(kit, 0, "1\n2\n3\n0\n");
    assert_got(kit, 1, "0\n1\n2\n3\n0\n");
}

static void test_fanout_overtaken_reader_may_leave(void **state)
{
    struct kit *kit = *state;

    limit(kit, 2, 1000, false);
    follow(kit, 0, 0);
    follow(kit, 0, 1);
    follow(kit, 0, 2);
    kit->readers[0].stream.kept = 1;
    kit->readers[0].leaves = true;
    publish_lines(kit, 3);
    assert_int_equal(kit->readers[0].overtaken, 1);
    assert_false(fanout_is_followed(&kit->topics[1]));
    publish_lines(kit, 3);
    assert_int_equal(kit->readers[0].overtaken, 1);
}

static void test_fanout_of_states_goes_on_at_the_newest(void **state)
{
    struct kit *kit = *state;

    limit(kit, 1, 1000, true);
    follow(kit, 0, 0);
    kit->readers[0].stream.kept = 1;
    publish_lines(kit, 7);
    assert_int_equal(alive, 1);
    kit->readers[0].stream.kept = 0;
    fanout_reader_drained(&kit->readers[0].base);
    turns(kit);
    assert_got(kit, 0, "6\n");
    assert_int_equal(kit->readers[0].overtaken, 0);
}

static void test_fanout_write_has_bounds(void **state)
{
    struct kit *kit = *state;

    follow(kit, 0, 0);
    follow(kit, 1, 0);
    kit->readers[1].signs = true;
    for (int i = 0; i < 500; i++)
        publish(kit, 0, "a");
    turns(kit);
    assert_int_equal(kit->readers[0].stream.got.len, 500);
    assert_int_equal(kit->readers[0].stream.parts, 500);
    assert_in_range(kit->readers[0].stream.writes, 500 / STREAM_PARTS, 10);
    assert_int_equal(kit->readers[1].stream.got.len, 1000);
    assert_memory_equal(kit->readers[1].stream.got.ptr, "a!a!", 4);
}

static void test_fanout_what_is_for_nobody_is_not_written(void **state)
{
    struct kit *kit = *state;

    follow(kit, 0, 0);
    kit->readers[0].deaf = true;
    for (int i = 0; i < 200; i++)
        publish(kit, 0, "a");
    turns(kit);
    assert_int_equal(kit->readers[0].stream.writes, 0);
    kit->readers[0].deaf = false;
    publish(kit, 0, "b");
    turns(kit);
    assert_got(kit, 0, "b");
}

static void test_fanout_reader_without_a_stream_is_passed_over(void **state)
{
    struct kit *kit = *state;

    follow(kit, 0, 0);
    kit->readers[0].base.stream = NULL;
    follow(kit, 1, 0);
    kit->readers[1].stream.err = UV_ENOTCONN;
    follow(kit, 2, 0);
    publish(kit, 0, "a");
    turns(kit);
    assert_got(kit, 0, "");
    assert_got(kit, 2, "a");
}

static void test_fanout_unfollow_while_due(void **state)
{
    struct kit *kit = *state;

    follow(kit, 0, 0);
    follow(kit, 1, 0);
    publish(kit, 0, "a");
    fanout_unfollow(&kit->readers[0].follows[0]);
    turns(kit);
    assert_got(kit, 0, "");
    assert_got(kit, 1, "a");
    publish(kit, 0, "b");
    fanout_unfollow(&kit->readers[1].follows[0]);
    turns(kit);
    assert_got(kit, 1, "a");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_fanout_tells_each_reader_once_and_later),
        TEST(test_fanout_sends_a_turns_messages_in_one_write),
        TEST(test_fanout_serves_a_slice_a_turn),
        TEST(test_fanout_few_do_not_wait_for_many),
        TEST(test_fanout_serves_for_as_long_as_the_loop_was_busy),
        TEST(test_fanout_publish_between_slices_reaches_all),
        TEST(test_fanout_keeps_the_order_of_publishing_over_topics),
        TEST(test_fanout_a_message_in_two_rings_has_one_number),
        TEST(test_fanout_reader_begins_at_any_place_of_the_ring),
        TEST(test_fanout_message_is_replaced_for_who_has_not_had_it),
        TEST(test_fanout_slow_reader_lags_and_catches_up),
        TEST(test_fanout_ring_is_bounded_by_count_and_bytes),
        TEST(test_fanout_rings_are_bounded_together),
        TEST(test_fanout_overtaken_reader_is_told_what_it_lost),
        TEST(test_fanout_overtaken_reader_may_leave),
        TEST(test_fanout_of_states_goes_on_at_the_newest),
        TEST(test_fanout_write_has_bounds),
        TEST(test_fanout_what_is_for_nobody_is_not_written),
        TEST(test_fanout_reader_without_a_stream_is_passed_over),
        TEST(test_fanout_unfollow_while_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
