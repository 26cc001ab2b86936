/* test_chunks.c - what logs held, read once for all who ask. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/metrics.h"
#include "notifier/chunks.h"
#include "notifier/scripts.h"
#include "tests/notifier/log_kit.h"
#include "tests/test.h"

#define KEPT_MAX 64 /* chunks.c's */

struct redis_script script_history = {.name = "history.lua"};
struct redis_script script_references = {.name = "references.lua"};

struct bench {
    uv_loop_t uv;
    struct stream_loop *loop;
    struct metrics *metrics;
    struct chunks *chunks;
    struct redis redis;
    size_t before; /* live bytes */
    int fd;
};

/* One who asks, and what he was told. */
struct asker {
    struct chunk_wait wait;
    struct bench *bench;
    int calls, status;
    char heard[2048]; /* ids of the entries behind the place */
    struct log_id last;
    struct asker *also; /* asks inside */
};

static void ask(struct bench *bench, struct asker *asker, uint64_t epoch,
                uint64_t offset);

static void on_chunk(struct chunk_wait *wait, int status,
                     const struct chunk *chunk)
{
    struct asker *asker = LIST_ENTRY(wait, struct asker, wait);
    size_t at = 0;

    asker->calls++;
    asker->status = status;
    assert_int_equal(status < 0, chunk == NULL);
    for (size_t i = 0; chunk && i < chunk->count; i++) {
        const struct chunk_entry *entry = &chunk->entries[i];
        if (!log_id_is_before(wait->behind, entry->place))
            continue;
        at += (size_t)snprintf(asker->heard + at, sizeof(asker->heard) - at,
                               "%s%llu-%llu%s", at ? " " : "",
                               (unsigned long long)entry->place.epoch,
                               (unsigned long long)entry->place.offset,
                               entry->message->gap ? "(gone)" : "");
    }
    if (chunk)
        asker->last = chunk->last;
    if (asker->also)
        ask(asker->bench, asker->also, wait->behind.epoch, wait->behind.offset);
    asker->also = NULL;
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    bench->before = mem_live(MEM_CACHE);
    uv_loop_init(&bench->uv);
    bench->loop = stream_loop_open(&bench->uv);
    bench->fd = metrics_make(1);
    bench->metrics = metrics_open(bench->fd, false);
    bench->chunks = chunks_create(bench->loop, &bench->redis, bench->metrics);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(bench->redis.waiting, 0);
    chunks_destroy(bench->chunks);
    stream_loop_close(bench->loop);
    uv_run(&bench->uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&bench->uv), 0);
    metrics_close(bench->metrics);
    close(bench->fd);
    assert_int_equal(mem_live(MEM_CACHE), bench->before);
    free(bench);
    return 0;
}

static void turn(struct bench *bench)
{
    bench->uv.time++;
    wheel_turn(stream_loop_wheel(bench->loop), bench->uv.time);
}

static void prepare(struct bench *bench, struct asker *asker, uint64_t epoch,
                    uint64_t offset)
{
    *asker = (struct asker){.wait = {.behind = {epoch, offset}, .cb = on_chunk},
                            .bench = bench,
                            .also = asker->also};
}

static void ask(struct bench *bench, struct asker *asker, uint64_t epoch,
                uint64_t offset)
{
    prepare(bench, asker, epoch, offset);
    chunks_read_log(bench->chunks, SPAN("t"), &asker->wait);
    assert_int_equal(asker->calls, 0); /* never inside the call */
}

/* Its answer, and the turn in which it is told. */
static void answer(struct bench *bench, struct redisReply *reply)
{
    fake_redis_answer(&bench->redis, 0, reply);
    turn(bench);
}

static void assert_asked(struct bench *bench, const char *words)
{
    char wire[256];

    snprintf(wire, sizeof(wire),
             "history.lua no:log:{p%03u}:t %s 128 1048576 no:log:{p%03u}:",
             hash_partition(SPAN("t")), words, hash_partition(SPAN("t")));
    assert_string_equal(fake_redis_oldest(&bench->redis)->wire, wire);
}

