/*
 * register.c - POST /v1/users.
 *
 *   register_user() -- the password, off the loop --> register.lua --> 201, 409
 *
 * With an Idempotency-Key the salt is of the key: so the same password is kept
 * alike by each try, and what is kept stands for it in the record of the
 * request, from which it must not be guessed faster.
 */
#include <openssl/evp.h>

#include "chat/http.h"
#include "chat/password.h"
#include "chat/reply.h"
#include "chat/scripts.h"
#include "common/idempotency.h"

struct registration {
    struct request *req;
    struct idempotency *record; /* NULL without an Idempotency-Key */
    struct chat *chat;
    struct span name;
    struct password_job job;
};

static void refuse_name(struct request *req, struct idempotency *record)
{
    static const char slug[] = "name-taken";
    static const char detail[] = "there is a user of that name";

    if (record)
        idempotency_finish(record, 409,
                           request_problem_text(req, 409, slug, NULL, detail));
    else
        request_problem(req, 409, slug, NULL, detail);
}

static void on_registered(void *arg, int status, const struct redisReply *reply)
{
    struct registration *registration = arg;
    struct request *req = registration->req;
    uint64_t made = 0;

    if (status == 0 &&
        (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1 ||
         !reply_number(reply->element[0], &made)))
        status = UV_EPROTO;
    if (status < 0)
        request_fail(req, status);
    else if (!made)
        refuse_name(req, registration->record);
    else
        http_finish(req, registration->record, 201,
                    arena_printf(request_arena(req), "{\"name\":\"%.*s\"}",
                                 (int)registration->name.len,
                                 registration->name.ptr));
}

static void write_user(struct registration *registration)
{
    struct arena *arena = request_arena(registration->req);
    const struct password_job *job = &registration->job;
    struct span argv[] = {keys_user(arena, registration->name),
                          span_str(job->kept)};
    int err =
        redis_eval(app_redis(registration->chat->app), &script_register, 1,
                   &(struct redis_call){.key = registration->name,
                                        .argv = argv,
                                        .argc = 2,
                                        .repeatable = true,
                                        .cb = on_registered,
                                        .arg = registration});
    if (err < 0)
        request_fail(registration->req, err);
}

static void on_begun(struct request *req, void *arg, struct idempotency *record,
                     enum idempotency_state state, struct span operation)
{
    struct registration *registration = arg;

    (void)req;
    (void)state;
    (void)operation;
    registration->record = record;
    write_user(registration);
}

static void on_made(struct password_job *job)
{
    struct registration *registration = job->arg;
    struct request *req = registration->req;

    if (job->failed) {
        request_fail(req, UV_EIO);
        return;
    }
    if (!idempotency_wanted(req)) {
        write_user(registration);
        return;
    }
    idempotency_begin_by(&(struct idempotency_begin){
        .redis = app_redis(registration->chat->app),
        .prefix = CHAT_PREFIX,
        .req = req,
        .body = arena_printf(request_arena(req), "%.*s %s",
                             (int)registration->name.len,
                             registration->name.ptr, job->kept),
        .operation = request_id(req),
        .cb = on_begun,
        .arg = registration});
}

/* Nobody else can have it, nor guess at it beforehand. */
static void salt_by_key(struct registration *registration)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    struct span key = request_header(registration->req, "idempotency-key");
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
    EVP_DigestUpdate(ctx, registration->chat->secret, APP_SECRET_LEN);
    EVP_DigestUpdate(ctx, registration->name.ptr, registration->name.len);
    EVP_DigestUpdate(ctx, "/", 1); /* is in no name */
    EVP_DigestUpdate(ctx, key.ptr, key.len);
    EVP_DigestFinal_ex(ctx, digest, NULL);
    EVP_MD_CTX_free(ctx);
    memcpy(registration->job.salt, digest, PASSWORD_SALT);
    registration->job.salted = true;
}

void register_user(struct request *req, void *arg)
{
    static const struct json_field fields[] = {{.name = "name",
                                                .kind = JSON_KIND_STRING,
                                                .required = true,
                                                .min = 1,
                                                .max = NAME_MAX_LEN},
                                               {.name = "password",
                                                .kind = JSON_KIND_STRING,
                                                .required = true,
                                                .min = PASSWORD_MIN,
                                                .max = PASSWORD_MAX}};
    struct json_value values[2];
    struct json_errors errors = {0};
    struct chat *chat = arg;

    if (!request_read_json(req, fields, 2, values))
        return;
    json_errors_init(&errors);
    if (!name_is_valid(values[0].text))
        json_errors_add(&errors, "/name", "must be [a-z0-9._-]{1,32}");
    else if (span_has_prefix(values[0].text, SPAN(NAME_GUEST)) ||
             span_eq(values[0].text, SPAN("anonymous")))
        json_errors_add(&errors, "/name", "is kept for guests");
    if (errors.count) {
        request_invalid(req, &errors);
        return;
    }
    if (!chat->secret) {
        request_fail(req, UV_ENOTCONN);
        return;
    }
    struct registration *registration =
        arena_zalloc(request_arena(req), sizeof(*registration));
    registration->req = req;
    registration->chat = chat;
    registration->name = values[0].text;
    registration->job.cb = on_made;
    registration->job.arg = registration;
    if (idempotency_wanted(req))
        salt_by_key(registration);
    int err = password_make(stream_loop_uv(app_loop(chat->app)),
                            &registration->job, values[1].text);
    if (err < 0)
        request_fail(req, err);
}
