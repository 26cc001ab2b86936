/*
 * logs.h - what topics' logs and partitions' references held, in chunks.
 *
 * An entry's message is a struct message; of a reference whose update is gone
 * it is a gap.
 */
#pragma once

#include "common/chunks.h"
#include "notifier/message.h"

/* chunks_destroy() ends them. */
struct chunks *logs_create(struct stream_loop *loop, struct redis *redis,
                           struct metrics *metrics);

/* As chunks_read(). */
void logs_read(struct chunks *chunks, struct span topic,
               struct chunk_wait *wait);
void logs_read_references(struct chunks *chunks, uint32_t partition,
                          struct chunk_wait *wait);