static void assert_heard(const struct asker *asker, const char *heard)
{
    assert_int_equal(asker->calls, 1);
    assert_int_equal(asker->status, 0);
    assert_string_equal(asker->heard, heard);
}

static void test_chunk_is_read_from_an_even_place(void **state)
{
    struct bench *bench = *state;
    struct asker asker = {0};

    ask(bench, &asker, 5, 200);
    assert_asked(bench, "5 129");
    answer(bench, kit_log((struct log_id){5, 202}, "t", 129, 202));
    assert_heard(&asker, "5-201 5-202");
    assert_true(log_id_eq(asker.last, (struct log_id){5, 202}));
    ask(bench, &asker, 5, 126); /* it begins behind that */
    assert_asked(bench, "5 1");
    answer(bench, kit_log((struct log_id){5, 202}, "t", 1, 128));
    assert_heard(&asker, "5-127 5-128");
    ask(bench, &asker, 5, 256);
    assert_asked(bench, "5 257");
    answer(bench, fake_empty());
    assert_heard(&asker, "");
    assert_true(log_id_eq(asker.last, (struct log_id){0}));
}

static void test_chunk_is_told_in_a_later_turn(void **state)
{
    struct bench *bench = *state;
    struct asker asker = {0};

    ask(bench, &asker, 5, 0);
    fake_redis_answer(&bench->redis, 0,
                      kit_log((struct log_id){5, 2}, "t", 1, 2));
    assert_int_equal(asker.calls, 0);
    turn(bench);
    assert_heard(&asker, "5-1 5-2");
    ask(bench, &asker, 5, 1); /* it is there */
    turn(bench);
    assert_heard(&asker, "5-2");
    turn(bench);
    assert_int_equal(asker.calls, 1);
}

static void test_chunk_is_shared_by_all_who_ask(void **state)
{
    struct bench *bench = *state;
    struct asker askers[4] = {{.calls = 0}};

    ask(bench, &askers[0], 5, 0);
    ask(bench, &askers[1], 5, 1); /* on its way */
    assert_int_equal(bench->redis.sent, 1);
    answer(bench, kit_log((struct log_id){5, 3}, "t", 1, 3));
    ask(bench, &askers[2], 5, 2); /* there */
    turn(bench);
    assert_heard(&askers[0], "5-1 5-2 5-3");
    assert_heard(&askers[1], "5-2 5-3");
    assert_heard(&askers[2], "5-3");
    assert_int_equal(bench->redis.sent, 1);
    assert_int_equal(
        metrics_sum(bench->metrics, "notifier_resume_shared_total", ""), 2);
    ask(bench, &askers[3], 5, 3); /* perhaps there is news */
    assert_int_equal(bench->redis.sent, 2);
    answer(bench, kit_log((struct log_id){5, 4}, "t", 1, 4));
    assert_heard(&askers[3], "5-4");
}

static void test_chunk_is_shared_only_by_those_of_the_same(void **state)
{
    struct bench *bench = *state;
    struct asker askers[5] = {{.calls = 0}};
    const uint32_t partition = hash_partition(SPAN("t"));

    ask(bench, &askers[0], 5, 3);
    ask(bench, &askers[1], 6, 3);   /* another epoch */
    ask(bench, &askers[2], 5, 128); /* another place */
    prepare(bench, &askers[3], 5, 3);
    chunks_read_log(bench->chunks, SPAN("u"), &askers[3].wait);
    prepare(bench, &askers[4], 5, 3);
    chunks_read_references(bench->chunks, partition, &askers[4].wait);
    assert_int_equal(bench->redis.sent, 5);
    answer(bench, kit_log((struct log_id){5, 4}, "t", 4, 4));
    answer(bench, kit_log((struct log_id){6, 5}, "t", 5, 5));
    answer(bench, kit_log((struct log_id){5, 129}, "t", 129, 129));
    answer(bench, kit_log((struct log_id){5, 6}, "u", 6, 6));
    answer(bench, kit_references((struct log_id){5, 7}, "t", 7, 7));
    assert_heard(&askers[0], "5-4");
    assert_heard(&askers[1], "6-5");
    assert_heard(&askers[2], "5-129");
    assert_heard(&askers[3], "5-6");
    assert_heard(&askers[4], "5-7");
}

