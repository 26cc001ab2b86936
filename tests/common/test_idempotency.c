/* test_idempotency.c - a POST done once, between a server and a fake Redis. */
#include <stdio.h>
#include <string.h>

#include "common/idempotency.h"
#include "common/key.h"
#include "tests/common/server_kit.h"
#include "tests/fake/redis.h"

#define HAS(answer, text) assert_non_null(strstr(answer, text))
#define HAS_NOT(answer, text) assert_null(strstr(answer, text))
#define OWN "op-own" /* the operation that each try proposes */

static struct {
    struct redis redis;
    struct idempotency *record; /* while a request goes on */
    struct request *req;
    enum idempotency_state state;
    char operation[32];
    int gone_on, changed, change_status;
} bench;

static int setup(void **state)
{
    memset(&bench, 0, sizeof(bench));
    return kit_setup(state);
}

static void go_on(struct request *req, void *arg, struct idempotency *record,
                  enum idempotency_state state, struct span operation)
{
    assert_ptr_equal(arg, &bench);
    bench.gone_on++;
    bench.req = req;
    bench.record = record;
    bench.state = state;
    snprintf(bench.operation, sizeof(bench.operation), "%.*s",
             (int)operation.len, operation.ptr);
}

static void make(struct request *req, void *arg)
{
    (void)arg;
    if (!idempotency_wanted(req)) {
        request_reply_json(req, 201, SPAN("{\"key\":false}"));
        return;
    }
    idempotency_begin(&bench.redis, "s", req, SPAN(OWN), go_on, &bench);
}

static const struct route routes[] = {{REQUEST_POST, "/make", NULL, make, 0},
                                      {REQUEST_POST, "/other", NULL, make, 0},
                                      {0}};

/* POST target with a key and a body of two bytes; Redis is asked. */
static int post(struct kit *kit, const char *target, const char *body)
{
    int sent = bench.redis.sent;
    char headers[128];

    snprintf(headers, sizeof(headers),
             "Idempotency-Key: k:1\r\nContent-Length: 2\r\n\r\n%s", body);
    int client = kit_ask_begin(kit, target, headers);
    UNTIL(kit, bench.redis.sent == sent + 1);
    return client;
}

/* Redis says words (a NULL is nil), as the script does. */
static void answer(const char *const *words, size_t count)
{
    struct redisReply elements[3];
    struct redisReply *pointers[3];

    for (size_t i = 0; i < count; i++) {
        elements[i] = (struct redisReply){.type = REDIS_REPLY_STRING,
                                          .str = (char *)(uintptr_t)words[i],
                                          .len = strlen(words[i])};
        pointers[i] = &elements[i];
    }
    fake_redis_answer(&bench.redis, 0,
                      &(struct redisReply){.type = REDIS_REPLY_ARRAY,
                                           .elements = count,
                                           .element = pointers});
}

#define ANSWER(...)                            \
    answer((const char *const[]){__VA_ARGS__}, \
           COUNT(((const char *const[]){__VA_ARGS__})))

static void answer_ok(void)
{
    fake_redis_answer(&bench.redis, 0,
                      &(struct redisReply){.type = REDIS_REPLY_INTEGER});
}

/* The rest of a test that is not about the end. */
static void finish(struct kit *kit, int client)
{
    idempotency_finish(bench.record, 200, SPAN("{}"));
    answer_ok();
    kit_ask_end(kit, client);
}

static void test_idempotency_without_a_key_is_not_wanted(void **state)
{
    struct kit *kit = *state;

    kit_start(kit, routes);
    HAS(kit_ask(kit, "POST /make", "Content-Length: 0\r\n"), "{\"key\":false}");
    assert_int_equal(bench.redis.sent, 0);
}

static void test_idempotency_key_has_1_to_255_bytes(void **state)
{
    static const struct {
        size_t len;
        bool good;
    } cases[] = {{0, false}, {1, true}, {255, true}, {256, false}};
    struct kit *kit = *state;

    kit->options.max_header = 512;
    kit_start(kit, routes);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char key[257] = "";
        char headers[400];

        memset(key, 'k', cases[i].len);
        snprintf(headers, sizeof(headers),
                 "Idempotency-Key: %s\r\nContent-Length: 0\r\n", key);
        int client = kit_ask_begin(kit, "POST /make", headers);
        UNTIL(kit, bench.redis.waiting || kit->ended[client]);
        assert_int_equal(bench.redis.waiting, cases[i].good);
        if (cases[i].good)
            fake_redis_answer(&bench.redis, UV_ETIMEDOUT, NULL);
        HAS(kit_ask_end(kit, client),
            cases[i].good ? "HTTP/1.1 503 " : "/problems/bad-idempotency-key");
    }
}

