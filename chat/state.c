/* state.c - see state.h. */
#include <stdio.h>

#include "chat/chat.h"
#include "chat/reply.h"
#include "chat/scripts.h"
#include "chat/state.h"

static int take(struct state *state, const struct redisReply *reply)
{
    struct span refusal = reply_refusal(reply);

    if (refusal.ptr) {
        snprintf(state->refusal, sizeof(state->refusal), "%.*s",
                 (int)refusal.len, refusal.ptr);
        return 0;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        !member_parse(reply_text(reply->element[0]), &state->member) ||
        !reply_number(reply->element[1], &state->count))
        return UV_EPROTO;
    return 0;
}

static void on_state(void *arg, int status, const struct redisReply *reply)
{
    struct state *state = arg;

    state->cb(state, status == 0 ? take(state, reply) : status);
}

int state_send(struct chat *chat, struct state *state)
{
    struct room_keys keys = keys_of_room(state->arena, state->room);
    struct span about = state->about.ptr ? state->about : state->user;
    struct span argv[7 + STATE_ARGS] = {
        keys.members,
        keys.log,
        keys_mentions(state->arena, state->room, about),
        state->user,
        state->room,
        keys.wake,
        span_str(state->what)};
    size_t argc = 7;

    for (size_t i = 0; i < state->arg_count; i++)
        argv[argc++] = state->args[i];
    return redis_eval(app_redis(chat->app), &script_member, 3,
                      &(struct redis_call){.key = state->room,
                                           .argv = argv,
                                           .argc = argc,
                                           .repeatable = true,
                                           .cb = on_state,
                                           .arg = state});
}
