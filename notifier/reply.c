/* reply.c - see reply.h. */
#include "notifier/reply.h"

static bool is_array(const struct redisReply *reply, size_t count)
{
    return reply && reply->type == REDIS_REPLY_ARRAY &&
           reply->elements == count;
}

static struct span text_of(const struct redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING
               ? (struct span){reply->str, reply->len}
               : (struct span){NULL, 0};
}

bool reply_log(const struct redisReply *reply, struct reply_log *log)
{
    struct reply_log read = {0};

    if (is_array(reply, 0)) {
        *log = read;
        return true;
    }
    if (!is_array(reply, 3) || reply->element[2]->type != REDIS_REPLY_ARRAY ||
        !span_to_u64(text_of(reply->element[0]), UINT64_MAX,
                     &read.last.epoch) ||
        !span_to_u64(text_of(reply->element[1]), UINT64_MAX, &read.last.offset))
        return false;
    read.count = reply->element[2]->elements;
    read.entries = reply->element[2]->element;
    *log = read;
    return true;
}

/* ["epoch-offset", ["ts", ts, "record", record]] */
struct message *reply_message(const struct redisReply *entry)
{
    struct log_id id;
    uint64_t ts;

    if (!is_array(entry, 2) || !is_array(entry->element[1], 4) ||
        !log_id_parse(text_of(entry->element[0]), &id))
        return NULL;
    struct redisReply **fields = entry->element[1]->element;
    if (!span_to_u64(text_of(fields[1]), UINT64_MAX, &ts))
        return NULL;
    return message_create(id, ts, text_of(fields[3]));
}

bool reply_reference(const struct redisReply *entry,
                     struct reply_reference *reference)
{
    struct reply_reference read = {0};

    if (!is_array(entry, 5) ||
        !log_id_parse(text_of(entry->element[0]), &read.id) ||
        !log_id_parse(text_of(entry->element[2]), &read.log_id))
        return false;
    read.topic = text_of(entry->element[1]);
    read.record = text_of(entry->element[4]);
    span_to_u64(text_of(entry->element[3]), UINT64_MAX, &read.ts);
    *reference = read;
    return true;
}
