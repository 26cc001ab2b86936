/*
 * rooms_route.c - GET /v1/rooms, and one room: read, changed, archived.
 *
 *   list_rooms() -- ids: of the user's index, or of partition after partition
 *   --> room.lua of each --> on_facts() of the last one: the list
 */
#include <stdio.h>

#include "chat/http.h"
#include "chat/reach.h"
#include "chat/reply.h"
#include "chat/scripts.h"
#include "common/hash.h"
#include "common/query.h"

#define LISTED_MAX 200 /* rooms of an answer */

struct listing;

struct listed {
    struct listing *listing;
    struct span room;
    struct room_facts facts;
    struct member me;
    bool is_there, is_member;
};

struct listing {
    struct chat *chat;
    struct request *req;
    struct listed *rooms;
    struct span reach; /* of the token */
    size_t count, pending;
    size_t seen; /* with those that the token does not cover */
    uint32_t limit;
    uint32_t partition; /* of public rooms: where it looks */
    struct span after;  /* of that partition, or of the index: the last one */
    struct span last;   /* public one that was seen, as a cursor */
    struct span next;   /* "": there are no more */
    int status;
    bool is_public, is_one;
};

static void on_facts(void *arg, int status, const struct redisReply *reply);

/* ---- facts */

static bool take_facts(struct listed *listed, const struct redisReply *reply)
{
    struct arena *arena = request_arena(listed->listing->req);
    struct span said = reply_text(reply->element[1]);

    listed->is_member = said.len > 0;
    listed->facts.room = listed->room;
    listed->facts.name = arena_copy(arena, reply_text(reply->element[2]));
    listed->facts.topic = arena_copy(arena, reply_text(reply->element[3]));
    return room_head_parse(reply_text(reply->element[0]),
                           &listed->facts.head) &&
           (!listed->is_member || member_parse(said, &listed->me)) &&
           reply_number(reply->element[4], &listed->facts.created) &&
           reply_number(reply->element[5], &listed->facts.keep_ms);
}

static int ask_facts(struct listed *listed)
{
    struct listing *listing = listed->listing;
    struct arena *arena = request_arena(listing->req);
    struct room_keys keys = keys_of_room(arena, listed->room);
    struct span argv[] = {keys.members, keys.room, http_user(listing->req)};

    return redis_eval(app_redis(listing->chat->app), &script_room, 2,
                      &(struct redis_call){.key = listed->room,
                                           .argv = argv,
                                           .argc = 3,
                                           .repeatable = true,
                                           .cb = on_facts,
                                           .arg = listed});
}

static void answer_list(struct listing *listing)
{
    struct buf out;
    struct json_writer w = {.out = &out};

    buf_init(&out, MEM_REQUEST);
    json_put_open(&w, '{');
    json_put_key(&w, "items");
    json_put_open(&w, '[');
    for (size_t i = 0; i < listing->count; i++) {
        const struct listed *listed = &listing->rooms[i];
        if (listed->is_there && (listing->is_public || listed->is_member))
            room_put(&w, &listed->facts,
                     listed->is_member ? &listed->me : NULL);
    }
    json_put_close(&w, ']');
    json_put_key(&w, "next");
    if (listing->next.len)
        json_put_string(&w, listing->next);
    else
        json_put_null(&w);
    json_put_close(&w, '}');
    request_reply_json(listing->req, 200, buf_span(&out));
    buf_deinit(&out);
}

/* Who is in none of it may see that a public room is there. */
static void answer_one(struct listing *listing)
{
    const struct listed *listed = &listing->rooms[0];
    struct buf out;
    struct json_writer w = {.out = &out};

    if (!listed->is_there ||
        (!listed->is_member && listed->facts.head.kind != ROOM_PUBLIC)) {
        refuse(listing->req, SPAN("no-such-room"));
        return;
    }
    buf_init(&out, MEM_REQUEST);
    room_put(&w, &listed->facts, listed->is_member ? &listed->me : NULL);
    request_reply_json(listing->req, 200, buf_span(&out));
    buf_deinit(&out);
}

static void answer(struct listing *listing)
{
    if (listing->status < 0)
        request_fail(listing->req, listing->status);
    else if (listing->is_one)
        answer_one(listing);
    else
        answer_list(listing);
}

