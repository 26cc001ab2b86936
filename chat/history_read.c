/*
 * history_read.c - messages of a room, from Redis; see history.h.
 *
 *   history_ask() -- HMGET --> on_room(): where the room stands, and is the
 *                    user in it?
 *   look() -- XRANGE, HMGET of a window of numbers --> on_window(): what is a
 *             message
 *   react() -- HKEYS of those that have reactions --> on_reacted()
 *   --> go_further(): another window, or the other way, or finish(): cb
 *
 * Plain commands, because a script that hands entries on costs Redis four times
 * what reading them does.  So others may write in between: an entry behind the
 * seq that was read first is not shown, one that is deleted meanwhile is, and
 * what has changed is as it is now.  Each step asks last whether the user is
 * still in the room, so nobody reads what came after it had to go.  Where the
 * link breaks nothing is asked again: an answer of before and one of after,
 * with all that passed meanwhile between them, are no page.
 */
#include <assert.h>
#include <stdio.h>

#include "chat/chat.h"
#include "chat/history.h"
#include "chat/reply.h"

#define WINDOW 64 /* numbers of a step */
#define STEPS_MAX 64
#define READ_MAX \
    4194304            /* bytes of Redis, about: then it says where to go on */
#define REACTED_MAX 16 /* messages whose reactions are asked for at once */
#define THREAD_MAX                                            \
    (HISTORY_MAX + 2) /* and its first, and one to go on from \
                       */

/* A number of a window, and what Redis has of it. */
struct slot {
    uint64_t number;
    struct span id, head, said, change; /* id: ptr NULL: no entry */
};

struct reading {
    struct chat *chat;
    struct history *history;
    struct room_keys keys;
    struct arena arena;
    unsigned waiting, steps;
    int status;
    bool is_out; /* the user, of the room */
    bool up;     /* the way that it looks */
    uint64_t at; /* the first number of the next window */
    size_t most; /* found, until it stops */
    int64_t bytes;
    size_t read;     /* bytes */
    uint64_t last;   /* number that was looked at */
    bool enough;     /* of that way */
    size_t reacted;  /* found whose reactions are here */
    size_t reacting; /* the same, when those that are asked for are */
    void (*go_on)(struct reading *reading); /* when all have answered */
    struct slot slots[WINDOW];
    size_t slot_count;
    uint64_t thread[THREAD_MAX]; /* its numbers, the way that it looks */
    size_t thread_count, thread_at;
    struct history_found found[HISTORY_MAX];
    size_t count;
};

static void on_room(void *arg, int status, const struct redisReply *reply);
static void ask_thread(struct reading *reading);
static void on_thread(void *arg, int status, const struct redisReply *reply);
static void look(struct reading *reading);
static void on_entries(void *arg, int status, const struct redisReply *reply);
static void on_changes(void *arg, int status, const struct redisReply *reply);
static void on_member(void *arg, int status, const struct redisReply *reply);
static void on_window(struct reading *reading);
static void react(struct reading *reading);
static void on_reactions(void *arg, int status, const struct redisReply *reply);
static void on_reacted(struct reading *reading);
static void go_further(struct reading *reading);
static void finish(struct reading *reading);

static bool looks(const struct reading *reading, const char *how)
{
    return span_eq(span_str(reading->history->how), span_str(how));
}

/* ---- asking */

static void ask(struct reading *reading, const struct span *argv, size_t argc,
                redis_reply_cb cb, void *arg)
{
    int err = redis_send(app_redis(reading->chat->app),
                         &(struct redis_call){.key = reading->history->room,
                                              .argv = argv,
                                              .argc = argc,
                                              .cb = cb,
                                              .arg = arg});
    if (err < 0)
        reading->status = err;
    else
        reading->waiting++;
}

/* One of a step's has answered; the last one goes on. */
static void answered(struct reading *reading, int status)
{
    if (status < 0)
        reading->status = status;
    if (--reading->waiting > 0)
        return;
    if (reading->status < 0 || reading->is_out)
        finish(reading);
    else
        reading->go_on(reading);
}

/* A step's last: what is behind it runs when all have answered. */
static void ask_member(struct reading *reading,
                       void (*go_on)(struct reading *reading))
{
    struct span argv[] = {SPAN("HEXISTS"), reading->keys.members,
                          reading->history->user};

    reading->go_on = go_on;
    ask(reading, argv, 3, on_member, reading);
    if (reading->waiting == 0)
        finish(reading);
}

static void on_member(void *arg, int status, const struct redisReply *reply)
{
    struct reading *reading = arg;

    if (status == 0 && reply->type != REDIS_REPLY_INTEGER)
        status = UV_EPROTO;
    reading->is_out = status == 0 && reply->integer == 0;
    answered(reading, status);
}

