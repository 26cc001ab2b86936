/*
 * chunks_kit.h - a service that reads chunks, on a Redis that answers when
 * told, and those who ask.
 *
 * Its script is told name, kind, partition, epoch and offset of what is asked
 * for, and answers "epoch-offset" of where the log stands, then "epoch-offset
 * size" of each entry, of size 0 where it has no message; or "denied".
 */
#pragma once

#include "common/chunks.h"
#include "common/metrics.h"
#include "tests/fake/redis_queue.h"

struct kit_bench {
    uv_loop_t uv;
    struct stream_loop *loop;
    struct metrics *metrics; /* readings, shared */
    struct chunks *chunks;
    struct redis redis;
    size_t before; /* live bytes */
    int fd;
};

/* One who asks, and what he was told. */
struct kit_asker {
    struct chunk_wait wait;
    struct kit_bench *bench;
    int calls, status;
    char heard[2048]; /* ids of the entries behind the place */
    struct log_id last;
    struct kit_asker *also; /* asks inside */
    bool keeps;             /* the first message, by a reference of its own */
    struct fanout_message *kept;
};

int kit_setup(void **state);
int kit_teardown(void **state);
struct chunks *kit_chunks(struct kit_bench *bench);

void kit_turn(struct kit_bench *bench);
void kit_ask_of(struct kit_bench *bench, struct kit_asker *asker,
                struct chunk_source source, uint64_t epoch, uint64_t offset);
/* Of kind 0, partition 7 and the name t. */
void kit_ask(struct kit_bench *bench, struct kit_asker *asker, uint64_t epoch,
             uint64_t offset);
/* Its answer, and the turn in which it is told. */
void kit_answer(struct kit_bench *bench, struct redisReply *reply);

/* Of a log that stands at last, the places of its epoch from one to another. */
struct redisReply *kit_log(struct log_id last, uint64_t from, uint64_t to);

/* The oldest call is for that epoch and offset of kit_ask()'s. */
void kit_assert_asked(struct kit_bench *bench, const char *words);
/* Once, and well. */
void kit_assert_heard(const struct kit_asker *asker, const char *heard);
