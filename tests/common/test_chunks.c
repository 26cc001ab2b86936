/* test_chunks.c - what logs held, read once for all who ask. */
#include <inttypes.h>

#include "common/mem.h"
#include "tests/common/chunks_kit.h"
#include "tests/test.h"

#define KEPT_MAX 1000 /* chunks.c's */

enum { LOG, OTHER }; /* kinds */

static void test_chunk_is_read_from_an_even_place(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker asker = {0};

    kit_ask(bench, &asker, 5, 200);
    kit_assert_asked(bench, "5 128");
    kit_answer(bench, kit_log((struct log_id){5, 202}, 129, 202));
    kit_assert_heard(&asker, "5-201 5-202");
    assert_true(log_id_eq(asker.last, (struct log_id){5, 202}));
    kit_ask(bench, &asker, 5, 126); /* it begins behind that */
    kit_assert_asked(bench, "5 0");
    kit_answer(bench, kit_log((struct log_id){5, 202}, 1, 128));
    kit_assert_heard(&asker, "5-127 5-128");
    kit_ask(bench, &asker, 5, 256);
    kit_assert_asked(bench, "5 256");
    kit_answer(bench, fake_empty());
    kit_assert_heard(&asker, "");
    assert_true(log_id_eq(asker.last, (struct log_id){0}));
}

static void test_chunk_is_told_in_a_later_turn(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker asker = {0};

    kit_ask(bench, &asker, 5, 0);
    fake_redis_answer(&bench->redis, 0, kit_log((struct log_id){5, 2}, 1, 2));
    assert_int_equal(asker.calls, 0);
    kit_turn(bench);
    kit_assert_heard(&asker, "5-1 5-2");
    kit_ask(bench, &asker, 5, 1); /* it is there */
    kit_turn(bench);
    kit_assert_heard(&asker, "5-2");
    kit_turn(bench);
    assert_int_equal(asker.calls, 1);
}

static void test_chunk_is_shared_by_all_who_ask(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker askers[4] = {{.calls = 0}};

    kit_ask(bench, &askers[0], 5, 0);
    kit_ask(bench, &askers[1], 5, 1); /* on its way */
    assert_int_equal(bench->redis.sent, 1);
    kit_answer(bench, kit_log((struct log_id){5, 3}, 1, 3));
    kit_ask(bench, &askers[2], 5, 2); /* there */
    kit_turn(bench);
    kit_assert_heard(&askers[0], "5-1 5-2 5-3");
    kit_assert_heard(&askers[1], "5-2 5-3");
    kit_assert_heard(&askers[2], "5-3");
    assert_int_equal(bench->redis.sent, 1);
    assert_int_equal(metrics_sum(bench->metrics, "shared", ""), 2);
    kit_ask(bench, &askers[3], 5, 3); /* perhaps there is news */
    assert_int_equal(bench->redis.sent, 2);
    kit_answer(bench, kit_log((struct log_id){5, 4}, 1, 4));
    kit_assert_heard(&askers[3], "5-4");
}

static void test_chunk_is_shared_only_by_those_of_the_same(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker askers[6] = {{.calls = 0}};

    kit_ask(bench, &askers[0], 5, 3);
    kit_ask(bench, &askers[1], 6, 3);   /* another epoch */
    kit_ask(bench, &askers[2], 5, 128); /* another place */
    kit_ask_of(bench, &askers[3], (struct chunk_source){LOG, 7, SPAN("u")}, 5,
               3);
    kit_ask_of(bench, &askers[4], (struct chunk_source){LOG, 8, SPAN("t")}, 5,
               3);
    kit_ask_of(bench, &askers[5], (struct chunk_source){OTHER, 7, SPAN("t")}, 5,
               3);
    assert_int_equal(bench->redis.sent, COUNT(askers));
    kit_answer(bench, kit_log((struct log_id){5, 4}, 4, 4));
    kit_answer(bench, kit_log((struct log_id){6, 5}, 5, 5));
    kit_answer(bench, kit_log((struct log_id){5, 129}, 129, 129));
    for (uint64_t i = 6; i < 9; i++)
        kit_answer(bench, kit_log((struct log_id){5, i}, i, i));
    kit_assert_heard(&askers[0], "5-4");
    kit_assert_heard(&askers[1], "6-5");
    kit_assert_heard(&askers[2], "5-129");
    kit_assert_heard(&askers[3], "5-6");
    kit_assert_heard(&askers[4], "5-7");
    kit_assert_heard(&askers[5], "5-8");
}

