/*
 * load_bare.c - the bare loop with the chat's frames.
 *
 *   upgrade -- watch: one more in that room -- send: the event to each of the
 *   room, one write each -- the answer
 *
 * Rooms are numbered, and each socket watches one at most.
 */
#include <inttypes.h>
#include <stdio.h>

#include "chat/load_crowd.h"
#include "common/load_bare.h"

#define ID "bare-"
#define ID_DIGITS 12
#define FDS (LOAD_MAX_CONNECTIONS + 256)
#define MASK_LEN 4

#define UPGRADED                                             \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: "          \
    "websocket\r\nConnection: Upgrade\r\n"                   \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" \
    "Sec-WebSocket-Protocol: chat.v1.json\r\n\r\n"

struct bare_room {
    uint64_t seq;
    int *fds;
    size_t count, cap;
};

struct bare {
    struct bare_room rooms[LOAD_MAX_CONNECTIONS];
    struct bare_room *of[FDS]; /* by fd; NULL: none */
    char text[CROWD_TEXT_MAX + 1];
    struct buf event, frame;
};

void crowd_bare_id(char out[CROWD_ID_MAX], size_t room)
{
    snprintf(out, CROWD_ID_MAX, ID "%0*zu", ID_DIGITS, room);
}

static void forget(void *arg, int fd)
{
    struct bare *bare = arg;
    struct bare_room *room = bare->of[fd];

    for (size_t i = 0; room && i < room->count; i++)
        if (room->fds[i] == fd)
            room->fds[i] = room->fds[--room->count];
    bare->of[fd] = NULL;
}

static void watch(struct bare *bare, struct bare_room *room, int fd)
{
    forget(bare, fd);
    if (room->count == room->cap) {
        room->cap = room->cap ? 2 * room->cap : 2;
        room->fds = mem_realloc(MEM_LOAD, room->fds, room->cap * sizeof(int));
    }
    room->fds[room->count++] = fd;
    bare->of[fd] = room;
}

/* What is between a key and the next quote or comma. */
static struct span value_of(const char *text, const char *key, char end)
{
    const char *at = strstr(text, key);

    if (!at)
        return SPAN("");
    struct span value = span_str(at + strlen(key));
    value.len = span_find(value, end);
    return value;
}

static void put(struct bare *bare, int fd)
{
    load_bare_put(fd, buf_span(&bare->frame));
}

static void frame_event(struct bare *bare)
{
    bare->frame.len = 0;
    ws_append(&bare->frame, WS_TEXT, buf_span(&bare->event));
    bare->event.len = 0;
}

/* As long as that of the chat. */
static void tell(struct bare *bare, struct bare_room *room, struct span id)
{
    struct span client_id = value_of(bare->text, "\"client_id\":\"", '"');
    struct span said = value_of(bare->text, "\"text\":\"", '"');

    buf_printf(&bare->event,
               "{\"type\":\"message\",\"room\":\"%.*s\",\"seq\":%" PRIu64
               ",\"from\":\"bare-00000000\",\"ts\":1700000000000,"
               "\"client_id\":\"%.*s\",\"text\":\"%.*s\",\"mentions\":[]}",
               (int)id.len, id.ptr, ++room->seq, (int)client_id.len,
               client_id.ptr, (int)said.len, said.ptr);
    frame_event(bare);
    for (size_t i = 0; i < room->count; i++)
        put(bare, room->fds[i]);
}

static void answer(struct bare *bare, int fd)
{
    struct span number = value_of(bare->text, "{\"id\":", ',');
    struct span id = value_of(bare->text, "\"room\":\"" ID, '"');
    uint64_t index = 0;

    if (!span_to_u64(id, LOAD_MAX_CONNECTIONS - 1, &index))
        return;
    struct bare_room *room = &bare->rooms[index];
    id = value_of(bare->text, "\"room\":\"", '"');
    if (strstr(bare->text, "\"op\":\"watch\""))
        watch(bare, room, fd);
    else
        tell(bare, room, id);
    buf_printf(&bare->event,
               "{\"id\":%.*s,\"ok\":true,\"room\":\"%.*s\",\"seq\":%" PRIu64
               ",\"ts\":1700000000000}",
               (int)number.len, number.ptr, (int)id.len, id.ptr, room->seq);
    frame_event(bare);
    put(bare, fd);
}

/* A client's frame, at most 65,535 bytes: its length; 0: not whole. */
static size_t take_frame(struct bare *bare, int fd, struct span bytes)
{
    const unsigned char *head = (const unsigned char *)bytes.ptr;
    size_t at = 2;

    if (bytes.len < 4)
        return 0;
    size_t len = head[1] & 0x7f;
    if (len == 126) {
        len = (size_t)head[2] << 8 | head[3];
        at = 4;
    }
    if (bytes.len < at + MASK_LEN + len)
        return 0;
    const unsigned char *mask = head + at;
    const unsigned char *masked = mask + MASK_LEN;
    for (size_t i = 0; i < len && i < CROWD_TEXT_MAX; i++)
        bare->text[i] = (char)(masked[i] ^ mask[i % MASK_LEN]);
    bare->text[len < CROWD_TEXT_MAX ? len : CROWD_TEXT_MAX] = '\0';
    answer(bare, fd);
    return at + MASK_LEN + len;
}

static size_t take(void *arg, int fd, struct span bytes)
{
    if (bytes.ptr[0] != 'G')
        return take_frame(arg, fd, bytes);
    const char *end = memmem(bytes.ptr, bytes.len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    load_bare_put(fd, SPAN(UPGRADED));
    return (size_t)(end - bytes.ptr) + 4;
}

int crowd_serve_bare(uint16_t port)
{
    struct bare *bare = mem_zalloc(MEM_LOAD, sizeof(*bare));

    buf_init(&bare->event, MEM_LOAD);
    buf_init(&bare->frame, MEM_LOAD);
    int err =
        load_bare_serve(port, &(struct load_bare_service){
                                  .take = take, .forget = forget, .arg = bare});
    mem_free(bare);
    return err;
}
