/*
 * test_history_read.c - a page of a history, while others write between its
 * commands, on a fake Redis.
 */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat/chat.h"
#include "chat/history.h"
#include "chat/scripts.h"
#include "common/mem.h"
#include "tests/fake/redis_queue.h"
#include "tests/test.h"

#define HEAD "5 1000 1 3 2 0 u 0 0 ="
#define ANN "1 0 1 0 m 1 0 0"

struct bench {
    struct redis redis;
    struct chat chat;
    struct arena arena;
    struct history history;
    size_t before;
    unsigned called;
    int status;
    char refusal[REFUSAL_MAX];
    char seen[256]; /* "SEQ TEXT;" of each */
    size_t reactions;
};

static struct bench *bench;

struct redis_script script_wrote;

struct redis *app_redis(const struct app *app)
{
    (void)app;
    return &bench->redis;
}

/* Texts are kept in the open here. */
void bodies_read(struct bodies *bodies, struct span room,
                 const struct entry *as, struct text *text)
{
    (void)bodies;
    (void)room;
    (void)as;
    (void)text;
}

static int setup(void **state)
{
    bench = calloc(1, sizeof(*bench));
    bench->before = mem_live(MEM_REQUEST);
    arena_init(&bench->arena, MEM_REQUEST, 0);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_deinit(&bench->arena);
    assert_int_equal(bench->redis.waiting, 0);
    assert_int_equal(mem_live(MEM_REQUEST), bench->before);
    free(bench);
    return 0;
}

static void on_page(struct history *history, int status)
{
    struct history_item item;

    bench->called++;
    bench->status = status;
    snprintf(bench->refusal, sizeof(bench->refusal), "%s", history->refusal);
    for (size_t i = 0; i < history->count; i++) {
        assert_true(history_item(history, i, &item));
        bench->reactions += history->found[i].reaction_count;
        size_t len = strlen(bench->seen);
        snprintf(bench->seen + len, sizeof(bench->seen) - len, "%llu %.*s;",
                 (unsigned long long)item.entry.seq, (int)item.text.plain.len,
                 item.text.plain.ptr ? item.text.plain.ptr : "");
    }
}

static int ask(const char *how, uint64_t number, uint64_t thread,
               uint32_t limit)
{
    bench->history = (struct history){.user = SPAN("ann"),
                                      .room = SPAN("r1"),
                                      .how = how,
                                      .number = number,
                                      .thread = thread,
                                      .limit = limit,
                                      .arena = &bench->arena,
                                      .cb = on_page};
    return history_ask(&bench->chat, &bench->history);
}

static void answer(struct redisReply *reply)
{
    fake_redis_answer(&bench->redis, 0, reply);
}

static void answer_room(void)
{
    answer(fake_array(2, fake_text(HEAD), fake_text(ANN)));
}

static struct redisReply *nothing(void)
{
    struct redisReply *reply = fake_number(0);

    reply->type = REDIS_REPLY_NIL;
    return reply;
}

static struct redisReply *message(int number, const char *text)
{
    return fake_array(2, fake_text("%d-1000", number),
                      fake_array(4, fake_text("e"), fake_text("m bob 1 0 0 "),
                                 fake_text("t"), fake_text("c %s", text)));
}

/* Of 3, 2: the log, what has changed, is ann there? */
static void answer_window(struct redisReply *change_of_3, int is_there)
{
    answer(fake_array(2, message(2, "two"), message(3, "three")));
    answer(fake_array(2, change_of_3, nothing()));
    answer(fake_number(is_there));
}

static void assert_page(int status, const char *refusal, const char *seen)
{
    assert_int_equal(bench->called, 1);
    assert_int_equal(bench->status, status);
    assert_string_equal(bench->refusal, refusal);
    assert_string_equal(bench->seen, seen);
}

static void test_page_is_read_in_two_steps(void **state)
{
    (void)state;
    assert_int_equal(ask("before", 4, 0, 2), 0);
    answer_room();
    assert_int_equal(bench->redis.sent, 4);
    answer_window(nothing(), 1);
    assert_page(0, "", "2 two;3 three;");
    assert_int_equal(bench->history.next, 2);
}

