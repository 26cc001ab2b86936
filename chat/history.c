/* history.c - see history.h. */
#include <stdio.h>
#include <stdlib.h>

#include "chat/chat.h"
#include "chat/history.h"
#include "chat/reply.h"
#include "chat/scripts.h"

#define NUMBER_MAX ((UINT64_C(1) << 53) - 1)

bool history_aim(struct history *history, const char *how, uint64_t number,
                 uint64_t thread)
{
    history->thread = thread;
    history->number = how || thread ? number : NUMBER_MAX;
    history->how = how ? how : thread ? "after" : "before";
    return !thread || !span_eq(span_str(history->how), SPAN("around"));
}

/* ---- what somebody wrote: wrote.lua */

/* {id, head, text ('': none), the change of it ('': none; 'd': deleted)} */
static bool take_wrote(const struct redisReply *reply,
                       struct history_found *found)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 4)
        return false;
    struct span change = reply_text(reply->element[3]);
    bool deleted = span_eq(change, SPAN("d"));
    *found = (struct history_found){.id = reply_text(reply->element[0]),
                                    .head = reply_text(reply->element[1]),
                                    .said = reply_text(reply->element[2]),
                                    .change = deleted ? (struct span){NULL, 0}
                                                      : change,
                                    .deleted = deleted};
    return true;
}

static int take_all_wrote(struct history *history,
                          const struct redisReply *reply)
{
    const struct redisReply *list = reply->element[2];
    struct history_found *found =
        arena_alloc(history->arena, (list->elements + 1) * sizeof(*found));

    history->found = found;
    for (size_t i = 0; i < list->elements; i++)
        if (!take_wrote(list->element[i], &found[history->count++]))
            return UV_EPROTO;
    struct span next = reply_text(reply->element[1]);
    return next.len == 0 || span_to_u64(next, UINT64_MAX, &history->next)
               ? 0
               : UV_EPROTO;
}

static void on_wrote(void *arg, int status, const struct redisReply *reply)
{
    struct history *history = arg;
    struct span refusal = {NULL, 0};

    if (status == 0) {
        refusal = reply_refusal(reply);
        if (refusal.ptr)
            snprintf(history->refusal, sizeof(history->refusal), "%.*s",
                     (int)refusal.len, refusal.ptr);
        else if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
                 !room_head_parse(reply_text(reply->element[0]),
                                  &history->head) ||
                 reply->element[2]->type != REDIS_REPLY_ARRAY)
            status = UV_EPROTO;
        else
            status = take_all_wrote(history, reply);
    }
    history->cb(history, status);
}

int history_ask_own(struct chat *chat, struct history *history)
{
    struct room_keys keys = keys_of_room(history->arena, history->room);
    char limit[SPAN_U64_MAX];
    char number[SPAN_U64_MAX];
    char bytes[SPAN_U64_MAX];

    history->bodies = chat->bodies;
    struct span argv[] = {keys.members,
                          keys.log,
                          keys.changes,
                          keys.room,
                          history->user,
                          span_from_u64(limit, history->limit),
                          span_from_u64(bytes, HISTORY_BYTES),
                          span_from_u64(number, history->number)};

    return redis_eval(app_redis(chat->app), &script_wrote, 4,
                      &(struct redis_call){.key = history->room,
                                           .argv = argv,
                                           .argc = 8,
                                           .repeatable = true,
                                           .cb = on_wrote,
                                           .arg = history});
}

/* ---- as clients read it */

/* "EDITED REACTED CLIENT_ID TEXT", or "EDITED REACTED". */
struct change {
    uint64_t edited;
    struct text text;
};

static bool parse_change(struct span said, struct change *change)
{
    struct span edited;
    struct span reacted;

    *change = (struct change){0};
    return span_cut(&said, ' ', &edited) && span_cut(&said, ' ', &reacted) &&
           span_to_u64(edited, UINT64_MAX, &change->edited) &&
           (!said.ptr || text_parse(said, &change->text));
}

