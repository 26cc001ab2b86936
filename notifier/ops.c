/*
 * ops.c - the requests of a WebSocket: subscribe, resume, unsubscribe, publish,
 * auth.
 *
 * A table says which members each has.  Exactly one answer each, {"id", "ok"}.
 */
#include <stdio.h>

#include "notifier/connection.h"
#include "notifier/notifier.h"
#include "notifier/publication.h"

#define ID_MAX ((INT64_C(1) << 53) - 1)
#define SINCE_MAX POSITION_MAX
#define FIELDS_MAX 8
#define TYPE_MAX 256

typedef void (*op_run)(struct op *op, const struct json_value *values);

static void run_auth(struct op *op, const struct json_value *values);
static void run_subscribe(struct op *op, const struct json_value *values);
static void run_resume(struct op *op, const struct json_value *values);
static void run_unsubscribe(struct op *op, const struct json_value *values);
static void run_publish(struct op *op, const struct json_value *values);
static void on_published(struct publication *publication, int status);

#define FIELD_ID                                                             \
    {                                                                        \
        .name = "id", .kind = JSON_KIND_INTEGER, .required = true, .min = 1, \
        .max = ID_MAX                                                        \
    }
#define FIELD_OP                                                 \
    {                                                            \
        .name = "op", .kind = JSON_KIND_STRING, .required = true \
    }
#define FIELD_TOPICS(most)                                             \
    {                                                                  \
        .name = "topics", .kind = JSON_KIND_STRINGS, .required = true, \
        .min = 1, .max = SELECTOR_MAX, .max_items = (most)             \
    }

static const struct op_kind {
    const char *name;
    op_run run;
    struct json_field fields[FIELDS_MAX]; /* the first two are of all */
} kinds[] = {
    {"auth",
     run_auth,
     {FIELD_ID,
      FIELD_OP,
      {.name = "token",
       .kind = JSON_KIND_STRING,
       .required = true,
       .min = 1,
       .max = TOKEN_MAX}}},
    {"subscribe",
     run_subscribe,
     {FIELD_ID,
      FIELD_OP,
      FIELD_TOPICS(SUBSCRIBER_SELECTORS_MAX),
      {.name = "since", .kind = JSON_KIND_STRING, .min = 1, .max = SINCE_MAX}}},
    {"resume",
     run_resume,
     {FIELD_ID,
      FIELD_OP,
      {.name = "position",
       .kind = JSON_KIND_STRING,
       .required = true,
       .min = 1,
       .max = SINCE_MAX}}},
    {"unsubscribe",
     run_unsubscribe,
     {FIELD_ID, FIELD_OP, FIELD_TOPICS(SUBSCRIBER_SELECTORS_MAX)}},
    {"publish",
     run_publish,
     {FIELD_ID,
      FIELD_OP,
      FIELD_TOPICS(RECORD_TOPICS_MAX),
      {.name = "data", .kind = JSON_KIND_STRING, .required = true},
      {.name = "event", .kind = JSON_KIND_STRING, .min = 1, .max = TYPE_MAX},
      {.name = "message_id",
       .kind = JSON_KIND_STRING,
       .min = 1,
       .max = PUBLICATION_ID_MAX},
      {.name = "private", .kind = JSON_KIND_BOOLEAN}}},
};

enum {
    OF_ALL = 2,
    TOPICS = 2,
    SINCE = 3,
    DATA = 3,
    EVENT,
    MESSAGE_ID,
    PRIVATE
};

/* ---- an op's way */

/* What a subscription asks for, until it is ready. */
struct wanted {
    struct selector *selectors[SUBSCRIBER_SELECTORS_MAX];
    size_t count;
    struct since since;
    struct position position;
};

static void drop_selectors(struct wanted *wanted)
{
    for (size_t i = 0; i < wanted->count; i++)
        selector_unref(wanted->selectors[i]);
}

static struct op *create(struct connection *connection)
{
    struct op *op = mem_zalloc(MEM_REQUEST, sizeof(*op));

    op->connection = connection;
    arena_init(&op->arena, MEM_REQUEST, 0);
    list_append(&connection->ops, &op->node);
    return op;
}

/* The answer has gone out, or nobody is there for it. */
static void destroy(struct op *op)
{
    struct connection *connection = op->connection;

    if (connection) {
        list_remove(&op->node);
        if (connection->busy == op)
            connection->busy = NULL;
    }
    if (op->wanted)
        drop_selectors(op->wanted);
    arena_deinit(&op->arena);
    mem_free(op);
    if (connection && !connection->going_on)
        connection_go_on(connection);
}

