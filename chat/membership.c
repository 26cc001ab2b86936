/* membership.c - see membership.h. */
#include <stdio.h>

#include "chat/chat.h"
#include "chat/membership.h"
#include "chat/reply.h"
#include "chat/scripts.h"

static void ignore(void *arg, int status, const struct redisReply *reply)
{
    (void)arg;
    (void)status;
    (void)reply;
}

/* Off the index, unless it was put there after that; was: it was in the room.
 */
static void forget(const struct membership *membership, uint64_t when, bool was)
{
    char number[SPAN_U64_MAX];
    struct span argv[] = {
        keys_rooms(membership->write.arena, membership->about),
        keys_user(membership->write.arena, membership->about),
        SPAN("remove"),
        membership->write.room,
        span_from_u64(number, when),
        was ? SPAN("1") : SPAN("0")};

    redis_eval(app_redis(membership->chat->app), &script_index, 2,
               &(struct redis_call){.key = membership->about,
                                    .argv = argv,
                                    .argc = 6,
                                    .repeatable = true,
                                    .cb = ignore});
}

static void on_entered(struct write *write, int status)
{
    struct membership *membership = write->arg;

    if (status == 0 && write->refusal[0] && membership->added)
        forget(membership, membership->added, false);
    membership->cb(membership, status);
}

static void on_index(void *arg, int status, const struct redisReply *reply)
{
    struct membership *membership = arg;
    struct write *write = &membership->write;
    uint64_t now;
    uint64_t is_new;

    if (status == 0 && reply_refusal(reply).ptr) {
        snprintf(write->refusal, sizeof(write->refusal), "%s",
                 reply->element[0]->str);
    } else {
        if (status == 0 &&
            (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
             !reply_number(reply->element[0], &now) ||
             !reply_number(reply->element[1], &is_new)))
            status = UV_EPROTO;
        if (status == 0) {
            membership->added = is_new ? now : 0;
            status = write_send(membership->chat, write);
            if (status == 0)
                return;
        }
    }
    membership->cb(membership, status);
}

static int index_room(struct membership *membership)
{
    struct chat *chat = membership->chat;
    bool is_own = span_eq(membership->about, membership->write.user);
    char most[SPAN_U64_MAX];
    struct span argv[] = {
        keys_rooms(membership->write.arena, membership->about),
        keys_user(membership->write.arena, membership->about),
        SPAN("add"),
        membership->write.room,
        span_from_u64(most, (uint64_t)chat->config->max_rooms),
        is_own ? SPAN("0") : SPAN("1")};

    return redis_eval(app_redis(chat->app), &script_index, 2,
                      &(struct redis_call){.key = membership->about,
                                           .argv = argv,
                                           .argc = 6,
                                           .repeatable = true,
                                           .cb = on_index,
                                           .arg = membership});
}

/* Why who asks may put nobody in, "": it may; NULL: that is no answer. */
static const char *right_of(const struct redisReply *reply)
{
    struct room_head head;
    struct member me;

    if (reply->type != REDIS_REPLY_ARRAY)
        return NULL;
    if (reply->elements == 0)
        return "no-such-room";
    if (!room_head_parse(reply_text(reply->element[0]), &head))
        return NULL;
    if (reply_text(reply->element[1]).len == 0)
        return head.kind == ROOM_PUBLIC ? "not-a-member" : "no-such-room";
    if (!member_parse(reply_text(reply->element[1]), &me))
        return NULL;
    return me.role == 'r' || head.kind == ROOM_DIRECT ? "not-allowed" : "";
}

static void on_right(void *arg, int status, const struct redisReply *reply)
{
    struct membership *membership = arg;
    struct write *write = &membership->write;
    const char *refusal = status == 0 ? right_of(reply) : "";

    if (status == 0 && !refusal) {
        status = UV_EPROTO;
    } else if (status == 0) {
        snprintf(write->refusal, sizeof(write->refusal), "%s", refusal);
        status = refusal[0] ? 0 : index_room(membership);
        if (status == 0 && !refusal[0])
            return;
    }
    membership->cb(membership, status);
}

/* Who may not put others in is not told who there is. */
static int ask_right(struct membership *membership)
{
    struct write *write = &membership->write;
    struct room_keys keys = keys_of_room(write->arena, write->room);
    struct span argv[] = {keys.members, keys.room, write->user};

    return redis_eval(app_redis(membership->chat->app), &script_room, 2,
                      &(struct redis_call){.key = write->room,
                                           .argv = argv,
                                           .argc = 3,
                                           .repeatable = true,
                                           .cb = on_right,
                                           .arg = membership});
}

int membership_enter(struct chat *chat, struct membership *membership)
{
    membership->chat = chat;
    membership->write.cb = on_entered;
    membership->write.arg = membership;
    if (span_eq(membership->about, membership->write.user))
        return index_room(membership);
    return ask_right(membership);
}

static void on_departed(struct write *write, int status)
{
    struct membership *membership = write->arg;

    if (status == 0 && !write->refusal[0] && write->changed)
        forget(membership, write->ts * 1000 + 999, true);
    membership->cb(membership, status);
}

int membership_depart(struct chat *chat, struct membership *membership)
{
    membership->chat = chat;
    membership->write.cb = on_departed;
    membership->write.arg = membership;
    return write_send(chat, &membership->write);
}
