/* test_pubsub.c - subscriptions, invalidation, and the epochs of both. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/pubsub.h"
#include "tests/common/redis_kit.h"

#define PONG "*2\r\n$4\r\npong\r\n$0\r\n\r\n"
#define INVALIDATE "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n"
#define MESSAGE(channel, payload) \
    "*3\r\n$8\r\nsmessage\r\n$1\r\n" channel "\r\n$1\r\n" payload "\r\n"

struct bench {
    struct kit *kit;
    struct pubsub *pubsub;
    int begun, ended, closes; /* epochs */
    char heard[256];          /* a line for each key and message */
    bool close_inside;        /* the next event */
};

static const char *const tracked[] = {"s:link:", "s:x:", NULL};

static void on_closed(void *arg)
{
    struct bench *bench = arg;

    bench->closes++;
    bench->pubsub = NULL;
}

static void hear(struct bench *bench, const char *what, struct span text)
{
    size_t at = strlen(bench->heard);

    assert_int_equal(bench->closes, 0);
    snprintf(bench->heard + at, sizeof(bench->heard) - at, "%s %.*s\n", what,
             (int)text.len, text.ptr ? text.ptr : "");
    if (bench->close_inside)
        pubsub_close(bench->pubsub, on_closed, bench);
    bench->close_inside = false;
}

static void on_invalidate(void *arg, struct span key)
{
    hear(arg, key.ptr ? "key" : "all", key);
}

static void on_epoch(void *arg, bool live)
{
    struct bench *bench = arg;

    *(live ? &bench->begun : &bench->ended) += 1;
    assert_in_range(bench->begun - bench->ended, 0, 1); /* in turns */
    assert_int_equal(pubsub_is_live(bench->pubsub), live);
}

static void on_a(void *arg, struct span channel, struct span payload)
{
    assert_true(span_eq(channel, SPAN("a")));
    hear(arg, "a", payload);
}

static void on_b(void *arg, struct span channel, struct span payload)
{
    assert_true(span_eq(channel, SPAN("b")));
    hear(arg, "b", payload);
}

static const struct pubsub_events events = {.on_invalidate = on_invalidate,
                                            .on_epoch = on_epoch};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    void *kit;

    kit_setup(&kit);
    bench->kit = kit;
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    void *kit = bench->kit;

    if (bench->pubsub)
        pubsub_close(bench->pubsub, on_closed, bench);
    UNTIL(bench->kit, bench->closes);
    assert_int_equal(bench->closes, 1);
    kit_teardown(&kit);
    free(bench);
    return 0;
}

static void open_pubsub(struct bench *bench, const char *const *track)
{
    bench->pubsub = pubsub_open(bench->kit->loop, &bench->kit->options, track,
                                &events, bench);
}

/* The next command must be text; it is answered by reply, and forgotten. */
static void expect(struct bench *bench, const char *text, const char *reply)
{
    UNTIL(bench->kit, bench->kit->count);
    assert_string_equal(kit_command(bench->kit, 0), text);
    assert_int_equal(bench->kit->count, 1); /* nothing goes before it */
    kit_forget(bench->kit);
    kit_say(bench->kit, reply);
}

/* Up to where the first pong is due; channels: they must be subscribed. */
static void set_up(struct bench *bench, const char *channels)
{
    size_t pings = channels ? 2 : 1;

    bench->kit->ping = NULL;
    expect(bench, "CLIENT ID", ":7\r\n");
    expect(bench,
           "CLIENT TRACKING ON REDIRECT 7 BCAST PREFIX s:link: PREFIX s:x:",
           "+OK\r\n");
    UNTIL(bench->kit, bench->kit->count > pings);
    assert_string_equal(kit_command(bench->kit, 0),
                        "SUBSCRIBE __redis__:invalidate");
    if (channels)
        assert_string_equal(kit_command(bench->kit, 1), channels);
    assert_string_equal(kit_command(bench->kit, pings), "PING");
    kit_forget(bench->kit);
}

static void open_live(struct bench *bench)
{
    open_pubsub(bench, tracked);
    set_up(bench, NULL);
    bench->kit->ping = PONG; /* it lives on */
    kit_say(bench->kit, PONG);
    UNTIL(bench->kit, bench->begun == 1);
}

static void hears(struct bench *bench, const char *text)
{
    UNTIL(bench->kit, strlen(bench->heard) >= strlen(text));
    assert_string_equal(bench->heard, text);
}

static void test_pubsub_epoch_begins_at_the_first_pong(void **state)
{
    struct bench *bench = *state;

    open_pubsub(bench, tracked);
    assert_string_equal(pubsub_reason(bench->pubsub), "connecting");
    set_up(bench, NULL);
    kit_say(bench->kit, "*3\r\n$9\r\nsubscribe\r\n$20\r\n__redis__:invalidate"
                        "\r\n:1\r\n" INVALIDATE "*1\r\n$1\r\nk\r\n");
    hears(bench, "key k\n"); /* so what came before has been taken */
    assert_int_equal(bench->begun, 0);
    assert_false(pubsub_is_live(bench->pubsub));
    kit_say(bench->kit, PONG PONG);
    UNTIL(bench->kit, bench->begun);
    assert_int_equal(bench->begun, 1);
    assert_string_equal(pubsub_reason(bench->pubsub), "");
}

