/*
 * export.c - GET /v1/users/me/export: all that is kept of a user, in JSON
 * lines.
 *
 *   export_user() -- user.lua --> on_user(): the user, its sessions
 *   ask_rooms() -- a page of the index --> ask_room() of each: what it is
 *   --> ask_wrote(): what the user wrote there, a page at a time
 *   --> the next room; behind the last one the line that says that it is all
 *
 * One call of Redis at a time, and no next one before the client has room for
 * what there is (flush()).  Failure modes: once lines are on their way there is
 * no status left to say so, and the connection is cut.
 */
#include <stdio.h>

#include "chat/history.h"
#include "chat/http.h"
#include "chat/reply.h"
#include "chat/scripts.h"
#include "common/clock.h"

#define EXPORTS_MAX 16 /* of a worker at once */
#define ROOMS 64       /* of a page of the index */
#define ROOMS_TEXT "64"
#define TIME_MAX 24 /* of the index, as text */

struct exported {
    char id[ROOM_ID_MAX + 1];
    uint64_t left_us; /* 0: it is in it */
};

struct dump {
    struct list node;
    bool deleted; /* its user, meanwhile: it is not whole */
    struct request *req;
    struct chat *chat;
    struct span user;
    struct arena arena; /* of what is being asked */
    struct buf out;     /* lines that the client has no room for yet */
    struct json_writer w;
    struct wheel_timer timer;
    void (*next)(struct dump *dump); /* once they are gone */
    char put_at[TIME_MAX], left_at[TIME_MAX];
    struct exported rooms[2 * ROOMS];
    size_t count, at;
    uint64_t lines, behind;
    struct history history;
};

static void on_user(void *arg, int status, const struct redisReply *reply);
static void ask_rooms(struct dump *dump);
static void on_rooms(void *arg, int status, const struct redisReply *reply);
static void ask_room(struct dump *dump);
static void on_room(void *arg, int status, const struct redisReply *reply);
static void ask_wrote(struct dump *dump);
static void on_wrote(struct history *history, int status);
static void next_room(struct dump *dump);

/* ---- lines, and their end */

static void begin_line(struct dump *dump, const char *type)
{
    dump->w = (struct json_writer){.out = &dump->out};
    json_put_open(&dump->w, '{');
    json_put_key(&dump->w, "type");
    json_put_string(&dump->w, span_str(type));
}

static void end_line(struct dump *dump)
{
    buf_append(&dump->out, SPAN("}\n"));
    dump->lines++;
}

static void put_text(struct dump *dump, const char *key, struct span text)
{
    json_put_key(&dump->w, key);
    json_put_string(&dump->w, text);
}

static void put_time(struct dump *dump, const char *key, uint64_t ms)
{
    char at[CLOCK_RFC3339_LEN + 1];

    clock_format_rfc3339((int64_t)ms, at);
    put_text(dump, key, span_str(at));
}

static struct request *release(struct dump *dump)
{
    dump->chat->export_count--;
    list_remove(&dump->node);
    buf_deinit(&dump->out);
    return dump->req;
}

static void on_cut(struct wheel_timer *timer)
{
    request_cut(release(LIST_ENTRY(timer, struct dump, timer)));
}

/* Later: who is told that there is room may not cut. */
static void cut(struct dump *dump)
{
    wheel_start(stream_loop_wheel(app_loop(dump->chat->app)), &dump->timer, 0,
                on_cut);
}

static void finish(struct dump *dump)
{
    request_end(release(dump));
}

static void flush(void *arg)
{
    struct dump *dump = arg;
    int err = request_write(dump->req, buf_span(&dump->out));

    if (err == UV_ENOBUFS) {
        request_on_drain(dump->req, flush, dump);
    } else if (err < 0) {
        finish(dump);
    } else {
        dump->out.len = 0;
        dump->next(dump);
    }
}

static void go_on(struct dump *dump, void (*next)(struct dump *dump))
{
    dump->next = next;
    flush(dump);
}

/* Arguments that were made for a call go when it is on its way. */
static void sent(struct dump *dump, int err)
{
    arena_deinit(&dump->arena);
    if (err < 0)
        cut(dump);
}

/* ---- the user */

static void put_sessions(struct dump *dump, const struct redisReply *reply)
{
    const struct auth_identity *identity = request_identity(dump->req);

    for (size_t i = 3; i + 1 < reply->elements; i += 2) {
        struct span device = reply_text(reply->element[i + 1]);
        struct span end;
        uint64_t end_s = 0;
        if (!span_cut(&device, ' ', &end) || !device.ptr ||
            !span_to_u64(end, INT64_MAX / 1000, &end_s))
            continue;
        begin_line(dump, "session");
        put_text(dump, "device", device);
        put_time(dump, "expires_at", end_s * 1000);
        json_put_key(&dump->w, "current");
        json_put_bool(&dump->w,
                      span_eq(reply_text(reply->element[i]), identity->jti));
        end_line(dump);
    }
}

