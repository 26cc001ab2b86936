/* test_publication.c - what may be published, and on its way to the logs. */
#include <stdlib.h>

#include "notifier/notifier.h"
#include "notifier/publication.h"
#include "notifier/scripts.h"
#include "tests/fake/redis_queue.h"
#include "tests/test.h"

/* ---- publication.c's neighbours */

struct redis_script script_publish = {.name = "publish.lua"};

static struct redis redis;
static struct topic_setting setting;
static struct topic *known;
static struct log_id known_last, place;

void app_crash_point(const struct app *app, const char *name)
{
    (void)app;
    (void)name;
}

struct redis *app_redis(const struct app *app)
{
    (void)app;
    return &redis;
}

const struct topic_setting *settings_of(const struct settings *settings,
                                        struct span topic)
{
    (void)settings;
    (void)topic;
    return &setting;
}

struct topic *topics_find(struct topics *topics, struct span name)
{
    (void)topics;
    return span_eq(name, SPAN("a")) ? known : NULL;
}

struct log_id topic_last(const struct topic *topic)
{
    assert_ptr_equal(topic, known);
    return known_last;
}

struct log_id feed_place(const struct feed *feed, uint32_t partition)
{
    (void)feed;
    assert_in_range(partition, 0, HASH_PARTITIONS - 1);
    return place;
}

/* ---- publication_check() */

static struct record good(void)
{
    return (struct record){.id = SPAN("i"),
                           .type = SPAN("t"),
                           .topics = {SPAN("https://a/1")},
                           .topic_count = 1,
                           .data = SPAN("d")};
}

static void assert_wrong(const struct record *record, const char *why)
{
    const char *wrong = publication_check(record);

    if (!why)
        assert_null(wrong);
    else
        assert_string_equal(wrong ? wrong : "nothing", why);
}

static char long_text[2048];

static struct span of_length(size_t len)
{
    memset(long_text, 'x', sizeof(long_text));
    return (struct span){long_text, len};
}

static void test_publication_check_takes_what_is_good(void **state)
{
    struct record record = good();
    (void)state;

    assert_wrong(&record, NULL);
    record = (struct record){.topics = {SPAN("t")}, .topic_count = 1};
    assert_wrong(&record, NULL);
    record.data = SPAN("\0\r\n\t\x7f \xc3\xa4\xf0\x9f\x98\x80");
    assert_wrong(&record, NULL);
    record.topics[0] = SPAN("**");
    assert_wrong(&record, NULL);
}

static void test_publication_check_refuses_topics(void **state)
{
    static const char size[] = "a topic must have 1 to 1024 bytes";
    static const char bytes[] =
        "a topic must be UTF-8 without control characters";
    const struct {
        struct span topic;
        const char *why;
    } cases[] = {
        {SPAN(""), size},          {of_length(1024), NULL},
        {of_length(1025), size},   {SPAN("*"), "* is a selector, not a topic"},
        {SPAN("a\nb"), bytes},     {SPAN("a\rb"), bytes},
        {SPAN("a\0b"), bytes},     {SPAN("\x1f"), bytes},
        {SPAN("\x7f"), bytes},     {SPAN("\xff"), bytes},
        {SPAN("\xc3"), bytes},     {SPAN("\xed\xa0\x80"), bytes},
        {SPAN("\xc0\x80"), bytes}, {SPAN("\xc3\xa4"), NULL},
    };
    struct record record = good();
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        record.topics[0] = cases[i].topic;
        record.topic_count = 1;
        assert_wrong(&record, cases[i].why);
        record.topics[0] = SPAN("good");
        record.topics[RECORD_TOPICS_MAX - 1] = cases[i].topic;
        for (size_t k = 1; k < RECORD_TOPICS_MAX - 1; k++)
            record.topics[k] = SPAN("good");
        record.topic_count = RECORD_TOPICS_MAX;
        assert_wrong(&record, cases[i].why);
    }
    record.topic_count = 0;
    assert_wrong(&record, "at least one topic is needed");
}

