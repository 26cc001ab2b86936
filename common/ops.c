/*
 * ops.c - requests, from a message to an answer: see ops.h.
 *
 * A table says which members each has.
 */
#include "common/limit.h"
#include "common/ops_internal.h"
#include "common/request.h"

#define ID_MAX ((INT64_C(1) << 53) - 1)
#define RETRY_MS 1000 /* of who finds Redis away */

static void run_auth(struct op *op, const struct json_value *values);

static const struct op_kind auth_kind = {"auth",
                                         run_auth,
                                         {OPS_FIELDS_OF_ALL,
                                          {.name = "token",
                                           .kind = JSON_KIND_STRING,
                                           .required = true,
                                           .min = 1,
                                           .max = TOKEN_MAX}}};

/* ---- an op's way */

static struct op *create(struct ops_client *client)
{
    struct op *op = mem_zalloc(MEM_REQUEST, sizeof(*op));

    op->client = client;
    arena_init(&op->arena, MEM_REQUEST, 0);
    list_append(&client->list, &op->node);
    return op;
}

/* The answer has gone out, or nobody is there for it. */
static void destroy(struct op *op)
{
    struct ops_client *client = op->client;

    if (client)
        list_remove(&op->node);
    if (op->on_answered)
        op->on_answered(op);
    arena_deinit(&op->arena);
    mem_free(op);
    if (client && !client->going_on)
        ops_go_on(client);
}

