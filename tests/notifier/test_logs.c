/* test_logs.c - what Redis is asked for a chunk of a log, or of references. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/hash.h"
#include "common/metrics.h"
#include "notifier/logs.h"
#include "notifier/scripts.h"
#include "tests/notifier/log_kit.h"
#include "tests/test.h"

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
    int calls, status;
    char heard[256]; /* "place=id …", of a gap "place=gap(from-to)" */
    struct log_id last;
};

static int put(char *out, size_t size, const struct chunk_entry *entry)
{
    const struct message *message = message_of(entry->message);
    char place[LOG_ID_MAX];
    char id[LOG_ID_MAX];
    int place_len = (int)log_id_text(place, entry->place).len;
    int id_len = (int)log_id_text(id, message->id).len;

    return message->gap
               ? snprintf(out, size, "%.*s=gap(%d-%.*s)", place_len, place,
                          (int)message->from, id_len, id)
               : snprintf(out, size, "%.*s=%.*s", place_len, place, id_len, id);
}

static void on_chunk(struct chunk_wait *wait, int status,
                     const struct chunk *chunk)
{
    struct asker *asker = LIST_ENTRY(wait, struct asker, wait);
    size_t at = 0;

    asker->calls++;
    asker->status = status;
    for (size_t i = 0; chunk && i < chunk->count; i++) {
        if (at)
            asker->heard[at++] = ' ';
        at += (size_t)put(asker->heard + at, sizeof(asker->heard) - at,
                          &chunk->entries[i]);
    }
    if (chunk)
        asker->last = chunk->last;
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    bench->before = mem_live(MEM_CACHE);
    uv_loop_init(&bench->uv);
    bench->loop = stream_loop_open(&bench->uv);
    bench->fd = metrics_make(1);
    bench->metrics = metrics_open(bench->fd, false);
    bench->chunks = logs_create(bench->loop, &bench->redis, bench->metrics);
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

static void ask_log(struct bench *bench, struct asker *asker, const char *topic,
                    struct log_id behind)
{
    *asker = (struct asker){.wait = {.behind = behind, .cb = on_chunk}};
    logs_read(bench->chunks, span_str(topic), &asker->wait);
}

static void ask_references(struct bench *bench, struct asker *asker,
                           uint32_t partition, struct log_id behind)
{
    *asker = (struct asker){.wait = {.behind = behind, .cb = on_chunk}};
    logs_read_references(bench->chunks, partition, &asker->wait);
}

/* Its answer, and the turn in which it is told. */
static void answer(struct bench *bench, struct redisReply *reply)
{
    fake_redis_answer(&bench->redis, 0, reply);
    turn(bench);
}

static void assert_heard(const struct asker *asker, const char *heard)
{
    assert_int_equal(asker->calls, 1);
    assert_int_equal(asker->status, 0);
    assert_string_equal(asker->heard, heard);
}

static void test_log_is_read_by_its_topic(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    char wire[256];

    ask_log(bench, &asker, "t", (struct log_id){5, 200});
    snprintf(wire, sizeof(wire),
             "history.lua no:log:{p%03u}:t 5 129 128 1048576 no:log:{p%03u}:",
             hash_partition(SPAN("t")), hash_partition(SPAN("t")));
    assert_string_equal(fake_redis_oldest(&bench->redis)->wire, wire);
    answer(bench, kit_log((struct log_id){5, 202}, "t", 201, 202));
    assert_heard(&asker, "5-201=5-201 5-202=5-202");
    assert_true(log_id_eq(asker.last, (struct log_id){5, 202}));
    ask_log(bench, &asker, "t", (struct log_id){5, 202});
    answer(bench, fake_empty());
    assert_heard(&asker, "");
    assert_true(log_id_eq(asker.last, (struct log_id){0}));
}

/* An update that the log does not hold any more is a gap. */
static void test_references_are_read_by_their_partition(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    struct redisReply *entries = fake_array(
        2, kit_reference("t", (struct log_id){5, 8}, ""),
        kit_reference("t", (struct log_id){5, 9}, "i\n\n\n\nt\n\nd"));

    ask_references(bench, &asker, 3, (struct log_id){5, 7});
    assert_string_equal(
        fake_redis_oldest(&bench->redis)->wire,
        "references.lua no:refs:{p003} 5 1 128 1048576 no:log:{p003}:");
    answer(bench, kit_log_of((struct log_id){5, 9}, entries));
    assert_heard(&asker, "5-8=gap(8-5-8) 5-9=5-9");
}

static void test_log_and_references_of_a_place_are_not_mixed_up(void **state)
{
    struct bench *bench = *state;
    struct asker askers[4];
    const struct log_id behind = {5, 7};
    const uint32_t partition = hash_partition(SPAN(""));

    ask_log(bench, &askers[0], "", behind);
    ask_references(bench, &askers[1], partition, behind);
    ask_references(bench, &askers[2], partition ^ 1, behind);
    ask_references(bench, &askers[3], partition, behind);
    assert_int_equal(bench->redis.sent, 3);
    assert_int_equal(
        metrics_sum(bench->metrics, "notifier_resume_reads_total", ""), 3);
    assert_int_equal(
        metrics_sum(bench->metrics, "notifier_resume_shared_total", ""), 1);
    answer(bench, kit_log((struct log_id){5, 8}, "t", 8, 8));
    answer(bench, kit_references((struct log_id){5, 9}, "t", 8, 9));
    answer(bench, kit_references((struct log_id){5, 10}, "t", 10, 10));
    assert_heard(&askers[0], "5-8=5-8");
    assert_heard(&askers[1], "5-8=5-8 5-9=5-9");
    assert_heard(&askers[2], "5-10=5-10");
    assert_heard(&askers[3], "5-8=5-8 5-9=5-9");
}

/* What is no entry is passed over. */
static void test_chunk_has_only_entries(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    struct redisReply *entries =
        fake_array(3, fake_text("x"), kit_entry("t", (struct log_id){5, 2}),
                   fake_array(2, fake_text("5-3"), fake_empty()));

    ask_log(bench, &asker, "t", (struct log_id){5, 0});
    answer(bench, kit_log_of((struct log_id){5, 3}, entries));
    assert_heard(&asker, "5-2=5-2");
    entries = fake_array(3, fake_text("x"),
                         kit_reference("t", (struct log_id){5, 2}, "no record"),
                         kit_reference("t", (struct log_id){5, 3}, ""));
    ask_references(bench, &asker, 3, (struct log_id){5, 0});
    answer(bench, kit_log_of((struct log_id){5, 3}, entries));
    assert_heard(&asker, "5-3=gap(3-5-3)");
}

static void test_answer_that_is_none_is_a_fault(void **state)
{
    struct bench *bench = *state;
    struct asker asker;

    ask_log(bench, &asker, "t", (struct log_id){5, 0});
    answer(bench, fake_text("OK"));
    assert_int_equal(asker.calls, 1);
    assert_int_equal(asker.status, UV_EPROTO);
    bench->redis.refuse = UV_ENOBUFS;
    ask_references(bench, &asker, 3, (struct log_id){5, 0});
    turn(bench);
    assert_int_equal(asker.calls, 1);
    assert_int_equal(asker.status, UV_ENOBUFS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_log_is_read_by_its_topic),
        TEST(test_references_are_read_by_their_partition),
        TEST(test_log_and_references_of_a_place_are_not_mixed_up),
        TEST(test_chunk_has_only_entries),
        TEST(test_answer_that_is_none_is_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
