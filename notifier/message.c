/* message.c - see message.h. */
#include <string.h>

#include "common/json.h"
#include "common/sse.h"
#include "notifier/message.h"

/* Its forms are about as large as it is. */
#define FORMS 3

static void on_free(struct fanout_message *base)
{
    struct message *message = message_of(base);

    buf_deinit(&message->event);
    buf_deinit(&message->alone);
    buf_deinit(&message->all_line);
    buf_deinit(&message->named);
    buf_deinit(&message->frame);
    mem_free(message);
}

static struct message *make(struct log_id id, uint64_t ts, struct span text)
{
    struct message *message = mem_alloc(MEM_CACHE, sizeof(*message) + text.len);

    *message =
        (struct message){.base = {.size = sizeof(*message) + FORMS * text.len,
                                  .refs = 1,
                                  .free = on_free},
                         .id = id,
                         .ts = ts,
                         .len = text.len};
    if (text.len)
        memcpy(message->text, text.ptr, text.len);
    buf_init(&message->event, MEM_CACHE);
    buf_init(&message->alone, MEM_CACHE);
    buf_init(&message->all_line, MEM_CACHE);
    buf_init(&message->named, MEM_CACHE);
    buf_init(&message->frame, MEM_CACHE);
    return message;
}

struct message *message_create(struct log_id id, uint64_t ts, struct span text)
{
    struct message *message = make(id, ts, text);

    if (record_parse((struct span){message->text, text.len}, &message->record))
        return message;
    message_unref(message);
    return NULL;
}

struct message *message_create_gap(struct span topic, uint64_t from,
                                   struct log_id to, enum message_gap gap)
{
    struct message *message = make(to, 0, topic);

    message->from = from;
    message->gap = gap;
    message->record.topics[0] = (struct span){message->text, topic.len};
    message->record.topic_count = 1;
    return message;
}

struct span message_reason(const struct message *message)
{
    return message->gap == MESSAGE_GAP_EPOCH ? SPAN("epoch") : SPAN("trimmed");
}

static void put_gap(struct json_writer *w, const struct message *message)
{
    json_put_key(w, "topic");
    json_put_string(w, message->record.topics[0]);
    json_put_key(w, "from");
    json_put_int(w, (int64_t)message->from);
    json_put_key(w, "to");
    json_put_int(w, (int64_t)message->id.offset);
    json_put_key(w, "reason");
    json_put_string(w, message_reason(message));
}

static void append_gap(struct buf *out, const struct message *message)
{
    struct buf json;
    struct json_writer w = {.out = &json};

    buf_init(&json, MEM_CACHE);
    json_put_open(&w, '{');
    put_gap(&w, message);
    json_put_close(&w, '}');
    sse_append_field(out, SPAN("event"), SPAN("notifier.gap"));
    sse_append_data(out, buf_span(&json));
    buf_deinit(&json);
}

static void append_update(struct buf *out, const struct record *record)
{
    if (record->type.len)
        sse_append_field(out, SPAN("event"), record->type);
    if (record->retry.len)
        sse_append_field(out, SPAN("retry"), record->retry);
    sse_append_data(out, record->data);
}

void message_append_event(const struct message *message, struct buf *out)
{
    if (message->gap)
        append_gap(out, message);
    else
        append_update(out, &message->record);
    buf_append(out, SSE_END);
}

struct span message_event(struct message *message)
{
    if (!message->event.len)
        message_append_event(message, &message->event);
    return buf_span(&message->event);
}

static void put_update(struct json_writer *w, const struct message *message)
{
    const struct record *record = &message->record;
    char room[SPAN_U64_MAX];

    json_put_key(w, "topic");
    json_put_string(w, record->topics[0]);
    json_put_key(w, "message_id");
    json_put_string(w, record->id);
    json_put_key(w, "epoch");
    json_put_string(w, span_from_u64(room, message->id.epoch));
    json_put_key(w, "offset");
    json_put_int(w, (int64_t)message->id.offset);
    json_put_key(w, "ts");
    json_put_int(w, (int64_t)message->ts);
    json_put_key(w, "event");
    json_put_string(w, record->type.len ? record->type : SPAN("message"));
    json_put_key(w, "data");
    json_put_string(w, record->data);
}

struct span message_frame(struct message *message)
{
    struct json_writer w = {.out = &message->frame};

    if (message->frame.len)
        return buf_span(&message->frame);
    json_put_open(&w, '{');
    json_put_key(&w, "type");
    json_put_string(&w, message->gap ? SPAN("gap") : SPAN("message"));
    if (message->gap)
        put_gap(&w, message);
    else
        put_update(&w, message);
    json_put_key(&w, "position");
    return buf_span(&message->frame);
}
