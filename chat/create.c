/*
 * create.c - POST /v1/rooms and POST /v1/dms: rooms come to be.
 *
 *   the indexes of who is in it -- create.lua --> on_created(): the room
 */
#include "chat/http.h"
#include "chat/reply.h"
#include "chat/scripts.h"
#include "common/hash.h"
#include "common/idempotency.h"

#define USERS_MAX 2

struct creation {
    struct chat *chat;
    struct request *req;
    struct idempotency *record; /* NULL without an Idempotency-Key */
    const char *kind;           /* a letter of record.lua's */
    struct span room, name, topic;
    struct span users[USERS_MAX]; /* the one who makes it first */
    size_t user_count, indexed;
};

static void on_index(void *arg, int status, const struct redisReply *reply);
static void on_created(void *arg, int status, const struct redisReply *reply);

static int create(struct creation *creation)
{
    struct arena *arena = request_arena(creation->req);
    struct room_keys keys = keys_of_room(arena, creation->room);
    bool is_public = creation->kind[0] == 'u';
    struct span argv[10 + USERS_MAX] = {keys.room, keys.members, keys.log,
                                        keys.names};
    size_t nkeys = 4;

    if (is_public)
        argv[nkeys++] = keys_public(arena, hash_partition(creation->room));
    size_t argc = nkeys;
    argv[argc++] = span_str(creation->kind);
    argv[argc++] = creation->name;
    argv[argc++] = creation->topic;
    argv[argc++] = creation->room;
    argv[argc++] = keys.wake;
    for (size_t i = 0; i < creation->user_count; i++)
        argv[argc++] = creation->users[i];
    return redis_eval(app_redis(creation->chat->app), &script_create, nkeys,
                      &(struct redis_call){.key = creation->room,
                                           .argv = argv,
                                           .argc = argc,
                                           .repeatable = true,
                                           .cb = on_created,
                                           .arg = creation});
}

/* Into the index of the next user, or, when it is in all of them, the room. */
static void go_on(struct creation *creation)
{
    char most[SPAN_U64_MAX];
    int err;

    if (creation->indexed == creation->user_count) {
        err = create(creation);
    } else {
        struct span user = creation->users[creation->indexed];
        struct span argv[] = {
            keys_rooms(request_arena(creation->req), user),
            keys_user(request_arena(creation->req), user),
            SPAN("add"),
            creation->room,
            span_from_u64(most, (uint64_t)creation->chat->config->max_rooms),
            creation->indexed == 0 ? SPAN("0") : SPAN("1")};
        err = redis_eval(app_redis(creation->chat->app), &script_index, 2,
                         &(struct redis_call){.key = user,
                                              .argv = argv,
                                              .argc = 6,
                                              .repeatable = true,
                                              .cb = on_index,
                                              .arg = creation});
    }
    if (err < 0)
        request_fail(creation->req, err);
}

static void on_index(void *arg, int status, const struct redisReply *reply)
{
    struct creation *creation = arg;

    if (status < 0) {
        request_fail(creation->req, status);
    } else if (reply_refusal(reply).ptr) {
        http_refuse(creation->req, creation->record, reply_refusal(reply));
    } else {
        creation->indexed++;
        go_on(creation);
    }
}

static void on_created(void *arg, int status, const struct redisReply *reply)
{
    struct creation *creation = arg;
    struct room_head head;
    struct member me;
    struct buf out;
    struct json_writer w = {.out = &out};
    uint64_t made = 0;
    uint64_t created = 0;
    uint64_t keep_ms = 0;

    if (status == 0 &&
        (reply->type != REDIS_REPLY_ARRAY || reply->elements != 7 ||
         !reply_number(reply->element[0], &made) ||
         !room_head_parse(reply_text(reply->element[1]), &head) ||
         !member_parse(reply_text(reply->element[2]), &me) ||
         !reply_number(reply->element[5], &created) ||
         !reply_number(reply->element[6], &keep_ms)))
        status = UV_EPROTO;
    if (status < 0) {
        request_fail(creation->req, status);
        return;
    }
    buf_init(&out, MEM_REQUEST);
    room_put(&w,
             &(struct room_facts){.room = creation->room,
                                  .name = reply_text(reply->element[3]),
                                  .topic = reply_text(reply->element[4]),
                                  .created = created,
                                  .keep_ms = keep_ms,
                                  .head = head},
             &me);
    app_crash_point(creation->chat->app, "room-made");
    /* made before, by a try of the same key whose answer was lost */
    bool is_new = made || creation->record;
    http_finish(creation->req, creation->record, is_new ? 201 : 200,
                buf_span(&out));
    buf_deinit(&out);
}