static void test_who_had_to_go_meanwhile_reads_nothing(void **state)
{
    (void)state;
    ask("before", 4, 0, 2);
    answer_room();
    answer_window(nothing(), 0);
    assert_page(0, "not-a-member", "");
}

static void test_who_is_no_member_is_not_read_for(void **state)
{
    (void)state;
    ask("before", 4, 0, 2);
    answer(fake_array(2, fake_text(HEAD), nothing()));
    assert_int_equal(bench->redis.sent, 1);
    assert_page(0, "not-a-member", "");
}

static void test_room_that_is_none_is_refused(void **state)
{
    (void)state;
    ask("before", 4, 0, 2);
    answer(fake_array(2, nothing(), nothing()));
    assert_page(0, "no-such-room", "");
}

static void test_what_is_deleted_meanwhile_has_no_text(void **state)
{
    (void)state;
    ask("before", 4, 0, 2);
    answer_room();
    answer_window(fake_text("d 1000 m bob 1 0 0 "), 1);
    assert_page(0, "", "2 two;3 ;");
}

static void test_what_is_edited_meanwhile_is_as_it_is_now(void **state)
{
    (void)state;
    ask("before", 4, 0, 2);
    answer_room();
    answer_window(fake_text("6 0 c drei"), 1);
    assert_page(0, "", "2 two;3 drei;");
}

static void test_reactions_are_a_step_of_their_own(void **state)
{
    (void)state;
    ask("before", 4, 0, 2);
    answer_room();
    answer_window(fake_text("0 1"), 1);
    assert_int_equal(bench->called, 0);
    assert_int_equal(bench->redis.sent, 6);
    answer(fake_array(1, fake_text("x bob")));
    answer(fake_number(1));
    assert_page(0, "", "2 two;3 three;");
    assert_int_equal(bench->reactions, 1);
}

static void test_what_redis_does_not_take_fails_once(void **state)
{
    (void)state;
    bench->redis.refuse = UV_ENOTCONN;
    assert_int_equal(ask("before", 4, 0, 2), UV_ENOTCONN);
    assert_int_equal(bench->called, 0);
    bench->redis.refuse = 0;
    ask("before", 4, 0, 2);
    bench->redis.refuse = UV_ENOBUFS;
    answer_room();
    assert_page(UV_ENOBUFS, "", "");
}

static void
test_a_command_that_fails_fails_the_page_when_all_are_back(void **state)
{
    (void)state;
    ask("before", 4, 0, 2);
    answer_room();
    fake_redis_answer(&bench->redis, UV_ETIMEDOUT, NULL);
    assert_int_equal(bench->called, 0);
    answer(fake_array(2, nothing(), nothing()));
    answer(fake_number(1));
    assert_page(UV_ETIMEDOUT, "", "");
}

static void test_answers_of_another_kind_fail(void **state)
{
    (void)state;
    ask("before", 4, 0, 2);
    answer(fake_number(1));
    assert_page(UV_EPROTO, "", "");
}

static void test_thread_is_read_number_by_number(void **state)
{
    (void)state;
    ask("after", 0, 1, 50);
    answer_room();
    answer(fake_array(1, fake_text("3"))); /* ZRANGE */
    answer(fake_number(1));
    assert_int_equal(bench->redis.sent, 7);
    answer(fake_array(1, message(1, "one")));
    answer(fake_array(1, message(3, "three")));
    answer(fake_array(2, nothing(), nothing()));
    answer(fake_number(1));
    assert_page(0, "", "1 one;3 three;");
    assert_int_equal(bench->history.next, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_page_is_read_in_two_steps),
        TEST(test_who_had_to_go_meanwhile_reads_nothing),
        TEST(test_who_is_no_member_is_not_read_for),
        TEST(test_room_that_is_none_is_refused),
        TEST(test_what_is_deleted_meanwhile_has_no_text),
        TEST(test_what_is_edited_meanwhile_is_as_it_is_now),
        TEST(test_reactions_are_a_step_of_their_own),
        TEST(test_what_redis_does_not_take_fails_once),
        TEST(test_a_command_that_fails_fails_the_page_when_all_are_back),
        TEST(test_answers_of_another_kind_fail),
        TEST(test_thread_is_read_number_by_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
