/*
 * http.c - handlers that change a room, and what handlers share.
 *
 *   post_message() and the like -- write_send() --> on_written(): the answer
 */
#include "chat/http.h"
#include "chat/reach.h"
#include "common/idempotency.h"
#include "common/limit.h"

#define NUMBER_MAX ((UINT64_C(1) << 53) - 1)

struct span http_user(struct request *req)
{
    return arena_copy(request_arena(req), request_subject(req));
}

struct span http_reach(struct request *req)
{
    struct span reach = reach_of(request_identity(req));

    return reach.ptr ? arena_copy(request_arena(req), reach) : reach;
}

bool http_covers(struct request *req, struct span room)
{
    if (reach_covers(http_reach(req), room))
        return true;
    request_problem(req, 403, "forbidden", NULL, REACH_DETAIL);
    return false;
}

bool http_may_create(struct request *req)
{
    if (!http_reach(req).ptr)
        return true;
    request_problem(req, 403, "forbidden", NULL,
                    "the token's scope covers no new rooms");
    return false;
}

bool http_is_whole(struct request *req)
{
    if (!http_reach(req).ptr)
        return true;
    request_problem(req, 403, "forbidden", NULL,
                    "the token's scope covers some rooms only");
    return false;
}

bool http_room(struct request *req, struct span *room)
{
    *room = request_param(req, "room");
    if (room_id_is_valid(*room))
        return http_covers(req, *room);
    refuse(req, SPAN("no-such-room"));
    return false;
}

bool http_name(struct request *req, struct span *name)
{
    *name = request_param(req, "user");
    if (name_is_valid(*name))
        return true;
    refuse(req, SPAN("no-such-user"));
    return false;
}

bool http_number(struct request *req, struct span *number)
{
    uint64_t value;

    *number = request_param(req, "seq");
    if (span_to_u64(*number, NUMBER_MAX, &value) && value > 0)
        return true;
    refuse(req, SPAN("no-such-message"));
    return false;
}

/* ---- answers that are given once */

void http_finish(struct request *req, struct idempotency *record, int status,
                 struct span json)
{
    if (record)
        idempotency_finish(record, status, json);
    else
        request_reply_json(req, status, json);
}

void http_refuse(struct request *req, struct idempotency *record,
                 struct span type)
{
    const struct refusal *refusal = refusal_of(type);

    if (record)
        idempotency_finish(record, refusal->status,
                           request_problem_text(req, refusal->status,
                                                refusal->type, NULL,
                                                refusal->detail));
    else
        refuse(req, type);
}

/* ---- how fast */

struct pacing {
    struct request *req;
    struct http_pace pace;
    struct limit_ask ask;
    struct limit_call call;
};

static void pass(struct pacing *pacing)
{
    uint64_t seconds = limit_call_wait_us(&pacing->call) / 1000000 + 1;

    if (pacing->call.allowed) {
        pacing->pace.go(pacing->pace.arg);
        return;
    }
    request_set_retry_after(pacing->req, (unsigned)seconds);
    request_too_many(pacing->req, pacing->pace.slug, pacing->pace.detail);
}

static void on_limited(struct limit_call *call, int status)
{
    struct pacing *pacing = call->arg;

    if (status < 0)
        request_fail(pacing->req, status);
    else
        pass(pacing);
}

void http_pace(struct request *req, struct chat *chat,
               const struct http_pace *pace)
{
    struct limiter *limiter = app_limiter(chat->app);

    if (!pace->spec) {
        pace->go(pace->arg);
        return;
    }
    struct pacing *pacing = arena_zalloc(request_arena(req), sizeof(*pacing));
    pacing->req = req;
    pacing->pace = *pace;
    pacing->ask =
        (struct limit_ask){.spec = pace->spec, .key = pace->key, .cost = 1};
    pacing->call = (struct limit_call){.asks = &pacing->ask,
                                       .count = 1,
                                       .arena = request_arena(req),
                                       .cb = on_limited,
                                       .arg = pacing};
    if (limiter_try(limiter, &pacing->call)) {
        pass(pacing);
        return;
    }
    int err = limiter_ask(limiter, &pacing->call);
    if (err < 0)
        request_fail(req, err);
}

/* ---- writes */

