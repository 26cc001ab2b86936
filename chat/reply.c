/* reply.c - see reply.h. */
#include "chat/reply.h"

bool reply_number(const struct redisReply *reply, uint64_t *out)
{
    if (reply->type == REDIS_REPLY_INTEGER) {
        *out = (uint64_t)reply->integer;
        return reply->integer >= 0;
    }
    return span_to_u64(reply_text(reply), UINT64_MAX, out);
}

static size_t size_flat(const struct redisReply *reply)
{
    size_t size = reply_text(reply).len;

    for (size_t i = 0; i < reply->elements; i++)
        size += reply_text(reply->element[i]).len;
    return size;
}

size_t reply_size(const struct redisReply *reply)
{
    size_t size = reply_text(reply).len;

    for (size_t i = 0; i < reply->elements; i++)
        size += size_flat(reply->element[i]);
    return size;
}

struct span reply_refusal(const struct redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1)
        return (struct span){NULL, 0};
    return reply_text(reply->element[0]);
}

bool reply_events(const struct redisReply *reply, struct reply_events *events)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[1]->type != REDIS_REPLY_ARRAY ||
        !room_head_parse(reply_text(reply->element[0]), &events->head))
        return false;
    events->count = reply->element[1]->elements;
    events->entries = reply->element[1]->element;
    return true;
}

bool reply_entry(const struct redisReply *reply, struct entry *entry,
                 struct text *text)
{
    *entry = (struct entry){0};
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 &&
           entry_parse_id(reply_text(reply->element[0]), entry) &&
           entry_parse(reply_text(reply->element[1]), entry) &&
           text_parse(reply_text(reply->element[2]), text);
}