void op_drop(struct op *op)
{
    list_remove(&op->node);
    op->connection->busy = NULL;
    op->connection = NULL;
    destroy(op);
}

static void hold_up(struct op *op)
{
    op->connection->busy = op;
    op->connection->resuming = true;
}

static void put_head(struct op *op, struct json_writer *w, bool ok)
{
    json_put_open(w, '{');
    json_put_key(w, "id");
    json_put_int(w, op->id);
    json_put_key(w, "ok");
    json_put_bool(w, ok);
}

void op_open(struct op *op, struct buf *out, struct json_writer *w)
{
    buf_init(out, MEM_REQUEST);
    *w = (struct json_writer){.out = out};
    put_head(op, w, true);
}

void op_close(struct op *op, struct buf *out, struct json_writer *w)
{
    json_put_close(w, '}');
    if (op->connection && !op->connection->closed)
        connection_send(op->connection, buf_span(out));
    buf_deinit(out);
    destroy(op);
}

static void fail(struct op *op, const struct request_failure *failure,
                 bool retry)
{
    struct buf out;
    struct json_writer w = {.out = &out};

    buf_init(&out, MEM_REQUEST);
    put_head(op, &w, false);
    json_put_key(&w, "error");
    json_put_open(&w, '{');
    json_put_key(&w, "type");
    json_put_string(&w, span_str(failure->slug));
    json_put_key(&w, "status");
    json_put_int(&w, failure->status);
    json_put_key(&w, "detail");
    json_put_string(&w, span_str(failure->detail));
    if (retry) {
        json_put_key(&w, "retry_after_ms");
        json_put_int(&w, 1000);
    }
    json_put_close(&w, '}');
    op_close(op, &out, &w);
}

void op_fail(struct op *op, int status, const char *type, const char *detail)
{
    struct request_failure failure = {status, type, detail};

    fail(op, &failure, status == 429 || status == 503);
}

void op_fail_by(struct op *op, int err)
{
    const struct request_failure *failure = request_failure_of(err);

    fail(op, failure, failure->status == 503);
}

void op_invalid(struct op *op, const struct json_errors *errors)
{
    op_fail(op, 422, "invalid",
            arena_printf(&op->arena, "%s: %s", errors->at[0].pointer,
                         errors->at[0].detail)
                .ptr);
}

static const struct op_kind *find_kind(struct span name)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (span_eq(span_str(kinds[i].name), name))
            return &kinds[i];
    return NULL;
}

static size_t count_fields(const struct op_kind *kind)
{
    size_t count = OF_ALL;

    while (count < FIELDS_MAX && kind->fields[count].name)
        count++;
    return count;
}

static void run(struct op *op, const struct op_kind *kind,
                const json_t *document)
{
    struct json_value values[FIELDS_MAX];
    struct json_errors errors = {0};

    json_errors_init(&errors);
    if (json_bind(document, kind->fields, count_fields(kind), values, &errors))
        kind->run(op, values);
    else
        op_invalid(op, &errors);
}

/* Its id and op are there; else it is no request at all. */
static void take(struct connection *connection, const json_t *document)
{
    const json_t *id = json_object_get(document, "id");
    const json_t *name = json_object_get(document, "op");

    if (!json_is_integer(id) || !json_is_string(name) ||
        json_integer_value(id) < 1 || json_integer_value(id) > ID_MAX) {
        connection_end(connection, CODE_NO_OBJECT,
                       "a request is an object with an id and an op");
        return;
    }
    struct op *op = create(connection);
    const struct op_kind *kind = find_kind(
        (struct span){json_string_value(name), json_string_length(name)});
    op->id = json_integer_value(id);
    if (!connection->subject && (!kind || kind->run != run_auth)) {
        op_fail(op, 401, "unauthorized", "the first request is auth");
        connection_end(connection, CODE_NO_TOKEN, "the first request is auth");
    } else if (!kind) {
        op_fail(op, 422, "invalid", "there is no such op");
    } else {
        run(op, kind, document);
    }
}

void op_begin(struct connection *connection, struct span text)
{
    struct json_errors errors = {0};
    json_t *document = NULL;

    json_errors_init(&errors);
    if (json_read(text, &document, &errors) < 0 || !json_is_object(document))
        connection_end(connection, CODE_NO_OBJECT,
                       "a request is an object with an id and an op");
    else
        take(connection, document);
    json_decref(document);
}

/* ---- auth */

