/* topics_kit.h - topics over a fake Redis, with real rings. */
#pragma once

#include "common/hash.h"
#include "common/metrics.h"
#include "notifier/scripts.h"
#include "notifier/topics.h"
#include "tests/notifier/log_kit.h"
#include "tests/test.h"

#define IDLE_MAX 16384 /* topics.c's */

struct waiter {
    struct topic_wait wait;
    int calls, status;
    struct topic *leave; /* when it is told */
};

struct bench {
    uv_loop_t uv;
    struct stream_loop *loop;
    struct fanout *fanout;
    struct metrics *metrics;
    struct topics *topics;
    struct redis redis;
    struct topic *topic; /* "t" */
    struct waiter waiter;
    size_t before; /* live bytes */
    int fd;
};

extern struct topic_setting setting; /* of all topics */

/* Of a waiter. */
void on_told(struct topic_wait *wait, int status);
int setup(void **state);
int teardown(void **state);
/* So much later, by the loop's clock. */
void pass(struct bench *bench, uint64_t ms);
void hear(struct bench *bench, uint64_t epoch, uint64_t offset);
void assert_asked(struct bench *bench, const char *words);
void answer(struct bench *bench, struct redisReply *reply);
void assert_last(const struct bench *bench, uint64_t epoch, uint64_t offset);
void assert_ring(const struct bench *bench, const char *text);
/* It is known to stand there. */
void make_known(struct bench *bench, uint64_t epoch, uint64_t offset);

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