static void test_publication_check_refuses_ids(void **state)
{
    static const char bytes[] =
        "an id must be UTF-8 without control characters";
    const struct {
        struct span id;
        const char *why;
    } cases[] = {
        {of_length(256), NULL},
        {of_length(257), "an id must have at most 256 bytes"},
        {SPAN("a\n"), bytes},
        {SPAN("\0"), bytes},
        {SPAN("\x80"), bytes},
        {SPAN("#1"), "an id must not begin with #"},
        {SPAN("1#"), NULL},
        {SPAN("earliest"), "earliest is no id"},
        {SPAN("Earliest"), NULL},
    };
    struct record record = good();
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        record.id = cases[i].id;
        assert_wrong(&record, cases[i].why);
    }
}

static void test_publication_check_refuses_types_and_data(void **state)
{
    static const char bytes[] =
        "a type must be UTF-8 without control characters";
    static const char own[] = "this type is the hub's own";
    const struct {
        struct span type;
        const char *why;
    } cases[] = {
        {of_length(256), NULL},
        {of_length(257), "a type must have at most 256 bytes"},
        {SPAN("a\rdata: x"), bytes},
        {SPAN("\xf5"), bytes},
        {SPAN("mercure"), own},
        {SPAN("mercure2"), NULL},
        {SPAN("notifier.gap"), own},
        {SPAN("notifier."), own},
        {SPAN("notifier"), NULL},
    };
    const struct span data[] = {SPAN("\xff"), SPAN("a\xc3"),
                                SPAN("\xed\xb0\x80"), SPAN("\xf4\x90\x80\x80")};
    struct record record = good();
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        record.type = cases[i].type;
        assert_wrong(&record, cases[i].why);
    }
    record.type = SPAN("");
    for (size_t i = 0; i < COUNT(data); i++) {
        record.data = data[i];
        assert_wrong(&record, "data must be UTF-8");
    }
}

/* ---- ids */

static void test_publication_ids_are_random_uuids(void **state)
{
    static char ids[1000][PUBLICATION_NEW_ID];
    static const char shape[] = "urn:uuid:xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
    (void)state;

    for (size_t i = 0; i < COUNT(ids); i++) {
        struct span id = publication_new_id(ids[i]);
        assert_ptr_equal(id.ptr, ids[i]);
        assert_int_equal(id.len, strlen(shape));
        for (size_t k = 0; k < id.len; k++) {
            char c = id.ptr[k];
            if (shape[k] == 'x' && k >= 9)
                assert_non_null(memchr("0123456789abcdef", c, 16));
            else if (shape[k] == 'y')
                assert_non_null(memchr("89ab", c, 4));
            else
                assert_int_equal(c, shape[k]);
        }
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(ids[i], ids[k], PUBLICATION_NEW_ID);
    }
}

/* ---- publication_send() */

struct bench {
    struct notifier app;
    struct notifier_config config;
    struct publication publication;
    uint64_t published, replayed;
    int calls, status;
};

static void on_done(struct publication *publication, int status)
{
    struct bench *bench = publication->arg;

    bench->calls++;
    bench->status = status;
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    redis = (struct redis){0};
    setting = (struct topic_setting){.max_count = 1000, .max_age_ms = 5000};
    known = NULL;
    known_last = place = (struct log_id){0};
    bench->config.references = 10000;
    bench->app = (struct notifier){.config = &bench->config,
                                   .published = &bench->published,
                                   .replayed = &bench->replayed};
    bench->publication =
        (struct publication){.record = {.id = SPAN("i"),
                                        .topics = {SPAN("a"), SPAN("b")},
                                        .topic_count = 2,
                                        .data = SPAN("d")},
                             .cb = on_done,
                             .arg = bench};
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    assert_int_equal(redis.waiting, 0);
    return 0;
}

static int send_it(struct bench *bench)
{
    int err = publication_send(&bench->app, &bench->publication);

    assert_int_equal(bench->calls, 0); /* never inside the call */
    return err;
}

static void answer(const char *id, int replayed)
{
    fake_redis_answer(&redis, 0,
                      fake_array(4, fake_text("%s", id), fake_text("123"),
                                 fake_number(replayed), fake_text("9-1")));
}