static void test_chunk_of_references_may_lack_an_update(void **state)
{
    struct bench *bench = *state;
    struct asker asker = {0};
    struct redisReply *entries = fake_array(
        2, kit_reference("t", (struct log_id){5, 8}, ""),
        kit_reference("t", (struct log_id){5, 9}, "i\n\n\n\nt\n\nd"));

    prepare(bench, &asker, 5, 7);
    chunks_read_references(bench->chunks, 3, &asker.wait);
    assert_string_equal(
        fake_redis_oldest(&bench->redis)->wire,
        "references.lua no:refs:{p003} 5 1 128 1048576 no:log:{p003}:");
    answer(bench, kit_log_of((struct log_id){5, 9}, entries));
    assert_heard(&asker, "5-8(gone) 5-9");
}

static void test_chunk_of_references_is_of_one_partition(void **state)
{
    struct bench *bench = *state;
    struct asker askers[2] = {{.calls = 0}};

    for (uint32_t i = 0; i < 2; i++) {
        prepare(bench, &askers[i], 5, 7);
        chunks_read_references(bench->chunks, i, &askers[i].wait);
    }
    answer(bench, kit_references((struct log_id){5, 8}, "t", 8, 8));
    answer(bench, kit_references((struct log_id){5, 9}, "t", 8, 9));
    assert_heard(&askers[0], "5-8");
    assert_heard(&askers[1], "5-8 5-9");
}

static void test_chunk_of_another_epoch_is_all_of_it(void **state)
{
    struct bench *bench = *state;
    struct asker asker = {0};
    struct asker other = {0};

    ask(bench, &asker, 5, 100);
    ask(bench, &other, 5, 120);
    answer(bench, kit_log((struct log_id){6, 2}, "t", 1, 2));
    assert_heard(&asker, "6-1 6-2");
    assert_heard(&other, "6-1 6-2");
}

/* For the size of its entries it ended before what one of them wants. */
static void test_chunk_that_is_short_is_read_on(void **state)
{
    struct bench *bench = *state;
    struct asker first = {0};
    struct asker second = {0};
    struct asker third = {0};
    struct asker beyond = {0};

    ask(bench, &first, 5, 8);
    ask(bench, &second, 5, 50);
    ask(bench, &third, 5, 50);
    ask(bench, &beyond, 5, 101);
    answer(bench, kit_log((struct log_id){5, 100}, "t", 1, 10));
    assert_heard(&first, "5-9 5-10");
    assert_heard(&beyond, "");
    assert_int_equal(second.calls, 0);
    assert_int_equal(bench->redis.waiting, 1); /* for both of them */
    assert_asked(bench, "5 51");
    answer(bench, kit_log((struct log_id){5, 100}, "t", 51, 53));
    assert_heard(&second, "5-51 5-52 5-53");
    assert_heard(&third, "5-51 5-52 5-53");
}

static void test_chunk_that_ends_with_the_log_is_not_read_on(void **state)
{
    struct bench *bench = *state;
    struct asker first = {0};
    struct asker second = {0};

    ask(bench, &first, 5, 0);
    ask(bench, &second, 5, 50); /* beyond the log */
    answer(bench, kit_log((struct log_id){5, 10}, "t", 9, 10));
    assert_heard(&first, "5-9 5-10");
    assert_heard(&second, "");
    assert_int_equal(bench->redis.waiting, 0);
}