static struct span text_of(struct reading *reading, uint64_t number)
{
    char text[SPAN_U64_MAX];

    return arena_copy(&reading->arena, span_from_u64(text, number));
}

static struct span copy(struct reading *reading, const struct redisReply *reply)
{
    struct span text = reply_text(reply);

    return text.ptr ? arena_copy(&reading->arena, text) : text;
}

/* ---- the room */

int history_ask(struct chat *chat, struct history *history)
{
    struct reading *reading = mem_zalloc(MEM_REQUEST, sizeof(*reading));

    assert(history->limit <= HISTORY_MAX);
    arena_init(&reading->arena, MEM_REQUEST, 0);
    reading->chat = chat;
    reading->history = history;
    reading->keys = keys_of_room(&reading->arena, history->room);
    reading->bytes = HISTORY_BYTES;
    history->bodies = chat->bodies;
    struct span argv[] = {SPAN("HMGET"), reading->keys.members, SPAN("#"),
                          history->user};
    ask(reading, argv, 4, on_room, reading);
    int err = reading->status;
    if (err < 0) {
        arena_deinit(&reading->arena);
        mem_free(reading);
    }
    return err;
}

static void begin(struct reading *reading)
{
    const struct history *history = reading->history;
    const struct room_head *head = &history->head;
    uint64_t before = history->number ? history->number - 1 : 0;

    reading->up = looks(reading, "after");
    reading->most =
        looks(reading, "around") ? history->limit / 2 : history->limit;
    reading->at = before < head->seq ? before : head->seq;
    if (reading->up)
        reading->at =
            history->number < head->oldest ? head->oldest : history->number + 1;
    if (history->thread)
        ask_thread(reading);
    else
        look(reading);
}

static void on_room(void *arg, int status, const struct redisReply *reply)
{
    struct reading *reading = arg;
    struct room_head *head = &reading->history->head;

    if (status == 0 &&
        (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
         (reply_text(reply->element[0]).ptr &&
          !room_head_parse(reply_text(reply->element[0]), head))))
        status = UV_EPROTO;
    reading->is_out = status == 0 && !reply_text(reply->element[1]).ptr;
    reading->go_on = begin;
    answered(reading, status);
}

/* ---- a thread: the message that it hangs on, and what hangs there */

static void ask_thread(struct reading *reading)
{
    struct span room = reading->history->room;
    uint64_t root = reading->history->thread;
    struct span argv[] = {
        SPAN("ZRANGE"),
        keys_beside(&reading->arena, "thread", room, root),
        arena_printf(&reading->arena, "(%llu",
                     (unsigned long long)reading->history->number),
        reading->up ? SPAN("+inf") : SPAN("-inf"),
        SPAN("BYSCORE"),
        SPAN("LIMIT"),
        SPAN("0"),
        text_of(reading, reading->history->limit + 1),
        SPAN("REV")};

    ask(reading, argv, reading->up ? 8 : 9, on_thread, reading);
    ask_member(reading, look);
}

static void on_thread(void *arg, int status, const struct redisReply *reply)
{
    struct reading *reading = arg;
    uint64_t root = reading->history->thread;
    uint64_t number = reading->history->number;
    uint64_t *list = reading->thread;
    size_t count = 0;

    if (status == 0 && reply->type != REDIS_REPLY_ARRAY)
        status = UV_EPROTO;
    if (reading->up && root > number)
        list[count++] = root;
    for (size_t i = 0; status == 0 && i < reply->elements; i++)
        if (count + 1 < THREAD_MAX &&
            reply_number(reply->element[i], &list[count]))
            count++;
    if (!reading->up && root < number)
        list[count++] = root;
    reading->thread_count = count;
    answered(reading, status);
}

/* ---- a window of numbers */

static bool is_last(const struct reading *reading, uint64_t number)
{
    const struct room_head *head = &reading->history->head;

    if (reading->history->thread)
        return number == reading->thread[reading->thread_count - 1];
    return reading->up ? number >= head->seq : number <= head->oldest;
}

static void add_slot(struct reading *reading, uint64_t number)
{
    reading->slots[reading->slot_count++] = (struct slot){.number = number};
}

static void take_window(struct reading *reading)
{
    const struct room_head *head = &reading->history->head;
    size_t room = reading->most < WINDOW ? reading->most : WINDOW;

    reading->slot_count = 0;
    if (reading->history->thread) {
        while (reading->slot_count < room &&
               reading->thread_at < reading->thread_count)
            add_slot(reading, reading->thread[reading->thread_at++]);
        return;
    }
    while (reading->slot_count < room && reading->at >= head->oldest &&
           reading->at <= head->seq) {
        add_slot(reading, reading->at);
        reading->at += reading->up ? 1 : (uint64_t)-1;
    }
}

