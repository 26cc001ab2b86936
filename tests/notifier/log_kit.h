/* log_kit.h - what logs and references hold, and what came into a ring. */
#pragma once

#include "notifier/message.h"
#include "tests/fake/redis_queue.h"

/* An update of a topic at a place in its log. */
struct message *kit_message(const char *topic, struct log_id id);

/* history.lua's answer: entries of last's epoch from one to another; none if
   to is 0. */
struct redisReply *kit_log(struct log_id last, const char *topic, uint64_t from,
                           uint64_t to);
/* One entry of it. */
struct redisReply *kit_entry(const char *topic, struct log_id id);
/* As kit_log(), of an array of entries. */
struct redisReply *kit_log_of(struct log_id last, struct redisReply *entries);

/* references.lua's: the update of each stands at the same place in its log. */
struct redisReply *kit_references(struct log_id last, const char *topic,
                                  uint64_t from, uint64_t to);
/* record "": the log does not hold it any more. */
struct redisReply *kit_reference(const char *topic, struct log_id id,
                                 const char *record);

/* What a ring has: "1-5 1-6 gap(7-9 trimmed) …", ids or gaps. */
const char *kit_ring(const struct fanout_topic *ring);
