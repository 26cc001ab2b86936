/*
 * ops.c - the requests of a WebSocket, from a message to an answer.
 *
 * A table says which members each has.  Exactly one answer each, {"id", "ok"}.
 */
#include "notifier/op_internal.h"

#define ID_MAX ((INT64_C(1) << 53) - 1)
#define SINCE_MAX POSITION_MAX
#define FIELDS_MAX 8
#define TYPE_MAX 256
#define RETRY_MS 1000 /* of who finds Redis away */

typedef void (*op_run)(struct op *op, const struct json_value *values);

static void run_auth(struct op *op, const struct json_value *values);

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
     op_subscribe,
     {FIELD_ID,
      FIELD_OP,
      FIELD_TOPICS(SUBSCRIBER_SELECTORS_MAX),
      {.name = "since", .kind = JSON_KIND_STRING, .min = 1, .max = SINCE_MAX},
      {.name = "presence", .kind = JSON_KIND_BOOLEAN}}},
    {"resume",
     op_resume,
     {FIELD_ID,
      FIELD_OP,
      {.name = "position",
       .kind = JSON_KIND_STRING,
       .required = true,
       .min = 1,
       .max = SINCE_MAX}}},
    {"unsubscribe",
     op_unsubscribe,
     {FIELD_ID, FIELD_OP, FIELD_TOPICS(SUBSCRIBER_SELECTORS_MAX)}},
    {"presence",
     op_presence,
     {FIELD_ID,
      FIELD_OP,
      {.name = "topic",
       .kind = JSON_KIND_STRING,
       .required = true,
       .min = 1,
       .max = SELECTOR_MAX}}},
    {"publish",
     op_publish,
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

/* ---- an op's way */

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
        op_drop_selectors(op->wanted);
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
                 uint64_t retry_ms)
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
    if (retry_ms) {
        json_put_key(&w, "retry_after_ms");
        json_put_int(&w, (int64_t)retry_ms);
    }
    json_put_close(&w, '}');
    op_close(op, &out, &w);
}

void op_fail(struct op *op, int status, const char *type, const char *detail)
{
    struct request_failure failure = {status, type, detail};

    fail(op, &failure, status == 503 ? RETRY_MS : 0);
}

void op_fail_by(struct op *op, int err)
{
    const struct request_failure *failure = request_failure_of(err);

    fail(op, failure, failure->status == 503 ? RETRY_MS : 0);
}

void op_limited(struct op *op, uint64_t retry_ms, const char *detail)
{
    struct request_failure failure = {429, "rate-limited", detail};

    fail(op, &failure, retry_ms);
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
    size_t count = OP_FIRST;

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
    if (!connection->who && (!kind || kind->run != run_auth)) {
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
    int err = json_read(text, &document, &errors);
    if (err == UV_ERANGE)
        connection_end(connection, CODE_NO_OBJECT,
                       "a number past 64 bits, or a NUL in a string");
    else if (err < 0 || !json_is_object(document))
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

    if (app_identify(app->app, values[OP_FIRST].text, &identity) < 0) {
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