static void test_pubsub_that_tracks_nothing_subscribes_at_once(void **state)
{
    static const char *const none[] = {NULL};
    static const char *const *const cases[] = {NULL, none};
    struct bench *bench = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        open_pubsub(bench, cases[i]);
        expect(bench, "CLIENT ID", ":7\r\n");
        UNTIL(bench->kit, bench->kit->count >= 2);
        assert_string_equal(kit_command(bench->kit, 0),
                            "SUBSCRIBE __redis__:invalidate");
        kit_forget(bench->kit);
        kit_say(bench->kit, PONG);
        UNTIL(bench->kit, bench->begun == (int)i + 1);
        kit_stop(bench->kit);
        UNTIL(bench->kit, bench->ended == (int)i + 1);
        kit_start(bench->kit);
        pubsub_close(bench->pubsub, on_closed, bench);
        UNTIL(bench->kit, !bench->pubsub);
        bench->closes = 0;
    }
    open_pubsub(bench, NULL);
}

static void
test_pubsub_epoch_ends_with_the_link_and_another_begins(void **state)
{
    struct bench *bench = *state;

    open_live(bench);
    kit_hang_up(bench->kit);
    UNTIL(bench->kit, bench->ended == 1);
    assert_false(pubsub_is_live(bench->pubsub));
    assert_string_equal(pubsub_reason(bench->pubsub), "connection closed");
    kit_forget(bench->kit);
    set_up(bench, NULL); /* tracking, too */
    assert_int_equal(bench->begun, 1);
    kit_say(bench->kit, PONG);
    UNTIL(bench->kit, bench->begun == 2);
}

/* A Redis that is stopped keeps its connections. */
static void test_pubsub_epoch_ends_when_redis_is_silent(void **state)
{
    struct bench *bench = *state;

    open_live(bench);
    bench->kit->ping = NULL;
    UNTIL(bench->kit, bench->ended == 1);
    assert_string_equal(pubsub_reason(bench->pubsub), "silent");
    assert_true(bench->kit->count > 0);
    assert_string_equal(kit_command(bench->kit, 0), "PING"); /* it was asked */
}

/* A PING in between would be taken for an answer of the set-up. */
static void test_pubsub_asks_nothing_else_before_it_is_set_up(void **state)
{
    struct bench *bench = *state;

    open_pubsub(bench, tracked);
    UNTIL(bench->kit, strcmp(pubsub_reason(bench->pubsub), "silent") == 0);
    assert_int_equal(bench->kit->count, 1);
    assert_string_equal(kit_command(bench->kit, 0), "CLIENT ID");
    assert_int_equal(bench->begun + bench->ended, 0);
}

static void test_pubsub_tells_each_key_or_all(void **state)
{
    struct bench *bench = *state;

    open_live(bench);
    kit_say(bench->kit, INVALIDATE "*2\r\n$2\r\nk1\r\n$2\r\nk2\r\n");
    hears(bench, "key k1\nkey k2\n");
    kit_say(bench->kit, INVALIDATE "*-1\r\n");
    hears(bench, "key k1\nkey k2\nall \n");
    kit_say(bench->kit,
            INVALIDATE "$-1\r\n" INVALIDATE "*0\r\n" INVALIDATE
                       "*1\r\n:3\r\n" INVALIDATE "*1\r\n$0\r\n\r\n");
    hears(bench, "key k1\nkey k2\nall \nall \nkey \n");
}

static void test_pubsub_message_goes_to_its_channels_subscriber(void **state)
{
    struct bench *bench = *state;

    open_live(bench);
    assert_int_equal(pubsub_subscribe(bench->pubsub, SPAN("a"), on_a, bench),
                     0);
    assert_int_equal(pubsub_subscribe(bench->pubsub, SPAN("b"), on_b, bench),
                     0);
    UNTIL(bench->kit, bench->kit->count >= 2);
    assert_string_equal(kit_command(bench->kit, 0), "SSUBSCRIBE a");
    assert_string_equal(kit_command(bench->kit, 1), "SSUBSCRIBE b");
    kit_say(bench->kit, MESSAGE("b", "1") MESSAGE("c", "2") MESSAGE("a", "3"));
    hears(bench, "b 1\na 3\n");
    kit_forget(bench->kit);
    pubsub_unsubscribe(bench->pubsub, SPAN("b"));
    pubsub_unsubscribe(bench->pubsub, SPAN("c")); /* nobody's */
    UNTIL(bench->kit, bench->kit->count);
    assert_string_equal(kit_command(bench->kit, 0), "SUNSUBSCRIBE b");
    kit_say(bench->kit, MESSAGE("b", "4") MESSAGE("a", "5"));
    hears(bench, "b 1\na 3\na 5\n");
}