static struct creation *begin(struct request *req, struct chat *chat,
                              const char *kind)
{
    struct creation *creation =
        arena_zalloc(request_arena(req), sizeof(*creation));

    creation->chat = chat;
    creation->req = req;
    creation->kind = kind;
    creation->name = creation->topic = SPAN("");
    creation->users[creation->user_count++] =
        arena_copy(request_arena(req), request_subject(req));
    return creation;
}

/* A later try goes on with the room of the first. */
static void on_begun(struct request *req, void *arg, struct idempotency *record,
                     enum idempotency_state state, struct span operation)
{
    struct creation *creation = arg;

    (void)req;
    (void)state;
    creation->record = record;
    creation->room = operation;
    go_on(creation);
}

void create_room(struct request *req, void *arg)
{
    static const struct json_field fields[] = {
        {.name = "name",
         .kind = JSON_KIND_STRING,
         .required = true,
         .min = 1,
         .max = NAME_MAX_LEN},
        {.name = "kind",
         .kind = JSON_KIND_STRING,
         .required = true,
         .min = 1,
         .max = 16},
        {.name = "topic", .kind = JSON_KIND_STRING, .max = TOPIC_MAX}};
    struct json_value values[3];
    struct json_errors errors = {0};
    char id[ROOM_ID_LEN];

    if (!http_may_create(req) || !request_read_json(req, fields, 3, values))
        return;
    json_errors_init(&errors);
    bool is_public = span_eq(values[1].text, SPAN("public"));
    if (!name_is_valid(values[0].text))
        json_errors_add(&errors, "/name", "must be [a-z0-9._-]{1,32}");
    if (!is_public && !span_eq(values[1].text, SPAN("private")))
        json_errors_add(&errors, "/kind", "must be public or private");
    if (errors.count) {
        request_invalid(req, &errors);
        return;
    }
    struct creation *creation = begin(req, arg, is_public ? "u" : "v");
    room_id_new(id);
    creation->room =
        arena_copy(request_arena(req), (struct span){id, sizeof(id)});
    creation->name = values[0].text;
    if (values[2].state == JSON_STATE_SET)
        creation->topic = values[2].text;
    if (idempotency_wanted(req))
        idempotency_begin(app_redis(creation->chat->app), CHAT_PREFIX, req,
                          creation->room, on_begun, creation);
    else
        go_on(creation);
}

void create_direct(struct request *req, void *arg)
{
    static const struct json_field fields[] = {{.name = "user",
                                                .kind = JSON_KIND_STRING,
                                                .required = true,
                                                .min = 1,
                                                .max = NAME_MAX_LEN}};
    struct chat *chat = arg;
    struct json_value values[1];
    struct json_errors errors = {0};
    char id[ROOM_ID_LEN];

    if (!http_may_create(req) || !request_read_json(req, fields, 1, values))
        return;
    json_errors_init(&errors);
    if (!name_is_valid(values[0].text) ||
        span_eq(values[0].text, request_subject(req))) {
        json_errors_add(&errors, "/user", "must be another user's name");
        request_invalid(req, &errors);
        return;
    }
    if (!chat->secret) {
        request_fail(req, UV_ENOTCONN);
        return;
    }
    struct creation *creation = begin(req, chat, "d");
    creation->users[creation->user_count++] = values[0].text;
    room_id_direct(chat->secret, creation->users[0], creation->users[1], id);
    creation->room =
        arena_copy(request_arena(req), (struct span){id, sizeof(id)});
    go_on(creation);
}