/* The name is the chunk's own copy; nothing is a name as well. */
static void test_chunk_knows_what_it_is_of(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker askers[2] = {{.calls = 0}};
    char name[] = "abc";

    kit_ask_of(bench, &askers[0],
               (struct chunk_source){OTHER, 127, {name, sizeof(name) - 1}}, 0,
               130);
    assert_string_equal(fake_redis_oldest(&bench->redis)->wire,
                        "script.lua abc 1 127 0 128");
    memset(name, 'x', sizeof(name) - 1);
    kit_answer(bench, kit_log((struct log_id){0, 131}, 129, 131));
    kit_assert_heard(&askers[0], "0-131"); /* logs may have no epochs */
    kit_ask_of(bench, &askers[0],
               (struct chunk_source){OTHER, 127, SPAN("abc")}, 0, 129);
    kit_turn(bench);
    kit_assert_heard(&askers[0], "0-130 0-131");
    kit_ask_of(bench, &askers[1], (struct chunk_source){OTHER, 1, SPAN("")}, 0,
               0);
    assert_string_equal(fake_redis_oldest(&bench->redis)->wire,
                        "script.lua  1 1 0 0");
    kit_answer(bench, kit_log((struct log_id){0, 1}, 1, 1));
    kit_assert_heard(&askers[1], "0-1");
}

static void test_entry_may_have_no_message(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker asker = {0};

    kit_ask(bench, &asker, 5, 7);
    kit_answer(bench, fake_array(3, fake_text("5-9"), fake_text("5-8 0"),
                                 fake_text("5-9 1")));
    kit_assert_heard(&asker, "5-8(gone) 5-9");
}

/* The message outlives the chunk for who refers to it. */
static void test_message_of_a_chunk_may_be_kept(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker asker = {.keeps = true};

    kit_ask(bench, &asker, 5, 0);
    kit_answer(bench, kit_log((struct log_id){5, 1}, 1, 1));
    assert_int_equal(asker.kept->refs, 2);
    chunks_destroy(bench->chunks);
    assert_int_equal(asker.kept->refs, 1);
    fanout_message_unref(asker.kept);
    bench->chunks = kit_chunks(bench);
}

static void test_chunk_may_have_more_than_was_asked_for(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker asker = {0};

    kit_ask(bench, &asker, 5, 0);
    kit_answer(bench, kit_log((struct log_id){5, 200}, 1, 200));
    kit_ask(bench, &asker, 5, 199);
    kit_turn(bench);
    kit_assert_heard(&asker, "5-200");
    assert_int_equal(bench->redis.sent, 1);
}

static void test_chunk_of_another_epoch_is_all_of_it(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker asker = {0};
    struct kit_asker other = {0};

    kit_ask(bench, &asker, 5, 100);
    kit_ask(bench, &other, 5, 120);
    kit_answer(bench, kit_log((struct log_id){6, 2}, 1, 2));
    kit_assert_heard(&asker, "6-1 6-2");
    kit_assert_heard(&other, "6-1 6-2");
}

/* For the size of its entries it ended before what one of them wants. */
/* The log may have begun once more since, with the same words asked. */
static void test_chunk_of_another_epoch_is_not_kept(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker askers[3] = {0};

    kit_ask(bench, &askers[0], 0, 0);
    kit_ask(bench, &askers[1], 0, 0);
    kit_answer(bench, kit_log((struct log_id){8, 2}, 1, 2));
    kit_assert_heard(&askers[0], "8-1 8-2");
    kit_assert_heard(&askers[1], "8-1 8-2");
    kit_ask(bench, &askers[2], 0, 0);
    kit_assert_asked(bench, "0 0");
    kit_answer(bench, kit_log((struct log_id){9, 1}, 1, 1));
    kit_assert_heard(&askers[2], "9-1");
}

static void test_chunk_that_is_short_is_read_on(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker first = {0};
    struct kit_asker second = {0};
    struct kit_asker third = {0};
    struct kit_asker beyond = {0};

    kit_ask(bench, &first, 5, 8);
    kit_ask(bench, &second, 5, 50);
    kit_ask(bench, &third, 5, 50);
    kit_ask(bench, &beyond, 5, 101);
    kit_answer(bench, kit_log((struct log_id){5, 100}, 1, 10));
    kit_assert_heard(&first, "5-9 5-10");
    kit_assert_heard(&beyond, "");
    assert_int_equal(second.calls, 0);
    assert_int_equal(bench->redis.waiting, 1); /* for both of them */
    kit_assert_asked(bench, "5 50");
    kit_answer(bench, kit_log((struct log_id){5, 100}, 51, 53));
    kit_assert_heard(&second, "5-51 5-52 5-53");
    kit_assert_heard(&third, "5-51 5-52 5-53");
}

