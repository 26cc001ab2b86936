/* redis_bench.c - see redis_bench.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/common/redis_bench.h"

#define MAX_WORDS 8

int bench_setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    void *kit;

    kit_setup(&kit);
    bench->kit = kit;
    for (size_t i = 0; i < BENCH_CALLERS; i++)
        bench->callers[i].bench = bench;
    *state = bench;
    return 0;
}

static void on_closed(void *arg)
{
    struct bench *bench = arg;

    assert_false(bench->in_call);
    bench->closes++;
    bench->redis = NULL;
}

void bench_close(struct bench *bench)
{
    bench->in_call = true;
    redis_close(bench->redis, on_closed, bench);
    bench->in_call = false;
}

int bench_teardown(void **state)
{
    struct bench *bench = *state;
    void *kit = bench->kit;

    if (bench->redis && !bench->closes)
        bench_close(bench);
    UNTIL(bench->kit, !bench->redis);
    assert_true(bench->closes <= 1);
    kit_teardown(&kit);
    for (size_t i = 0; i < BENCH_CALLERS; i++)
        assert_in_range(bench->callers[i].calls, 0, 1);
    free(bench);
    return 0;
}

void bench_open(struct bench *bench)
{
    bench->in_call = true;
    bench->redis = redis_open(bench->kit->loop, &bench->kit->options);
    bench->in_call = false;
}

void bench_open_up(struct bench *bench)
{
    bench_open(bench);
    UNTIL(bench->kit, redis_is_up(bench->redis));
}

static void on_reply(void *arg, int status, const struct redisReply *reply)
{
    struct caller *caller = arg;

    assert_false(caller->bench->in_call);
    assert_int_equal(caller->calls++, 0);
    caller->turn = ++caller->bench->turns;
    caller->status = status;
    assert_int_equal(reply != NULL, status == 0 || status == UV_EPROTO);
    if (reply && reply->type == REDIS_REPLY_INTEGER)
        snprintf(caller->text, sizeof(caller->text), "%lld", reply->integer);
    else if (reply && reply->str)
        snprintf(caller->text, sizeof(caller->text), "%s", reply->str);
    if (caller->then)
        caller->then(caller->bench);
}

/* The words are gone when this returns: the link must have its own. */
static int send_words(struct bench *bench, const char *words,
                      const struct redis_call *like)
{
    char *copy = strdup(words);
    struct span rest = span_str(copy);
    struct span argv[MAX_WORDS];
    struct redis_call call = *like;

    call.argv = argv;
    while (span_cut(&rest, ' ', &argv[call.argc]))
        assert_true(++call.argc < MAX_WORDS);
    bench->in_call = true;
    int err = redis_send(bench->redis, &call);
    bench->in_call = false;
    free(copy);
    return err;
}

int bench_send_for(struct bench *bench, size_t i, const char *words,
                   uint32_t timeout_ms)
{
    return send_words(bench, words,
                      &(struct redis_call){.cb = on_reply,
                                           .arg = &bench->callers[i],
                                           .timeout_ms = timeout_ms});
}

int bench_send(struct bench *bench, size_t i, const char *words)
{
    return bench_send_for(bench, i, words, 0);
}

int bench_send_repeatable(struct bench *bench, size_t i, const char *words)
{
    return send_words(bench, words,
                      &(struct redis_call){.cb = on_reply,
                                           .arg = &bench->callers[i],
                                           .repeatable = true});
}

int bench_eval(struct bench *bench, size_t i, struct redis_script *script,
               uint32_t timeout_ms)
{
    struct span argv[] = {SPAN("key"), SPAN("arg")};

    bench->in_call = true;
    int err = redis_eval(bench->redis, script, 1,
                         &(struct redis_call){.key = argv[0],
                                              .argv = argv,
                                              .argc = 2,
                                              .timeout_ms = timeout_ms,
                                              .cb = on_reply,
                                              .arg = &bench->callers[i]});
    bench->in_call = false;
    return err;
}

void bench_hears(struct bench *bench, size_t i, int status, const char *text)
{
    struct caller *caller = &bench->callers[i];

    UNTIL(bench->kit, caller->calls);
    assert_int_equal(caller->status, status);
    assert_string_equal(caller->text, text);
}

/*
 * On a machine that is busy a deadline may pass before the command is sent;
 * then it holds no place for its reply, and goes again.
 */
static void pass_deadline(struct bench *bench, size_t i)
{
    size_t before = redis_pending(bench->redis);

    do {
        bench->callers[i].calls = 0;
        assert_int_equal(bench_send_for(bench, i, "GET a", 20), 0);
        bench_hears(bench, i, UV_ETIMEDOUT, "");
    } while (redis_is_up(bench->redis) &&
             redis_pending(bench->redis) == before);
}

void bench_pass_deadlines(struct bench *bench, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++)
        pass_deadline(bench, i);
}
