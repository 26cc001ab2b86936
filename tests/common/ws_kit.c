/* ws_kit.c - see ws_kit.h. */
#include <stdlib.h>
#include <uv.h>

#include "tests/common/ws_kit.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void log_bytes(struct buf *log, struct span bytes)
{
    buf_append_char(log, ' ');
    buf_append_u64(log, bytes.len);
    buf_append_char(log, ' ');
    buf_append(log, bytes);
    buf_append_char(log, ';');
}

void ws_kit_log(struct buf *log, unsigned opcode, struct span bytes)
{
    buf_append(log, opcode == WS_TEXT     ? SPAN("text")
                    : opcode == WS_BINARY ? SPAN("binary")
                    : opcode == WS_PING   ? SPAN("ping")
                    : opcode == WS_PONG   ? SPAN("pong")
                                          : SPAN("?"));
    log_bytes(log, bytes);
}

void ws_kit_log_close(struct buf *log, unsigned code, struct span reason)
{
    buf_append(log, SPAN("close "));
    buf_append_u64(log, code);
    log_bytes(log, reason);
}

void ws_kit_log_fail(struct buf *log, unsigned code)
{
    buf_append(log, SPAN("fail "));
    buf_append_u64(log, code);
    buf_append_char(log, ';');
}

static bool on_message(void *arg, enum ws_opcode opcode, struct span bytes)
{
    check(bytes.ptr);
    ws_kit_log(arg, opcode, bytes);
    return true;
}

static bool on_ping(void *arg, struct span bytes)
{
    ws_kit_log(arg, WS_PING, bytes);
    return true;
}

static bool on_pong(void *arg, struct span bytes)
{
    ws_kit_log(arg, WS_PONG, bytes);
    return true;
}

static void on_close(void *arg, unsigned code, struct span reason)
{
    ws_kit_log_close(arg, code, reason);
}

static int feed_copy(struct ws *ws, struct span bytes)
{
    char *copy = malloc(bytes.len);

    check(copy);
    memcpy(copy, bytes.ptr, bytes.len);
    int status = ws_feed(ws, (struct span){copy, bytes.len});
    free(copy);
    return status;
}

bool ws_kit_read(const struct ws_kit *kit, struct span bytes, struct buf *log)
{
    struct buf scratch = {.tag = MEM_APP};
    struct ws_options options = {.on_message = on_message,
                                 .on_ping = on_ping,
                                 .on_pong = on_pong,
                                 .on_close = on_close,
                                 .max_message = kit->max_message,
                                 .scratch = kit->is_client ? NULL : &scratch,
                                 .is_client = kit->is_client};
    size_t live = mem_live(MEM_CONN);
    size_t step = kit->first;
    int status = 0;
    struct ws ws;

    ws_init(&ws, &options, log);
    while (bytes.len && status == 0) {
        size_t len = bytes.len < step ? bytes.len : step;
        status = feed_copy(&ws, (struct span){bytes.ptr, len});
        check(ws_is_partial(&ws) || mem_live(MEM_CONN) == live);
        bytes = span_skip(bytes, len);
        step = kit->step;
    }
    if (status > 0)
        ws_kit_log_fail(log, (unsigned)status);
    bool is_partial = ws_is_partial(&ws);
    check(!status || (!is_partial && ws_feed(&ws, SPAN("\x81")) == UV_EOF));
    ws_deinit(&ws);
    buf_deinit(&scratch);
    check(mem_live(MEM_CONN) == live);
    return is_partial;
}

/* The length that a head tells, *used its size; false: it is not whole. */
static bool read_length(struct span frames, size_t *used, uint64_t *len)
{
    if (frames.len < 2)
        return false;
    unsigned first = (unsigned char)frames.ptr[1] & 0x7f;
    size_t size = first < 126 ? 0 : first == 126 ? 2 : 8;
    if (frames.len < 2 + size)
        return false;
    *len = size ? 0 : first;
    for (size_t i = 0; i < size; i++)
        *len = *len << 8 | (unsigned char)frames.ptr[2 + i];
    *used = 2 + size;
    return true;
}

void ws_kit_mask(struct buf *out, struct span frames, uint32_t key)
{
    unsigned char octets[4] = {(unsigned char)(key >> 24),
                               (unsigned char)(key >> 16),
                               (unsigned char)(key >> 8), (unsigned char)key};
    uint64_t len;
    size_t used;

    while (read_length(frames, &used, &len)) {
        size_t start = out->len;
        buf_append(out, (struct span){frames.ptr, used});
        out->ptr[start + 1] = (char)(out->ptr[start + 1] ^ 0x80);
        buf_append(out, (struct span){(char *)octets, sizeof(octets)});
        frames = span_skip(frames, used);
        size_t here = frames.len < len ? frames.len : (size_t)len;
        for (size_t i = 0; i < here; i++)
            buf_append_char(out, (char)(frames.ptr[i] ^ octets[i % 4]));
        frames = span_skip(frames, here);
    }
    /* A head that is cut stays cut. */
    size_t rest = out->len;
    buf_append(out, frames);
    if (frames.len > 1)
        out->ptr[rest + 1] = (char)(out->ptr[rest + 1] ^ 0x80);
}