static void test_chunk_that_ends_with_the_log_is_not_read_on(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker first = {0};
    struct kit_asker second = {0};

    kit_ask(bench, &first, 5, 0);
    kit_ask(bench, &second, 5, 50); /* beyond the log */
    kit_answer(bench, kit_log((struct log_id){5, 10}, 9, 10));
    kit_assert_heard(&first, "5-9 5-10");
    kit_assert_heard(&second, "");
    assert_int_equal(bench->redis.waiting, 0);
}

static void test_chunk_that_fails_is_told_to_all(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker first = {0};
    struct kit_asker second = {0};

    kit_ask(bench, &first, 5, 0);
    kit_ask(bench, &second, 5, 1);
    fake_redis_answer(&bench->redis, UV_ETIMEDOUT, NULL);
    assert_int_equal(first.calls, 0);
    kit_turn(bench);
    assert_int_equal(first.calls, 1);
    assert_int_equal(first.status, UV_ETIMEDOUT);
    assert_int_equal(second.status, UV_ETIMEDOUT);
    assert_int_equal(mem_live(MEM_CACHE), bench->before); /* it is not kept */
    kit_ask(bench, &first, 5, 0);
    kit_answer(bench, fake_text("OK"));
    assert_int_equal(first.status, UV_EPROTO);
    assert_int_equal(mem_live(MEM_CACHE), bench->before);
    kit_ask(bench, &first, 5, 0);
    kit_answer(bench, kit_log((struct log_id){5, 1}, 1, 1));
    kit_assert_heard(&first, "5-1");
}

static void test_chunk_that_is_denied_is_told_to_all(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker first = {0};
    struct kit_asker second = {0};

    kit_ask(bench, &first, 5, 0);
    kit_ask(bench, &second, 5, 1);
    kit_answer(bench, fake_text("denied"));
    assert_int_equal(first.calls, 1);
    assert_int_equal(first.status, UV_EACCES);
    assert_int_equal(second.calls, 1);
    assert_int_equal(second.status, UV_EACCES);
    assert_int_equal(mem_live(MEM_CACHE), bench->before); /* it is not kept */
    kit_ask(bench, &first, 5, 0);
    assert_int_equal(bench->redis.sent, 2);
    kit_answer(bench, fake_empty());
    kit_assert_heard(&first, "");
}

/* What was taken before the fault is nobody's. */
static void test_chunk_that_ends_in_a_fault_has_nothing(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker first = {0};
    struct kit_asker second = {0};

    kit_ask(bench, &first, 5, 0);
    fake_redis_answer(
        &bench->redis, 0,
        fake_array(3, fake_text("5-2"), fake_text("5-1 100"), fake_text("x")));
    kit_ask(bench, &second, 5, 0); /* before the first is told */
    assert_int_equal(bench->redis.sent, 2);
    kit_answer(bench, kit_log((struct log_id){5, 2}, 1, 2));
    assert_int_equal(first.status, UV_EPROTO);
    kit_assert_heard(&second, "5-1 5-2");
}

static void test_chunk_that_is_refused_is_told_later(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker first = {0};
    struct kit_asker second = {0};

    bench->redis.refuse = UV_ENOBUFS;
    kit_ask(bench, &first, 5, 0);
    kit_ask(bench, &second, 5, 0);
    kit_turn(bench);
    assert_int_equal(first.calls, 1);
    assert_int_equal(first.status, UV_ENOBUFS);
    assert_int_equal(second.calls, 1);
    assert_int_equal(second.status, UV_ENOBUFS);
}

