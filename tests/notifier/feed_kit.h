/* feed_kit.h - a feed between a fake Redis, fake topics and real rings. */
#pragma once

#include "common/app.h"
#include "common/metrics.h"
#include "common/pubsub.h"
#include "notifier/feed.h"
#include "notifier/scripts.h"
#include "tests/notifier/log_kit.h"
#include "tests/test.h"

#define P 3 /* the partition that tests are about */

struct pubsub {
    size_t count;
    pubsub_message_cb cb[HASH_PARTITIONS];
    void *arg[HASH_PARTITIONS];
    char channels[HASH_PARTITIONS][32];
};

/* What topics are told, a word each. */
struct topics {
    char told[1024];
    bool has_t; /* somebody follows "t" */
};

struct app {
    struct stream_loop *loop;
    struct metrics *metrics;
    struct redis redis;
    struct pubsub pubsub;
};

struct bench {
    uv_loop_t uv;
    struct app app;
    struct topics topics;
    struct fanout *fanout;
    struct position_key *key;
    struct feed *feed;
    struct pattern *followed; /* "t" */
    struct feed_wait wait;
    int known; /* times that it was told */
    char other[64];
    size_t before;
    int fd;
};

struct pattern *use(struct bench *bench, const char *text);
int setup(void **state);
int teardown(void **state);
void pass(struct bench *bench, uint64_t ms);
/* A wake-up of a reference; the log's place is the same. */
void wake_of(struct bench *bench, size_t partition, uint64_t epoch,
             uint64_t offset);
void wake(struct bench *bench, uint64_t epoch, uint64_t offset);
void answer(struct bench *bench, struct redisReply *reply);
void assert_told(struct bench *bench, const char *told);
void assert_asked(struct bench *bench, const char *words);
void assert_place(const struct bench *bench, uint64_t epoch, uint64_t offset);
/* The link is there; all partitions stand at the place, but for nothing. */
void go_live(struct bench *bench, uint64_t epoch, uint64_t offset);
void follow(struct bench *bench);
void assert_ring(const struct bench *bench, const char *text);

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