static void test_chunk_that_fails_is_told_to_all(void **state)
{
    struct bench *bench = *state;
    struct asker first = {0};
    struct asker second = {0};

    ask(bench, &first, 5, 0);
    ask(bench, &second, 5, 1);
    fake_redis_answer(&bench->redis, UV_ETIMEDOUT, NULL);
    assert_int_equal(first.calls, 0);
    turn(bench);
    assert_int_equal(first.calls, 1);
    assert_int_equal(first.status, UV_ETIMEDOUT);
    assert_int_equal(second.status, UV_ETIMEDOUT);
    assert_int_equal(mem_live(MEM_CACHE), bench->before); /* it is not kept */
    ask(bench, &first, 5, 0);
    answer(bench, fake_text("OK"));
    assert_int_equal(first.status, UV_EPROTO);
    ask(bench, &first, 5, 0);
    answer(bench, kit_log((struct log_id){5, 1}, "t", 1, 1));
    assert_heard(&first, "5-1");
}

static void test_chunk_that_is_refused_is_told_later(void **state)
{
    struct bench *bench = *state;
    struct asker first = {0};
    struct asker second = {0};

    bench->redis.refuse = UV_ENOBUFS;
    ask(bench, &first, 5, 0);
    ask(bench, &second, 5, 0);
    turn(bench);
    assert_int_equal(first.calls, 1);
    assert_int_equal(first.status, UV_ENOBUFS);
    assert_int_equal(second.calls, 1);
    assert_int_equal(second.status, UV_ENOBUFS);
}

static void test_chunk_may_be_asked_for_inside(void **state)
{
    struct bench *bench = *state;
    struct asker again = {0};
    struct asker first = {.also = &again};

    ask(bench, &first, 5, 0);
    answer(bench, kit_log((struct log_id){5, 1}, "t", 1, 1));
    assert_heard(&first, "5-1");
    turn(bench);
    assert_heard(&again, "5-1");
    assert_int_equal(bench->redis.sent, 1);
    again = (struct asker){0};
    first.also = &again;
    ask(bench, &first, 6, 0);
    fake_redis_answer(&bench->redis, UV_ETIMEDOUT, NULL);
    turn(bench);
    assert_int_equal(first.status, UV_ETIMEDOUT);
    assert_int_equal(again.calls, 0);
    answer(bench, kit_log((struct log_id){6, 1}, "t", 1, 1));
    assert_heard(&again, "6-1");
}

static void test_chunk_that_is_forgotten_is_not_told(void **state)
{
    struct bench *bench = *state;
    struct asker first = {0};
    struct asker second = {0};

    ask(bench, &first, 5, 0);
    ask(bench, &second, 5, 0);
    chunks_forget(&first.wait);
    answer(bench, kit_log((struct log_id){5, 1}, "t", 1, 1));
    assert_int_equal(first.calls, 0);
    assert_heard(&second, "5-1");
    size_t kept = mem_live(MEM_CACHE);
    ask(bench, &first, 6, 0);
    chunks_forget(&first.wait);
    fake_redis_answer(&bench->redis, UV_ETIMEDOUT, NULL);
    turn(bench);
    assert_int_equal(first.calls, 0);
    assert_int_equal(mem_live(MEM_CACHE), kept); /* nothing of it */
    assert_true(kept > bench->before);
    chunks_destroy(bench->chunks);
    assert_int_equal(mem_live(MEM_CACHE), bench->before);
    bench->chunks = chunks_create(bench->loop, &bench->redis, bench->metrics);
}