static void on_facts(void *arg, int status, const struct redisReply *reply)
{
    struct listed *listed = arg;
    struct listing *listing = listed->listing;

    if (status < 0 || reply->type != REDIS_REPLY_ARRAY)
        listing->status = status < 0 ? status : UV_EPROTO;
    else if (reply->elements == 6)
        listed->is_there = take_facts(listed, reply);
    if (--listing->pending == 0)
        answer(listing);
}

static void ask_all(struct listing *listing)
{
    listing->pending = 1;
    for (size_t i = 0; i < listing->count; i++) {
        int err = ask_facts(&listing->rooms[i]);
        if (err < 0)
            listing->status = err;
        else
            listing->pending++;
    }
    if (--listing->pending == 0)
        answer(listing);
}

/* False: there are as many as were asked for. */
static bool add_room(struct listing *listing, struct span room)
{
    if (listing->seen == listing->limit)
        return false;
    listing->seen++;
    if (reach_covers(listing->reach, room))
        listing->rooms[listing->count++] = (struct listed){
            .listing = listing,
            .room = arena_copy(request_arena(listing->req), room)};
    return true;
}

/* ---- the rooms of who asks: by when they were put into its index */

static void on_index(void *arg, int status, const struct redisReply *reply)
{
    struct listing *listing = arg;
    struct span last = {NULL, 0};

    if (status < 0 || reply->type != REDIS_REPLY_ARRAY) {
        request_fail(listing->req, status < 0 ? status : UV_EPROTO);
        return;
    }
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        if (!add_room(listing, reply_text(reply->element[i]))) {
            listing->next = last;
            break;
        }
        last = arena_printf(request_arena(listing->req), "%s",
                            reply->element[i + 1]->str);
    }
    ask_all(listing);
}

static void list_own(struct listing *listing)
{
    struct arena *arena = request_arena(listing->req);
    struct span user = http_user(listing->req);
    struct span from =
        listing->after.len
            ? arena_printf(arena, "(%.*s", (int)listing->after.len,
                           listing->after.ptr)
            : SPAN("-inf");
    struct span argv[] = {SPAN("ZRANGE"),
                          keys_rooms(arena, user),
                          from,
                          SPAN("+inf"),
                          SPAN("BYSCORE"),
                          SPAN("LIMIT"),
                          SPAN("0"),
                          arena_printf(arena, "%u", listing->limit + 1),
                          SPAN("WITHSCORES")};
    int err = redis_send(app_redis(listing->chat->app),
                         &(struct redis_call){.key = user,
                                              .argv = argv,
                                              .argc = 9,
                                              .repeatable = true,
                                              .cb = on_index,
                                              .arg = listing});
    if (err < 0)
        request_fail(listing->req, err);
}

/* ---- public rooms: partition after partition, each by id */

static void look(struct listing *listing);

static void on_public(void *arg, int status, const struct redisReply *reply)
{
    struct listing *listing = arg;

    if (status < 0 || reply->type != REDIS_REPLY_ARRAY) {
        request_fail(listing->req, status < 0 ? status : UV_EPROTO);
        return;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        struct span room = reply_text(reply->element[i]);
        if (!add_room(listing, room)) {
            listing->next = listing->last;
            break;
        }
        listing->last =
            arena_printf(request_arena(listing->req), "%u:%.*s",
                         listing->partition, (int)room.len, room.ptr);
    }
    listing->partition++;
    listing->after = SPAN("");
    look(listing);
}

static void look(struct listing *listing)
{
    struct arena *arena = request_arena(listing->req);

    if (listing->next.len || listing->partition == HASH_PARTITIONS) {
        ask_all(listing);
        return;
    }
    struct span key = keys_public(arena, listing->partition);
    struct span from =
        listing->after.len
            ? arena_printf(arena, "(%.*s", (int)listing->after.len,
                           listing->after.ptr)
            : SPAN("-");
    struct span argv[] = {
        SPAN("ZRANGE"), key,
        from,           SPAN("+"),
        SPAN("BYLEX"),  SPAN("LIMIT"),
        SPAN("0"),      arena_printf(arena, "%u", listing->limit + 1)};
    int err = redis_send(app_redis(listing->chat->app),
                         &(struct redis_call){.key = key,
                                              .argv = argv,
                                              .argc = 8,
                                              .repeatable = true,
                                              .cb = on_public,
                                              .arg = listing});
    if (err < 0)
        request_fail(listing->req, err);
}

