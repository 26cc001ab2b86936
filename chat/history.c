/* history.c - see history.h. */
#include <stdio.h>

#include "chat/chat.h"
#include "chat/history.h"
#include "chat/reply.h"
#include "chat/scripts.h"

#define NUMBER_MAX ((UINT64_C(1) << 53) - 1)
#define BYTES "196608" /* of messages in an answer, about */

static int take(struct history *history, const struct redisReply *reply)
{
    struct span refusal = reply_refusal(reply);

    if (refusal.ptr) {
        snprintf(history->refusal, sizeof(history->refusal), "%.*s",
                 (int)refusal.len, refusal.ptr);
        return 0;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
        !room_head_parse(reply_text(reply->element[0]), &history->head) ||
        reply->element[2]->type != REDIS_REPLY_ARRAY)
        return UV_EPROTO;
    history->reply = reply;
    return 0;
}

static void on_messages(void *arg, int status, const struct redisReply *reply)
{
    struct history *history = arg;

    history->cb(history, status == 0 ? take(history, reply) : status);
}

bool history_aim(struct history *history, const char *how, uint64_t number,
                 uint64_t thread)
{
    history->thread = thread;
    history->number = how || thread ? number : NUMBER_MAX;
    history->how = how ? how : thread ? "after" : "before";
    return !thread || !span_eq(span_str(history->how), SPAN("around"));
}

static int ask(struct chat *chat, struct history *history,
               struct redis_script *script)
{
    struct room_keys keys = keys_of_room(history->arena, history->room);
    char limit[SPAN_U64_MAX];
    char number[SPAN_U64_MAX];
    char thread[SPAN_U64_MAX];

    history->bodies = chat->bodies;
    struct span argv[] = {keys.members,
                          keys.log,
                          keys.changes,
                          keys.room,
                          history->user,
                          span_from_u64(limit, history->limit),
                          SPAN(BYTES),
                          span_str(history->how),
                          span_from_u64(number, history->number),
                          span_from_u64(thread, history->thread)};

    return redis_eval(app_redis(chat->app), script, 4,
                      &(struct redis_call){.key = history->room,
                                           .argv = argv,
                                           .argc = 10,
                                           .repeatable = true,
                                           .cb = on_messages,
                                           .arg = history});
}

int history_ask(struct chat *chat, struct history *history)
{
    return ask(chat, history, &script_messages);
}

int history_ask_own(struct chat *chat, struct history *history)
{
    history->how = "own";
    return ask(chat, history, &script_wrote);
}

bool history_next(const struct history *history, uint64_t *number)
{
    return span_to_u64(reply_text(history->reply->element[1]), UINT64_MAX,
                       number);
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

static bool is_of(const struct redisReply *reaction, struct span emoji)
{
    struct span rest = reply_text(reaction);
    struct span word;

    return span_cut(&rest, ' ', &word) && span_eq(word, emoji);
}

static struct span emoji_of(const struct redisReply *reaction)
{
    struct span rest = reply_text(reaction);
    struct span emoji = {NULL, 0};

    span_cut(&rest, ' ', &emoji);
    return emoji;
}

static bool was_before(const struct redisReply *list, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (is_of(list->element[i], emoji_of(list->element[index])))
            return true;
    return false;
}

/* {EMOJI: [USER, …], …}, each as it came first. */
static void put_reactions(struct json_writer *w, const struct redisReply *list)
{
    json_put_key(w, "reactions");
    json_put_open(w, '{');
    for (size_t i = 0; i < list->elements; i++) {
        struct span emoji = emoji_of(list->element[i]);
        if (was_before(list, i))
            continue;
        json_put_name(w, emoji);
        json_put_open(w, '[');
        for (size_t j = i; j < list->elements; j++)
            if (is_of(list->element[j], emoji))
                json_put_string(
                    w, span_skip(reply_text(list->element[j]), emoji.len + 1));
        json_put_close(w, ']');
    }
    json_put_close(w, '}');
}

size_t history_count(const struct history *history)
{
    return history->reply->element[2]->elements;
}

bool history_has_more(const struct history *history)
{
    return reply_text(history->reply->element[1]).len > 0;
}

bool history_item(const struct history *history, size_t index,
                  struct history_item *item)
{
    const struct redisReply *reply = history->reply->element[2]->element[index];
    struct text text = {0};
    struct change change = {0};

    *item = (struct history_item){0};
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 5)
        return false;
    struct span changed = reply_text(reply->element[3]);
    bool deleted = span_eq(changed, SPAN("d"));
    if (!entry_parse_id(reply_text(reply->element[0]), &item->entry) ||
        !entry_parse(reply_text(reply->element[1]), &item->entry) ||
        !text_parse(reply_text(reply->element[2]), &text) ||
        (changed.len && !deleted && !parse_change(changed, &change)))
        return false;
    item->edited = change.edited;
    item->reactions = reply->element[4];
    if (deleted)
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

static void put_item(struct json_writer *w, const struct history_item *item)
{
    entry_put_message(w, &item->entry, item->edited, &item->text);
    put_reactions(w, item->reactions);
    json_put_close(w, '}');
}

void history_put(struct json_writer *w, const struct history *history)
{
    struct history_item item;
    struct span next = reply_text(history->reply->element[1]);

    json_put_key(w, "items");
    json_put_open(w, '[');
    for (size_t i = 0; i < history_count(history); i++)
        if (history_item(history, i, &item))
            put_item(w, &item);
    json_put_close(w, ']');
    json_put_key(w, "seq");
    json_put_int(w, (int64_t)history->head.seq);
    json_put_key(w, "oldest_seq");
    json_put_int(w, (int64_t)history->head.oldest);
    json_put_key(w, "next");
    if (next.len)
        json_put_raw(w, next);
    else
        json_put_null(w);
}
