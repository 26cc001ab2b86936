/*
 * members.c - handlers of who is in a room, who may not be, who may not write.
 */
#include "chat/http.h"
#include "chat/reply.h"
#include "common/clock.h"

/* ---- coming and going */

static void on_moved(struct membership *membership, int status)
{
    const struct write *write = &membership->write;
    struct request *req = membership->arg;

    if (status < 0)
        request_fail(req, status);
    else if (write->refusal[0])
        refuse(req, span_str(write->refusal));
    else if (request_method(req) == REQUEST_DELETE)
        request_reply(req, 204, NULL, (struct span){NULL, 0});
    else
        request_reply_json(req, write->changed && !write->is_role ? 201 : 200,
                           SPAN("{}"));
}

static struct membership *begin(struct request *req)
{
    struct membership *membership =
        arena_zalloc(request_arena(req), sizeof(*membership));
    struct write *write = &membership->write;

    write->user = http_user(req);
    write->arena = request_arena(req);
    membership->cb = on_moved;
    membership->arg = req;
    return http_room(req, &write->room) && http_name(req, &membership->about)
               ? membership
               : NULL;
}

static void add_arg(struct write *write, struct span value)
{
    write->args[write->arg_count++] = value;
}

static bool read_role(struct request *req, char *letter)
{
    static const struct json_field fields[] = {
        {.name = "role", .kind = JSON_KIND_STRING, .min = 1, .max = 16}};
    struct json_value values[1];
    struct json_errors errors = {0};

    *letter = 0;
    if (request_body(req).len == 0)
        return true;
    if (!request_read_json(req, fields, 1, values))
        return false;
    if (values[0].state != JSON_STATE_SET)
        return true;
    *letter = role_letter(values[0].text);
    if (*letter)
        return true;
    json_errors_init(&errors);
    json_errors_add(&errors, "/role", "owner, admin, member or reader");
    request_invalid(req, &errors);
    return false;
}

static void finish(struct request *req, int err)
{
    if (err < 0)
        request_fail(req, err);
}

static void come_in(void *arg)
{
    struct membership *membership = arg;

    finish(membership->arg, membership_enter(membership->chat, membership));
}

/* Oneself without a role: joins.  Others are put in, or given a role. */
void put_member(struct request *req, void *arg)
{
    struct chat *chat = arg;
    struct membership *membership = begin(req);
    char most[SPAN_U64_MAX];
    char letter;

    if (!membership || !read_role(req, &letter))
        return;
    struct write *write = &membership->write;
    bool joins = !letter && span_eq(membership->about, write->user);
    write->what = joins ? "join" : "put";
    if (!joins) {
        add_arg(write, membership->about);
        add_arg(write, arena_copy(write->arena,
                                  (struct span){&letter, letter ? 1 : 0}));
    }
    add_arg(write, arena_copy(write->arena,
                              span_from_u64(
                                  most, (uint64_t)chat->config->max_members)));
    membership->chat = chat;
    http_pace(req, chat,
              &(struct http_pace){
                  .spec = chat->joins,
                  .key = request_caller(req),
                  .slug = "rate-limited",
                  .detail = "this caller does this faster than it may",
                  .go = come_in,
                  .arg = membership});
}

void delete_member(struct request *req, void *arg)
{
    struct membership *membership = begin(req);

    if (!membership)
        return;
    struct write *write = &membership->write;
    bool leaves = span_eq(membership->about, write->user);
    write->what = leaves ? "leave" : "kick";
    if (!leaves)
        add_arg(write, membership->about);
    finish(req, membership_depart(arg, membership));
}

static void on_banned(struct membership *membership, int status)
{
    struct request *req = membership->arg;

    if (status < 0)
        request_fail(req, status);
    else if (membership->write.refusal[0])
        refuse(req, span_str(membership->write.refusal));
    else
        request_reply(req, 204, NULL, (struct span){NULL, 0});
}

static void ban(struct request *req, void *arg, const char *what)
{
    struct membership *membership = begin(req);

    if (!membership)
        return;
    membership->write.what = what;
    membership->cb = on_banned;
    add_arg(&membership->write, membership->about);
    finish(req, membership_depart(arg, membership));
}

void put_ban(struct request *req, void *arg)
{
    ban(req, arg, "ban");
}

void delete_ban(struct request *req, void *arg)
{
    ban(req, arg, "unban");
}

/* ---- who may not write, and what was read */

static void on_state(struct state *state, int status)
{
    struct request *req = state->arg;

    if (status < 0)
        request_fail(req, status);
    else if (state->refusal[0])
        refuse(req, span_str(state->refusal));
    else
        request_reply(req, 204, NULL, (struct span){NULL, 0});
}

static struct state *make_state(struct request *req, const char *what)
{
    struct state *state = arena_zalloc(request_arena(req), sizeof(*state));

    state->what = what;
    state->user = http_user(req);
    state->arena = request_arena(req);
    state->cb = on_state;
    state->arg = req;
    return http_room(req, &state->room) ? state : NULL;
}

static void silence(struct request *req, void *arg, struct span until)
{
    struct state *state = make_state(req, "silence");

    if (!state || !http_name(req, &state->about))
        return;
    state->args[state->arg_count++] = state->about;
    state->args[state->arg_count++] = until;
    finish(req, state_send(arg, state));
}

void put_mute(struct request *req, void *arg)
{
    static const struct json_field fields[] = {{.name = "until_at",
                                                .kind = JSON_KIND_STRING,
                                                .nullable = true,
                                                .min = 1,
                                                .max = 64}};
    struct json_value values[1] = {{.state = JSON_STATE_ABSENT}};
    struct json_errors errors = {0};
    char number[SPAN_U64_MAX];
    int64_t until;

    if (request_body(req).len && !request_read_json(req, fields, 1, values))
        return;
    if (values[0].state != JSON_STATE_SET) {
        silence(req, arg, SPAN("-1"));
    } else if (clock_parse_rfc3339(values[0].text, &until)) {
        silence(req, arg,
                arena_copy(request_arena(req),
                           span_from_u64(number, (uint64_t)until)));
    } else {
        json_errors_init(&errors);
        json_errors_add(&errors, "/until_at", "a time (RFC 3339), or null");
        request_invalid(req, &errors);
    }
}

void delete_mute(struct request *req, void *arg)
{
    silence(req, arg, SPAN("0"));
}

static void post_number(struct request *req, void *arg, const char *what)
{
    static const struct json_field fields[] = {{.name = "seq",
                                                .kind = JSON_KIND_INTEGER,
                                                .required = true,
                                                .min = 0,
                                                .max = (INT64_C(1) << 53) - 1}};
    struct json_value values[1];
    struct state *state = make_state(req, what);
    char number[SPAN_U64_MAX];

    if (!state || !request_read_json(req, fields, 1, values))
        return;
    state->args[state->arg_count++] = arena_copy(
        state->arena, span_from_u64(number, (uint64_t)values[0].number));
    state->args[state->arg_count++] = SPAN("0");
    finish(req, state_send(arg, state));
}

void post_read(struct request *req, void *arg)
{
    post_number(req, arg, "read");
}

void post_delivered(struct request *req, void *arg)
{
    post_number(req, arg, "delivered");
}