static void test_idempotency_record_is_the_subjects_own(void **state)
{
    struct kit *kit = *state;
    struct arena arena;
    char expected[300];

    kit_start(kit, routes);
    arena_init(&arena, MEM_APP, 0);
    struct span sub = SPAN("anonymous");
    struct span key =
        key_name(&arena, "s", "idem", sub, key_pair(&arena, sub, SPAN("k:1")));
    int client = post(kit, "POST /make", "{}");
    snprintf(expected, sizeof(expected), "idempotency_begin.lua %.*s ",
             (int)key.len, key.ptr);
    arena_deinit(&arena);
    assert_memory_equal(bench.redis.wire, expected, strlen(expected));
    HAS(bench.redis.wire, " " OWN " 10000 86400000");
    assert_true(span_eq(bench.redis.call.key, sub));
    assert_true(bench.redis.call.repeatable);
    ANSWER("fresh");
    finish(kit, client);
}

/* The digest, as the last try sent it. */
static void copy_digest(char digest[65])
{
    const char *at = bench.redis.wire;

    for (int i = 0; i < 2; i++)
        at = strchr(at, ' ') + 1;
    assert_int_equal(strcspn(at, " "), 64);
    snprintf(digest, 65, "%s", at);
}

static void test_idempotency_digest_is_of_path_and_body(void **state)
{
    static const struct {
        const char *target, *body;
    } tries[] = {{"POST /make", "{}"},
                 {"POST /make", "[]"},
                 {"POST /other", "{}"},
                 {"POST /make", "{}"}};
    struct kit *kit = *state;
    char digests[COUNT(tries)][65];

    kit_start(kit, routes);
    for (size_t i = 0; i < COUNT(tries); i++) {
        int client = post(kit, tries[i].target, tries[i].body);
        copy_digest(digests[i]);
        ANSWER("busy");
        kit_ask_end(kit, client);
    }
    assert_string_not_equal(digests[0], digests[1]);
    assert_string_not_equal(digests[0], digests[2]);
    assert_string_equal(digests[0], digests[3]);
}

static void
test_idempotency_goes_on_with_the_operation_of_the_first_try(void **state)
{
    struct kit *kit = *state;
    int client;

    kit_start(kit, routes);
    client = post(kit, "POST /make", "{}");
    assert_int_equal(bench.gone_on, 0);
    ANSWER("fresh");
    assert_int_equal(bench.gone_on, 1);
    assert_int_equal(bench.state, IDEMPOTENCY_FRESH);
    assert_string_equal(bench.operation, OWN);
    finish(kit, client);
    client = post(kit, "POST /make", "{}");
    ANSWER("continue", "op-first");
    assert_int_equal(bench.gone_on, 2);
    assert_int_equal(bench.state, IDEMPOTENCY_CONTINUE);
    assert_string_equal(bench.operation, "op-first");
    finish(kit, client);
}

static void test_idempotency_replays_the_answer(void **state)
{
    static const struct {
        const char *status, *line, *type;
    } cases[] = {
        {"201", "HTTP/1.1 201 Created\r\n", "application/json"},
        {"409", "HTTP/1.1 409 Conflict\r\n", "application/problem+json"},
    };
    struct kit *kit = *state;

    kit_start(kit, routes);
    for (size_t i = 0; i < COUNT(cases); i++) {
        int client = post(kit, "POST /make", "{}");
        ANSWER("replay", cases[i].status, "{\"a\":1}");
        const char *got = kit_ask_end(kit, client);
        HAS(got, cases[i].line);
        HAS(got, cases[i].type);
        HAS(got, "\r\nIdempotent-Replayed: true\r\n");
        HAS(got, "\r\n\r\n{\"a\":1}");
    }
    assert_int_equal(bench.gone_on, 0);
}

static void test_idempotency_answers_what_must_not_go_on(void **state)
{
    static const struct {
        const char *state, *line, *text;
    } cases[] = {
        {"busy", "HTTP/1.1 409 ", "/problems/idempotency-busy"},
        {"busy", "HTTP/1.1 409 ", "\r\nRetry-After: 10\r\n"},
        {"mismatch", "HTTP/1.1 422 ", "/problems/idempotency-mismatch"},
    };
    struct kit *kit = *state;

    kit_start(kit, routes);
    for (size_t i = 0; i < COUNT(cases); i++) {
        int client = post(kit, "POST /make", "{}");
        ANSWER(cases[i].state);
        const char *got = kit_ask_end(kit, client);
        HAS(got, cases[i].line);
        HAS(got, cases[i].text);
        HAS_NOT(got, "Idempotent-Replayed");
    }
    assert_int_equal(bench.gone_on, 0);
}

