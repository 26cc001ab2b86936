/* test_roster.c - who subscribes to what, on a fake Redis and a fake registry.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/mem.h"
#include "common/nodes.h"
#include "common/roster.h"
#include "tests/fake/redis_queue.h"
#include "tests/test.h"

#define BEAT_MS 1000
#define RENEW_BEATS 30
#define GONE_MS 4000

/* The registry: who lives is what the test says when it is asked. */
struct nodes {
    nodes_list_cb cb; /* NULL: nobody asks */
    void *arg;
};

int nodes_list(struct nodes *nodes, nodes_list_cb cb, void *arg)
{
    assert_null(nodes->cb);
    nodes->cb = cb;
    nodes->arg = arg;
    return 0;
}

struct bench {
    uv_loop_t uv;
    struct stream_loop *loop;
    struct redis redis;
    struct nodes registry;
    bool has_left; /* the registry */
    struct roster *roster;
    struct roster_entry entry;
    size_t before; /* live bytes */
    char heard[1024];
    unsigned again;
};

/* What an event says, one behind the other: "+1 selector/subscriber user". */
static void hear(struct bench *bench, const char *sign,
                 const struct roster_change *change)
{
    size_t at = strlen(bench->heard);

    snprintf(bench->heard + at, sizeof(bench->heard) - at,
             "%s%s%d %.*s/%.*s %.*s:%.*s:%.*s", at ? " " : "", sign,
             (int)change->version, (int)change->selector.len,
             change->selector.ptr, (int)change->subscriber.len,
             change->subscriber.ptr, (int)change->said.worker.len,
             change->said.worker.ptr, (int)change->said.user.len,
             change->said.user.ptr, (int)change->said.payload.len,
             change->said.payload.ptr);
}

static void on_change(void *arg, const struct roster_change *change)
{
    hear(arg, change->entered ? "+" : "-", change);
}

static void on_swept(void *arg, const struct roster_change *change)
{
    hear(arg, "swept", change);
}

static void on_again(void *arg)
{
    ((struct bench *)arg)->again++;
}

static struct nodes *nodes_of(void *arg)
{
    struct bench *bench = arg;

    return bench->has_left ? NULL : &bench->registry;
}

static int setup(void **state)
{
    static const struct roster_events events = {
        .on_change = on_change, .on_swept = on_swept, .on_again = on_again};
    struct bench *bench = calloc(1, sizeof(*bench));

    bench->before = mem_live(MEM_CONN) + mem_live(MEM_JOB) + mem_live(MEM_APP);
    uv_loop_init(&bench->uv);
    bench->loop = stream_loop_open(&bench->uv);
    bench->roster = roster_open(&(struct roster_options){.loop = bench->loop,
                                                         .redis = &bench->redis,
                                                         .prefix = "xx",
                                                         .worker = "me",
                                                         .remember_ms = 7,
                                                         .nodes = nodes_of,
                                                         .events = &events,
                                                         .arg = bench});
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    while (bench->redis.waiting)
        fake_redis_answer(&bench->redis, UV_ECANCELED, NULL);
    roster_close(bench->roster);
    stream_loop_close(bench->loop);
    uv_run(&bench->uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&bench->uv), 0);
    assert_int_equal(mem_live(MEM_CONN) + mem_live(MEM_JOB) + mem_live(MEM_APP),
                     bench->before);
    free(bench);
    return 0;
}

static void pass(struct bench *bench, uint64_t ms)
{
    bench->uv.time += ms;
    wheel_turn(stream_loop_wheel(bench->loop), bench->uv.time);
}

/* A beat later these are alive; NULL ends them. */
static void beat(struct bench *bench, const char *const ids[])
{
    struct node nodes[8] = {{.load = 0}};
    size_t count = 0;

    pass(bench, BEAT_MS);
    assert_non_null(bench->registry.cb);
    nodes_list_cb cb = bench->registry.cb;
    bench->registry.cb = NULL;
    for (; ids[count]; count++)
        nodes[count].id = span_str(ids[count]);
    cb(bench->registry.arg, 0, nodes, count);
}

