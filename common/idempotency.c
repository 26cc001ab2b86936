/*
 * idempotency.c - see idempotency.h.
 *
 *   idempotency_begin() -- idempotency_begin.lua --> on_begun() -- cb
 *   idempotency_finish() -- HSET status, body --> on_kept() -- the answer
 */
#include <openssl/evp.h>

#include "common/common_scripts.h"
#include "common/idempotency.h"
#include "common/key.h"

#define LEASE_S 10
#define LEASE_MS "10000"
#define KEPT_MS "86400000"
#define DIGEST_HEX 64
#define FIELDS_MAX 4

struct idempotency {
    struct redis *redis;
    struct request *req;
    struct span key, digest, operation, json;
    struct span next; /* operation, when that has been kept */
    idempotency_cb cb;
    void *arg;
    void (*changed)(void *arg, int status);
    int status;
};

static void on_begun(void *arg, int status, const struct redisReply *reply);
static void on_changed(void *arg, int status, const struct redisReply *reply);
static void on_kept(void *arg, int status, const struct redisReply *reply);

bool idempotency_wanted(const struct request *req)
{
    return request_header(req, "idempotency-key").ptr != NULL;
}

/* What must be the same for it to be the same request. */
static struct span digest_of(struct request *req, struct span body)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    struct span path = request_path(req);
    char *hex = arena_alloc(request_arena(req), DIGEST_HEX + 1);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
    EVP_DigestUpdate(ctx, path.ptr, path.len);
    EVP_DigestUpdate(ctx, "\n", 1);
    EVP_DigestUpdate(ctx, body.ptr, body.len);
    EVP_DigestFinal_ex(ctx, digest, NULL);
    EVP_MD_CTX_free(ctx);
    span_hex(hex, (struct span){(const char *)digest, DIGEST_HEX / 2});
    return (struct span){hex, DIGEST_HEX};
}

void idempotency_begin(struct redis *redis, const char *prefix,
                       struct request *req, struct span operation,
                       idempotency_cb cb, void *arg)
{
    idempotency_begin_by(&(struct idempotency_begin){.redis = redis,
                                                     .prefix = prefix,
                                                     .req = req,
                                                     .body = request_body(req),
                                                     .operation = operation,
                                                     .cb = cb,
                                                     .arg = arg});
}

void idempotency_begin_by(const struct idempotency_begin *begin)
{
    struct request *req = begin->req;
    struct arena *arena = request_arena(req);
    struct span key = request_header(req, "idempotency-key");
    struct span sub = request_subject(req);
    struct idempotency *record = arena_zalloc(arena, sizeof(*record));

    if (key.len == 0 || key.len > IDEMPOTENCY_KEY_MAX) {
        request_problem(req, 422, "bad-idempotency-key", NULL,
                        "an Idempotency-Key has 1 to 255 bytes");
        return;
    }
    *record =
        (struct idempotency){.redis = begin->redis,
                             .req = req,
                             .digest = digest_of(req, begin->body),
                             .operation = begin->operation,
                             .key = key_name(arena, begin->prefix, "idem", sub,
                                             key_pair(arena, sub, key)),
                             .cb = begin->cb,
                             .arg = begin->arg};
    struct span argv[] = {record->key, record->digest, begin->operation,
                          SPAN(LEASE_MS), SPAN(KEPT_MS)};
    int err = redis_eval(begin->redis, &script_idempotency_begin, 1,
                         &(struct redis_call){.key = sub,
                                              .argv = argv,
                                              .argc = 5,
                                              .repeatable = true,
                                              .cb = on_begun,
                                              .arg = record});
    if (err < 0)
        request_fail(req, err);
}

static struct span text_at(const struct redisReply *reply, size_t i)
{
    if (i >= reply->elements || reply->element[i]->type != REDIS_REPLY_STRING)
        return SPAN("");
    return (struct span){reply->element[i]->str, reply->element[i]->len};
}