static void put_user(struct dump *dump, const struct redisReply *reply)
{
    uint64_t created = 0;
    uint64_t registered = 0;
    uint64_t seen = 0;

    reply_number(reply->element[0], &created);
    reply_number(reply->element[1], &registered);
    reply_number(reply->element[2], &seen);
    begin_line(dump, "user");
    put_text(dump, "name", dump->user);
    json_put_key(&dump->w, "kind");
    json_put_string(&dump->w, registered ? SPAN("registered")
                              : span_has_prefix(dump->user, SPAN(NAME_GUEST))
                                  ? SPAN("guest")
                                  : SPAN("token"));
    if (created)
        put_time(dump, "since", created);
    if (seen)
        put_time(dump, "last_seen_at", seen);
    end_line(dump);
}

static void on_user(void *arg, int status, const struct redisReply *reply)
{
    struct dump *dump = arg;

    if (status == 0 &&
        (reply->type != REDIS_REPLY_ARRAY || reply->elements < 3))
        status = UV_EPROTO;
    if (status < 0) {
        request_fail(release(dump), status);
        return;
    }
    request_begin(dump->req, 200, "application/x-ndjson");
    if (request_method(dump->req) == REQUEST_HEAD) {
        finish(dump);
        return;
    }
    put_user(dump, reply);
    put_sessions(dump, reply);
    go_on(dump, ask_rooms);
}

static struct dump *find(const struct chat *chat, struct span user)
{
    for (struct list *n = chat->exports.next; n != &chat->exports;
         n = n->next) {
        struct dump *dump = LIST_ENTRY(n, struct dump, node);
        if (span_eq(dump->user, user))
            return dump;
    }
    return NULL;
}

void export_on_deleted(struct chat *chat, struct span user)
{
    struct dump *dump = find(chat, user);

    if (dump)
        dump->deleted = true;
}

void export_user(struct request *req, void *arg)
{
    struct chat *chat = arg;
    struct arena *arena = request_arena(req);
    struct dump *dump = arena_zalloc(arena, sizeof(*dump));

    if (!http_is_whole(req))
        return;
    if (find(chat, http_user(req))) {
        request_set_retry_after(req, 1);
        request_too_many(req, "export-busy",
                         "an export of this user is on its way");
        return;
    }
    if (chat->export_count >= EXPORTS_MAX) {
        request_fail(req, UV_ENOBUFS);
        return;
    }
    chat->export_count++;
    dump->req = req;
    dump->chat = chat;
    dump->user = http_user(req);
    list_append(&chat->exports, &dump->node);
    snprintf(dump->put_at, TIME_MAX, "0");
    snprintf(dump->left_at, TIME_MAX, "0");
    buf_init(&dump->out, MEM_REQUEST);
    struct span argv[] = {keys_user(arena, dump->user),
                          keys_sessions(arena, dump->user),
                          keys_roster(arena, dump->user), SPAN("show")};
    int err = redis_eval(app_redis(chat->app), &script_user, 3,
                         &(struct redis_call){.key = dump->user,
                                              .argv = argv,
                                              .argc = 4,
                                              .repeatable = true,
                                              .cb = on_user,
                                              .arg = dump});
    if (err < 0)
        request_fail(release(dump), err);
}

/* ---- its rooms: those that it is in, those that it was in */

static void ask_rooms(struct dump *dump)
{
    arena_init(&dump->arena, MEM_REQUEST, 0);
    struct span argv[] = {keys_rooms(&dump->arena, dump->user),
                          keys_user(&dump->arena, dump->user),
                          SPAN("list"),
                          span_str(dump->put_at),
                          span_str(dump->left_at),
                          SPAN(ROOMS_TEXT)};
    sent(dump, redis_eval(app_redis(dump->chat->app), &script_index, 2,
                          &(struct redis_call){.key = dump->user,
                                               .argv = argv,
                                               .argc = 6,
                                               .repeatable = true,
                                               .cb = on_rooms,
                                               .arg = dump}));
}

static bool is_list(const struct redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY &&
           reply->elements <= ROOMS * (size_t)2 && reply->elements % 2 == 0;
}

/* What is no room of ours is passed over. */
static void take_rooms(struct dump *dump, const struct redisReply *list,
                       bool left)
{
    for (size_t i = 0; i < list->elements; i += 2) {
        struct span id = reply_text(list->element[i]);
        struct exported *room = &dump->rooms[dump->count];
        uint64_t us = 0;
        if (!room_id_is_valid(id) ||
            !span_to_u64(reply_text(list->element[i + 1]), UINT64_MAX, &us))
            continue;
        snprintf(room->id, sizeof(room->id), "%.*s", (int)id.len, id.ptr);
        room->left_us = left ? us : 0;
        dump->count++;
    }
}

static void take_time(char out[TIME_MAX], struct span time)
{
    if (time.len)
        snprintf(out, TIME_MAX, "%.*s", (int)time.len, time.ptr);
}

