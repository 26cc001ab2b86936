/* test_nodes.c - the registry of nodes, on a fake Redis. */
#include <stdlib.h>

#include "common/mem.h"
#include "common/nodes.h"
#include "tests/fake/redis.h"
#include "tests/test.h"

struct bench {
    uv_loop_t uv;
    struct stream_loop *loop;
    struct redis redis;
    struct nodes *nodes;
    size_t before; /* live bytes */
    int closes;
};

static uint64_t seven(void *arg)
{
    (void)arg;
    return 7;
}

static int setup(void **state)
{
    static const struct nodes_options options = {.service = "shortener",
                                                 .id = "a:1:x",
                                                 .address = "[::1]:8101",
                                                 .version = "0.1.0",
                                                 .load = seven};
    struct bench *bench = calloc(1, sizeof(*bench));

    bench->before = mem_live(MEM_APP);
    uv_loop_init(&bench->uv);
    bench->loop = stream_loop_open(&bench->uv);
    bench->nodes = nodes_open(bench->loop, &bench->redis, &options);
    assert_int_equal(bench->redis.sent, 0);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(bench->closes, 1);
    stream_loop_close(bench->loop);
    uv_run(&bench->uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&bench->uv), 0);
    assert_int_equal(mem_live(MEM_APP), bench->before);
    free(bench);
    return 0;
}

/* So much later, by the loop's clock. */
static void pass(struct bench *bench, uint64_t ms)
{
    bench->uv.time += ms;
    wheel_turn(stream_loop_wheel(bench->loop), bench->uv.time);
}

static void answer_count(struct bench *bench, long long count)
{
    struct redisReply living = {.type = REDIS_REPLY_INTEGER, .integer = count};
    struct redisReply started = {.type = REDIS_REPLY_INTEGER,
                                 .integer = 1700000000123};
    struct redisReply *both[] = {&living, &started};
    struct redisReply reply = {
        .type = REDIS_REPLY_ARRAY, .elements = 2, .element = both};

    fake_redis_answer(&bench->redis, 0, &reply);
}

static void on_closed(void *arg)
{
    ((struct bench *)arg)->closes++;
}

/* The rest of a test that is not about closing. */
static void finish(struct bench *bench)
{
    static const struct redisReply one = {.type = REDIS_REPLY_INTEGER,
                                          .integer = 1};

    nodes_close(bench->nodes, on_closed, bench);
    if (bench->redis.waiting)
        fake_redis_answer(&bench->redis, UV_ETIMEDOUT, NULL);
    pass(bench, 1);
    if (bench->redis.waiting)
        fake_redis_answer(&bench->redis, 0, &one);
}

static void test_nodes_beat_once_a_second(void **state)
{
    struct bench *bench = *state;

    pass(bench, 1);
    assert_string_equal(
        bench->redis.wire,
        "nodes_beat.lua nodes:shortener a:1:x 0 7 0.1.0 [::1]:8101 3000");
    assert_string_equal(bench->redis.call.key.ptr, "nodes:shortener");
    answer_count(bench, 3);
    pass(bench, 990);
    assert_int_equal(bench->redis.sent, 1);
    pass(bench, 20);
    assert_int_equal(bench->redis.sent, 2); /* and remembers its start */
    assert_string_equal(bench->redis.wire,
                        "nodes_beat.lua nodes:shortener a:1:x 1700000000123 7 "
                        "0.1.0 [::1]:8101 3000");
    pass(bench, 1010); /* no answer: no second beat on top */
    assert_int_equal(bench->redis.sent, 2);
    finish(bench);
}

static void test_nodes_count_is_known_for_three_seconds(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(nodes_count(bench->nodes), 0);
    pass(bench, 1);
    assert_int_equal(nodes_count(bench->nodes), 0);
    answer_count(bench, 3);
    assert_int_equal(nodes_count(bench->nodes), 3);
    bench->redis.refuse = UV_ENOTCONN;
    pass(bench, NODES_GONE_MS - 1);
    assert_int_equal(nodes_count(bench->nodes), 3);
    pass(bench, 1);
    assert_int_equal(nodes_count(bench->nodes), 0);
    bench->redis.refuse = 0;
    pass(bench, NODES_BEAT_MS);
    answer_count(bench, 2);
    assert_int_equal(nodes_count(bench->nodes), 2);
    finish(bench);
}

static void test_nodes_believe_no_strange_answer(void **state)
{
    static char text[] = "ERR";
    const struct redisReply strange[] = {
        {.type = REDIS_REPLY_NIL},
        {.type = REDIS_REPLY_ARRAY},
        {.type = REDIS_REPLY_ERROR, .str = text, .len = 3},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < COUNT(strange); i++) {
        pass(bench, NODES_BEAT_MS);
        fake_redis_answer(&bench->redis,
                          strange[i].type == REDIS_REPLY_ERROR ? UV_EPROTO : 0,
                          &strange[i]);
        assert_int_equal(nodes_count(bench->nodes), 0);
    }
    finish(bench);
}