static void run_auth(struct op *op, const struct json_value *values)
{
    struct connection *connection = op->connection;
    struct notifier *app = connection->subscriber.app;
    struct auth_identity identity;
    struct json_writer w;
    const char *reason;
    struct buf out;

    if (app_identify(app->app, values[OF_ALL].text, &identity) < 0) {
        op_fail(op, 401, "unauthorized", "the token is not valid");
        connection_end(connection, CODE_NO_TOKEN, "the token is not valid");
    } else if (!connection_identify(connection, &identity, &reason)) {
        op_fail(op, 403, "forbidden", reason);
        connection_end(connection, CODE_NO_TOKEN, reason);
    } else {
        op_open(op, &out, &w);
        op_close(op, &out, &w);
    }
}

/* ---- subscribe, resume, unsubscribe */

static struct span text_of(const json_t *array, size_t index)
{
    const json_t *item = json_array_get(array, index);

    return (struct span){json_string_value(item), json_string_length(item)};
}

/* False: errors say which cannot be. */
static bool read_selectors(const json_t *array, struct wanted *wanted,
                           struct json_errors *errors)
{
    char pointer[32];

    if (json_array_size(array) == 0)
        json_errors_add(errors, "/topics", "at least one is needed");
    for (size_t i = 0; i < json_array_size(array); i++) {
        enum selector_verdict verdict =
            selector_create(text_of(array, i), &wanted->selectors[i]);
        if (verdict != SELECTOR_OK) {
            snprintf(pointer, sizeof(pointer), "/topics/%zu", i);
            json_errors_add(errors, pointer, "%s",
                            selector_verdict_text(verdict));
            return false;
        }
        wanted->count++;
    }
    return errors->count == 0;
}

/* Would it follow too much? */
static bool is_too_much(const struct subscriber *subscriber,
                        const struct wanted *wanted)
{
    size_t count = 0;
    size_t bytes = 0;

    for (struct list *n = subscriber->follows.next; n != &subscriber->follows;
         n = n->next) {
        const struct follow *follow = LIST_ENTRY(n, struct follow, node);
        bytes += follow_text(follow).len;
        count++;
    }
    for (size_t i = 0; i < wanted->count; i++) {
        struct selector *selector = wanted->selectors[i];
        if (subscriber_find(subscriber, selector_text(selector)))
            continue;
        bytes += selector_text(selector).len;
        count++;
    }
    return count > SUBSCRIBER_SELECTORS_MAX || bytes > POSITION_NAMES_MAX;
}

static void start(struct op *op, struct wanted *wanted)
{
    struct subscriber *subscriber = &op->connection->subscriber;

    if (is_too_much(subscriber, wanted)) {
        op_fail(op, 422, "invalid",
                "a connection follows at most 100 topics, of 2048 bytes of "
                "names in all");
        return;
    }
    hold_up(op);
    if (subscriber_add(subscriber, wanted->selectors, wanted->count,
                       &wanted->since))
        return;
    op->connection->resuming = false;
    op_fail(op, 503, "overload", "too many patterns are followed");
}

static void put_place(struct json_writer *w, const struct follow *follow)
{
    char room[SPAN_U64_MAX];

    json_put_open(w, '{');
    json_put_key(w, "topic");
    json_put_string(w, follow_text(follow));
    json_put_key(w, "epoch");
    if (follow->topic)
        json_put_string(w, span_from_u64(room, follow->have.epoch));
    else
        json_put_null(w);
    json_put_key(w, "offset");
    if (follow->topic)
        json_put_int(w, (int64_t)follow->have.offset);
    else
        json_put_null(w);
    json_put_key(w, "recovered");
    json_put_bool(w, follow->recovered);
    json_put_close(w, '}');
}

static void put_places(struct json_writer *w, const struct op *op)
{
    const struct subscriber *subscriber = &op->connection->subscriber;
    char position[POSITION_MAX];
    size_t len = subscriber_position(subscriber, true, position);

    json_put_key(w, "position");
    json_put_string(w, (struct span){position, len});
    json_put_key(w, "topics");
    json_put_open(w, '[');
    for (size_t i = 0; i < op->wanted->count; i++)
        put_place(w, subscriber_find(subscriber,
                                     selector_text(op->wanted->selectors[i])));
    json_put_close(w, ']');
}

/* The answer comes before the events that it causes. */
void op_on_ready(struct subscriber *subscriber, int status)
{
    struct connection *connection =
        LIST_ENTRY(subscriber, struct connection, subscriber);
    struct op *op = connection->busy;
    struct json_writer w;
    struct buf out;

    if (status < 0) {
        connection->resuming = false;
        op_fail_by(op, status);
        return;
    }
    op_open(op, &out, &w);
    put_places(&w, op);
    op_close(op, &out, &w);
}

