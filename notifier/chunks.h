/*
 * chunks.h - what a log, or a partition's references, held at some places:
 * read once for all who ask at about the same time.
 *
 *   chunks_read() -- it is there, or on its way --> cb
 *                 -- else: one reading --> cb of each who waits
 */
#pragma once

#include "common/hash.h"
#include "common/redis.h"
#include "notifier/message.h"

struct chunks;
struct metrics;

struct chunk_entry {
    struct log_id place;     /* in what was read: the log, or the references */
    struct message *message; /* of a reference whose update is gone: a gap */
};

struct chunk {
    struct list node;
    struct list waiting;
    struct chunks *chunks;
    struct log_id from; /* what is behind it was asked for */
    struct log_id last; /* where the log stood; all zero: there is none */
    size_t count, size;
    struct chunk_entry *entries;
    bool reading, answering;
    int status; /* of the reading */
    uint32_t partition;
    bool of_references;
    size_t name_len;
    char name[]; /* of the topic */
};

struct chunks *chunks_create(struct stream_loop *loop, struct redis *redis,
                             struct metrics *metrics);
void chunks_destroy(struct chunks *chunks);

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
void chunks_read_log(struct chunks *chunks, struct span topic,
                     struct chunk_wait *wait);
void chunks_read_references(struct chunks *chunks, uint32_t partition,
                            struct chunk_wait *wait);
/* cb does not run any more. */
void chunks_forget(struct chunk_wait *wait);
