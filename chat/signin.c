/*
 * signin.c - POST /v1/sessions: a token.
 *
 *   open_session() -- a name: its password, off the loop --> store()
 *                  -- a guest, where the service is open --> store()
 *   store() -- session.lua --> the token
 */
#include <stdio.h>

#include "chat/http.h"
#include "chat/password.h"
#include "chat/reply.h"
#include "chat/scripts.h"
#include "chat/sessions.h"
#include "common/clock.h"
#include "common/limit.h"
#include "common/token.h"

#define MOST "100" /* SESSIONS_MAX */

struct opening {
    struct request *req;
    struct chat *chat;
    struct span user, device;
    bool is_guest;
    char id[SESSION_ID_MAX];
    char end[SPAN_U64_MAX + 1];
    int64_t expires_at;
    struct span password;
    struct password_job job;
};

static void answer_opened(struct opening *opening)
{
    struct token_claims claims = {.exp = opening->expires_at};
    char at[CLOCK_RFC3339_LEN + 1];
    struct buf out;
    struct json_writer w = {.out = &out};

    snprintf(claims.sub, sizeof(claims.sub), "%.*s", (int)opening->user.len,
             opening->user.ptr);
    snprintf(claims.scope, sizeof(claims.scope), "chat:use");
    snprintf(claims.jti, sizeof(claims.jti), "%s", opening->id);
    char *token = app_mint(opening->chat->app, &claims);
    if (!token) {
        request_fail(opening->req, UV_ENOTCONN);
        return;
    }
    clock_format_rfc3339(opening->expires_at * 1000, at);
    buf_init(&out, MEM_REQUEST);
    json_put_open(&w, '{');
    json_put_key(&w, "token");
    json_put_string(&w, span_str(token));
    json_put_key(&w, "user");
    json_put_string(&w, opening->user);
    json_put_key(&w, "device");
    json_put_string(&w, opening->device);
    json_put_key(&w, "expires_at");
    json_put_string(&w, span_str(at));
    json_put_close(&w, '}');
    request_reply_json(opening->req, 201, buf_span(&out));
    buf_deinit(&out);
    mem_free(token);
}

static void refuse_password(struct request *req)
{
    request_problem(req, 401, "wrong-password", NULL,
                    "there is no such user, or the password is another");
}

static void on_stored(void *arg, int status, const struct redisReply *reply)
{
    struct opening *opening = arg;

    if (status < 0)
        request_fail(opening->req, status);
    else if (!reply_refusal(reply).ptr)
        answer_opened(opening);
    else if (opening->is_guest)
        request_problem(opening->req, 409, "name-taken", NULL,
                        "there was a user of that name");
    else
        refuse_password(opening->req);
}

static void store(struct opening *opening)
{
    struct chat *chat = opening->chat;
    struct arena *arena = request_arena(opening->req);

    if (!session_new_id(opening->id)) {
        request_fail(opening->req, UV_EIO);
        return;
    }
    opening->expires_at =
        clock_wall_ms() / 1000 + chat->config->session_ms / 1000;
    snprintf(opening->end, sizeof(opening->end), "%lld",
             (long long)opening->expires_at);
    struct span argv[] = {keys_user(arena, opening->user),
                          keys_sessions(arena, opening->user),
                          SPAN("open"),
                          span_str(opening->id),
                          span_str(opening->end),
                          opening->device,
                          SPAN(MOST),
                          opening->is_guest ? SPAN("1") : SPAN("0"),
                          keys_wake(arena, hash_partition(opening->user)),
                          opening->user};
    int err = redis_eval(app_redis(chat->app), &script_session, 2,
                         &(struct redis_call){.key = opening->user,
                                              .argv = argv,
                                              .argc = 10,
                                              .repeatable = true,
                                              .cb = on_stored,
                                              .arg = opening});
    if (err < 0)
        request_fail(opening->req, err);
}

static void on_verified(struct password_job *job)
{
    struct opening *opening = job->arg;

    if (job->failed)
        request_fail(opening->req, UV_EIO);
    else if (job->matches)
        store(opening);
    else
        refuse_password(opening->req);
}