static void give(struct request *req, int status, struct span json)
{
    request_reply(
        req, status,
        status < 400 ? "application/json" : "application/problem+json", json);
}

static void replay(struct request *req, const struct redisReply *reply)
{
    uint64_t status = 0;

    if (!span_to_u64(text_at(reply, 1), 499, &status) || status < 200) {
        request_fail(req, UV_EPROTO); /* no answer that we would have kept */
        return;
    }
    request_add_header(req, "Idempotent-Replayed", SPAN("true"));
    give(req, (int)status, text_at(reply, 2));
}

static void go_on(struct idempotency *record, enum idempotency_state state,
                  struct span operation)
{
    record->operation = arena_copy(request_arena(record->req), operation);
    /* Whatever fails from here on is free again when the lease is over. */
    request_set_retry_after(record->req, LEASE_S);
    record->cb(record->req, record->arg, record, state, record->operation);
}

static void on_begun(void *arg, int status, const struct redisReply *reply)
{
    struct idempotency *record = arg;
    struct request *req = record->req;

    if (status < 0) {
        request_fail(req, status);
        return;
    }
    struct span state =
        reply->type == REDIS_REPLY_ARRAY ? text_at(reply, 0) : SPAN("");
    if (span_eq(state, SPAN("fresh"))) {
        go_on(record, IDEMPOTENCY_FRESH, record->operation);
    } else if (span_eq(state, SPAN("continue"))) {
        go_on(record, IDEMPOTENCY_CONTINUE, text_at(reply, 1));
    } else if (span_eq(state, SPAN("replay"))) {
        replay(req, reply);
    } else if (span_eq(state, SPAN("mismatch"))) {
        request_problem(req, 422, "idempotency-mismatch", NULL,
                        "this Idempotency-Key was used with another body");
    } else {
        request_add_header(req, "Retry-After", SPAN("10"));
        request_problem(req, 409, "idempotency-busy", NULL,
                        "the first request with this Idempotency-Key has "
                        "not ended yet");
    }
}

/* Fields and values of the record, if it is ours still. */
static int keep(struct idempotency *record, const struct span *fields,
                size_t count, redis_reply_cb cb)
{
    struct span argv[4 + FIELDS_MAX] = {record->key, record->digest,
                                        record->operation, SPAN(KEPT_MS)};

    memcpy(argv + 4, fields, count * sizeof(fields[0]));

    return redis_eval(record->redis, &script_idempotency_keep, 1,
                      &(struct redis_call){.key = request_subject(record->req),
                                           .argv = argv,
                                           .argc = 4 + count,
                                           .repeatable = true,
                                           .cb = cb,
                                           .arg = record});
}

int idempotency_change(struct idempotency *record, struct span operation,
                       void (*cb)(void *arg, int status), void *arg)
{
    const struct span fields[] = {SPAN("operation"), operation};

    record->next = operation;
    record->changed = cb;
    record->arg = arg;
    return keep(record, fields, 2, on_changed);
}

static void on_changed(void *arg, int status, const struct redisReply *reply)
{
    struct idempotency *record = arg;

    (void)reply;
    if (status == 0)
        record->operation = record->next;
    record->changed(record->arg, status);
}

void idempotency_finish(struct idempotency *record, int status,
                        struct span json)
{
    struct arena *arena = request_arena(record->req);

    record->status = status;
    record->json = arena_copy(arena, json);
    const struct span fields[] = {SPAN("status"),
                                  arena_printf(arena, "%d", status),
                                  SPAN("body"), record->json};
    int err = keep(record, fields, 4, on_kept);
    if (err < 0)
        request_fail(record->req, err);
}

static void on_kept(void *arg, int status, const struct redisReply *reply)
{
    struct idempotency *record = arg;

    (void)reply;
    if (status < 0)
        request_fail(record->req, status);
    else
        give(record->req, record->status, record->json);
}
