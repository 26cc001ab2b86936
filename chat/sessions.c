/*
 * sessions.c - see sessions.h; POST /v1/users, POST and DELETE of sessions.
 *
 *   open_session() -- a name: its password, off the loop --> store()
 *                  -- a guest, where the service is open --> store()
 *   store() -- session.lua --> the token
 */
#include <openssl/rand.h>
#include <stdio.h>

#include "chat/client.h"
#include "chat/http.h"
#include "chat/password.h"
#include "chat/reply.h"
#include "chat/scripts.h"
#include "chat/sessions.h"
#include "common/auth.h"
#include "common/base64.h"
#include "common/clock.h"
#include "common/limit.h"

#define KNOWN 4096 /* sessions that are remembered */
#define PREFIX "s."
#define RANDOM 16
#define TRIES_A_SECOND 1 /* of one name's password; a burst of two */
#define MOST "100"       /* SESSIONS_MAX */

struct sessions {
    struct chat *chat;
    struct hash_key hash_key;
    struct limit_spec *tries;
    bool live;
    uint64_t known[KNOWN]; /* marks, each at its place */
};

struct sessions *sessions_create(struct chat *chat)
{
    struct sessions *sessions = mem_zalloc(MEM_APP, sizeof(*sessions));

    sessions->chat = chat;
    sessions->hash_key = hash_random_key();
    sessions->tries = app_limit("/login", TRIES_A_SECOND);
    return sessions;
}

void sessions_destroy(struct sessions *sessions)
{
    limit_spec_unref(sessions->tries);
    mem_free(sessions);
}

/* ---- what is known */

static bool is_session(struct span jti)
{
    return span_has_prefix(jti, SPAN(PREFIX));
}

uint64_t session_mark(const struct sessions *sessions, struct span jti)
{
    return is_session(jti) ? hash_sip(&sessions->hash_key, jti) | 1 : 0;
}

void sessions_set_live(struct sessions *sessions, bool live)
{
    sessions->live = live;
    memset(sessions->known, 0, sizeof(sessions->known));
}

static void learn(struct sessions *sessions, uint64_t mark)
{
    if (sessions->live)
        sessions->known[mark % KNOWN] = mark;
}

bool session_is_known(const struct sessions *sessions,
                      const struct auth_identity *identity)
{
    uint64_t mark = session_mark(sessions, identity->jti);

    return mark == 0 || sessions->known[mark % KNOWN] == mark;
}

void sessions_on_end(struct sessions *sessions, struct span word)
{
    struct span id;

    if (!span_cut(&word, ' ', &id) || !word.ptr || !is_session(id))
        return;
    uint64_t mark = session_mark(sessions, id);
    struct user *user = users_find(sessions->chat->users, word);
    if (sessions->known[mark % KNOWN] == mark)
        sessions->known[mark % KNOWN] = 0;
    if (!user)
        return;
    for (struct list *n = user->clients.next, *next; n != &user->clients;
         n = next) {
        struct client *client = LIST_ENTRY(n, struct client, of_user);
        next = n->next;
        if (client->session == mark)
            client_end(client, OPS_CODE_NO_TOKEN, "the session has ended");
    }
}

/* ---- asking */

static int look(struct chat *chat, struct span user, struct span jti,
                redis_reply_cb cb, void *arg)
{
    struct arena arena;

    arena_init(&arena, MEM_AUTH, 0);
    struct span argv[] = {keys_user(&arena, user), keys_sessions(&arena, user),
                          SPAN("look"), jti};
    int err = redis_eval(app_redis(chat->app), &script_session, 2,
                         &(struct redis_call){.key = user,
                                              .argv = argv,
                                              .argc = 4,
                                              .repeatable = true,
                                              .cb = cb,
                                              .arg = arg});
    arena_deinit(&arena);
    return err;
}

/* 1: it holds, 0: it does not, less: Redis does not say. */
static int found(int status, const struct redisReply *reply)
{
    uint64_t is;

    if (status < 0)
        return status;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        !reply_number(reply->element[0], &is))
        return UV_EPROTO;
    return is == 1;
}

struct guarding {
    struct request *req;
    struct chat *chat;
    route_handler handler;
};

static void refuse_token(struct request *req)
{
    request_problem(req, 401, "unauthorized", NULL,
                    "a valid bearer token is needed");
}

static void on_guarded(void *arg, int status, const struct redisReply *reply)
{
    struct guarding *guarding = arg;
    struct sessions *sessions = guarding->chat->sessions;
    const struct auth_identity *identity = request_identity(guarding->req);
    int is = found(status, reply);

    if (is < 0) {
        request_fail(guarding->req, is);
    } else if (is == 0) {
        refuse_token(guarding->req);
    } else {
        learn(sessions, session_mark(sessions, identity->jti));
        guarding->handler(guarding->req, guarding->chat);
    }
}

void session_guard(struct request *req, struct chat *chat,
                   route_handler handler)
{
    const struct auth_identity *identity = request_identity(req);

    if (identity && !name_is_valid(identity->sub)) {
        request_problem(req, 403, "forbidden", NULL,
                        "the token's sub is no user's name");
        return;
    }
    if (!identity || session_is_known(chat->sessions, identity)) {
        handler(req, chat);
        return;
    }
    struct guarding *guarding =
        arena_alloc(request_arena(req), sizeof(*guarding));
    *guarding = (struct guarding){.req = req, .chat = chat, .handler = handler};
    int err = look(chat, identity->sub, identity->jti, on_guarded, guarding);
    if (err < 0)
        request_fail(req, err);
}