static void test_chunk_may_be_asked_for_inside(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker again = {0};
    struct kit_asker first = {.also = &again};

    kit_ask(bench, &first, 5, 0);
    kit_answer(bench, kit_log((struct log_id){5, 1}, 1, 1));
    kit_assert_heard(&first, "5-1");
    kit_turn(bench);
    kit_assert_heard(&again, "5-1");
    assert_int_equal(bench->redis.sent, 1);
    again = (struct kit_asker){0};
    first.also = &again;
    kit_ask(bench, &first, 6, 0);
    fake_redis_answer(&bench->redis, UV_ETIMEDOUT, NULL);
    kit_turn(bench);
    assert_int_equal(first.status, UV_ETIMEDOUT);
    assert_int_equal(again.calls, 0);
    kit_answer(bench, kit_log((struct log_id){6, 1}, 1, 1));
    kit_assert_heard(&again, "6-1");
}

static void test_chunk_that_is_forgotten_is_not_told(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker first = {0};
    struct kit_asker second = {0};

    kit_ask(bench, &first, 5, 0);
    kit_ask(bench, &second, 5, 0);
    chunks_forget(&first.wait);
    kit_answer(bench, kit_log((struct log_id){5, 1}, 1, 1));
    assert_int_equal(first.calls, 0);
    kit_assert_heard(&second, "5-1");
    size_t kept = mem_live(MEM_CACHE);
    kit_ask(bench, &first, 6, 0);
    chunks_forget(&first.wait);
    fake_redis_answer(&bench->redis, UV_ETIMEDOUT, NULL);
    kit_turn(bench);
    assert_int_equal(first.calls, 0);
    assert_int_equal(mem_live(MEM_CACHE), kept); /* nothing of it */
    assert_true(kept > bench->before);
    chunks_destroy(bench->chunks);
    assert_int_equal(mem_live(MEM_CACHE), bench->before);
    bench->chunks = kit_chunks(bench);
}

/* The oldest go; those that are on their way stay. */
static void test_chunks_that_are_kept_are_bounded(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker asker = {0};
    struct kit_asker waiting[2] = {{.calls = 0}};

    kit_ask(bench, &waiting[0], 9998, 0);
    kit_ask(bench, &waiting[1], 9999, 0);
    chunks_forget(&waiting[0].wait);
    for (size_t i = 0; i < 2; i++) /* others are answered first */
        bench->redis.calls[i].is_waiting = false;
    for (uint64_t i = 1; i < KEPT_MAX; i++) {
        kit_ask(bench, &asker, i, 0);
        kit_answer(bench, kit_log((struct log_id){i, 1}, 1, 1));
    }
    size_t sent = bench->redis.sent;
    kit_ask(bench, &asker, 2, 0);
    kit_turn(bench);
    kit_assert_heard(&asker, "2-1");
    assert_int_equal(bench->redis.sent, sent);
    kit_ask(bench, &asker, 1, 0); /* gone */
    assert_int_equal(bench->redis.sent, sent + 1);
    kit_answer(bench, fake_empty());
    for (size_t i = 0; i < 2; i++) {
        bench->redis.calls[i].is_waiting = true;
        kit_answer(bench, kit_log((struct log_id){9998 + i, 1}, 1, 1));
    }
    kit_assert_heard(&waiting[1], "9999-1");
    assert_int_equal(waiting[0].calls, 0);
}

/* One entry of four mebibytes. */
static struct redisReply *large_log(uint64_t epoch)
{
    return fake_array(2, fake_text("%" PRIu64 "-1", epoch),
                      fake_text("%" PRIu64 "-1 %d", epoch, 4 << 20));
}

static void test_chunks_that_are_kept_are_bounded_in_bytes(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker asker = {0};

    for (uint64_t i = 1; i <= 8; i++) {
        kit_ask(bench, &asker, i, 0);
        kit_answer(bench, large_log(i));
    }
    assert_int_equal(bench->redis.sent, 8);
    for (uint64_t i = 5; i <= 8; i++) { /* they are still there */
        kit_ask(bench, &asker, i, 0);
        kit_turn(bench);
        assert_int_equal(asker.calls, 1);
    }
    assert_int_equal(bench->redis.sent, 8);
    kit_ask(bench, &asker, 4, 0);
    assert_int_equal(bench->redis.sent, 9);
    kit_answer(bench, fake_empty());
}