static bool take_cursor(struct listing *listing, struct span cursor)
{
    struct span head;
    uint64_t number;

    if (!cursor.ptr)
        return true;
    if (!listing->is_public) {
        listing->after = cursor;
        return span_to_u64(cursor, UINT64_MAX, &number);
    }
    if (!span_cut(&cursor, ':', &head) || !room_id_is_valid(cursor) ||
        !span_to_u64(head, HASH_PARTITIONS - 1, &number))
        return false;
    listing->partition = (uint32_t)number;
    listing->after = cursor;
    return true;
}

static struct listing *begin(struct request *req, struct chat *chat,
                             uint32_t limit)
{
    struct arena *arena = request_arena(req);
    struct listing *listing = arena_zalloc(arena, sizeof(*listing));

    listing->chat = chat;
    listing->req = req;
    listing->reach = http_reach(req);
    listing->limit = limit < LISTED_MAX ? limit : LISTED_MAX;
    listing->rooms = arena_alloc(arena, listing->limit * sizeof(struct listed));
    return listing;
}

void list_rooms(struct request *req, void *arg)
{
    static const char *const names[] = {"scope", "limit", "cursor"};
    struct json_errors errors = {0};
    struct span values[3];
    struct span cursor;
    uint32_t limit;

    json_errors_init(&errors);
    query_take(request_arena(req), request_query_string(req), names, 3, values,
               &errors);
    bool is_public = span_eq(values[0], SPAN("public"));
    if (values[0].ptr && !is_public && !span_eq(values[0], SPAN("mine")))
        json_errors_add(&errors, "/scope", "must be mine or public");
    if (errors.count) {
        request_invalid(req, &errors);
        return;
    }
    if (!request_read_page(req, &limit, &cursor))
        return;
    struct listing *listing = begin(req, arg, limit);
    listing->is_public = is_public;
    if (!take_cursor(listing, cursor)) {
        json_errors_add(&errors, "/cursor", "what an answer gave as next");
        request_invalid(req, &errors);
    } else if (is_public) {
        look(listing);
    } else {
        list_own(listing);
    }
}

/* ---- one room */

static void answer_room(struct request *req, struct chat *chat,
                        struct span room)
{
    struct listing *listing = begin(req, chat, 1);

    listing->is_one = true;
    add_room(listing, room);
    ask_all(listing);
}

void read_room(struct request *req, void *arg)
{
    struct span room;

    if (http_room(req, &room))
        answer_room(req, arg, room);
}

/* ---- changed, archived */

struct changing {
    struct write write;
    struct request *req;
    struct chat *chat;
};

static void on_changed(struct write *write, int status)
{
    struct changing *changing = write->arg;

    if (status < 0)
        request_fail(changing->req, status);
    else if (write->refusal[0])
        refuse(changing->req, span_str(write->refusal));
    else if (request_method(changing->req) == REQUEST_DELETE)
        request_reply(changing->req, 204, NULL, (struct span){NULL, 0});
    else
        answer_room(changing->req, changing->chat, write->room);
}

/* What write.lua is to set: of name, topic, archived, keep_count, keep_ms. */
enum { NAME = 1, TOPIC, ARCHIVED, KEEP_COUNT, KEEP_MS, ARGS };

static struct changing *begin_change(struct request *req, struct chat *chat)
{
    struct changing *changing =
        arena_zalloc(request_arena(req), sizeof(*changing));
    struct write *write = &changing->write;

    changing->req = req;
    changing->chat = chat;
    write->what = "room";
    write->user = http_user(req);
    write->arena = request_arena(req);
    write->cb = on_changed;
    write->arg = changing;
    write->arg_count = ARGS;
    for (size_t i = 0; i < ARGS; i++)
        write->args[i] = SPAN("");
    return http_room(req, &write->room) ? changing : NULL;
}

static void send_change(struct changing *changing)
{
    int err = write_send(changing->chat, &changing->write);

    if (err < 0)
        request_fail(changing->req, err);
}