static void enter(struct bench *bench)
{
    roster_enter(bench->roster, &bench->entry, SPAN("a b"), SPAN("id"),
                 SPAN("ann"), SPAN("{}"));
}

/* The newest call, with a time as T. */
static const char *wire_of(struct bench *bench)
{
    static char wire[512];
    const char *from = bench->redis.calls[bench->redis.sent - 1].wire;
    char *to = wire;

    while (*from) {
        size_t digits = strspn(from, "0123456789");
        if (digits == 13) {
            *to++ = 'T';
            from += digits;
        } else if (digits) {
            memcpy(to, from, digits);
            to += digits;
            from += digits;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
    return wire;
}

static void assert_changed(struct bench *bench, const char *words)
{
    char wire[256];
    uint32_t partition = hash_partition(SPAN("a b"));

    snprintf(wire, sizeof(wire),
             "roster_change.lua xx:roster:{p%03u}:a b xx:selectors:{p%03u} %s "
             "a b xx:wake:{p%03u} 120000 10000 7",
             partition, partition, words, partition);
    assert_string_equal(wire_of(bench), wire);
}

static void test_entry_is_told_when_it_comes_and_goes(void **state)
{
    struct bench *bench = *state;

    enter(bench);
    assert_int_equal(bench->redis.sent, 1);
    assert_changed(bench, "enter id me\nann\nT\n{}");
    roster_leave(&bench->entry);
    assert_int_equal(bench->redis.sent, 2);
    assert_changed(bench, "leave id me\nann\nT\n{}");
}

static void test_subscriber_may_have_the_longest_id(void **state)
{
    struct bench *bench = *state;
    char id[ROSTER_ID_MAX];
    char words[128];

    memset(id, 'i', sizeof(id));
    roster_enter(bench->roster, &bench->entry, SPAN("a b"),
                 (struct span){id, sizeof(id)}, SPAN(""), SPAN(""));
    snprintf(words, sizeof(words), "enter %.*s me\n\nT\n", ROSTER_ID_MAX, id);
    assert_changed(bench, words);
    roster_leave(&bench->entry);
}

static void test_entries_are_told_again_when_the_link_is_back(void **state)
{
    struct bench *bench = *state;

    enter(bench);
    roster_set_live(bench->roster, false);
    assert_int_equal(bench->redis.sent, 1);
    assert_int_equal(bench->again, 0);
    roster_set_live(bench->roster, true);
    assert_int_equal(bench->redis.sent, 2);
    assert_changed(bench, "enter id me\nann\nT\n{}");
    assert_int_equal(bench->again, 1);
    roster_leave(&bench->entry);
}

/* Not taken, or taken and never answered. */
static void
test_who_left_while_redis_was_away_leaves_when_it_is_back(void **state)
{
    struct bench *bench = *state;

    enter(bench);
    bench->redis.refuse = UV_ENOTCONN;
    roster_leave(&bench->entry);
    assert_int_equal(bench->redis.sent, 1);
    bench->redis.refuse = 0;
    roster_set_live(bench->roster, true);
    assert_int_equal(bench->redis.sent, 2);
    assert_changed(bench, "leave id me\nann\nT\n{}");
    fake_redis_answer(&bench->redis, 0, fake_number(1)); /* of entering */
    fake_redis_answer(&bench->redis, UV_ETIMEDOUT, NULL);
    roster_set_live(bench->roster, true);
    assert_int_equal(bench->redis.sent, 3);
    assert_changed(bench, "leave id me\nann\nT\n{}");
    fake_redis_answer(&bench->redis, 0, fake_number(1));
    roster_set_live(bench->roster, true);
    assert_int_equal(bench->redis.sent, 3);
}

/* What Redis does not take meanwhile is told then. */
static void test_entries_are_renewed(void **state)
{
    struct bench *bench = *state;

    bench->has_left = true;
    bench->redis.refuse = UV_ENOTCONN;
    enter(bench);
    bench->redis.refuse = 0;
    for (int i = 1; i < RENEW_BEATS; i++)
        pass(bench, BEAT_MS);
    assert_int_equal(bench->redis.sent, 0);
    pass(bench, BEAT_MS);
    assert_int_equal(bench->redis.sent, 1);
    assert_changed(bench, "enter id me\nann\nT\n{}");
    roster_leave(&bench->entry);
}

static void test_change_is_heard(void **state)
{
    static const struct {
        const char *payload, *heard;
    } cases[] = {
        {"@7 + id 3 a bw\nann\n5\n{}", "+7 a b/id w:ann:{}"},
        {"@8 - id 3 a bw\nann\n5\n", "-8 a b/id w:ann:"},
        {"@8 - id 0 w\n\n5\nx\ny", "-8 /id w::x\ny"},
        {"@", ""},
        {"@7 + id 3", ""},
        {"@x + id 3 a bw\nann\n5\n{}", ""},
        {"@7 + id 99 a bw\nann\n5\n{}", ""},
        {"@7 + id 3 a bw\nann\n5", ""},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        bench->heard[0] = '\0';
        roster_hear(bench->roster, span_str(cases[i].payload));
        assert_string_equal(bench->heard, cases[i].heard);
    }
}

static void ignore(void *arg, int status, const struct redisReply *reply)
{
    (void)arg, (void)status, (void)reply;
}

static void test_roster_is_read_by_its_keys(void **state)
{
    struct bench *bench = *state;
    char wire[128];

    assert_int_equal(roster_read(bench->roster, SPAN("a b"), ignore, NULL), 0);
    snprintf(wire, sizeof(wire), "HGETALL xx:roster:{p%03u}:a b",
             hash_partition(SPAN("a b")));
    assert_string_equal(wire_of(bench), wire);
    assert_int_equal(roster_read_all(bench->roster, 5, ignore, NULL), 0);
    assert_string_equal(
        wire_of(bench),
        "roster_all.lua xx:selectors:{p005} xx:roster:{p005}: 10000");
    bench->redis.refuse = UV_ENOBUFS;
    assert_int_equal(roster_read(bench->roster, SPAN("a b"), ignore, NULL),
                     UV_ENOBUFS);
}

static void on_own(void *arg, const struct roster_said *said)
{
    assert_true(span_eq(said->user, SPAN("ann")));
    (*(int *)arg)++;
}

static void test_own_entries_are_known_without_redis(void **state)
{
    struct bench *bench = *state;
    int own = 0;

    enter(bench);
    roster_each_own(bench->roster, SPAN("a b"), on_own, &own);
    assert_int_equal(own, 1);
    roster_each_own(bench->roster, SPAN("a"), on_own, &own);
    assert_int_equal(own, 1);
    roster_leave(&bench->entry);
    roster_each_own(bench->roster, SPAN("a b"), on_own, &own);
    assert_int_equal(own, 1);
}

static void test_entry_counts_while_its_worker_lives_or_may(void **state)
{
    struct bench *bench = *state;
    char now[SPAN_U64_MAX];
    struct span young = span_from_u64(now, (uint64_t)clock_wall_ms());
    struct span old = SPAN("1");

    beat(bench, (const char *const[]){"me", "you", NULL});
    struct {
        struct roster_said said;
        bool counts, is_own;
    } cases[] = {
        {{.worker = SPAN("me"), .since = old}, true, true},
        {{.worker = SPAN("you"), .since = old}, true, false},
        {{.worker = SPAN("he"), .since = old}, false, false},
        {{.worker = SPAN("he"), .since = young}, true, false},
        {{.worker = SPAN("he"), .since = SPAN("x")}, false, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(roster_counts(bench->roster, &cases[i].said),
                         cases[i].counts);
        assert_int_equal(roster_is_own(bench->roster, &cases[i].said),
                         cases[i].is_own);
    }
    pass(bench, GONE_MS);
    assert_false(roster_counts(bench->roster, &cases[1].said));
}

/* All partitions are asked for; the first has this roster, or none. */
static void answer_sweep(struct bench *bench, struct redisReply *hash)
{
    assert_int_equal(bench->redis.waiting, HASH_PARTITIONS);
    fake_redis_answer(&bench->redis, 0,
                      hash ? fake_array(2, fake_text("s"), hash)
                           : fake_empty());
    for (int i = 1; i < HASH_PARTITIONS; i++)
        fake_redis_answer(&bench->redis, i % 2 ? UV_ETIMEDOUT : 0,
                          i % 2 ? NULL : fake_empty());
}

static void test_entries_of_the_dead_are_taken_off_by_one(void **state)
{
    static const char *const both[] = {"me", "you", NULL};
    static const char *const alone[] = {"me", NULL};
    struct bench *bench = *state;

    beat(bench, both); /* what was left before it was there */
    answer_sweep(bench, NULL);
    for (uint64_t at = BEAT_MS; at < GONE_MS; at += BEAT_MS)
        beat(bench, alone);
    assert_int_equal(bench->redis.waiting, 0);
    beat(bench, alone);
    answer_sweep(bench, fake_array(10, fake_text("%s", ""),
                                   fake_text("12"), /* version */
                                   fake_text("a"), fake_text("me\nann\n1\n"),
                                   fake_text("b"), fake_text("you\nbob\n1\n{}"),
                                   fake_text("c"), fake_text("no entry"),
                                   fake_text("d"), fake_text("you\ncid\n1\n")));
    assert_int_equal(bench->redis.waiting, 2);
    assert_non_null(strstr(fake_redis_oldest(&bench->redis)->wire, "leave b "));
    fake_redis_answer(&bench->redis, 0, fake_number(1));
    fake_redis_answer(&bench->redis, 0, fake_number(0)); /* by another */
    assert_string_equal(bench->heard, "swept0 s/b you:bob:{}");
    beat(bench, alone);
    assert_int_equal(bench->redis.waiting, 0); /* once */
}

/* Its worker may be new, and not known yet. */
static void test_entry_that_is_young_is_looked_at_later(void **state)
{
    static const char *const alone[] = {"me", NULL};
    struct bench *bench = *state;

    beat(bench, alone);
    answer_sweep(bench, fake_array(2, fake_text("a"),
                                   fake_text("he\nann\n%" PRId64 "\n",
                                             clock_wall_ms())));
    assert_int_equal(bench->redis.waiting, 0);
    beat(bench, alone);
    answer_sweep(bench,
                 fake_array(2, fake_text("a"), fake_text("he\nann\n1\n")));
    assert_int_equal(bench->redis.waiting, 1);
    beat(bench, alone);
    assert_int_equal(bench->redis.waiting, 1);
}

static void test_nobody_is_dead_while_the_registry_does_not_tell(void **state)
{
    struct bench *bench = *state;

    beat(bench, (const char *const[]){"me", NULL});
    answer_sweep(bench, NULL);
    for (int i = 0; i < 10; i++) {
        pass(bench, BEAT_MS);
        nodes_list_cb cb = bench->registry.cb;
        bench->registry.cb = NULL;
        cb(bench->registry.arg, UV_ETIMEDOUT, NULL, 0);
    }
    bench->has_left = true;
    pass(bench, BEAT_MS);
    assert_null(bench->registry.cb);
    assert_int_equal(bench->redis.waiting, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_entry_is_told_when_it_comes_and_goes),
        TEST(test_subscriber_may_have_the_longest_id),
        TEST(test_entries_are_told_again_when_the_link_is_back),
        TEST(test_who_left_while_redis_was_away_leaves_when_it_is_back),
        TEST(test_entries_are_renewed),
        TEST(test_change_is_heard),
        TEST(test_roster_is_read_by_its_keys),
        TEST(test_own_entries_are_known_without_redis),
        TEST(test_entry_counts_while_its_worker_lives_or_may),
        TEST(test_entries_of_the_dead_are_taken_off_by_one),
        TEST(test_entry_that_is_young_is_looked_at_later),
        TEST(test_nobody_is_dead_while_the_registry_does_not_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
