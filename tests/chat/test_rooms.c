/* test_rooms.c - where a room stands, told by its log and by wake-ups that come
 * while that is read, on a fake Redis. */
#include <stdlib.h>
#include <unistd.h>

#include "chat/rooms.h"
#include "chat/scripts.h"
#include "tests/fake/redis_queue.h"
#include "tests/test.h"

#define ROOM SPAN("rabc")

struct bench {
    uv_loop_t uv;
    struct stream_loop *loop;
    struct fanout *fanout;
    struct redis redis;
    struct metrics *metrics;
    int fd; /* of metrics */
    struct rooms *rooms;
    struct room *room;
    size_t before, passed, lost;
};

struct redis_script script_events = {.name = "events"};

/* Texts are kept in the open here. */
void bodies_read(struct bodies *bodies, struct span room,
                 const struct entry *as, struct text *text)
{
    (void)bodies;
    (void)room;
    (void)as;
    (void)text;
}

static void on_entry(void *arg, struct room *room, const struct entry *entry)
{
    struct bench *bench = arg;

    assert_ptr_equal(room, bench->room);
    assert_int_equal(entry->seq, room->seq);
    bench->passed++;
}

static void on_lost(void *arg, struct room *room)
{
    struct bench *bench = arg;

    assert_ptr_equal(room, bench->room);
    bench->lost++;
}

static void on_stale(void *arg, struct span room)
{
    (void)arg;
    assert_true(span_eq(room, ROOM));
}

static const struct rooms_events events = {
    .on_entry = on_entry, .on_lost = on_lost, .on_stale = on_stale};

/* Of a log that ends with number, written at ts: what events.lua says from
   `first` on. */
static void answer(struct bench *bench, unsigned first, unsigned number,
                   unsigned ts)
{
    struct redisReply *entries = fake_empty();

    for (unsigned n = first; n && n <= number; n++)
        fake_append(entries, fake_array(3, fake_text("%u-%u", n, ts + n),
                                        fake_text("m ann %u 0 0 ", n),
                                        fake_text("c%u said", n)));
    fake_redis_answer(&bench->redis, 0,
                      fake_array(2,
                                 fake_text("%u %u 1 %u 2 0 u 0 0 =", number,
                                           ts + number, number),
                                 entries));
}

static void hear(struct bench *bench, unsigned number, unsigned ts)
{
    char word[64];
    int len =
        snprintf(word, sizeof(word), "rabc %u %u 1 m ann %u 0 0 \nc%u said",
                 number, ts + number, number, number);

    rooms_hear(bench->rooms, (struct span){word, (size_t)len});
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    bench->before = mem_live(MEM_CACHE);
    uv_loop_init(&bench->uv);
    bench->loop = stream_loop_open(&bench->uv);
    bench->fanout = fanout_open(bench->loop, 1 << 20);
    bench->fd = metrics_make(1);
    bench->metrics = metrics_open(bench->fd, false);
    bench->rooms = rooms_create(&(struct rooms_options){
        .loop = bench->loop,
        .redis = &bench->redis,
        .fanout = bench->fanout,
        .metrics = bench->metrics,
        .events = &events,
        .arg = bench,
    });
    bench->room = rooms_use(bench->rooms, ROOM);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(bench->redis.waiting, 0);
    room_leave(bench->room);
    assert_int_equal(mem_live(MEM_CACHE), bench->before);
    rooms_destroy(bench->rooms);
    metrics_close(bench->metrics);
    close(bench->fd);
    fanout_close(bench->fanout);
    stream_loop_close(bench->loop);
    uv_run(&bench->uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&bench->uv), 0);
    free(bench);
    return 0;
}

/* It is known, and its log ends with number. */
static void begin(struct bench *bench, unsigned number)
{
    room_learn(bench->room, &(struct room_head){.seq = number,
                                                .ts = 1000 + number,
                                                .oldest = 1,
                                                .kind = ROOM_PUBLIC,
                                                .members = 2});
    assert_true(room_is_whole(bench->room));
}

static void test_what_comes_next_passes_without_a_reading(void **state)
{
    struct bench *bench = *state;

    begin(bench, 3);
    hear(bench, 4, 1000);
    assert_int_equal(bench->room->seq, 4);
    assert_int_equal(bench->passed, 1);
    assert_int_equal(bench->redis.sent, 0);
}

static void test_what_was_missed_is_read(void **state)
{
    struct bench *bench = *state;

    begin(bench, 3);
    hear(bench, 6, 1000);
    assert_false(room_is_whole(bench->room));
    answer(bench, 3, 6, 1000);
    assert_true(room_is_whole(bench->room));
    assert_int_equal(bench->passed, 3);
}

static void test_what_is_heard_while_it_is_read_is_read_too(void **state)
{
    struct bench *bench = *state;

    begin(bench, 3);
    rooms_ask_all(bench->rooms);
    hear(bench, 5, 1000);
    answer(bench, 3, 4, 1000); /* of before */
    assert_false(room_is_whole(bench->room));
    answer(bench, 4, 5, 1000);
    assert_true(room_is_whole(bench->room));
    assert_int_equal(bench->room->seq, 5);
}

static void test_a_link_that_is_new_while_it_is_read_asks_again(void **state)
{
    struct bench *bench = *state;

    begin(bench, 3);
    rooms_ask_all(bench->rooms);
    rooms_ask_all(bench->rooms);
    answer(bench, 3, 3, 1000);
    answer(bench, 3, 4, 1000);
    assert_true(room_is_whole(bench->room));
    assert_int_equal(bench->room->seq, 4);
}

/* Redis lost its end, and goes on. */
static void test_what_is_heard_of_another_log_counts(void **state)
{
    struct bench *bench = *state;

    begin(bench, 8);
    rooms_ask_all(bench->rooms);
    hear(bench, 10, 5000);
    answer(bench, 0, 6, 1000);
    assert_int_equal(bench->lost, 1);
    assert_int_equal(bench->room->seq, 6);
    assert_false(room_is_whole(bench->room));
    answer(bench, 6, 6, 1000);
    assert_true(room_is_whole(bench->room));
    hear(bench, 7, 5000);
    assert_int_equal(bench->room->seq, 7);
}

static void test_what_is_heard_when_another_log_is_found_is_read(void **state)
{
    struct bench *bench = *state;

    begin(bench, 8);
    rooms_ask_all(bench->rooms);
    hear(bench, 11, 5000);
    answer(bench, 8, 10, 5000); /* another 8 */
    assert_int_equal(bench->lost, 1);
    assert_int_equal(bench->room->seq, 10);
    assert_false(room_is_whole(bench->room));
    answer(bench, 10, 11, 5000);
    assert_true(room_is_whole(bench->room));
    assert_int_equal(bench->room->seq, 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_what_comes_next_passes_without_a_reading),
        T(test_what_was_missed_is_read),
        T(test_what_is_heard_while_it_is_read_is_read_too),
        T(test_a_link_that_is_new_while_it_is_read_asks_again),
        T(test_what_is_heard_of_another_log_counts),
        T(test_what_is_heard_when_another_log_is_found_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