static struct span value_of(struct request *req, struct span text)
{
    return arena_printf(request_arena(req), "=%.*s", (int)text.len, text.ptr);
}

static struct span number_of(struct request *req, int64_t number)
{
    return arena_printf(request_arena(req), "=%lld", (long long)number);
}

/* Both or none of them, or one; null: all is kept for ever. */
static bool read_retention(struct request *req, const struct json_value *value,
                           struct write *write, struct json_errors *errors)
{
    static const struct json_field fields[] = {{.name = "max_count",
                                                .kind = JSON_KIND_INTEGER,
                                                .nullable = true,
                                                .min = 1,
                                                .max = INT64_C(1) << 40},
                                               {.name = "max_age_s",
                                                .kind = JSON_KIND_INTEGER,
                                                .nullable = true,
                                                .min = 1,
                                                .max = INT64_C(1) << 32}};
    struct json_value values[2];

    if (value->state == JSON_STATE_NULL) {
        write->args[KEEP_COUNT] = write->args[KEEP_MS] = SPAN("=0");
        return true;
    }
    errors->at_pointer = "/retention";
    bool good = json_bind(value->node, fields, 2, values, errors);
    errors->at_pointer = NULL;
    if (good && values[0].state != JSON_STATE_ABSENT)
        write->args[KEEP_COUNT] = number_of(
            req, values[0].state == JSON_STATE_SET ? values[0].number : 0);
    if (good && values[1].state != JSON_STATE_ABSENT)
        write->args[KEEP_MS] = number_of(req, values[1].state == JSON_STATE_SET
                                                  ? values[1].number * 1000
                                                  : 0);
    return good;
}

/* What the entry of the log tells. */
static struct span told_of(struct request *req, const struct json_value *values,
                           bool archived)
{
    struct buf out;
    struct json_writer w = {.out = &out};

    buf_init(&out, MEM_REQUEST);
    json_put_open(&w, '{');
    if (!archived && values[0].state == JSON_STATE_SET) {
        json_put_key(&w, "name");
        json_put_string(&w, values[0].text);
    }
    if (!archived && values[1].state != JSON_STATE_ABSENT) {
        json_put_key(&w, "topic");
        json_put_string(&w, values[1].state == JSON_STATE_SET ? values[1].text
                                                              : SPAN(""));
    }
    if (archived) {
        json_put_key(&w, "archived");
        json_put_bool(&w, true);
    }
    json_put_close(&w, '}');
    struct span told = arena_copy(request_arena(req), buf_span(&out));
    buf_deinit(&out);
    return told;
}

void change_room(struct request *req, void *arg)
{
    static const struct json_field fields[] = {
        {.name = "name",
         .kind = JSON_KIND_STRING,
         .min = 1,
         .max = NAME_MAX_LEN},
        {.name = "topic",
         .kind = JSON_KIND_STRING,
         .nullable = true,
         .max = TOPIC_MAX},
        {.name = "retention", .kind = JSON_KIND_OBJECT, .nullable = true}};
    struct json_value values[3];
    struct json_errors errors = {0};
    struct changing *changing = begin_change(req, arg);

    if (!changing || !request_read_json(req, fields, 3, values))
        return;
    struct write *write = &changing->write;
    json_errors_init(&errors);
    if (values[0].state == JSON_STATE_SET) {
        if (!name_is_valid(values[0].text))
            json_errors_add(&errors, "/name", "must be [a-z0-9._-]{1,32}");
        write->args[NAME] = value_of(req, values[0].text);
    }
    if (values[1].state != JSON_STATE_ABSENT)
        write->args[TOPIC] = value_of(
            req, values[1].state == JSON_STATE_SET ? values[1].text : SPAN(""));
    if (values[2].state != JSON_STATE_ABSENT)
        read_retention(req, &values[2], write, &errors);
    if (errors.count) {
        request_invalid(req, &errors);
        return;
    }
    write->args[0] = told_of(req, values, false);
    send_change(changing);
}

void archive_room(struct request *req, void *arg)
{
    struct changing *changing = begin_change(req, arg);

    if (!changing)
        return;
    changing->write.args[ARCHIVED] = SPAN("=1");
    changing->write.args[0] = told_of(req, NULL, true);
    send_change(changing);
}
