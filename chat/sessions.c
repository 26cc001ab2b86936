/* sessions.c - see sessions.h; DELETE of a session. */
#include <openssl/rand.h>

#include "chat/client.h"
#include "chat/http.h"
#include "chat/reply.h"
#include "chat/scripts.h"
#include "chat/sessions.h"
#include "common/auth.h"
#include "common/base64.h"
#include "common/limit.h"

#define KNOWN 32768 /* sessions and users that are remembered */
#define ENDS 256    /* kinds of marks, of which each end concerns one */
#define PREFIX "s."
#define RANDOM 16
#define TRIES_A_SECOND 1 /* of one name's password; a burst of two */

struct sessions {
    struct chat *chat;
    struct hash_key hash_key, user_key;
    struct limit_spec *tries;
    struct session_check *check;
    bool live;
    uint32_t ends[ENDS];   /* each grows when one of its marks may not hold */
    uint64_t known[KNOWN]; /* marks, each at its place */
};

struct sessions *sessions_create(struct chat *chat)
{
    struct sessions *sessions = mem_zalloc(MEM_APP, sizeof(*sessions));

    sessions->chat = chat;
    sessions->hash_key = hash_random_key();
    sessions->user_key = hash_random_key();
    sessions->tries = app_limit("/login", TRIES_A_SECOND);
    sessions->check = session_check_create(chat);
    return sessions;
}

void sessions_destroy(struct sessions *sessions)
{
    limit_spec_unref(sessions->tries);
    session_check_destroy(sessions->check);
    mem_free(sessions);
}

/* ---- what is known */

static bool is_session(struct span jti)
{
    return span_has_prefix(jti, SPAN(PREFIX));
}

static uint64_t mark_of_id(const struct sessions *sessions, struct span id)
{
    return hash_sip(&sessions->hash_key, id) | 1;
}

static uint64_t mark_of_user(const struct sessions *sessions, struct span user)
{
    return hash_sip(&sessions->user_key, user) | 1;
}

uint64_t session_mark(const struct sessions *sessions,
                      const struct auth_identity *identity)
{
    return is_session(identity->jti) ? mark_of_id(sessions, identity->jti)
                                     : mark_of_user(sessions, identity->sub);
}

static uint32_t *ends_of(struct sessions *sessions, uint64_t mark)
{
    return &sessions->ends[mark / KNOWN % ENDS];
}

void sessions_set_live(struct sessions *sessions, bool live)
{
    sessions->live = live;
    for (size_t i = 0; i < ENDS; i++)
        sessions->ends[i]++;
    memset(sessions->known, 0, sizeof(sessions->known));
    if (live)
        session_check_all(sessions->check);
}

static void learn(struct sessions *sessions, uint64_t mark)
{
    if (sessions->live)
        sessions->known[mark % KNOWN] = mark;
}

bool session_is_known(const struct sessions *sessions,
                      const struct auth_identity *identity)
{
    uint64_t mark = session_mark(sessions, identity);

    return sessions->known[mark % KNOWN] == mark;
}

void session_end_clients(struct chat *chat, struct span name, uint64_t mark)
{
    struct user *user = users_find(chat->users, name);

    if (!user)
        return;
    for (struct list *n = user->clients.next, *next; n != &user->clients;
         n = next) {
        struct client *client = LIST_ENTRY(n, struct client, of_user);
        next = n->next;
        if (!mark || client->session == mark)
            client_end(client, OPS_CODE_NO_TOKEN, "the session has ended");
    }
}

/* What is asked for meanwhile is asked for again. */
static void forget(struct sessions *sessions, uint64_t mark)
{
    ++*ends_of(sessions, mark);
    if (sessions->known[mark % KNOWN] == mark)
        sessions->known[mark % KNOWN] = 0;
}

static void end_session(struct sessions *sessions, struct span id,
                        struct span user)
{
    uint64_t mark = mark_of_id(sessions, id);

    forget(sessions, mark);
    session_end_clients(sessions->chat, user, mark);
}