/* How many, from that one on, are one behind the other. */
static size_t run_of(const struct reading *reading, size_t index)
{
    const struct slot *slots = reading->slots;
    size_t end = index + 1;

    while (end < reading->slot_count &&
           slots[end].number ==
               slots[end - 1].number + (reading->up ? 1 : (uint64_t)-1))
        end++;
    return end - index;
}

/* It has come to an end, that way; true: the other one is to be looked. */
static bool turn(struct reading *reading, uint64_t next)
{
    struct history *history = reading->history;

    history->next = next;
    if (reading->up)
        return false;
    for (size_t i = 0; i < reading->count / 2; i++) {
        struct history_found first = reading->found[i];
        reading->found[i] = reading->found[reading->count - 1 - i];
        reading->found[reading->count - 1 - i] = first;
    }
    if (!looks(reading, "around"))
        return false;
    reading->up = true;
    reading->most = history->limit;
    reading->at = history->number < history->head.oldest ? history->head.oldest
                                                         : history->number;
    return true;
}

static void look(struct reading *reading)
{
    struct span changes[WINDOW + 2] = {SPAN("HMGET"), reading->keys.changes};

    for (take_window(reading); reading->slot_count == 0; take_window(reading))
        if (!turn(reading, 0)) {
            finish(reading);
            return;
        }
    for (size_t i = 0; i < reading->slot_count; i++)
        changes[i + 2] = text_of(reading, reading->slots[i].number);
    for (size_t i = 0, run; i < reading->slot_count; i += run) {
        run = run_of(reading, i);
        struct span first = changes[i + 2];
        struct span last = changes[i + run + 1];
        struct span argv[] = {SPAN("XRANGE"), reading->keys.log,
                              reading->up ? first : last,
                              reading->up ? last : first};
        ask(reading, argv, 4, on_entries, reading);
    }
    ask(reading, changes, reading->slot_count + 2, on_changes, reading);
    ask_member(reading, on_window);
}

static struct slot *slot_of(struct reading *reading, uint64_t number)
{
    size_t from = 0;
    size_t to = reading->slot_count;

