/* room_json.c - see room_json.h. */
#include "chat/room_json.h"
#include "chat/names.h"
#include "chat/write.h"
#include "common/clock.h"

static void put_number(struct json_writer *w, const char *key, uint64_t value)
{
    json_put_key(w, key);
    json_put_int(w, (int64_t)value);
}

static void put_text(struct json_writer *w, const char *key, struct span value)
{
    json_put_key(w, key);
    json_put_string(w, value);
}

static void put_me(struct json_writer *w, const struct room_head *head,
                   const struct member *me)
{
    uint64_t now = (uint64_t)clock_wall_ms();

    json_put_open(w, '{');
    put_text(w, "role", span_str(role_name(me->role)));
    put_number(w, "read", me->read);
    put_number(w, "delivered", me->delivered);
    put_number(w, "unread",
               head->count > me->read_n ? head->count - me->read_n : 0);
    put_number(w, "mentions", me->mentions);
    json_put_key(w, "muted");
    json_put_bool(w, me->muted < 0 || (uint64_t)me->muted > now);
    json_put_close(w, '}');
}

static void put_bound(struct json_writer *w, const char *key, uint64_t bound)
{
    json_put_key(w, key);
    if (bound)
        json_put_int(w, (int64_t)bound);
    else
        json_put_null(w);
}

static void put_retention(struct json_writer *w, const struct room_facts *facts)
{
    json_put_key(w, "retention");
    json_put_open(w, '{');
    put_bound(w, "max_count", facts->head.keep);
    put_bound(w, "max_age_s", facts->keep_ms / 1000);
    json_put_close(w, '}');
}

void room_put_members(struct json_writer *w, const struct room_facts *facts,
                      const struct member *me)
{
    static const char *const kinds[] = {"public", "private", "direct"};
    const struct room_head *head = &facts->head;
    char at[CLOCK_RFC3339_LEN + 1];

    clock_format_rfc3339((int64_t)facts->created, at);
    put_text(w, "room", facts->room);
    put_text(w, "kind", span_str(kinds[head->kind]));
    put_text(w, "name", facts->name);
    put_text(w, "topic", facts->topic);
    put_number(w, "seq", head->seq);
    put_number(w, "oldest_seq", head->oldest);
    put_number(w, "members", head->members);
    put_text(w, "created_at", span_str(at));
    json_put_key(w, "archived");
    json_put_bool(w, head->archived);
    put_retention(w, facts);
    json_put_key(w, "me");
    if (me)
        put_me(w, head, me);
    else
        json_put_null(w);
}

void room_put(struct json_writer *w, const struct room_facts *facts,
              const struct member *me)
{
    json_put_open(w, '{');
    room_put_members(w, facts, me);
    json_put_close(w, '}');
}

void refuse(struct request *req, struct span type)
{
    const struct refusal *refusal = refusal_of(type);

    request_problem(req, refusal->status, refusal->type, NULL, refusal->detail);
}