static void end_user(struct sessions *sessions, struct span user)
{
    forget(sessions, mark_of_user(sessions, user));
    export_on_deleted(sessions->chat, user);
    session_end_clients(sessions->chat, user, 0);
}

void sessions_on_end(struct sessions *sessions, struct span word)
{
    struct span id;

    if (!span_cut(&word, ' ', &id) || !word.ptr)
        return;
    if (span_eq(id, SPAN("*")))
        end_user(sessions, word);
    else
        end_session(sessions, id, word);
}

void sessions_on_deleted(struct sessions *sessions,
                         const struct auth_identity *identity)
{
    if (is_session(identity->jti))
        forget(sessions, mark_of_id(sessions, identity->jti));
    end_user(sessions, identity->sub);
}

/* ---- asking */

int session_look(struct chat *chat, struct span user, struct span jti,
                 redis_reply_cb cb, void *arg)
{
    struct arena arena;

    arena_init(&arena, MEM_AUTH, 0);
    struct span argv[] = {keys_user(&arena, user), keys_sessions(&arena, user),
                          SPAN("look"), is_session(jti) ? jti : SPAN("")};
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

int session_found(int status, const struct redisReply *reply)
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
    uint32_t ends;
};

static void refuse_token(struct request *req)
{
    request_problem(req, 401, "unauthorized", NULL,
                    "a valid bearer token is needed");
}

static void on_guarded(void *arg, int status, const struct redisReply *reply);

/* What ends while Redis is asked may be what is asked for: then once more. */
static void ask_guarded(struct guarding *guarding)
{
    const struct auth_identity *identity = request_identity(guarding->req);
    struct sessions *sessions = guarding->chat->sessions;

    guarding->ends = *ends_of(sessions, session_mark(sessions, identity));
    int err = session_look(guarding->chat, identity->sub, identity->jti,
                           on_guarded, guarding);
    if (err < 0)
        request_fail(guarding->req, err);
}

static void on_guarded(void *arg, int status, const struct redisReply *reply)
{
    struct guarding *guarding = arg;
    struct sessions *sessions = guarding->chat->sessions;
    const struct auth_identity *identity = request_identity(guarding->req);
    uint64_t mark = session_mark(sessions, identity);
    int is = session_found(status, reply);

    if (is < 0) {
        request_fail(guarding->req, is);
    } else if (is == 0) {
        refuse_token(guarding->req);
    } else if (guarding->ends != *ends_of(sessions, mark)) {
        ask_guarded(guarding);
    } else {
        learn(sessions, mark);
        guarding->handler(guarding->req, guarding->chat);
    }
}

static void guard(struct request *req, struct chat *chat, route_handler handler,
                  bool anew)
{
    const struct auth_identity *identity = request_identity(req);

    if (identity && !name_is_valid(identity->sub)) {
        request_problem(req, 403, "forbidden", NULL,
                        "the token's sub is no user's name");
        return;
    }
    if (!identity || (!anew && session_is_known(chat->sessions, identity))) {
        handler(req, chat);
        return;
    }
    struct guarding *guarding =
        arena_alloc(request_arena(req), sizeof(*guarding));
    *guarding = (struct guarding){.req = req, .chat = chat, .handler = handler};
    ask_guarded(guarding);
}

void session_guard(struct request *req, struct chat *chat,
                   route_handler handler)
{
    guard(req, chat, handler, false);
}

void session_guard_anew(struct request *req, struct chat *chat,
                        route_handler handler)
{
    guard(req, chat, handler, true);
}

struct asking {
    struct wheel_timer timer;
    struct op *op; /* of the first message */
    struct chat *chat;
    struct span user, jti;
    uint64_t mark;
    uint32_t ends;
    int err;
};

static void ask_client(struct asking *asking);

