/* frame.c - an entry of a room's log as its watchers get it: see rooms.h. */
#include "chat/rooms.h"
#include "common/ws.h"

static void on_free(struct fanout_message *base)
{
    mem_free(frame_of(base));
}

struct frame *frame_create(struct span room, const struct entry *entry,
                           const struct text *text)
{
    char head[WS_HEADER_MAX];
    struct buf json;
    struct json_writer w = {.out = &json};

    buf_init(&json, MEM_CACHE);
    entry_put_event(&w, room, entry, text->client_id, text->plain);
    size_t head_len = ws_put_header(head, WS_TEXT, json.len);
    size_t len = head_len + json.len;
    struct frame *frame = mem_alloc(MEM_CACHE, sizeof(*frame) + len);
    *frame = (struct frame){
        .base = {.size = sizeof(*frame) + len, .refs = 1, .free = on_free},
        .seq = entry->seq,
        .ts = entry->ts,
        .len = len};
    memcpy(frame->bytes, head, head_len);
    memcpy(frame->bytes + head_len, json.ptr, json.len);
    buf_deinit(&json);
    return frame;
}