struct asking {
    struct wheel_timer timer;
    struct op *op; /* of the first message */
    struct chat *chat;
    uint64_t mark;
    int err;
};

static void on_client(void *arg, int status, const struct redisReply *reply)
{
    struct asking *asking = arg;
    struct op *op = asking->op;
    struct sessions *sessions = asking->chat->sessions;
    struct client *client = op->client ? client_of(op->client) : NULL;
    int is = found(status, reply);

    if (!client) {
        op_fail_by(op, UV_ECANCELED);
        return;
    }
    if (is == 1) {
        learn(sessions, asking->mark);
        client->session = asking->mark;
        ops_auth_again(&client->base);
    } else {
        ops_auth_refused(&client->base, is < 0 ? is : 0);
    }
}

static void on_refused(struct wheel_timer *timer)
{
    struct asking *asking = LIST_ENTRY(timer, struct asking, timer);

    on_client(asking, asking->err, NULL);
}

void session_ask_client(struct client *client,
                        const struct auth_identity *identity)
{
    struct op *op = client->base.auth;
    struct asking *asking = arena_alloc(&op->arena, sizeof(*asking));

    *asking = (struct asking){
        .op = op,
        .chat = client->chat,
        .mark = session_mark(client->chat->sessions, identity->jti)};
    asking->err =
        look(client->chat, identity->sub, identity->jti, on_client, asking);
    if (asking->err < 0)
        wheel_start(stream_loop_wheel(app_loop(client->chat->app)),
                    &asking->timer, 0, on_refused);
}

/* ---- the device that a client is */

void session_enter(struct client *client, const struct auth_identity *identity)
{
    struct span id = is_session(identity->jti) ? identity->jti : SPAN("");

    client->session = session_mark(client->chat->sessions, identity->jti);
    if (span_eq(span_str(client->session_id), id))
        return;
    client->has_device = false;
    snprintf(client->session_id, sizeof(client->session_id), "%.*s",
             (int)id.len, id.ptr);
}

static void take_device(struct client *client, struct span device)
{
    snprintf(client->device, sizeof(client->device), "%.*s", (int)device.len,
             device.ptr ? device.ptr : "");
    client->has_device = true;
}

struct device_ask {
    struct op *op;
    void (*go)(struct op *op);
};

static void on_device(void *arg, int status, const struct redisReply *reply)
{
    const struct device_ask *ask = arg;
    struct op *op = ask->op;
    struct client *client = op->client ? client_of(op->client) : NULL;
    int is = found(status, reply);

    if (client)
        client->asking = false;
    if (is < 0 || !client) {
        op_fail_by(op, is < 0 ? is : UV_ECANCELED);
    } else {
        take_device(client, reply_text(reply->element[1]));
        ask->go(op);
    }
    if (client)
        ops_go_on(&client->base);
}

void session_when_device(struct op *op, void (*go)(struct op *op))
{
    struct client *client = client_of(op->client);

    if (!client->session)
        take_device(client, SPAN(""));
    if (client->has_device) {
        go(op);
        return;
    }
    struct device_ask *ask = arena_alloc(&op->arena, sizeof(*ask));
    *ask = (struct device_ask){.op = op, .go = go};
    int err = look(client->chat, user_name(client->user),
                   span_str(client->session_id), on_device, ask);
    if (err < 0)
        op_fail_by(op, err);
    else
        client->asking = true;
}

/* ---- sessions are opened and ended */

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

static void on_stored(void *arg, int status, const struct redisReply *reply)
{
    struct opening *opening = arg;

    (void)reply;
    if (status < 0)
        request_fail(opening->req, status);
    else
        answer_opened(opening);
}

static bool new_id(char out[SESSION_ID_MAX])
{
    unsigned char bytes[RANDOM];
    size_t at = sizeof(PREFIX) - 1;

    if (RAND_bytes(bytes, RANDOM) != 1)
        return false;
    memcpy(out, PREFIX, at);
    at += base64_encode((struct span){(const char *)bytes, RANDOM}, out + at);
    out[at] = '\0';
    return true;
}

static void store(struct opening *opening)
{
    struct chat *chat = opening->chat;
    struct arena *arena = request_arena(opening->req);

    if (!new_id(opening->id)) {
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

static void refuse_password(struct request *req)
{
    request_problem(req, 401, "wrong-password", NULL,
                    "there is no such user, or the password is another");
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
                  .spec = opening->chat->sessions->tries,
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

static void on_closed(void *arg, int status, const struct redisReply *reply)
{
    struct request *req = arg;

    (void)reply;
    if (status < 0)
        request_fail(req, status);
    else
        request_reply(req, 204, NULL, (struct span){NULL, 0});
}

void close_session(struct request *req, void *arg)
{
    struct chat *chat = arg;
    const struct auth_identity *identity = request_identity(req);
    struct arena *arena = request_arena(req);

    if (!is_session(identity->jti)) {
        request_problem(req, 404, "no-session", NULL,
                        "this token is no session's");
        return;
    }
    struct span argv[] = {keys_user(arena, identity->sub),
                          keys_sessions(arena, identity->sub),
                          SPAN("close"),
                          identity->jti,
                          keys_wake(arena, hash_partition(identity->sub)),
                          identity->sub};
    int err = redis_eval(app_redis(chat->app), &script_session, 2,
                         &(struct redis_call){.key = identity->sub,
                                              .argv = argv,
                                              .argc = 6,
                                              .repeatable = true,
                                              .cb = on_closed,
                                              .arg = req});
    if (err < 0)
        request_fail(req, err);
}
