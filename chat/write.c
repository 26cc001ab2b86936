/* write.c - see write.h. */
#include <inttypes.h>
#include <stdio.h>

#include "chat/chat.h"
#include "chat/keys.h"
#include "chat/reply.h"
#include "chat/scripts.h"
#include "chat/write.h"

#define FIXED_ARGS 14 /* keys, and what is of every write */
#define TEXT_ARG 1    /* of a message and of an edit */
#define TARGET_ARG 2  /* of an edit */
#define DIGEST_MAX 33

static void on_written(void *arg, int status, const struct redisReply *reply);

static bool is(const struct write *write, const char *what)
{
    return span_eq(span_str(write->what), span_str(what));
}

/* Of all that a client_id stands for.  It guards against mistakes: the id is
   its user's own. */
static struct span digest_of(const struct chat *chat, const struct write *write,
                             char out[BODIES_DIGESTS_MAX])
{
    static const struct hash_key keys[] = {{1, 2}, {3, 4}};
    struct span digest;
    struct buf all;

    buf_init(&all, MEM_REQUEST);
    buf_append(&all, span_str(write->what));
    for (size_t i = 0; i < write->arg_count; i++) {
        buf_append_u64(&all, write->args[i].len);
        buf_append_char(&all, ':');
        buf_append(&all, write->args[i]);
    }
    if (chat->bodies) {
        digest = bodies_digests(chat->bodies, buf_span(&all), out);
    } else {
        snprintf(out, DIGEST_MAX, "%016" PRIx64 "%016" PRIx64,
                 hash_sip(&keys[0], buf_span(&all)),
                 hash_sip(&keys[1], buf_span(&all)));
        digest = span_str(out);
    }
    buf_deinit(&all);
    return digest;
}

/* The text of a message or an edit as Redis gets it. */
static struct span seal(const struct chat *chat, const struct write *write,
                        struct buf *out)
{
    struct body_place place = {.room = write->room,
                               .from = write->user,
                               .client_id = write->client_id};

    if (is(write, "edit"))
        span_to_u64(write->args[TARGET_ARG], UINT64_MAX, &place.target);
    bodies_seal(chat->bodies, &place, write->args[TEXT_ARG], out);
    return buf_span(out);
}

/* What this worker has seen of it. */
static uint64_t known_of(struct chat *chat, struct span id)
{
    const struct room *room = rooms_find(chat->rooms, id);

    return room && room->known ? room->seq : 0;
}

int write_send(struct chat *chat, struct write *write)
{
    struct room_keys keys = keys_of_room(write->arena, write->room);
    char known[SPAN_U64_MAX];
    char digests[BODIES_DIGESTS_MAX];
    struct span argv[FIXED_ARGS + WRITE_ARGS + 1];
    struct buf sealed;
    bool says = is(write, "message") || is(write, "edit");
    size_t nkeys = 0;
    size_t argc;

    argv[nkeys++] = keys.room;
    argv[nkeys++] = keys.members;
    argv[nkeys++] = keys.log;
    argv[nkeys++] = keys.changes;
    argv[nkeys++] = keys.names;
    argv[nkeys++] = keys.bans;
    if (write->client_id.ptr)
        argv[nkeys++] =
            keys_once(write->arena, write->room, write->user, write->client_id);
    argc = nkeys;
    argv[argc++] = span_str(write->what);
    argv[argc++] = write->user;
    argv[argc++] = write->room;
    argv[argc++] = span_from_u64(known, known_of(chat, write->room));
    argv[argc++] = keys.wake;
    argv[argc++] = SPAN(CHAT_ONCE_MS);
    argv[argc++] =
        write->client_id.ptr ? digest_of(chat, write, digests) : SPAN("");
    buf_init(&sealed, MEM_REQUEST);
    for (size_t i = 0; i < write->arg_count; i++)
        argv[argc++] =
            says && i == TEXT_ARG ? seal(chat, write, &sealed) : write->args[i];
    if (says)
        argv[argc++] = bodies_kid(chat->bodies);
    int err = redis_eval(
        app_redis(chat->app), &script_write, nkeys,
        &(struct redis_call){.key = write->room,
                             .argv = argv,
                             .argc = argc,
                             .repeatable = write->client_id.ptr != NULL,
                             .cb = on_written,
                             .arg = write});
    buf_deinit(&sealed);
    return err;
}

static int take(struct write *write, const struct redisReply *reply)
{
    struct span refusal = reply_refusal(reply);
    uint64_t replayed;
    uint64_t changed;

    if (refusal.ptr) {
        snprintf(write->refusal, sizeof(write->refusal), "%.*s",
                 (int)refusal.len, refusal.ptr);
        return 0;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 4 ||
        !reply_number(reply->element[0], &write->seq) ||
        !reply_number(reply->element[1], &write->ts) ||
        !reply_number(reply->element[2], &replayed) ||
        !reply_number(reply->element[3], &changed))
        return UV_EPROTO;
    write->replayed = replayed;
    write->changed = changed;
    write->is_role = changed == 2;
    return 0;
}

static void on_written(void *arg, int status, const struct redisReply *reply)
{
    struct write *write = arg;

    write->cb(write, status == 0 ? take(write, reply) : status);
}

const struct refusal *refusal_of(struct span type)
{
    static const struct refusal refusals[] = {
        {"no-such-room", 404, "there is no such room"},
        {"no-such-message", 404, "there is no such message in this room"},
        {"no-such-reaction", 404, "this user has not reacted so"},
        {"no-such-member", 404, "this user is not in this room"},
        {"no-such-user", 404, "there is no such user"},
        {"not-a-member", 403, "join this room first"},
        {"not-allowed", 403, "this is not for this user to do in this room"},
        {"muted", 403, "this user may not write in this room now"},
        {"banned", 403, "this user is banned from this room"},
        {"archived", 410, "this room is archived"},
        {"client-id-reused", 422,
         "this client_id stands for something else already"},
        {"too-many-edits", 422, "this message was edited too often"},
        {"too-many-reactions", 422, "this message has as many as it may"},
        {"too-many-rooms", 422, "this user is in as many rooms as it may"},
        {"room-full", 422, "this room has as many members as it may"},
        {"last-owner", 422, "give this room another owner first"},
        {"refused", 403, "this was refused"},
    };
    size_t count = sizeof(refusals) / sizeof(refusals[0]);

    for (size_t i = 0; i < count - 1; i++)
        if (span_eq(span_str(refusals[i].type), type))
            return &refusals[i];
    return &refusals[count - 1];
}
