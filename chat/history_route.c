/* history_route.c - GET of a room's messages, its log, its members; search. */
#include "chat/history.h"
#include "chat/http.h"
#include "chat/people.h"
#include "chat/reply.h"
#include "chat/scripts.h"
#include "chat/search.h"
#include "common/query.h"

#define NUMBER_MAX ((UINT64_C(1) << 53) - 1)
#define EVENTS_MAX 200

/* ---- messages */

static void on_messages(struct history *history, int status)
{
    struct request *req = history->arg;
    struct buf out;
    struct json_writer w = {.out = &out};

    if (status < 0) {
        request_fail(req, status);
        return;
    }
    if (history->refusal[0]) {
        refuse(req, span_str(history->refusal));
        return;
    }
    buf_init(&out, MEM_REQUEST);
    json_put_open(&w, '{');
    history_put(&w, history);
    json_put_close(&w, '}');
    request_reply_json(req, 200, buf_span(&out));
    buf_deinit(&out);
}

/* A number of the query, most at most; false: errors say so. */
static bool take_number(struct span text, uint64_t most, const char *pointer,
                        uint64_t *out, struct json_errors *errors)
{
    if (!text.ptr || span_to_u64(text, most, out))
        return true;
    json_errors_add(errors, pointer, "a number, at most %llu",
                    (unsigned long long)most);
    return false;
}

/* The same, but 0 is none. */
static bool take_count(struct span text, uint64_t most, const char *pointer,
                       uint64_t *out, struct json_errors *errors)
{
    if (!text.ptr || (span_to_u64(text, most, out) && *out > 0))
        return true;
    json_errors_add(errors, pointer, "a number from 1 to %llu",
                    (unsigned long long)most);
    return false;
}

void read_messages(struct request *req, void *arg)
{
    static const char *const names[] = {"before", "after", "around", "thread",
                                        "limit"};
    static const char *const pointers[] = {"/before", "/after", "/around"};
    struct arena *arena = request_arena(req);
    struct history *history = arena_zalloc(arena, sizeof(*history));
    struct json_errors errors = {0};
    struct span values[5];
    const char *how = NULL;
    uint64_t number = 0;
    uint64_t thread = 0;
    uint64_t limit = 50;
    unsigned given = 0;

    if (!http_room(req, &history->room))
        return;
    json_errors_init(&errors);
    query_take(arena, request_query_string(req), names, 5, values, &errors);
    for (size_t i = 0; i < 3; i++)
        if (values[i].ptr) {
            given++;
            how = names[i];
            take_number(values[i], NUMBER_MAX, pointers[i], &number, &errors);
        }
    take_count(values[3], NUMBER_MAX, "/thread", &thread, &errors);
    take_count(values[4], HISTORY_MAX, "/limit", &limit, &errors);
    if (!history_aim(history, how, number, thread) || given > 1)
        json_errors_add(&errors, "", HISTORY_HOW);
    if (errors.count) {
        request_invalid(req, &errors);
        return;
    }
    history->user = http_user(req);
    history->limit = (uint32_t)limit;
    history->arena = arena;
    history->cb = on_messages;
    history->arg = req;
    int err = history_ask(arg, history);
    if (err < 0)
        request_fail(req, err);
}

/* ---- the log as it is */

struct reading {
    struct request *req;
    struct bodies *bodies;
    struct span room;
};

static void put_entries(struct json_writer *w, const struct reading *reading,
                        const struct reply_events *events)
{
    struct entry entry;
    struct text text;

    for (size_t i = 0; i < events->count; i++) {
        if (!reply_entry(events->entries[i], &entry, &text))
            continue;
        bodies_read(reading->bodies, reading->room, &entry, &text);
        entry_put_event(w, reading->room, &entry, &text);
    }
}

static void on_events(void *arg, int status, const struct redisReply *reply)
{
    struct reading *reading = arg;
    struct reply_events events = {0};
    struct buf out;
    struct json_writer w = {.out = &out};

    if (status == 0 && reply_refusal(reply).ptr) {
        refuse(reading->req, reply_refusal(reply));
        return;
    }
    if (status == 0 && !reply_events(reply, &events))
        status = UV_EPROTO;
    if (status < 0) {
        request_fail(reading->req, status);
        return;
    }
    buf_init(&out, MEM_REQUEST);
    json_put_open(&w, '{');
    json_put_key(&w, "items");
    json_put_open(&w, '[');
    put_entries(&w, reading, &events);
    json_put_close(&w, ']');
    json_put_key(&w, "seq");
    json_put_int(&w, (int64_t)events.head.seq);
    json_put_key(&w, "oldest_seq");
    json_put_int(&w, (int64_t)events.head.oldest);
    json_put_close(&w, '}');
    request_reply_json(reading->req, 200, buf_span(&out));
    buf_deinit(&out);
}