static void on_rooms(void *arg, int status, const struct redisReply *reply)
{
    struct dump *dump = arg;

    if (status < 0 || dump->deleted || reply->type != REDIS_REPLY_ARRAY ||
        reply->elements != 3 || !is_list(reply->element[0]) ||
        !is_list(reply->element[1])) {
        cut(dump);
        return;
    }
    const struct redisReply *in = reply->element[0];
    struct span left = reply_text(reply->element[2]);
    dump->count = dump->at = 0;
    take_rooms(dump, in, false);
    take_rooms(dump, reply->element[1], true);
    if (in->elements)
        take_time(dump->put_at, reply_text(in->element[in->elements - 1]));
    take_time(dump->left_at, left);
    if (in->elements || left.len) {
        next_room(dump);
        return;
    }
    begin_line(dump, "end");
    json_put_key(&dump->w, "lines");
    json_put_int(&dump->w, (int64_t)dump->lines);
    end_line(dump);
    go_on(dump, finish);
}

static void next_room(struct dump *dump)
{
    if (dump->at < dump->count)
        ask_room(dump);
    else
        ask_rooms(dump);
}

static struct span room_of(const struct dump *dump)
{
    return span_str(dump->rooms[dump->at].id);
}

static void ask_room(struct dump *dump)
{
    arena_init(&dump->arena, MEM_REQUEST, 0);
    struct room_keys keys = keys_of_room(&dump->arena, room_of(dump));
    struct span argv[] = {keys.members, keys.room, dump->user};

    sent(dump, redis_eval(app_redis(dump->chat->app), &script_room, 2,
                          &(struct redis_call){.key = room_of(dump),
                                               .argv = argv,
                                               .argc = 3,
                                               .repeatable = true,
                                               .cb = on_room,
                                               .arg = dump}));
}

/* Of one that it has left no more than that. */
static void put_left(struct dump *dump)
{
    const struct exported *room = &dump->rooms[dump->at];

    put_text(dump, "room", room_of(dump));
    if (room->left_us)
        put_time(dump, "left_at", room->left_us / 1000);
    json_put_key(&dump->w, "me");
    json_put_null(&dump->w);
}

static bool put_room(struct dump *dump, const struct redisReply *reply)
{
    struct room_facts facts = {.room = room_of(dump)};
    struct span said = reply_text(reply->element[1]);
    struct member me;

    begin_line(dump, "room");
    if (said.len) {
        facts.name = reply_text(reply->element[2]);
        facts.topic = reply_text(reply->element[3]);
        if (!room_head_parse(reply_text(reply->element[0]), &facts.head) ||
            !member_parse(said, &me) ||
            !reply_number(reply->element[4], &facts.created) ||
            !reply_number(reply->element[5], &facts.keep_ms))
            return false;
        room_put_members(&dump->w, &facts, &me);
        json_put_key(&dump->w, "joined_seq");
        json_put_int(&dump->w, (int64_t)me.joined);
    } else {
        put_left(dump);
    }
    end_line(dump);
    return true;
}

static void on_room(void *arg, int status, const struct redisReply *reply)
{
    struct dump *dump = arg;

    if (status < 0 || reply->type != REDIS_REPLY_ARRAY ||
        (reply->elements == 6 && !put_room(dump, reply))) {
        cut(dump);
    } else if (reply->elements != 6) { /* it was never made */
        dump->at++;
        next_room(dump);
    } else {
        dump->behind = 0;
        go_on(dump, ask_wrote);
    }
}

/* ---- what it wrote in one of them */

static void ask_wrote(struct dump *dump)
{
    struct history *history = &dump->history;

    arena_init(&dump->arena, MEM_REQUEST, 0);
    *history = (struct history){.user = dump->user,
                                .room = room_of(dump),
                                .number = dump->behind,
                                .limit = HISTORY_MAX,
                                .arena = &dump->arena,
                                .cb = on_wrote,
                                .arg = dump};
    int err = history_ask_own(dump->chat, history);
    if (err < 0)
        sent(dump, err);
}

/* As it is told in the log, the text of a message as it is now. */
static void put_wrote(struct dump *dump, const struct history_item *item)
{
    struct json_writer w = {.out = &dump->out};
    struct text text = item->text;

    text.client_id = (struct span){NULL, 0};
    entry_put_event(&w, room_of(dump), &item->entry, &text);
    buf_append_char(&dump->out, '\n');
    dump->lines++;
}

static void on_wrote(struct history *history, int status)
{
    struct dump *dump = history->arg;
    struct history_item item;

    if (status < 0 || history->refusal[0]) {
        sent(dump, status < 0 ? status : UV_EPROTO);
        return;
    }
    for (size_t i = 0; i < history->count; i++)
        if (history_item(history, i, &item))
            put_wrote(dump, &item);
    bool more = history->next > 0;
    dump->behind = history->next;
    if (!more)
        dump->at++;
    arena_deinit(&dump->arena);
    go_on(dump, more ? ask_wrote : next_room);
}
