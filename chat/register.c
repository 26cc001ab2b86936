/*
 * register.c - POST /v1/users.
 *
 *   register_user() -- the password, off the loop --> HSETNX --> 201, or 409
 */
#include "chat/http.h"
#include "chat/password.h"
#include "chat/reply.h"
#include "chat/scripts.h"

struct registration {
    struct request *req;
    struct chat *chat;
    struct span name;
    struct password_job job;
};

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
        request_problem(req, 409, "name-taken", NULL,
                        "there is a user of that name");
    else
        request_reply_json(
            req, 201,
            arena_printf(request_arena(req), "{\"name\":\"%.*s\"}",
                         (int)registration->name.len, registration->name.ptr));
}

static void on_made(struct password_job *job)
{
    struct registration *registration = job->arg;
    struct arena *arena = request_arena(registration->req);

    if (job->failed) {
        request_fail(registration->req, UV_EIO);
        return;
    }
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
    struct registration *registration =
        arena_zalloc(request_arena(req), sizeof(*registration));
    registration->req = req;
    registration->chat = chat;
    registration->name = values[0].text;
    registration->job.cb = on_made;
    registration->job.arg = registration;
    int err = password_make(stream_loop_uv(app_loop(chat->app)),
                            &registration->job, values[1].text);
    if (err < 0)
        request_fail(req, err);
}