static bool may_subscribe(struct op *op)
{
    if (rights_may_subscribe(op->connection->subscriber.rights))
        return true;
    op_fail(op, 403, "forbidden", "the token does not cover subscribing");
    return false;
}

static struct wanted *make_wanted(struct op *op)
{
    op->wanted = arena_zalloc(&op->arena, sizeof(*op->wanted));
    return op->wanted;
}

static void read_since(struct op *op, struct span text, struct wanted *wanted)
{
    struct notifier *app = op->connection->subscriber.app;

    wanted->since.position = &wanted->position;
    if (span_eq(text, SPAN("earliest")))
        wanted->since.kind = SINCE_EARLIEST;
    else if (position_open(app->position_key, text, &op->arena,
                           &wanted->position))
        wanted->since.kind = SINCE_POSITION;
    else
        wanted->since.kind = SINCE_UNKNOWN;
}

static void run_subscribe(struct op *op, const struct json_value *values)
{
    struct json_errors errors = {0};
    struct wanted *wanted = make_wanted(op);

    if (!may_subscribe(op))
        return;
    json_errors_init(&errors);
    if (!read_selectors(values[TOPICS].node, wanted, &errors)) {
        op_invalid(op, &errors);
        return;
    }
    if (values[SINCE].state == JSON_STATE_SET)
        read_since(op, values[SINCE].text, wanted);
    start(op, wanted);
}

static void run_resume(struct op *op, const struct json_value *values)
{
    struct wanted *wanted = make_wanted(op);
    const struct position *position = &wanted->position;

    if (!may_subscribe(op))
        return;
    read_since(op, values[OF_ALL].text, wanted);
    for (size_t i = 0; i < position->topic_count; i++)
        if (wanted->since.kind == SINCE_POSITION &&
            position->topics[i].name.ptr &&
            selector_create(position->topics[i].name,
                            &wanted->selectors[wanted->count]) == SELECTOR_OK)
            wanted->count++;
    if (wanted->count == 0)
        op_fail(op, 422, "invalid",
                "/position: names no topics: subscribe to them since it");
    else
        start(op, wanted);
}

static void run_unsubscribe(struct op *op, const struct json_value *values)
{
    const json_t *topics = values[TOPICS].node;
    struct json_writer w;
    struct buf out;

    for (size_t i = 0; i < json_array_size(topics); i++)
        subscriber_remove(&op->connection->subscriber, text_of(topics, i));
    op_open(op, &out, &w);
    op_close(op, &out, &w);
}

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
    const json_t *topics = values[TOPICS].node;

    *record =
        (struct record){.id = copy_text(op, &values[MESSAGE_ID]),
                        .type = copy_text(op, &values[EVENT]),
                        .data = copy_text(op, &values[DATA]),
                        .is_private = values[PRIVATE].state == JSON_STATE_SET &&
                                      values[PRIVATE].flag};
    for (size_t i = 0; i < json_array_size(topics); i++)
        if (!has_topic(record, text_of(topics, i)))
            record->topics[record->topic_count++] =
                arena_copy(&op->arena, text_of(topics, i));
}

static void run_publish(struct op *op, const struct json_value *values)
{
    struct connection *connection = op->connection;
    struct publication *publication =
        arena_zalloc(&op->arena, sizeof(*publication));
    struct record *record = &publication->record;

    read_record(op, values, record);
    const char *wrong = publication_check(record);
    if (wrong) {
        op_fail(op, 422, "invalid", wrong);
        return;
    }
    if (!rights_may_publish(connection->subscriber.rights, record->topics,
                            record->topic_count)) {
        op_fail(op, 403, "forbidden", "the token does not cover these topics");
        return;
    }
    publication->has_id = record->id.len > 0;
    if (!publication->has_id) {
        char room[PUBLICATION_NEW_ID];
        record->id = arena_copy(&op->arena, publication_new_id(room));
    }
    publication->cb = on_published;
    publication->arg = op;
    int err = publication_send(connection->subscriber.app, publication);
    if (err < 0)
        op_fail_by(op, err);
    else
        connection->publishing++;
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

    if (op->connection)
        op->connection->publishing--;
    if (status < 0) {
        op_fail_by(op, status);
        return;
    }
    op_open(op, &out, &w);
    put_published(&w, publication);
    op_close(op, &out, &w);
}
