/*
 * op_publish.c - the ops publish and presence.
 *
 *   op_publish()  -- publication_send() --> on_published(): the answer
 *   op_presence() -- roster_read() --> on_roster(): the answer
 */
#include <hiredis/hiredis.h>

#include "notifier/op_internal.h"
#include "notifier/rights.h"

static void on_published(struct publication *publication, int status);
static void on_roster(void *arg, int status, const struct redisReply *reply);

/* ---- publish */

static struct span copy_text(struct op *op, const struct json_value *value)
{
    return value->state == JSON_STATE_SET ? arena_copy(&op->arena, value->text)
                                          : SPAN("");
}

static bool has_topic(const struct record *record, struct span topic)
{
    for (size_t i = 0; i < record->topic_count; i++)
        if (span_eq(record->topics[i], topic))
            return true;
    return false;
}

static void read_record(struct op *op, const struct json_value *values,
                        struct record *record)
{
    const json_t *topics = values[OP_TOPICS].node;

    *record = (struct record){.id = copy_text(op, &values[OP_MESSAGE_ID]),
                              .type = copy_text(op, &values[OP_EVENT]),
                              .data = copy_text(op, &values[OP_DATA]),
                              .is_private =
                                  values[OP_PRIVATE].state == JSON_STATE_SET &&
                                  values[OP_PRIVATE].flag};
    for (size_t i = 0; i < json_array_size(topics); i++)
        if (!has_topic(record, op_text_at(topics, i)))
            record->topics[record->topic_count++] =
                arena_copy(&op->arena, op_text_at(topics, i));
}

static void send_it(struct op *op)
{
    struct publication *publication = op->data;
    int err = publication_send(op_subscriber(op)->app, publication);

    if (err < 0)
        op_fail_by(op, err);
    else
        connection_of(op->client)->publishing++;
}

/* What is wrong with it has been answered then. */
static bool check(struct op *op, const struct record *record)
{
    const char *wrong = publication_check(record);

    if (wrong) {
        op_fail(op, 422, "invalid", wrong);
        return false;
    }
    if (rights_may_publish(op_subscriber(op)->rights, record->topics,
                           record->topic_count))
        return true;
    op_fail(op, 403, "forbidden", "the token does not cover these topics");
    return false;
}

void op_publish(struct op *op, const struct json_value *values)
{
    struct publication *publication =
        arena_zalloc(&op->arena, sizeof(*publication));
    struct record *record = &publication->record;

    read_record(op, values, record);
    if (!check(op, record))
        return;
    publication->has_id = record->id.len > 0;
    if (!publication->has_id) {
        char room[PUBLICATION_NEW_ID];
        record->id = arena_copy(&op->arena, publication_new_id(room));
    }
    publication->cb = on_published;
    publication->arg = op;
    op->data = publication;
    op_when_allowed(op, send_it);
}

static void put_published(struct json_writer *w, const struct publication *p)
{
    char room[SPAN_U64_MAX];

    json_put_key(w, "message_id");
    json_put_string(w, p->record.id);
    json_put_key(w, "topics");
    json_put_open(w, '[');
    for (size_t i = 0; i < p->record.topic_count; i++) {
        json_put_open(w, '{');
        json_put_key(w, "topic");
        json_put_string(w, p->record.topics[i]);
        json_put_key(w, "epoch");
        json_put_string(w, span_from_u64(room, p->ids[i].epoch));
        json_put_key(w, "offset");
        json_put_int(w, (int64_t)p->ids[i].offset);
        json_put_close(w, '}');
    }
    json_put_close(w, ']');
    if (p->replayed) {
        json_put_key(w, "replayed");
        json_put_bool(w, true);
    }
}

static void on_published(struct publication *publication, int status)
{
    struct op *op = publication->arg;
    struct json_writer w;
    struct buf out;

    if (op->client)
        connection_of(op->client)->publishing--;
    if (status < 0) {
        op_fail_by(op, status);
        return;
    }
    op_open(op, &out, &w);
    put_published(&w, publication);
    op_close(op, &out, &w);
}

/* ---- presence */

struct asked {
    struct span selector;
};

void op_presence(struct op *op, const struct json_value *values)
{
    if (!op_may_see(op, values[OPS_FIRST].text))
        return;
    struct asked *asked = arena_alloc(&op->arena, sizeof(*asked));
    asked->selector = arena_copy(&op->arena, values[OPS_FIRST].text);
    op->data = asked;
    int err = roster_read(op_subscriber(op)->app->roster, asked->selector,
                          on_roster, op);
    if (err < 0)
        op_fail_by(op, err);
}

static void on_roster(void *arg, int status, const struct redisReply *reply)
{
    struct op *op = arg;
    const struct asked *asked = op->data;
    struct json_writer w;
    struct buf out;

    if (status == 0 && reply->type != REDIS_REPLY_ARRAY)
        status = UV_EPROTO;
    if (status < 0 || !op->client) {
        op_fail_by(op, status < 0 ? status : UV_ECANCELED);
        return;
    }
    op_open(op, &out, &w);
    presence_put(op_subscriber(op)->app->roster, asked->selector, reply, &w);
    op_close(op, &out, &w);
}