static void test_publication_goes_to_the_log_of_each_topic(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(send_it(bench), 0);
    assert_int_equal(redis.sent, 2);
    assert_string_equal(
        redis.calls[0].wire,
        "publish.lua no:log:{p064}:a no:refs:{p064} i\n\n\n\na\nb\n\nd a  0  "
        "1000 604800000 10000 no:wake:{p064} 86400000");
    assert_non_null(strstr(redis.calls[1].wire, "i\n\n\n\nb\na\n\nd b  0 "));
    assert_false(redis.calls[0].call.repeatable);
    answer("5-1", 0);
    assert_int_equal(bench->calls, 0);
    answer("6-2", 0);
    assert_int_equal(bench->calls, 1);
    assert_int_equal(bench->status, 0);
    assert_true(log_id_eq(bench->publication.ids[0], (struct log_id){5, 1}));
    assert_true(log_id_eq(bench->publication.ids[1], (struct log_id){6, 2}));
    assert_false(bench->publication.replayed);
    assert_int_equal(bench->published, 1);
}

static void test_publication_says_what_it_knows_of_the_log(void **state)
{
    struct bench *bench = *state;
    struct topic topic;

    known = &topic;
    known_last = (struct log_id){50, 7};
    place = (struct log_id){60, 3};
    setting.max_count = 1;
    setting.max_age_ms = UINT64_C(30) * 86400000;
    bench->publication.record.topic_count = 1;
    assert_int_equal(send_it(bench), 0);
    assert_non_null(
        strstr(redis.calls[0].wire, " a 50 7 60 1 2592000000 10000 no:wake:"));
    answer("50-8", 0);
}

static void test_publication_with_an_id_is_done_once(void **state)
{
    struct bench *bench = *state;

    bench->publication.has_id = true;
    assert_int_equal(send_it(bench), 0);
    assert_non_null(strstr(redis.calls[0].wire, "} no:once:{p064}:1:a:i i\n"));
    assert_true(redis.calls[0].call.repeatable);
    answer("5-1", 1);
    answer("6-2", 1);
    assert_true(bench->publication.replayed);
    assert_int_equal(bench->published, 0);
    assert_int_equal(bench->replayed, 1);
}

static void test_publication_of_which_one_was_there_is_new(void **state)
{
    struct bench *bench = *state;

    bench->publication.has_id = true;
    assert_int_equal(send_it(bench), 0);
    answer("5-1", 1);
    answer("6-2", 0);
    assert_false(bench->publication.replayed);
    assert_int_equal(bench->published, 1);
}

static void test_publication_that_is_not_sent_says_so(void **state)
{
    struct bench *bench = *state;

    redis.refuse = UV_ENOBUFS;
    assert_int_equal(send_it(bench), UV_ENOBUFS);
    assert_int_equal(redis.refused, 1); /* the others are not tried */
}

static void test_publication_is_told_of_the_first_failure(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(send_it(bench), 0);
    fake_redis_answer(&redis, UV_ETIMEDOUT, NULL);
    assert_int_equal(bench->calls, 0); /* not all have answered */
    fake_redis_answer(&redis, UV_ECONNRESET, NULL);
    assert_int_equal(bench->calls, 1);
    assert_int_equal(bench->status, UV_ETIMEDOUT);
    assert_int_equal(bench->published, 0);
}

static void test_publication_refuses_an_answer_that_is_none(void **state)
{
    struct bench *bench = *state;
    struct redisReply *const wrong[] = {
        fake_empty(),
        fake_number(4),
        fake_text("5-1"),
        fake_array(4, fake_text("5"), fake_text("1"), fake_number(0),
                   fake_text("9-1")),
        fake_array(4, fake_number(5), fake_text("1"), fake_number(0),
                   fake_text("9-1")),
    };

    bench->publication.record.topic_count = 1;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        bench->calls = 0;
        assert_int_equal(send_it(bench), 0);
        fake_redis_answer(&redis, 0, wrong[i]);
        assert_int_equal(bench->calls, 1);
        assert_int_equal(bench->status, UV_EPROTO);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_publication_check_takes_what_is_good),
        cmocka_unit_test(test_publication_check_refuses_topics),
        cmocka_unit_test(test_publication_check_refuses_ids),
        cmocka_unit_test(test_publication_check_refuses_types_and_data),
        cmocka_unit_test(test_publication_ids_are_random_uuids),
        TEST(test_publication_goes_to_the_log_of_each_topic),
        TEST(test_publication_says_what_it_knows_of_the_log),
        TEST(test_publication_with_an_id_is_done_once),
        TEST(test_publication_of_which_one_was_there_is_new),
        TEST(test_publication_that_is_not_sent_says_so),
        TEST(test_publication_is_told_of_the_first_failure),
        TEST(test_publication_refuses_an_answer_that_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