    while (from < to) {
        size_t middle = (from + to) / 2;
        struct slot *slot = &reading->slots[middle];
        if (slot->number == number)
            return slot;
        if ((slot->number < number) == reading->up)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

static bool is_message(struct span head)
{
    return span_has_prefix(head, SPAN("m "));
}

/* {id, {"e", head, "t", text}}, or without a text.  What is no message is not
   kept. */
static void take_entry(struct reading *reading, const struct redisReply *reply)
{
    struct entry entry;
    const struct redisReply *fields =
        reply->type == REDIS_REPLY_ARRAY && reply->elements == 2
            ? reply->element[1]
            : NULL;

    if (!fields || fields->type != REDIS_REPLY_ARRAY || fields->elements < 2 ||
        !entry_parse_id(reply_text(reply->element[0]), &entry))
        return;
    struct slot *slot = slot_of(reading, entry.seq);
    if (!slot || !is_message(reply_text(fields->element[1])))
        return;
    slot->id = copy(reading, reply->element[0]);
    slot->head = copy(reading, fields->element[1]);
    if (fields->elements >= 4)
        slot->said = copy(reading, fields->element[3]);
}

static void on_entries(void *arg, int status, const struct redisReply *reply)
{
    struct reading *reading = arg;

    if (status == 0 && reply->type != REDIS_REPLY_ARRAY)
        status = UV_EPROTO;
    for (size_t i = 0; status == 0 && i < reply->elements; i++) {
        reading->read += reply_size(reply->element[i]);
        take_entry(reading, reply->element[i]);
    }
    answered(reading, status);
}

static void on_changes(void *arg, int status, const struct redisReply *reply)
{
    struct reading *reading = arg;

    if (status == 0 && (reply->type != REDIS_REPLY_ARRAY ||
                        reply->elements != reading->slot_count))
        status = UV_EPROTO;
    for (size_t i = 0; status == 0 && i < reading->slot_count; i++) {
        struct span change = reply_text(reply->element[i]);
        reading->read += change.len;
        if (reading->slots[i].id.ptr || span_has_prefix(change, SPAN("d ")))
            reading->slots[i].change = copy(reading, reply->element[i]);
    }
    answered(reading, status);
}

/* "d TS HEAD": of what was deleted; its entry is gone, or is about to be. */
static bool take_deleted(struct reading *reading, const struct slot *slot,
                         struct history_found *found)
{
    struct span rest = slot->change;
    struct span word;
    struct span ts;

    if (!span_cut(&rest, ' ', &word) || !span_eq(word, SPAN("d")) ||
        !span_cut(&rest, ' ', &ts) || !rest.ptr)
        return false;
    *found = (struct history_found){
        .id =
            arena_printf(&reading->arena, "%llu-%.*s",
                         (unsigned long long)slot->number, (int)ts.len, ts.ptr),
        .head = rest,
        .deleted = true};
    return true;
}

/* Is it a message? */
static bool take_slot(struct reading *reading, const struct slot *slot,
                      struct history_found *found)
{
    if (!take_deleted(reading, slot, found))
        *found = (struct history_found){.id = slot->id,
                                        .head = slot->head,
                                        .said = slot->said,
                                        .change = slot->change};
    return found->id.ptr && is_message(found->head);
}

/* False: that was enough. */
static bool take_slots(struct reading *reading)
{
    for (size_t i = 0; i < reading->slot_count; i++) {
        const struct slot *slot = &reading->slots[i];
        struct history_found *found = &reading->found[reading->count];
        reading->last = slot->number;
        if (!take_slot(reading, slot, found))
            continue;
        reading->count++;
        reading->bytes -=
            (int64_t)(found->head.len + found->said.len + found->change.len);
        if (reading->count == reading->most || reading->bytes <= 0)
            return false;
    }
    return ++reading->steps % STEPS_MAX > 0 && reading->read < READ_MAX;
}

static void on_window(struct reading *reading)
{
    reading->enough = !take_slots(reading);
    react(reading);
}

static void go_further(struct reading *reading)
{
    uint64_t next = is_last(reading, reading->last) ? 0 : reading->last;

    if (!reading->enough || turn(reading, next))
        look(reading);
    else
        finish(reading);
}

/* ---- reactions */

/* "EDITED REACTED …" */
static bool has_reactions(const struct history_found *found)
{
    struct span rest = found->change;
    struct span edited;

    return span_cut(&rest, ' ', &edited) && span_has_prefix(rest, SPAN("1"));
}

struct reacted {
    struct reading *reading;
    struct history_found *found;
};

static uint64_t number_of(const struct history_found *found)
{
    struct entry entry = {.seq = 0};

    entry_parse_id(found->id, &entry);
    return entry.seq;
}

static void ask_reactions(struct reading *reading, struct history_found *found)
{
    struct reacted *reacted = arena_alloc(&reading->arena, sizeof(*reacted));

    *reacted = (struct reacted){.reading = reading, .found = found};
    struct span argv[] = {
        SPAN("HKEYS"), keys_beside(&reading->arena, "reactions",
                                   reading->history->room, number_of(found))};
    ask(reading, argv, 2, on_reactions, reacted);
}

/* A few messages at a time: all of a page might be more than it may have. */
static void react(struct reading *reading)
{
    size_t asked = 0;
    size_t at = reading->reacted;

    for (; at < reading->count && asked < REACTED_MAX; at++)
        if (has_reactions(&reading->found[at])) {
            ask_reactions(reading, &reading->found[at]);
            asked++;
        }
    reading->reacting = at;
    if (asked > 0) {
        ask_member(reading, on_reacted);
        return;
    }
    reading->reacted = at;
    go_further(reading);
}

static void on_reactions(void *arg, int status, const struct redisReply *reply)
{
    struct reacted *reacted = arg;
    struct reading *reading = reacted->reading;
    struct history_found *found = reacted->found;

    if (status == 0 && reply->type != REDIS_REPLY_ARRAY)
        status = UV_EPROTO;
    if (status == 0 && reply->elements) {
        found->reactions = arena_alloc(
            &reading->arena, reply->elements * sizeof(found->reactions[0]));
        for (size_t i = 0; i < reply->elements; i++)
            found->reactions[i] = copy(reading, reply->element[i]);
        found->reaction_count = reply->elements;
    }
    answered(reading, status);
}

/* A page ends where it has more bytes than it may have. */
static void on_reacted(struct reading *reading)
{
    for (; reading->reacted < reading->reacting; reading->reacted++) {
        struct history_found *found = &reading->found[reading->reacted];
        for (size_t i = 0; i < found->reaction_count; i++)
            reading->bytes -= (int64_t)found->reactions[i].len;
        if (found->reaction_count == 0 || reading->bytes > 0)
            continue;
        reading->count = ++reading->reacted;
        reading->last = number_of(found);
        reading->enough = true;
        break;
    }
    react(reading);
}

/* ---- the end */

static void finish(struct reading *reading)
{
    struct history *history = reading->history;

    if (reading->status == 0 && reading->is_out)
        snprintf(history->refusal, sizeof(history->refusal), "%s",
                 history->head.seq && history->head.kind == ROOM_PUBLIC
                     ? "not-a-member"
                     : "no-such-room");
    history->found = reading->found;
    history->count = reading->count;
    history->cb(history, reading->status); /* and it may be gone */
    arena_deinit(&reading->arena);
    mem_free(reading);
}