/* {EMOJI: [USER, …], …}: a message may have a thousand. */
struct reaction {
    struct span emoji, user;
    size_t place, first; /* when it came; when the first of its emoji came */
};

static int by_emoji(const void *a, const void *b)
{
    const struct reaction *one = a;
    const struct reaction *two = b;
    size_t len =
        one->emoji.len < two->emoji.len ? one->emoji.len : two->emoji.len;
    int order = memcmp(one->emoji.ptr, two->emoji.ptr, len);

    if (order == 0 && one->emoji.len != two->emoji.len)
        return one->emoji.len > two->emoji.len ? 1 : -1;
    return order ? order
                 : (one->place > two->place) - (one->place < two->place);
}

static int by_first(const void *a, const void *b)
{
    const struct reaction *one = a;
    const struct reaction *two = b;

    if (one->first != two->first)
        return one->first > two->first ? 1 : -1;
    return (one->place > two->place) - (one->place < two->place);
}

/* Each emoji, and each user of it, as it came first. */
static void put_in_order(struct reaction *reactions, size_t count)
{
    qsort(reactions, count, sizeof(*reactions), by_emoji);
    for (size_t i = 0; i < count; i++)
        reactions[i].first =
            i && span_eq(reactions[i].emoji, reactions[i - 1].emoji)
                ? reactions[i - 1].first
                : reactions[i].place;
    qsort(reactions, count, sizeof(*reactions), by_first);
}

static void put_users(struct json_writer *w, const struct reaction *reactions,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool is_first = i == 0 || reactions[i].first != reactions[i - 1].first;
        if (is_first && i > 0)
            json_put_close(w, ']');
        if (is_first) {
            json_put_name(w, reactions[i].emoji);
            json_put_open(w, '[');
        }
        json_put_string(w, reactions[i].user);
    }
    if (count)
        json_put_close(w, ']');
}

static void put_reactions(struct json_writer *w,
                          const struct history_found *found)
{
    size_t count = found->reaction_count;
    struct reaction *reactions =
        mem_alloc(MEM_REQUEST, (count + 1) * sizeof(*reactions));

    for (size_t i = 0; i < count; i++) {
        struct span rest = found->reactions[i];
        reactions[i] = (struct reaction){.place = i};
        span_cut(&rest, ' ', &reactions[i].emoji);
        reactions[i].user = rest;
    }
    put_in_order(reactions, count);
    json_put_key(w, "reactions");
    json_put_open(w, '{');
    put_users(w, reactions, count);
    json_put_close(w, '}');
    mem_free(reactions);
}

bool history_item(const struct history *history, size_t index,
                  struct history_item *item)
{
    const struct history_found *found = &history->found[index];
    struct text text = {0};
    struct change change = {0};

    *item = (struct history_item){0};
    if (!entry_parse_id(found->id, &item->entry) ||
        !entry_parse(found->head, &item->entry) ||
        !text_parse(found->said, &text) ||
        (found->change.len && !parse_change(found->change, &change)))
        return false;
    item->edited = change.edited;
    if (found->deleted)
        return true;
    struct entry as = item->entry; /* that said what is read */
    if (change.edited) {
        as.kind = ENTRY_EDIT;
        as.target = item->entry.seq;
    }
    item->text = change.edited ? change.text : text;
    bodies_read(history->bodies, history->room, &as, &item->text);
    return true;
}

void history_put(struct json_writer *w, const struct history *history)
{
    struct history_item item;

    json_put_key(w, "items");
    json_put_open(w, '[');
    for (size_t i = 0; i < history->count; i++) {
        if (!history_item(history, i, &item))
            continue;
        entry_put_message(w, &item.entry, item.edited, &item.text);
        put_reactions(w, &history->found[i]);
        json_put_close(w, '}');
    }
    json_put_close(w, ']');
    json_put_key(w, "seq");
    json_put_int(w, (int64_t)history->head.seq);
    json_put_key(w, "oldest_seq");
    json_put_int(w, (int64_t)history->head.oldest);
    json_put_key(w, "next");
    if (history->next)
        json_put_int(w, (int64_t)history->next);
    else
        json_put_null(w);
}
