/* log_kit.c - see log_kit.h. */
#include <inttypes.h>
#include <stdio.h>

#include "tests/notifier/log_kit.h"
#include "tests/test.h"

struct message *kit_message(const char *topic, struct log_id id)
{
    char text[128];

    snprintf(text, sizeof(text), "i\n\n\n\n%s\n\nd", topic);
    struct message *message = message_create(id, 1, span_str(text));
    assert_non_null(message);
    return message;
}

struct redisReply *kit_entry(const char *topic, struct log_id id)
{
    return fake_array(2, fake_text("%" PRIu64 "-%" PRIu64, id.epoch, id.offset),
                      fake_array(4, fake_text("ts"), fake_text("1"),
                                 fake_text("record"),
                                 fake_text("i\n\n\n\n%s\n\nd", topic)));
}

struct redisReply *kit_reference(const char *topic, struct log_id id,
                                 const char *record)
{
    return fake_array(5, fake_text("%" PRIu64 "-%" PRIu64, id.epoch, id.offset),
                      fake_text("%s", topic),
                      fake_text("%" PRIu64 "-%" PRIu64, id.epoch, id.offset),
                      fake_text("%s", *record ? "1" : ""),
                      fake_text("%s", record));
}

struct redisReply *kit_log_of(struct log_id last, struct redisReply *entries)
{
    return fake_array(3, fake_text("%" PRIu64, last.epoch),
                      fake_text("%" PRIu64, last.offset), entries);
}

struct redisReply *kit_log(struct log_id last, const char *topic, uint64_t from,
                           uint64_t to)
{
    struct redisReply *entries = fake_empty();

    for (uint64_t i = from; i <= to; i++)
        fake_append(entries, kit_entry(topic, (struct log_id){last.epoch, i}));
    return kit_log_of(last, entries);
}

struct redisReply *kit_references(struct log_id last, const char *topic,
                                  uint64_t from, uint64_t to)
{
    struct redisReply *entries = fake_empty();
    char record[128];

    snprintf(record, sizeof(record), "i\n\n\n\n%s\n\nd", topic);
    for (uint64_t i = from; i <= to; i++)
        fake_append(
            entries,
            kit_reference(topic, (struct log_id){last.epoch, i}, record));
    return kit_log_of(last, entries);
}

static int put(char *out, size_t size, const struct message *message)
{
    struct span reason = message_reason(message);

    if (!message->gap)
        return snprintf(out, size, "%" PRIu64 "-%" PRIu64, message->id.epoch,
                        message->id.offset);
    return snprintf(out, size, "gap(%" PRIu64 "-%" PRIu64 " %.*s)",
                    message->from, message->id.offset, (int)reason.len,
                    reason.ptr);
}

const char *kit_ring(const struct fanout_topic *ring)
{
    static char text[8192];
    size_t at = 0;

    text[0] = '\0';
    for (uint64_t i = ring->first; i != ring->next; i++) {
        if (at)
            text[at++] = ' ';
        at += (size_t)put(text + at, sizeof(text) - at,
                          message_of(fanout_at(ring, i)));
        assert_in_range(at, 1, sizeof(text) - 2);
    }
    return text;
}