static void test_chunk_that_is_expired_is_not_told(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker askers[3] = {{.calls = 0}};
    const struct chunk_source source = {LOG, 7, SPAN("t")};

    kit_ask(bench, &askers[0], 5, 0);
    kit_answer(bench, kit_log((struct log_id){5, 3}, 1, 3));
    kit_ask(bench, &askers[1], 5,
            0); /* it is there, and told in the next turn */
    chunks_expire(bench->chunks, &source);
    kit_turn(bench);
    assert_int_equal(askers[1].calls, 0);
    kit_assert_asked(bench, "5 0");
    chunks_expire(bench->chunks, &source); /* while it is read */
    kit_answer(bench, kit_log((struct log_id){5, 4}, 1, 4));
    assert_int_equal(askers[1].calls, 0);
    kit_assert_asked(bench, "5 0");
    kit_answer(bench, kit_log((struct log_id){5, 5}, 1, 5));
    kit_assert_heard(&askers[1], "5-1 5-2 5-3 5-4 5-5");
    chunks_expire(bench->chunks, NULL);
    kit_ask(bench, &askers[2], 5, 4);
    kit_assert_asked(bench, "5 0");
    kit_answer(bench, kit_log((struct log_id){5, 5}, 1, 5));
    kit_assert_heard(&askers[2], "5-5");
}

static void test_chunk_that_is_expired_may_fail(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker askers[2] = {{.calls = 0}};

    kit_ask(bench, &askers[0], 5, 0);
    kit_ask_of(bench, &askers[1], (struct chunk_source){LOG, 7, SPAN("u")}, 5,
               0);
    chunks_expire(bench->chunks, &(struct chunk_source){LOG, 7, SPAN("t")});
    fake_redis_answer(&bench->redis, UV_ECONNRESET, NULL);
    kit_answer(bench, kit_log((struct log_id){5, 1}, 1, 1));
    assert_int_equal(askers[0].calls, 1);
    assert_int_equal(askers[0].status, UV_ECONNRESET);
    kit_assert_heard(&askers[1], "5-1"); /* another log's */
}

/* 64 at a time; who is not asked for any more is not read. */
static void test_readings_have_a_bound(void **state)
{
    struct kit_bench *bench = *state;
    struct kit_asker askers[67] = {{.calls = 0}};

    for (uint64_t i = 0; i < COUNT(askers); i++)
        kit_ask(bench, &askers[i], i + 1, 0);
    assert_int_equal(bench->redis.sent, 64);
    chunks_forget(&askers[64].wait);
    chunks_expire(bench->chunks, NULL); /* those that are sent are read again */
    kit_answer(bench, kit_log((struct log_id){1, 1}, 1, 1));
    assert_int_equal(askers[0].calls, 0);
    assert_int_equal(bench->redis.sent, 65); /* the first, again */
    for (uint64_t i = 1; i < 64; i++)
        kit_answer(bench, kit_log((struct log_id){i + 1, 1}, 1, 1));
    for (uint64_t i = 0; i < 64; i++)
        kit_answer(bench, kit_log((struct log_id){i + 1, 1}, 1, 1));
    for (uint64_t i = 65; i < 67; i++)
        kit_answer(bench, kit_log((struct log_id){i + 1, 1}, 1, 1));
    for (uint64_t i = 0; i < COUNT(askers); i++)
        assert_int_equal(askers[i].calls, i == 64 ? 0 : 1);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_chunk_is_read_from_an_even_place),
        TEST(test_chunk_is_told_in_a_later_turn),
        TEST(test_chunk_is_shared_by_all_who_ask),
        TEST(test_chunk_is_shared_only_by_those_of_the_same),
        TEST(test_chunk_knows_what_it_is_of),
        TEST(test_entry_may_have_no_message),
        TEST(test_message_of_a_chunk_may_be_kept),
        TEST(test_chunk_may_have_more_than_was_asked_for),
        TEST(test_chunk_of_another_epoch_is_all_of_it),
        TEST(test_chunk_of_another_epoch_is_not_kept),
        TEST(test_chunk_that_is_short_is_read_on),
        TEST(test_chunk_that_ends_with_the_log_is_not_read_on),
        TEST(test_chunk_that_fails_is_told_to_all),
        TEST(test_chunk_that_is_denied_is_told_to_all),
        TEST(test_chunk_that_ends_in_a_fault_has_nothing),
        TEST(test_chunk_that_is_refused_is_told_later),
        TEST(test_chunk_may_be_asked_for_inside),
        TEST(test_chunk_that_is_forgotten_is_not_told),
        TEST(test_readings_have_a_bound),
        TEST(test_chunk_that_is_expired_is_not_told),
        TEST(test_chunk_that_is_expired_may_fail),
        TEST(test_chunks_that_are_kept_are_bounded),
        TEST(test_chunks_that_are_kept_are_bounded_in_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
