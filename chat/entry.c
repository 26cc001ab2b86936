/* entry.c - see entry.h. */
#include "chat/entry.h"

#define NUMBER_MAX ((UINT64_C(1) << 53) - 1)

static bool take_number(struct span *rest, uint64_t *out)
{
    struct span word;

    return span_cut(rest, ' ', &word) && span_to_u64(word, NUMBER_MAX, out);
}

bool entry_parse_id(struct span id, struct entry *entry)
{
    struct span word;

    return span_cut(&id, '-', &word) &&
           span_to_u64(word, NUMBER_MAX, &entry->seq) && id.ptr &&
           span_to_u64(id, NUMBER_MAX, &entry->ts);
}

static bool parse_message(struct span rest, struct entry *entry)
{
    if (!take_number(&rest, &entry->reply_to) ||
        !take_number(&rest, &entry->root) || !rest.ptr)
        return false;
    entry->mentions = rest;
    return true;
}

static bool parse_react(struct span rest, struct entry *entry)
{
    uint64_t on;

    if (!take_number(&rest, &entry->target) || !take_number(&rest, &on) ||
        on > 1 || !rest.ptr || !rest.len)
        return false;
    entry->on = on;
    entry->emoji = rest;
    return true;
}

static bool parse_member(struct span rest, struct entry *entry)
{
    return span_cut(&rest, ' ', &entry->user) &&
           span_cut(&rest, ' ', &entry->change) && rest.ptr &&
           (entry->role = rest, rest.len > 0);
}

static bool parse_rest(struct span rest, struct entry *entry)
{
    switch (entry->kind) {
    case ENTRY_MESSAGE:
        return parse_message(rest, entry);
    case ENTRY_EDIT:
    case ENTRY_DELETE:
        return take_number(&rest, &entry->target);
    case ENTRY_REACT:
        return parse_react(rest, entry);
    case ENTRY_MEMBER:
        return parse_member(rest, entry);
    case ENTRY_ROOM:
        return true;
    }
    return false;
}

bool entry_parse(struct span head, struct entry *entry)
{
    struct span kind;

    if (!span_cut(&head, ' ', &kind) || kind.len != 1 ||
        !span_cut(&head, ' ', &entry->from) || !entry->from.len ||
        !take_number(&head, &entry->count))
        return false;
    entry->kind = (enum entry_kind)kind.ptr[0];
    return parse_rest(head, entry);
}

bool entry_mentions(const struct entry *entry, struct span name)
{
    struct span rest = entry->mentions;

    for (struct span one; span_cut(&rest, ',', &one);)
        if (span_eq(one, name))
            return true;
    return false;
}

bool text_parse(struct span said, struct text *text)
{
    *text = (struct text){0};
    if (said.len == 0)
        return true;
    if (!span_cut(&said, ' ', &text->client_id) || !said.ptr)
        return false;
    text->plain = said;
    return true;
}

/* ---- what clients read */

static void put_key_string(struct json_writer *w, const char *key,
                           struct span value)
{
    json_put_key(w, key);
    json_put_string(w, value);
}

static void put_key_number(struct json_writer *w, const char *key,
                           uint64_t value)
{
    json_put_key(w, key);
    json_put_int(w, (int64_t)value);
}

static void put_mentions(struct json_writer *w, struct span rest)
{
    json_put_key(w, "mentions");
    json_put_open(w, '[');
    for (struct span one; span_cut(&rest, ',', &one);)
        if (one.len)
            json_put_string(w, one);
    json_put_close(w, ']');
}

struct span entry_bare(enum entry_kind kind)
{
    return kind == ENTRY_MESSAGE ? SPAN(",\"text\":null,\"deleted\":true")
                                 : SPAN(",\"text\":null");
}

static void put_text(struct json_writer *w, const struct text *text)
{
    json_put_key(w, "text");
    if (text->plain.ptr)
        json_put_string(w, text->plain);
    else
        json_put_null(w);
    if (text->unreadable) {
        json_put_key(w, "unreadable");
        json_put_bool(w, true);
    }
}

static void put_said(struct json_writer *w, enum entry_kind kind,
                     const struct text *text)
{
    if (!text->plain.ptr && !text->unreadable) {
        buf_append(w->out, entry_bare(kind));
        return;
    }
    if (text->client_id.ptr && kind == ENTRY_MESSAGE)
        put_key_string(w, "client_id", text->client_id);
    put_text(w, text);
}

static void put_message(struct json_writer *w, const struct entry *entry)
{
    if (entry->reply_to)
        put_key_number(w, "reply_to", entry->reply_to);
    put_mentions(w, entry->mentions);
}

static void put_member(struct json_writer *w, const struct entry *entry)
{
    put_key_string(w, "user", entry->user);
    put_key_string(w, "change", entry->change);
    if (role_name(entry->role.ptr[0]))
        put_key_string(w, "role", span_str(role_name(entry->role.ptr[0])));
}

static const char *type_of(enum entry_kind kind)
{
    switch (kind) {
    case ENTRY_MESSAGE:
        return "message";
    case ENTRY_EDIT:
        return "edit";
    case ENTRY_DELETE:
        return "delete";
    case ENTRY_REACT:
        return "react";
    case ENTRY_MEMBER:
        return "member";
    case ENTRY_ROOM:
        break;
    }
    return "room";
}

/* {"a":1} without its braces, behind what stands there. */
static void put_members_of(struct json_writer *w, struct span object)
{
    if (object.len <= 2)
        return;
    buf_append_char(w->out, ',');
    buf_append(w->out, (struct span){object.ptr + 1, object.len - 2});
}

static void put_own(struct json_writer *w, const struct entry *entry,
                    struct span plain)
{
    switch (entry->kind) {
    case ENTRY_MESSAGE:
        put_message(w, entry);
        break;
    case ENTRY_EDIT:
    case ENTRY_DELETE:
        put_key_number(w, "target", entry->target);
        break;
    case ENTRY_REACT:
        put_key_number(w, "target", entry->target);
        put_key_string(w, "emoji", entry->emoji);
        json_put_key(w, "on");
        json_put_bool(w, entry->on);
        break;
    case ENTRY_MEMBER:
        put_member(w, entry);
        break;
    case ENTRY_ROOM:
        put_members_of(w, plain);
        break;
    }
}

struct entry_said entry_put_event(struct json_writer *w, struct span room,
                                  const struct entry *entry,
                                  const struct text *text)
{
    json_put_open(w, '{');
    put_key_string(w, "type", span_str(type_of(entry->kind)));
    put_key_string(w, "room", room);
    put_key_number(w, "seq", entry->seq);
    put_key_string(w, "from", entry->from);
    put_key_number(w, "ts", entry->ts);
    struct entry_said said = {.from = w->out->len};
    if (entry->kind == ENTRY_MESSAGE || entry->kind == ENTRY_EDIT)
        put_said(w, entry->kind, text);
    said.to = w->out->len;
    put_own(w, entry, text->plain);
    json_put_close(w, '}');
    return said;
}

void entry_put_message(struct json_writer *w, const struct entry *entry,
                       uint64_t edited, const struct text *text)
{
    json_put_open(w, '{');
    put_key_number(w, "seq", entry->seq);
    put_key_string(w, "from", entry->from);
    put_key_number(w, "ts", entry->ts);
    put_text(w, text);
    json_put_key(w, "deleted");
    json_put_bool(w, !text->plain.ptr && !text->unreadable);
    if (edited)
        put_key_number(w, "edited_seq", edited);
    if (entry->reply_to)
        put_key_number(w, "reply_to", entry->reply_to);
    put_mentions(w, entry->mentions);
}