static void test_pubsub_subscribes_again_on_a_new_link(void **state)
{
    struct bench *bench = *state;

    open_pubsub(bench, tracked);
    pubsub_subscribe(bench->pubsub, SPAN("a"), on_a, bench); /* not up yet */
    pubsub_subscribe(bench->pubsub, SPAN("c"), on_b, bench);
    set_up(bench, "SSUBSCRIBE a c");
    kit_say(bench->kit, PONG);
    UNTIL(bench->kit, bench->begun == 1);
    kit_hang_up(bench->kit);
    UNTIL(bench->kit, bench->ended == 1);
    pubsub_subscribe(bench->pubsub, SPAN("b"), on_b, bench);
    pubsub_unsubscribe(bench->pubsub, SPAN("c"));
    kit_forget(bench->kit);
    set_up(bench, "SSUBSCRIBE a b");
    kit_say(bench->kit, PONG MESSAGE("b", "1") MESSAGE("a", "2"));
    hears(bench, "b 1\na 2\n");
}

static void
test_pubsub_channel_has_one_subscriber_and_there_is_a_bound(void **state)
{
    struct bench *bench = *state;
    char name[8];

    open_pubsub(bench, tracked);
    for (int i = 0; i < PUBSUB_MAX_CHANNELS; i++) {
        snprintf(name, sizeof(name), "%d", i);
        assert_int_equal(
            pubsub_subscribe(bench->pubsub, span_str(name), on_a, bench), 0);
    }
    assert_int_equal(pubsub_subscribe(bench->pubsub, SPAN("7"), on_b, bench),
                     UV_EEXIST);
    assert_int_equal(pubsub_subscribe(bench->pubsub, SPAN("a"), on_a, bench),
                     UV_ENOBUFS);
    pubsub_unsubscribe(bench->pubsub, SPAN("7"));
    assert_int_equal(pubsub_subscribe(bench->pubsub, SPAN("a"), on_a, bench),
                     0);
    expect(bench, "CLIENT ID", ":7\r\n");
    UNTIL(bench->kit, bench->kit->count);
    kit_forget(bench->kit);
    kit_say(bench->kit, "+OK\r\n");
    UNTIL(bench->kit, bench->kit->count >= 3); /* all of them fit */
    assert_int_equal(
        strncmp(kit_command(bench->kit, 1), "SSUBSCRIBE 0 1 2 ", 17), 0);
    assert_non_null(strstr(kit_command(bench->kit, 1), " 255 a"));
}

static void test_pubsub_link_that_refuses_is_given_up(void **state)
{
    struct bench *bench = *state;

    open_pubsub(bench, tracked);
    expect(bench, "CLIENT ID", ":7\r\n");
    UNTIL(bench->kit, bench->kit->count);
    kit_forget(bench->kit);
    kit_say(bench->kit, "-NOPERM no tracking\r\n");
    UNTIL(bench->kit,
          strcmp(pubsub_reason(bench->pubsub), "NOPERM no tracking") == 0);
    set_up(bench, NULL);
    kit_say(bench->kit, "-NOPERM no channel\r\n");
    UNTIL(bench->kit,
          strcmp(pubsub_reason(bench->pubsub), "NOPERM no channel") == 0);
    assert_int_equal(bench->begun, 0);
    assert_int_equal(bench->ended, 0);
}

static void test_pubsub_tells_nothing_once_closed(void **state)
{
    struct bench *bench = *state;

    open_live(bench);
    bench->close_inside = true;
    kit_say(bench->kit,
            INVALIDATE "*1\r\n$1\r\nk\r\n" INVALIDATE "*1\r\n$1\r\nl\r\n");
    UNTIL(bench->kit, bench->closes);
    assert_string_equal(bench->heard, "key k\n");
    assert_int_equal(bench->ended, 0);
}

static void test_pubsub_close_in_any_state_of_the_link(void **state)
{
    struct bench *bench = *state;

    open_pubsub(bench, tracked); /* connecting */
    pubsub_subscribe(bench->pubsub, SPAN("a"), on_a, bench);
    pubsub_close(bench->pubsub, on_closed, bench);
    assert_int_equal(bench->closes, 0); /* not inside */
    UNTIL(bench->kit, bench->closes);
    bench->closes = 0;
    kit_stop(bench->kit);
    open_pubsub(bench, tracked); /* waiting to connect again */
    UNTIL(bench->kit, strcmp(pubsub_reason(bench->pubsub), "connecting") != 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pubsub_epoch_begins_at_the_first_pong),
        TEST(test_pubsub_that_tracks_nothing_subscribes_at_once),
        TEST(test_pubsub_epoch_ends_with_the_link_and_another_begins),
        TEST(test_pubsub_epoch_ends_when_redis_is_silent),
        TEST(test_pubsub_asks_nothing_else_before_it_is_set_up),
        TEST(test_pubsub_tells_each_key_or_all),
        TEST(test_pubsub_message_goes_to_its_channels_subscriber),
        TEST(test_pubsub_subscribes_again_on_a_new_link),
        TEST(test_pubsub_channel_has_one_subscriber_and_there_is_a_bound),
        TEST(test_pubsub_link_that_refuses_is_given_up),
        TEST(test_pubsub_tells_nothing_once_closed),
        TEST(test_pubsub_close_in_any_state_of_the_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