void op_drop(struct op *op)
{
    list_remove(&op->node);
    op->client = NULL;
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
    if (op->client && !op->client->closed)
        ops_send(op->client, buf_span(out));
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

/* ---- from a message to its op */

static const struct op_kind *find_kind(const struct ops_service *service,
                                       struct span name)
{
    if (span_eq(span_str(auth_kind.name), name))
        return &auth_kind;
    for (size_t i = 0; i < service->kind_count; i++)
        if (span_eq(span_str(service->kinds[i].name), name))
            return &service->kinds[i];
    return NULL;
}

static size_t count_fields(const struct op_kind *kind)
{
    size_t count = OPS_FIRST;

    while (count < OPS_FIELDS_MAX && kind->fields[count].name)
        count++;
    return count;
}

static void run(struct op *op, const struct op_kind *kind,
                const json_t *document)
{
    struct json_value values[OPS_FIELDS_MAX];
    struct json_errors errors = {0};

    json_errors_init(&errors);
    if (json_bind(document, kind->fields, count_fields(kind), values, &errors))
        kind->run(op, values);
    else
        op_invalid(op, &errors);
}

/* Its id and op are there; else it is no request at all. */
static void take(struct ops_client *client, const json_t *document)
{
    const json_t *id = json_object_get(document, "id");
    const json_t *name = json_object_get(document, "op");

    if (!json_is_integer(id) || !json_is_string(name) ||
        json_integer_value(id) < 1 || json_integer_value(id) > ID_MAX) {
        ops_end(client, OPS_CODE_NO_OBJECT,
                "a request is an object with an id and an op");
        return;
    }
    struct op *op = create(client);
    const struct op_kind *kind = find_kind(
        client->ops->options.service,
        (struct span){json_string_value(name), json_string_length(name)});
    op->id = json_integer_value(id);
    if (!client->who && kind != &auth_kind) {
        op_fail(op, 401, "unauthorized", "the first request is auth");
        ops_end(client, OPS_CODE_NO_TOKEN, "the first request is auth");
    } else if (!kind) {
        op_fail(op, 422, "invalid", "there is no such op");
    } else {
        run(op, kind, document);
    }
}

void ops_take(struct ops_client *client, struct span text)
{
    struct json_errors errors = {0};
    json_t *document = NULL;

    json_errors_init(&errors);
    int err = json_read(text, &document, &errors);
    if (err == UV_ERANGE)
        ops_end(client, OPS_CODE_NO_OBJECT,
                "a number past 64 bits, or a NUL in a string");
    else if (err < 0 || !json_is_object(document))
        ops_end(client, OPS_CODE_NO_OBJECT,
                "a request is an object with an id and an op");
    else
        take(client, document);
    json_decref(document);
}

/* ---- auth */

const char ops_later[] = "it is being asked for";

/* What waits behind it is not done. */
static void refuse_auth(struct op *op, int status, const char *type,
                        const char *reason)
{
    struct ops_client *client = op->client;

    client->auth = op;
    op_fail(op, status, type, reason);
    client->auth = NULL;
    ops_end(client, OPS_CODE_NO_TOKEN, reason);
}

static void refuse_token(struct op *op)
{
    refuse_auth(op, 401, "unauthorized", "the token is not valid");
}

/* The token is op->data, a span. */
static void authenticate(struct op *op)
{
    struct ops_client *client = op->client;
    const struct span *token = op->data;
    struct auth_identity identity;
    struct json_writer w;
    struct buf out;

    if (app_identify(client->ops->options.app, *token, &identity) < 0) {
        refuse_token(op);
        return;
    }
    client->auth = op;
    const char *reason = ops_identify(client, &identity);
    if (reason == ops_later)
        return;
    client->auth = NULL;
    if (reason) {
        refuse_auth(op, 403, "forbidden", reason);
        return;
    }
    op_open(op, &out, &w);
    op_close(op, &out, &w);
}

static void run_auth(struct op *op, const struct json_value *values)
{
    struct span *token = arena_alloc(&op->arena, sizeof(*token));

    *token = arena_copy(&op->arena, values[OPS_FIRST].text);
    op->data = token;
    authenticate(op);
}

static struct op *take_auth(struct ops_client *client)
{
    struct op *op = client->auth;

    client->auth = NULL;
    return op;
}

void ops_auth_again(struct ops_client *client)
{
    struct op *op = take_auth(client);

    if (op)
        authenticate(op);
    ops_go_on(client);
}

void ops_auth_refused(struct ops_client *client, int err)
{
    struct op *op = take_auth(client);

    if (op && err == 0) {
        refuse_token(op);
    } else if (op) {
        client->auth = op; /* holds up what waits until the end */
        op_fail_by(op, err);
        client->auth = NULL;
        ops_end(client, OPS_CODE_OVERLOAD, "who it is cannot be asked now");
    }
}

/* ---- how fast a client may write */

#define LIMITS_MAX 2 /* of writing, and the service's own of this op */

struct writing {
    struct limit_ask asks[LIMITS_MAX];
    struct limit_call call;
};

static void refuse_limited(struct op *op, const struct limit_call *call)
{
    op_limited(op, limit_call_wait_us(call) / 1000 + 1,
               "this caller does this faster than it may");
}

static void on_limited(struct limit_call *call, int status)
{
    struct op *op = call->arg;
    struct ops_client *client = op->client;

    if (client)
        client->limiting = false;
    if (status < 0 || !client) {
        op_fail_by(op, status < 0 ? status : UV_ECANCELED);
    } else if (!call->allowed) {
        refuse_limited(op, call);
    } else {
        op->go(op);
        ops_go_on(client);
    }
}

/* A user's own limits, by whatever connection it came; else the address's. */
static struct span limited_name(const struct ops_client *client)
{
    return caller_name(client->is_user ? client->who : client->caller);
}

static void add_limit(struct op *op, struct limit_call *call,
                      struct limit_spec *spec)
{
    if (spec)
        call->asks[call->count++] = (struct limit_ask){
            .spec = spec,
            .key = arena_copy(&op->arena, limited_name(op->client)),
            .cost = 1};
}

void op_when_allowed_by(struct op *op, struct limit_spec *spec,
                        void (*go)(struct op *op))
{
    struct app *app = op->client->ops->options.app;
    struct limiter *limiter = app_limiter(app);
    struct writing *writing = arena_zalloc(&op->arena, sizeof(*writing));
    struct limit_call *call = &writing->call;

    *call = (struct limit_call){.asks = writing->asks,
                                .arena = &op->arena,
                                .cb = on_limited,
                                .arg = op};
    op->go = go;
    add_limit(op, call, app_write_limit(app));
    add_limit(op, call, spec);
    if (call->count == 0) {
        go(op);
        return;
    }
    if (limiter_try(limiter, call)) {
        if (call->allowed)
            go(op);
        else
            refuse_limited(op, call);
        return;
    }
    int err = limiter_ask(limiter, call);
    if (err < 0)
        op_fail_by(op, err);
    else
        op->client->limiting = true;
}

void op_when_allowed(struct op *op, void (*go)(struct op *op))
{
    op_when_allowed_by(op, NULL, go);
}