static void on_client(void *arg, int status, const struct redisReply *reply)
{
    struct asking *asking = arg;
    struct op *op = asking->op;
    struct sessions *sessions = asking->chat->sessions;
    struct client *client = op->client ? client_of(op->client) : NULL;
    int is = session_found(status, reply);

    if (!client) {
        op_fail_by(op, UV_ECANCELED);
        return;
    }
    if (is == 1 && asking->ends != *ends_of(sessions, asking->mark)) {
        ask_client(asking);
    } else if (is == 1) {
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

static void ask_client(struct asking *asking)
{
    struct chat *chat = asking->chat;

    asking->ends = *ends_of(chat->sessions, asking->mark);
    asking->err =
        session_look(chat, asking->user, asking->jti, on_client, asking);
    if (asking->err < 0)
        wheel_start(stream_loop_wheel(app_loop(chat->app)), &asking->timer, 0,
                    on_refused);
}

void session_ask_client(struct client *client,
                        const struct auth_identity *identity)
{
    struct op *op = client->base.auth;
    struct asking *asking = arena_alloc(&op->arena, sizeof(*asking));

    *asking =
        (struct asking){.op = op,
                        .chat = client->chat,
                        .user = arena_copy(&op->arena, identity->sub),
                        .jti = arena_copy(&op->arena, identity->jti),
                        .mark = session_mark(client->chat->sessions, identity)};
    ask_client(asking);
}

/* ---- the device that a client is */

/* What is kept of it is the client's; there is little of it where its token is
   no session's, as there may be many. */
static void keep(char **at, struct span text)
{
    mem_free(*at);
    *at = text.ptr ? mem_alloc(MEM_CONN, text.len + 1) : NULL;
    if (!text.ptr)
        return;
    memcpy(*at, text.ptr, text.len);
    (*at)[text.len] = '\0';
}

void session_enter(struct client *client, const struct auth_identity *identity)
{
    struct span none = {NULL, 0};
    struct span id = is_session(identity->jti) ? identity->jti : none;

    client->session = session_mark(client->chat->sessions, identity);
    if (span_eq(span_str(client->session_id), id) && client->session_id)
        return;
    keep(&client->session_id, id);
    keep(&client->device, none);
}

void session_leave(struct client *client)
{
    keep(&client->session_id, (struct span){NULL, 0});
    keep(&client->device, (struct span){NULL, 0});
}

struct span session_device(const struct client *client)
{
    return client->device ? span_str(client->device) : SPAN("");
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
    int is = session_found(status, reply);

    if (client)
        client->asking = false;
    if (is < 0 || !client) {
        op_fail_by(op, is < 0 ? is : UV_ECANCELED);
    } else {
        keep(&client->device, reply_text(reply->element[1]));
        ask->go(op);
    }
    if (client)
        ops_go_on(&client->base);
}

void session_when_device(struct op *op, void (*go)(struct op *op))
{
    struct client *client = client_of(op->client);

    if (!client->session_id || client->device) {
        go(op);
        return;
    }
    struct device_ask *ask = arena_alloc(&op->arena, sizeof(*ask));
    *ask = (struct device_ask){.op = op, .go = go};
    int err = session_look(client->chat, user_name(client->user),
                           span_str(client->session_id), on_device, ask);
    if (err < 0)
        op_fail_by(op, err);
    else
        client->asking = true;
}

/* ---- sessions are made and ended */

bool session_new_id(char out[SESSION_ID_MAX])
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

struct limit_spec *sessions_tries(const struct sessions *sessions)
{
    return sessions->tries;
}

struct closing {
    struct request *req;
    struct chat *chat;
};

static void on_closed(void *arg, int status, const struct redisReply *reply)
{
    const struct closing *closing = arg;
    struct request *req = closing->req;
    const struct auth_identity *identity = request_identity(req);

    (void)reply;
    if (status < 0) {
        request_fail(req, status);
        return;
    }
    end_session(closing->chat->sessions, identity->jti, identity->sub);
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
    struct closing *closing = arena_alloc(arena, sizeof(*closing));
    *closing = (struct closing){.req = req, .chat = chat};
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
                                              .arg = closing});
    if (err < 0)
        request_fail(req, err);
}