/* Who is not there takes as long as who is. */
static void on_user(void *arg, int status, const struct redisReply *reply)
{
    struct opening *opening = arg;

    if (status == 0) {
        opening->job.cb = on_verified;
        opening->job.arg = opening;
        status = password_verify(stream_loop_uv(app_loop(opening->chat->app)),
                                 &opening->job, opening->password,
                                 reply_text(reply));
    }
    if (status < 0)
        request_fail(opening->req, status);
}

static void read_user(void *arg)
{
    struct opening *opening = arg;
    struct span argv[] = {SPAN("HGET"),
                          keys_user(request_arena(opening->req), opening->user),
                          SPAN("password")};
    int err = redis_send(app_redis(opening->chat->app),
                         &(struct redis_call){.key = opening->user,
                                              .argv = argv,
                                              .argc = 3,
                                              .repeatable = true,
                                              .cb = on_user,
                                              .arg = opening});
    if (err < 0)
        request_fail(opening->req, err);
}

/* So many tries of one name, whoever makes them. */
static void limit_tries(struct opening *opening)
{
    http_pace(opening->req, opening->chat,
              &(struct http_pace){
                  .spec = sessions_tries(opening->chat->sessions),
                  .key = opening->user,
                  .slug = "too-many-tries",
                  .detail = "this name's password was tried too often",
                  .go = read_user,
                  .arg = opening});
}

static void open_guest(struct opening *opening, struct span name)
{
    opening->is_guest = true;
    opening->user = arena_printf(request_arena(opening->req), NAME_GUEST "%.*s",
                                 (int)name.len, name.ptr);
    if (app_is_open(opening->chat->app))
        store(opening);
    else
        request_problem(opening->req, 403, "no-guests", NULL,
                        "this server takes no guests");
}

enum { NAME, PASSWORD, GUEST, DEVICE, FIELDS };

static bool check(struct request *req, const struct json_value *values)
{
    struct json_errors errors = {0};
    bool is_guest = values[GUEST].state == JSON_STATE_SET;
    const struct json_value *name = &values[is_guest ? GUEST : NAME];

    json_errors_init(&errors);
    if (is_guest ? values[NAME].state == JSON_STATE_SET ||
                       values[PASSWORD].state == JSON_STATE_SET
                 : values[NAME].state != JSON_STATE_SET ||
                       values[PASSWORD].state != JSON_STATE_SET)
        json_errors_add(&errors, "",
                        "either name and password, or guest, are needed");
    else if (!name_is_valid(name->text) ||
             (is_guest &&
              name->text.len + sizeof(NAME_GUEST) - 1 > NAME_MAX_LEN))
        json_errors_add(&errors, is_guest ? "/guest" : "/name",
                        "must be [a-z0-9._-], 1 to %d of them",
                        is_guest ? NAME_MAX_LEN - 6 : NAME_MAX_LEN);
    if (errors.count)
        request_invalid(req, &errors);
    return errors.count == 0;
}

void open_session(struct request *req, void *arg)
{
    static const struct json_field fields[FIELDS] = {
        {.name = "name",
         .kind = JSON_KIND_STRING,
         .min = 1,
         .max = NAME_MAX_LEN},
        {.name = "password",
         .kind = JSON_KIND_STRING,
         .min = 1,
         .max = PASSWORD_MAX},
        {.name = "guest",
         .kind = JSON_KIND_STRING,
         .min = 1,
         .max = NAME_MAX_LEN},
        {.name = "device", .kind = JSON_KIND_STRING, .max = DEVICE_MAX}};
    struct json_value values[FIELDS];

    if (!request_read_json(req, fields, FIELDS, values) || !check(req, values))
        return;
    struct opening *opening =
        arena_zalloc(request_arena(req), sizeof(*opening));
    opening->req = req;
    opening->chat = arg;
    opening->device =
        values[DEVICE].state == JSON_STATE_SET ? values[DEVICE].text : SPAN("");
    if (values[GUEST].state == JSON_STATE_SET) {
        open_guest(opening, values[GUEST].text);
        return;
    }
    opening->user = values[NAME].text;
    opening->password = values[PASSWORD].text;
    limit_tries(opening);
}