static void on_written(struct write *write, int status)
{
    struct request *req = write->arg;
    struct buf out;
    struct json_writer w = {.out = &out};
    bool is_new = span_eq(span_str(write->what), SPAN("message"));

    if (status < 0) {
        request_fail(req, status);
        return;
    }
    if (write->refusal[0]) {
        refuse(req, span_str(write->refusal));
        return;
    }
    buf_init(&out, MEM_REQUEST);
    json_put_open(&w, '{');
    json_put_key(&w, "room");
    json_put_string(&w, write->room);
    json_put_key(&w, "seq");
    json_put_int(&w, (int64_t)write->seq);
    json_put_key(&w, "ts");
    json_put_int(&w, (int64_t)write->ts);
    json_put_close(&w, '}');
    if (write->replayed)
        request_add_header(req, "Idempotent-Replayed", SPAN("true"));
    request_reply_json(req, is_new && !write->replayed ? 201 : 200,
                       buf_span(&out));
    buf_deinit(&out);
}

struct write *http_write(struct request *req, const char *what)
{
    struct write *write = arena_zalloc(request_arena(req), sizeof(*write));

    write->what = what;
    write->user = http_user(req);
    write->arena = request_arena(req);
    write->cb = on_written;
    write->arg = req;
    return http_room(req, &write->room) ? write : NULL;
}

void http_send_write(struct chat *chat, struct write *write)
{
    int err = write_send(chat, write);

    if (err < 0)
        request_fail(write->arg, err);
}

static void add_arg(struct write *write, struct span value)
{
    write->args[write->arg_count++] = value;
}

static void add_number(struct write *write, const struct json_value *value)
{
    char number[SPAN_U64_MAX];

    add_arg(write,
            value->state == JSON_STATE_SET
                ? arena_copy(write->arena,
                             span_from_u64(number, (uint64_t)value->number))
                : SPAN(""));
}

/* False: answered. */
static bool take_client_id(struct request *req, struct write *write,
                           struct span client_id)
{
    struct json_errors errors = {0};

    if (client_id_is_valid(client_id)) {
        write->client_id = client_id;
        add_arg(write, client_id);
        return true;
    }
    json_errors_init(&errors);
    json_errors_add(&errors, "/client_id",
                    "1 to 64 printable characters of ASCII, no blank");
    request_invalid(req, &errors);
    return false;
}

#define FIELD_CLIENT_ID                                                  \
    {                                                                    \
        .name = "client_id", .kind = JSON_KIND_STRING, .required = true, \
        .min = 1, .max = CLIENT_ID_MAX                                   \
    }
#define FIELD_TEXT                                                            \
    {                                                                         \
        .name = "text", .kind = JSON_KIND_STRING, .required = true, .min = 1, \
        .max = TEXT_MAX                                                       \
    }

void post_message(struct request *req, void *arg)
{
    static const struct json_field fields[] = {FIELD_CLIENT_ID,
                                               FIELD_TEXT,
                                               {.name = "reply_to",
                                                .kind = JSON_KIND_INTEGER,
                                                .min = 1,
                                                .max = (int64_t)NUMBER_MAX}};
    struct json_value values[3];
    struct write *write = http_write(req, "message");

    if (!write || !request_read_json(req, fields, 3, values) ||
        !take_client_id(req, write, values[0].text))
        return;
    add_arg(write, values[1].text);
    add_number(write, &values[2]);
    add_arg(write, names_mentioned(write->arena, values[1].text, write->user));
    http_send_write(arg, write);
}

void edit_message(struct request *req, void *arg)
{
    static const struct json_field fields[] = {FIELD_CLIENT_ID, FIELD_TEXT};
    struct json_value values[2];
    struct write *write = http_write(req, "edit");
    struct span number;

    if (!write || !http_number(req, &number) ||
        !request_read_json(req, fields, 2, values) ||
        !take_client_id(req, write, values[0].text))
        return;
    add_arg(write, values[1].text);
    add_arg(write, number);
    http_send_write(arg, write);
}

/* Without a client_id: done twice it is not there the second time. */
void delete_message(struct request *req, void *arg)
{
    struct write *write = http_write(req, "delete");
    struct span number;

    if (!write || !http_number(req, &number))
        return;
    add_arg(write, SPAN("-"));
    add_arg(write, number);
    http_send_write(arg, write);
}

static void react(struct request *req, void *arg, struct span on)
{
    struct write *write = http_write(req, "react");
    struct span number;

    if (!write || !http_number(req, &number))
        return;
    if (!emoji_is_valid(request_param(req, "emoji"))) {
        refuse(req, SPAN("no-such-reaction"));
        return;
    }
    add_arg(write, SPAN("-"));
    add_arg(write, number);
    add_arg(write, request_param(req, "emoji"));
    add_arg(write, on);
    http_send_write(arg, write);
}

void put_reaction(struct request *req, void *arg)
{
    react(req, arg, SPAN("1"));
}

void delete_reaction(struct request *req, void *arg)
{
    react(req, arg, SPAN("0"));
}