static void test_nodes_close_takes_the_node_out(void **state)
{
    struct bench *bench = *state;

    pass(bench, 1);
    answer_count(bench, 1);
    nodes_close(bench->nodes, on_closed, bench);
    assert_int_equal(bench->redis.sent, 1); /* nothing inside the call */
    pass(bench, 1);
    assert_string_equal(bench->redis.wire, "HDEL nodes:shortener a:1:x");
    assert_int_equal(bench->closes, 0);
    fake_redis_answer(&bench->redis, UV_ETIMEDOUT, NULL);
}

/* A beat behind the HDEL would bring the node back. */
static void test_nodes_close_waits_for_a_beat_that_is_out(void **state)
{
    struct bench *bench = *state;

    pass(bench, 1);
    nodes_close(bench->nodes, on_closed, bench);
    pass(bench, 300);
    assert_int_equal(bench->redis.sent, 1);
    answer_count(bench, 1);
    pass(bench, 1);
    assert_int_equal(bench->redis.sent, 2);
    assert_in_range(bench->redis.call.timeout_ms, 1, 700);
    fake_redis_answer(&bench->redis, UV_ECONNRESET, NULL);
}

static void test_nodes_close_does_not_need_redis(void **state)
{
    struct bench *bench = *state;

    bench->redis.refuse = UV_ENOTCONN;
    pass(bench, 1);
    nodes_close(bench->nodes, on_closed, bench);
    assert_int_equal(bench->closes, 0);
    pass(bench, 1);
    assert_int_equal(bench->redis.sent, 0);
}

static void test_nodes_close_at_once(void **state)
{
    struct bench *bench = *state;

    finish(bench); /* before the first beat */
}

struct listing {
    struct node nodes[4];
    size_t count;
    int calls, status;
};

static void on_list(void *arg, int status, const struct node *nodes,
                    size_t count)
{
    struct listing *listing = arg;

    listing->calls++;
    listing->status = status;
    listing->count = count;
    for (size_t i = 0; i < count; i++)
        listing->nodes[i] = nodes[i];
}

static void test_nodes_list_tells_who_lives(void **state)
{
    static char words[][12] = {"a", "1005", "17",  "3", "0.1.0", "h:1",
                               "b", "1006", "500", "0", "0.2.0", "h:2"};
    struct redisReply fields[COUNT(words)];
    struct redisReply *pointers[COUNT(words)];
    struct redisReply reply = {.type = REDIS_REPLY_ARRAY,
                               .elements = COUNT(words),
                               .element = pointers};
    struct listing listing = {0};
    struct bench *bench = *state;

    for (size_t i = 0; i < COUNT(words); i++) {
        fields[i] = (struct redisReply){.type = REDIS_REPLY_STRING,
                                        .str = words[i],
                                        .len = strlen(words[i])};
        pointers[i] = &fields[i];
    }
    assert_int_equal(nodes_list(bench->nodes, on_list, &listing), 0);
    assert_string_equal(bench->redis.wire,
                        "nodes_list.lua nodes:shortener 3000");
    fake_redis_answer(&bench->redis, 0, &reply);
    assert_int_equal(listing.calls, 1);
    assert_int_equal(listing.count, 2);
    assert_true(span_eq(listing.nodes[0].id, SPAN("a")));
    assert_true(span_eq(listing.nodes[1].address, SPAN("h:2")));
    assert_true(span_eq(listing.nodes[1].version, SPAN("0.2.0")));
    assert_int_equal(listing.nodes[0].seen_ms, 1005);
    assert_int_equal(listing.nodes[1].started_ms, 500);
    assert_int_equal(listing.nodes[0].load, 3);
    finish(bench);
}

static void test_nodes_list_tells_that_redis_is_away(void **state)
{
    struct listing listing = {0};
    struct bench *bench = *state;

    bench->redis.refuse = UV_ENOTCONN;
    assert_int_equal(nodes_list(bench->nodes, on_list, &listing), UV_ENOTCONN);
    bench->redis.refuse = 0;
    assert_int_equal(nodes_list(bench->nodes, on_list, &listing), 0);
    assert_int_equal(listing.calls, 0);
    fake_redis_answer(&bench->redis, UV_ETIMEDOUT, NULL);
    assert_int_equal(listing.calls, 1);
    assert_int_equal(listing.status, UV_ETIMEDOUT);
    assert_int_equal(listing.count, 0);
    finish(bench);
}

#define ON_BENCH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BENCH(test_nodes_beat_once_a_second),
        ON_BENCH(test_nodes_count_is_known_for_three_seconds),
        ON_BENCH(test_nodes_believe_no_strange_answer),
        ON_BENCH(test_nodes_close_takes_the_node_out),
        ON_BENCH(test_nodes_close_waits_for_a_beat_that_is_out),
        ON_BENCH(test_nodes_close_does_not_need_redis),
        ON_BENCH(test_nodes_close_at_once),
        ON_BENCH(test_nodes_list_tells_who_lives),
        ON_BENCH(test_nodes_list_tells_that_redis_is_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
