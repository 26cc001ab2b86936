/* search.c - see search.h. */
#include <hiredis/hiredis.h>
#include <stdio.h>

#include "chat/chat.h"
#include "chat/reach.h"
#include "chat/reply.h"
#include "chat/search.h"

#define NUMBER_MAX ((UINT64_C(1) << 53) - 1)
#define PAGE 200

static void on_page(struct history *history, int status);

static void finish(struct search *search, int status)
{
    struct buf items;

    json_put_close(&search->w, ']');
    items = search->items;
    search->cb(search, status); /* the search is gone then */
    buf_deinit(&items);
}

static unsigned lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned)c + 'a' - 'A' : (unsigned char)c;
}

static bool has_word(struct span text, struct span word)
{
    for (size_t i = 0; i + word.len <= text.len; i++) {
        size_t j = 0;
        while (j < word.len && lower(text.ptr[i + j]) == lower(word.ptr[j]))
            j++;
        if (j == word.len)
            return true;
    }
    return false;
}

static bool has_all(struct span text, struct span words)
{
    for (struct span word; span_cut(&words, ' ', &word);)
        if (word.len && !has_word(text, word))
            return false;
    return true;
}

static void put_found(struct search *search, const struct history_item *item)
{
    struct json_writer *w = &search->w;

    json_put_open(w, '{');
    json_put_key(w, "room");
    json_put_string(w, search->rooms[search->at]);
    json_put_key(w, "seq");
    json_put_int(w, (int64_t)item->entry.seq);
    json_put_key(w, "from");
    json_put_string(w, item->entry.from);
    json_put_key(w, "ts");
    json_put_int(w, (int64_t)item->entry.ts);
    json_put_key(w, "text");
    json_put_string(w, item->text.plain);
    json_put_close(w, '}');
    search->found++;
}

/* Where to go on: behind that message of that room. */
static void stop_at(struct search *search, uint64_t before)
{
    struct span room = search->rooms[search->at];

    search->next =
        arena_printf(search->arena, "%.*s:%llu:%zu", (int)room.len, room.ptr,
                     (unsigned long long)before, search->at);
}

static int read_page(struct search *search)
{
    search->readings++;
    search->history = (struct history){.user = search->user,
                                       .room = search->rooms[search->at],
                                       .how = "before",
                                       .number = search->before,
                                       .limit = PAGE,
                                       .arena = search->arena,
                                       .cb = on_page,
                                       .arg = search};
    return history_ask(search->chat, &search->history);
}

static void next_room(struct search *search)
{
    search->at++;
    search->seen = 0;
    search->before = NUMBER_MAX;
}

/* The next page, or the end. */
static void go_on(struct search *search)
{
    int err = 0;

    if (search->at == search->room_count) {
        finish(search, 0);
    } else if (search->readings == SEARCH_READINGS) {
        stop_at(search, search->before);
        finish(search, 0);
    } else {
        err = read_page(search);
        if (err < 0)
            finish(search, err);
    }
}

/* The newest first.  False: there are enough of them. */
static bool take_page(struct search *search, const struct history *history)
{
    struct history_item item;

    for (size_t i = history->count; i-- > 0;) {
        if (!history_item(history, i, &item))
            continue;
        search->seen++;
        search->before = item.entry.seq;
        if (!item.text.plain.ptr || !has_all(item.text.plain, search->query))
            continue;
        put_found(search, &item);
        if (search->found == search->limit) {
            stop_at(search, search->before);
            return false;
        }
    }
    if (history->next) /* there may be no message at all */
        search->before = history->next;
    return true;
}

static void on_page(struct history *history, int status)
{
    struct search *search = history->arg;

    if (status < 0) {
        finish(search, status);
        return;
    }
    /* The index may name a room that the user is in no more. */
    if (history->refusal[0] && search->room.ptr) {
        snprintf(search->refusal, sizeof(search->refusal), "%s",
                 history->refusal);
        finish(search, 0);
        return;
    }
    if (!history->refusal[0] && !take_page(search, history)) {
        finish(search, 0);
        return;
    }
    if (history->refusal[0] || !history->next ||
        search->seen >= SEARCH_MESSAGES)
        next_room(search);
    go_on(search);
}

/* Where the room is that the cursor names, or was until the user left it. */
static void find_room(struct search *search, struct span room, uint64_t at)
{
    while (search->at < search->room_count &&
           !span_eq(search->rooms[search->at], room))
        search->at++;
    if (search->at < search->room_count)
        return;
    search->at = at < search->room_count ? (size_t)at : search->room_count;
    search->before = NUMBER_MAX;
}

/* False: it is no cursor of these rooms. */
static bool start_at(struct search *search)
{
    struct span rest = search->cursor;
    struct span room;
    struct span before;
    uint64_t at;

    search->before = NUMBER_MAX;
    if (!rest.ptr)
        return true;
    if (!span_cut(&rest, ':', &room) || !span_cut(&rest, ':', &before) ||
        !span_to_u64(before, NUMBER_MAX, &search->before) ||
        !span_to_u64(rest, UINT32_MAX, &at))
        return false;
    if (search->room.ptr)
        return span_eq(room, search->room);
    find_room(search, room, at);
    return true;
}

static void on_index(void *arg, int status, const struct redisReply *reply)
{
    struct search *search = arg;

    if (status < 0 || reply->type != REDIS_REPLY_ARRAY) {
        finish(search, status < 0 ? status : UV_EPROTO);
        return;
    }
    search->rooms =
        arena_alloc(search->arena, (reply->elements + 1) * sizeof(struct span));
    for (size_t i = 0; i < reply->elements; i++)
        if (reach_covers(search->reach, reply_text(reply->element[i])))
            search->rooms[search->room_count++] =
                arena_copy(search->arena, reply_text(reply->element[i]));
    if (start_at(search))
        go_on(search);
    else
        finish(search, UV_EINVAL);
}

static void begin(struct search *search)
{
    buf_init(&search->items, MEM_REQUEST);
    search->w = (struct json_writer){.out = &search->items};
    json_put_open(&search->w, '[');
}

bool search_is_query(struct span query)
{
    return span_trim(query).len > 0 && query.len <= SEARCH_QUERY_MAX;
}

int search_ask(struct chat *chat, struct search *search)
{
    struct span argv[] = {SPAN("ZRANGE"),
                          keys_rooms(search->arena, search->user), SPAN("0"),
                          SPAN("-1")};
    int err;

    search->chat = chat;
    begin(search);
    if (search->room.ptr) {
        search->rooms = &search->room;
        search->room_count = 1;
        err = start_at(search) ? read_page(search) : UV_EINVAL;
    } else {
        err = redis_send(app_redis(chat->app),
                         &(struct redis_call){.key = search->user,
                                              .argv = argv,
                                              .argc = 4,
                                              .repeatable = true,
                                              .cb = on_index,
                                              .arg = search});
    }
    if (err < 0)
        buf_deinit(&search->items);
    return err;
}

void search_put(struct json_writer *w, const struct search *search)
{
    json_put_key(w, "items");
    json_put_raw(w, buf_span(&search->items));
    json_put_key(w, "next");
    if (search->next.len)
        json_put_string(w, search->next);
    else
        json_put_null(w);
}
