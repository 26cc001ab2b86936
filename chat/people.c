/* people.c - see people.h. */
#include <stdio.h>

#include "chat/chat.h"
#include "chat/people.h"
#include "chat/reply.h"
#include "chat/scripts.h"

static int take(struct people *people, const struct redisReply *reply)
{
    struct span refusal = reply_refusal(reply);

    if (refusal.ptr) {
        snprintf(people->refusal, sizeof(people->refusal), "%.*s",
                 (int)refusal.len, refusal.ptr);
        return 0;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[1]->type != REDIS_REPLY_ARRAY)
        return UV_EPROTO;
    people->reply = reply;
    return 0;
}

static void on_names(void *arg, int status, const struct redisReply *reply)
{
    struct people *people = arg;

    people->cb(people, status == 0 ? take(people, reply) : status);
}

int people_ask(struct chat *chat, struct people *people)
{
    struct room_keys keys = keys_of_room(people->arena, people->room);
    char most[SPAN_U64_MAX];
    struct span argv[] = {keys.members, keys.names, people->user, people->after,
                          span_from_u64(most, people->limit)};

    return redis_eval(app_redis(chat->app), &script_names, 2,
                      &(struct redis_call){.key = people->room,
                                           .argv = argv,
                                           .argc = 5,
                                           .repeatable = true,
                                           .cb = on_names,
                                           .arg = people});
}

static void put_person(struct json_writer *w, struct span name,
                       const struct member *member)
{
    json_put_open(w, '{');
    json_put_key(w, "user");
    json_put_string(w, name);
    json_put_key(w, "role");
    json_put_string(w, span_str(role_name(member->role)));
    json_put_key(w, "read");
    json_put_int(w, (int64_t)member->read);
    json_put_key(w, "delivered");
    json_put_int(w, (int64_t)member->delivered);
    json_put_close(w, '}');
}

void people_put(struct json_writer *w, const struct people *people)
{
    const struct redisReply *list = people->reply->element[1];
    struct span next = reply_text(people->reply->element[0]);
    struct member member;

    json_put_key(w, "items");
    json_put_open(w, '[');
    for (size_t i = 0; i + 1 < list->elements; i += 2)
        if (member_parse(reply_text(list->element[i + 1]), &member))
            put_person(w, reply_text(list->element[i]), &member);
    json_put_close(w, ']');
    json_put_key(w, "next");
    if (next.len)
        json_put_string(w, next);
    else
        json_put_null(w);
}

bool people_name(const struct people *people, size_t index, struct span *name)
{
    const struct redisReply *list = people->reply->element[1];

    if (2 * index + 1 >= list->elements)
        return false;
    *name = reply_text(list->element[2 * index]);
    return true;
}
