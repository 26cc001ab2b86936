/*
 * chunks.h - what a log held at some places: read once for all who ask at
 * about the same time.
 *
 *   chunks_read() -- it is there, or on its way --> cb
 *                 -- else read() -- Redis --> take() --> cb of each who waits
 *
 * A chunk is kept for a while.  So what stands at a place of an epoch is the
 * same for all who ask, and stays so, or chunks_expire() is called; what
 * differs from one to the other, such as what each may see, is not asked here.
 */
#pragma once

#include "common/fanout.h"
#include "common/log_id.h"
#include "common/redis.h"

/* Readings begin behind multiples of it, and are to give as many entries. */
#define CHUNK_PLACES 128

struct chunks; /* of one loop */
struct chunk;

/* What is read. */
struct chunk_source {
    unsigned kind; /* the service's: there may be several with a name */
    uint32_t partition;
    struct span name;
};

struct chunks_options {
    struct stream_loop *loop;
    /*
     * Ask Redis for what comes behind chunk->from in chunk->source: at most
     * CHUNK_PLACES entries, fewer if they are large; if the log is of another
     * epoch, those of that from its first on.  call has its callback and lacks
     * its words and their key.  Returns what redis_eval() does.
     */
    int (*read)(void *arg, const struct chunk *chunk, struct redis_call call);
    /*
     * Take the answer apart: chunk_put() of each entry, in order, and
     * chunk->last.  Less than 0: nothing is kept, and each who waits is told
     * that (UV_EPROTO, or UV_EACCES, UV_ENOENT and the like for an answer that
     * denies).
     */
    int (*take)(void *arg, struct chunk *chunk, const struct redisReply *reply);
    void *arg;
    /* Counters: what was read, what was there or on its way already. */
    uint64_t *readings, *shared;
};

struct chunk_entry {
    struct log_id place;
    struct fanout_message *message; /* NULL, or one reference */
};

struct chunk {
    struct chunk_source source;
    struct log_id from; /* what is behind it was asked for */
    struct log_id last; /* where the log stood; all zero: there is none */
    size_t count;
    struct chunk_entry *entries;

    struct list node; /* chunks.c's, as what follows */
    struct list waiting, unsent;
    struct chunks *chunks;
    size_t capacity, size;
    bool reading, answering;
    bool expired; /* not to be told; to be read again if it is being read */
    int status;   /* of the reading */
    char name[];
};

struct chunks *chunks_create(const struct chunks_options *options);
/* Redis calls no more; who waits is not told. */
void chunks_destroy(struct chunks *chunks);

/* In take(): the next entry.  Takes the message's reference over. */
void chunk_put(struct chunk *chunk, struct log_id place,
               struct fanout_message *message);

/*
 * cb runs once, later, with a chunk that is borrowed until it returns, or NULL
 * and why not.  The chunk has entries behind the place that was asked for,
 * perhaps with others before them, unless there are none; if the log is of
 * another epoch, its entries are those of that from the first on.
 */
struct chunk_wait {
    struct list node;
    struct log_id behind;
    void (*cb)(struct chunk_wait *wait, int status, const struct chunk *chunk);
};
/*
 * What was read of the log before is not to be told any more; readings that are
 * under way are begun again.  Not within a cb.  source: NULL is every log.
 */
void chunks_expire(struct chunks *chunks, const struct chunk_source *source);
void chunks_read(struct chunks *chunks, const struct chunk_source *source,
                 struct chunk_wait *wait);
/* cb does not run any more. */
void chunks_forget(struct chunk_wait *wait);