/* The oldest go; those that are on their way stay. */
static void test_chunks_that_are_kept_are_bounded(void **state)
{
    struct bench *bench = *state;
    struct asker asker = {0};
    struct asker waiting[2] = {{.calls = 0}};

    ask(bench, &waiting[0], 98, 0);
    ask(bench, &waiting[1], 99, 0);
    chunks_forget(&waiting[0].wait);
    for (size_t i = 0; i < 2; i++) /* others are answered first */
        bench->redis.calls[i].is_waiting = false;
    for (uint64_t i = 1; i < KEPT_MAX; i++) {
        ask(bench, &asker, i, 0);
        answer(bench, kit_log((struct log_id){i, 1}, "t", 1, 1));
    }
    size_t sent = bench->redis.sent;
    ask(bench, &asker, 2, 0);
    turn(bench);
    assert_heard(&asker, "2-1");
    assert_int_equal(bench->redis.sent, sent);
    ask(bench, &asker, 1, 0); /* gone */
    assert_int_equal(bench->redis.sent, sent + 1);
    answer(bench, fake_empty());
    for (size_t i = 0; i < 2; i++) {
        bench->redis.calls[i].is_waiting = true;
        answer(bench, kit_log((struct log_id){98 + i, 1}, "t", 1, 1));
    }
    assert_heard(&waiting[1], "99-1");
    assert_int_equal(waiting[0].calls, 0);
}

/* A mebibyte each, and three for what is made of it. */
static struct redisReply *large_log(uint64_t epoch)
{
    static char data[(1 << 20) + 1];

    memset(data, 'x', sizeof(data) - 1);
    return kit_log_of(
        (struct log_id){epoch, 1},
        fake_array(
            1, fake_array(2, fake_text("%llu-1", (unsigned long long)epoch),
                          fake_array(4, fake_text("ts"), fake_text("1"),
                                     fake_text("record"),
                                     fake_text("i\n\n\n\nt\n\n%s", data)))));
}

static void test_chunks_that_are_kept_are_bounded_in_bytes(void **state)
{
    struct bench *bench = *state;
    struct asker asker = {0};

    for (uint64_t i = 1; i <= 8; i++) {
        ask(bench, &asker, i, 0);
        answer(bench, large_log(i));
    }
    assert_int_equal(bench->redis.sent, 8);
    for (uint64_t i = 4; i <= 8; i++) { /* they are still there */
        ask(bench, &asker, i, 0);
        turn(bench);
        assert_int_equal(asker.calls, 1);
    }
    assert_int_equal(bench->redis.sent, 8);
    ask(bench, &asker, 3, 0);
    assert_int_equal(bench->redis.sent, 9);
    answer(bench, fake_empty());
}

/* What is no entry is passed over. */
static void test_chunk_has_only_entries(void **state)
{
    struct bench *bench = *state;
    struct asker asker = {0};
    struct redisReply *entries =
        fake_array(3, fake_text("x"), kit_entry("t", (struct log_id){5, 2}),
                   fake_array(2, fake_text("5-3"), fake_empty()));

    ask(bench, &asker, 5, 0);
    answer(bench, kit_log_of((struct log_id){5, 3}, entries));
    assert_heard(&asker, "5-2");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_chunk_is_read_from_an_even_place),
        TEST(test_chunk_is_told_in_a_later_turn),
        TEST(test_chunk_is_shared_by_all_who_ask),
        TEST(test_chunk_is_shared_only_by_those_of_the_same),
        TEST(test_chunk_of_references_may_lack_an_update),
        TEST(test_chunk_of_references_is_of_one_partition),
        TEST(test_chunk_of_another_epoch_is_all_of_it),
        TEST(test_chunk_that_is_short_is_read_on),
        TEST(test_chunk_that_ends_with_the_log_is_not_read_on),
        TEST(test_chunk_that_fails_is_told_to_all),
        TEST(test_chunk_that_is_refused_is_told_later),
        TEST(test_chunk_may_be_asked_for_inside),
        TEST(test_chunk_that_is_forgotten_is_not_told),
        TEST(test_chunks_that_are_kept_are_bounded),
        TEST(test_chunks_that_are_kept_are_bounded_in_bytes),
        TEST(test_chunk_has_only_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