void read_events(struct request *req, void *arg)
{
    static const char *const names[] = {"after", "limit"};
    struct chat *chat = arg;
    struct arena *arena = request_arena(req);
    struct reading *reading = arena_zalloc(arena, sizeof(*reading));
    struct json_errors errors = {0};
    struct span values[2];
    uint64_t after = 0;
    uint64_t limit = 50;
    char from[SPAN_U64_MAX];
    char most[SPAN_U64_MAX];

    reading->req = req;
    reading->bodies = chat->bodies;
    if (!http_room(req, &reading->room))
        return;
    json_errors_init(&errors);
    query_take(arena, request_query_string(req), names, 2, values, &errors);
    take_number(values[0], NUMBER_MAX, "/after", &after, &errors);
    take_count(values[1], EVENTS_MAX, "/limit", &limit, &errors);
    if (errors.count) {
        request_invalid(req, &errors);
        return;
    }
    struct room_keys keys = keys_of_room(arena, reading->room);
    struct span argv[] = {keys.members,
                          keys.log,
                          keys.changes,
                          http_user(req),
                          span_from_u64(from, after + 1),
                          span_from_u64(most, limit),
                          SPAN(REPLY_BYTES)};
    int err = redis_eval(app_redis(chat->app), &script_events, 3,
                         &(struct redis_call){.key = reading->room,
                                              .argv = argv,
                                              .argc = 7,
                                              .repeatable = true,
                                              .cb = on_events,
                                              .arg = reading});
    if (err < 0)
        request_fail(req, err);
}

/* ---- members, by name */

static void on_people(struct people *people, int status)
{
    struct request *req = people->arg;
    struct buf out;
    struct json_writer w = {.out = &out};

    if (status < 0) {
        request_fail(req, status);
        return;
    }
    if (people->refusal[0]) {
        refuse(req, span_str(people->refusal));
        return;
    }
    buf_init(&out, MEM_REQUEST);
    json_put_open(&w, '{');
    people_put(&w, people);
    json_put_close(&w, '}');
    request_reply_json(req, 200, buf_span(&out));
    buf_deinit(&out);
}

void list_members(struct request *req, void *arg)
{
    static const char *const names[] = {"limit", "cursor"};
    struct arena *arena = request_arena(req);
    struct people *people = arena_zalloc(arena, sizeof(*people));
    struct json_errors errors = {0};
    struct span values[2];
    struct span cursor;

    if (!http_room(req, &people->room))
        return;
    json_errors_init(&errors);
    query_take(arena, request_query_string(req), names, 2, values, &errors);
    if (values[1].ptr && !name_is_valid(values[1]))
        json_errors_add(&errors, "/cursor", "what an answer gave as next");
    if (errors.count) {
        request_invalid(req, &errors);
        return;
    }
    if (!request_read_page(req, &people->limit, &cursor))
        return;
    people->user = http_user(req);
    people->after = cursor.ptr ? cursor : SPAN("");
    people->arena = arena;
    people->cb = on_people;
    people->arg = req;
    int err = people_ask(arg, people);
    if (err < 0)
        request_fail(req, err);
}

/* ---- search */

static void refuse_cursor(struct request *req)
{
    struct json_errors errors = {0};

    json_errors_init(&errors);
    json_errors_add(&errors, "/cursor", "what an answer gave as next");
    request_invalid(req, &errors);
}

static void on_search(struct search *search, int status)
{
    struct request *req = search->arg;
    struct buf out;
    struct json_writer w = {.out = &out};

    if (status == UV_EINVAL) {
        refuse_cursor(req);
        return;
    }
    if (status < 0) {
        request_fail(req, status);
        return;
    }
    if (search->refusal[0]) {
        refuse(req, span_str(search->refusal));
        return;
    }
    buf_init(&out, MEM_REQUEST);
    json_put_open(&w, '{');
    search_put(&w, search);
    json_put_close(&w, '}');
    request_reply_json(req, 200, buf_span(&out));
    buf_deinit(&out);
}

void search_messages(struct request *req, void *arg)
{
    static const char *const names[] = {"q", "room", "limit", "cursor"};
    struct arena *arena = request_arena(req);
    struct search *search = arena_zalloc(arena, sizeof(*search));
    struct json_errors errors = {0};
    struct span values[4];
    uint64_t limit = 20;

    json_errors_init(&errors);
    query_take(arena, request_query_string(req), names, 4, values, &errors);
    if (!search_is_query(values[0]))
        json_errors_add(&errors, "/q", "words, at most %d bytes of them",
                        SEARCH_QUERY_MAX);
    take_count(values[2], SEARCH_LIMIT_MAX, "/limit", &limit, &errors);
    if (errors.count) {
        request_invalid(req, &errors);
        return;
    }
    if (values[1].ptr && !room_id_is_valid(values[1])) {
        refuse(req, SPAN("no-such-room"));
        return;
    }
    if (values[1].ptr && !http_covers(req, values[1]))
        return;
    search->user = http_user(req);
    search->reach = http_reach(req);
    search->query = values[0];
    search->room = values[1];
    search->cursor = values[3];
    search->limit = (uint32_t)limit;
    search->arena = arena;
    search->cb = on_search;
    search->arg = req;
    int err = search_ask(arg, search);
    if (err == UV_EINVAL)
        refuse_cursor(req);
    else if (err < 0)
        request_fail(req, err);
}
