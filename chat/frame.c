/* frame.c - an entry of a room's log as its watchers get it: see rooms.h. */
#include "chat/rooms.h"
#include "common/ws.h"

static void on_free(struct fanout_message *base)
{
    mem_free(frame_of(base));
}

/* said: where it is in the JSON. */
static struct frame *make(const struct entry *entry, struct span json,
                          struct entry_said said)
{
    char head[WS_HEADER_MAX];
    size_t head_len = ws_put_header(head, WS_TEXT, json.len);
    size_t len = head_len + json.len;
    struct frame *frame = mem_alloc(MEM_CACHE, sizeof(*frame) + len);

    *frame = (struct frame){
        .base = {.size = sizeof(*frame) + len, .refs = 1, .free = on_free},
        .seq = entry->seq,
        .ts = entry->ts,
        .target = entry->target,
        .kind = entry->kind,
        .said = {head_len + said.from, head_len + said.to},
        .head_len = (uint8_t)head_len,
        .len = len};
    memcpy(frame->bytes, head, head_len);
    memcpy(frame->bytes + head_len, json.ptr, json.len);
    return frame;
}

struct frame *frame_create(struct span room, const struct entry *entry,
                           const struct text *text)
{
    struct buf json;
    struct json_writer w = {.out = &json};

    buf_init(&json, MEM_CACHE);
    struct entry_said said = entry_put_event(&w, room, entry, text);
    struct frame *frame = make(entry, buf_span(&json), said);
    buf_deinit(&json);
    return frame;
}

struct frame *frame_create_signal(struct span json, bool of_roster)
{
    const struct entry none = {0};
    struct frame *frame = make(&none, json, (struct entry_said){0});

    frame->of_roster = of_roster;
    return frame;
}

struct frame *frame_create_bare(const struct frame *frame)
{
    const struct entry entry = {.kind = frame->kind,
                                .seq = frame->seq,
                                .ts = frame->ts,
                                .target = frame->target};
    size_t head_len = frame->head_len;
    struct span bare = entry_bare(frame->kind);
    struct entry_said said = {frame->said.from - head_len,
                              frame->said.from - head_len + bare.len};
    struct buf json;

    buf_init(&json, MEM_CACHE);
    buf_append(&json, (struct span){frame->bytes + head_len, said.from});
    buf_append(&json, bare);
    buf_append(&json, (struct span){frame->bytes + frame->said.to,
                                    frame->len - frame->said.to});
    struct frame *left = make(&entry, buf_span(&json), said);
    buf_deinit(&json);
    return left;
}