static void test_idempotency_does_not_go_on_without_redis(void **state)
{
    static const int errors[] = {UV_ETIMEDOUT, UV_ECONNRESET, UV_EPROTO};
    struct kit *kit = *state;
    struct redisReply error = {.type = REDIS_REPLY_ERROR};

    kit_start(kit, routes);
    for (size_t i = 0; i < COUNT(errors); i++) {
        int client = post(kit, "POST /make", "{}");
        fake_redis_answer(&bench.redis, errors[i],
                          errors[i] == UV_EPROTO ? &error : NULL);
        HAS(kit_ask_end(kit, client), "HTTP/1.1 503 ");
    }
    bench.redis.refuse = UV_ENOTCONN;
    HAS(kit_ask(kit, "POST /make",
                "Idempotency-Key: k\r\nContent-Length: 0\r\n"),
        "HTTP/1.1 503 ");
    assert_int_equal(bench.gone_on, 0);
}

static void test_idempotency_keeps_the_answer_before_it_is_given(void **state)
{
    static const struct {
        int status;
        const char *kept, *line, *type;
    } cases[] = {
        {201, " status 201 body {\"a\":1}", "HTTP/1.1 201 ",
         "application/json"},
        {422, " status 422 body {\"a\":1}", "HTTP/1.1 422 ",
         "application/problem+json"},
    };
    struct kit *kit = *state;

    kit_start(kit, routes);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char json[] = "{\"a\":1}";
        int client = post(kit, "POST /make", "{}");

        ANSWER("fresh");
        idempotency_finish(bench.record, cases[i].status, span_str(json));
        memset(json, 'x', sizeof(json) - 1); /* it has its own */
        HAS(bench.redis.wire, "idempotency_keep.lua s:idem:{p");
        HAS(bench.redis.wire, cases[i].kept);
        assert_true(bench.redis.call.repeatable);
        kit_rest(kit);
        assert_string_equal(kit_got(kit, client), "");
        answer_ok();
        const char *got = kit_ask_end(kit, client);
        HAS(got, cases[i].line);
        HAS(got, cases[i].type);
        HAS(got, "\r\n\r\n{\"a\":1}");
        HAS_NOT(got, "Idempotent-Replayed");
    }
}

/* The retry finds the lease over by then. */
static void test_idempotency_that_is_not_kept_is_not_answered(void **state)
{
    struct kit *kit = *state;
    const char *got;

    kit_start(kit, routes);
    for (int refuse = 0; refuse <= 1; refuse++) {
        int client = post(kit, "POST /make", "{}");
        ANSWER("fresh");
        bench.redis.refuse = refuse ? UV_ENOBUFS : 0;
        idempotency_finish(bench.record, 201, SPAN("{}"));
        if (!refuse)
            fake_redis_answer(&bench.redis, UV_ECONNRESET, NULL);
        got = kit_ask_end(kit, client);
        HAS(got, "HTTP/1.1 503 ");
        HAS(got, "\r\nRetry-After: 10\r\n");
    }
}

static void on_changed(void *arg, int status)
{
    assert_ptr_equal(arg, &bench);
    bench.changed++;
    bench.change_status = status;
}

static void test_idempotency_change_is_kept_before_it_is_told(void **state)
{
    static const int statuses[] = {0, UV_ETIMEDOUT};
    struct kit *kit = *state;

    kit_start(kit, routes);
    for (size_t i = 0; i < COUNT(statuses); i++) {
        int client = post(kit, "POST /make", "{}");
        ANSWER("fresh");
        assert_int_equal(
            idempotency_change(bench.record, SPAN("op-2"), on_changed, &bench),
            0);
        HAS(bench.redis.wire, "idempotency_keep.lua s:idem:{p");
        HAS(bench.redis.wire, " operation op-2");
        assert_int_equal(bench.changed, i);
        fake_redis_answer(&bench.redis, statuses[i], NULL);
        assert_int_equal(bench.changed, i + 1);
        assert_int_equal(bench.change_status, statuses[i]);
        bench.redis.refuse = UV_ENOTCONN; /* then it is not told */
        assert_int_equal(
            idempotency_change(bench.record, SPAN("op-3"), on_changed, &bench),
            UV_ENOTCONN);
        bench.redis.refuse = 0;
        finish(kit, client);
    }
    assert_int_equal(bench.changed, COUNT(statuses));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_idempotency_without_a_key_is_not_wanted),
        TEST(test_idempotency_key_has_1_to_255_bytes),
        TEST(test_idempotency_record_is_the_subjects_own),
        TEST(test_idempotency_digest_is_of_path_and_body),
        TEST(test_idempotency_goes_on_with_the_operation_of_the_first_try),
        TEST(test_idempotency_replays_the_answer),
        TEST(test_idempotency_answers_what_must_not_go_on),
        TEST(test_idempotency_does_not_go_on_without_redis),
        TEST(test_idempotency_keeps_the_answer_before_it_is_given),
        TEST(test_idempotency_that_is_not_kept_is_not_answered),
        TEST(test_idempotency_change_is_kept_before_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
