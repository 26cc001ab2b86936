/*
 * ws.c - see ws.h.
 *
 * A frame that is a message of its own, or a control frame, and is whole in
 * the bytes at hand goes straight to its callback:
 *
 *   ws_feed() -> read_frame() -> read_head() -> deliver_whole()
 *
 * Any other gathers in a struct ws_partial, over as many calls as it takes:
 *
 *   read_frame() -> read_head() -> read_payload() -> end_frame()
 *
 * Each step gives what ws_feed() returns.  However the bytes are cut, the same
 * is delivered and the same fault is found.
 */
#include <assert.h>
#include <openssl/evp.h>
#include <uv.h>

#include "common/ws.h"

#define CONTINUATION 0
#define HEAD_MAX (WS_HEADER_MAX + 4)
#define LENGTH_16 126 /* what stands for a length of 2 bytes, and of 8 */
#define LENGTH_64 127
#define CODE_LEN 2

struct frame {
    uint64_t len;
    unsigned char key[4]; /* all zero: not masked */
    uint8_t opcode;
    bool fin;
};

/* What the next byte must be; left 0: one that begins a character. */
struct utf8 {
    uint8_t left, low, high;
};

struct ws_partial {
    struct buf bytes;   /* of the message; then of a control frame inside it */
    struct frame frame; /* whose payload is read, while in_payload */
    uint64_t done;      /* bytes of that payload */
    struct utf8 utf8;
    uint8_t opcode; /* of the message; 0: none has begun */
    bool in_payload;
    uint8_t head_len; /* 0 unless a head is not whole */
    char head[HEAD_MAX];
};

void ws_init(struct ws *ws, const struct ws_options *options, void *arg)
{
    *ws = (struct ws){.options = options, .arg = arg};
}

static void free_partial(struct ws_partial *partial)
{
    if (partial)
        buf_deinit(&partial->bytes);
    mem_free(partial);
}

static void drop_partial(struct ws *ws)
{
    free_partial(ws->partial);
    ws->partial = NULL;
}

/* Between two messages nothing is held. */
static void drop_if_idle(struct ws *ws)
{
    if (ws->partial && ws->partial->opcode == 0)
        drop_partial(ws);
}

static struct ws_partial *need_partial(struct ws *ws)
{
    if (!ws->partial) {
        ws->partial = mem_zalloc(MEM_CONN, sizeof(*ws->partial));
        buf_init(&ws->partial->bytes, MEM_CONN);
    }
    return ws->partial;
}

void ws_deinit(struct ws *ws)
{
    drop_partial(ws);
    ws->ended = true;
}

/* ---- UTF-8, as it comes */

static bool utf8_begin(struct utf8 *utf8, unsigned char c)
{
    if (c < 0x80)
        return true;
    if (c < 0xc2 || c > 0xf4)
        return false;
    utf8->left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    /* No overlong forms, no surrogates, nothing past U+10FFFF. */
    utf8->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    utf8->high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    return true;
}

static bool utf8_continue(struct utf8 *utf8, unsigned char c)
{
    if (c < utf8->low || c > utf8->high)
        return false;
    utf8->left--;
    utf8->low = 0x80;
    utf8->high = 0xbf;
    return true;
}

/* The first of the bytes of which not all up to the next seven are ASCII. */
static const char *skip_ascii(const char *at, const char *end)
{
    uint64_t eight;

    for (; end - at >= 8; at += 8) {
        memcpy(&eight, at, sizeof(eight));
        if (eight & UINT64_C(0x8080808080808080))
            break;
    }
    return at;
}

/* False as soon as no byte could make it right. */
static bool utf8_feed(struct utf8 *utf8, struct span bytes)
{
    const char *at = bytes.ptr;
    const char *end = at + bytes.len;

    while (at < end) {
        if (utf8->left) {
            if (!utf8_continue(utf8, (unsigned char)*at++))
                return false;
            continue;
        }
        at = skip_ascii(at, end);
        if (at < end && !utf8_begin(utf8, (unsigned char)*at++))
            return false;
    }
    return true;
}

static bool is_utf8(struct span bytes)
{
    struct utf8 utf8 = {0};

    return utf8_feed(&utf8, bytes) && utf8.left == 0;
}

/* ---- Masks */

/* to and from are not the same; at: which byte of the payload is the first. */
static void apply_mask(char *to, const char *from, size_t len,
                       const unsigned char key[4], uint64_t at)
{
    unsigned char turned[8];
    uint64_t mask;
    uint64_t eight;
    size_t i = 0;

    for (size_t k = 0; k < sizeof(turned); k++)
        turned[k] = key[(at + k) & 3];
    memcpy(&mask, turned, sizeof(mask));
    for (; len - i >= 8; i += 8) {
        memcpy(&eight, from + i, sizeof(eight));
        eight ^= mask;
        memcpy(to + i, &eight, sizeof(eight));
    }
    for (; i < len; i++)
        to[i] = (char)((unsigned char)from[i] ^ turned[i & 3]);
}

/* ---- Heads */

static bool is_control(const struct frame *frame)
{
    return frame->opcode >= WS_CLOSE;
}

static bool may_come(const struct ws *ws, const struct frame *frame)
{
    bool is_open = ws->partial && ws->partial->opcode;

    switch (frame->opcode) {
    case CONTINUATION:
        return is_open;
    case WS_TEXT:
    case WS_BINARY:
        return !is_open;
    case WS_CLOSE:
    case WS_PING:
    case WS_PONG:
        return frame->fin;
    default:
        return false;
    }
}

static uint64_t read_number(const unsigned char *at, size_t size)
{
    uint64_t number = 0;

    for (size_t i = 0; i < size; i++)
        number = number << 8 | at[i];
    return number;
}

/* size: of the length's own bytes; there are none but those it needs. */
static int check_length(const struct ws *ws, const struct frame *frame,
                        size_t size)
{
    size_t have = ws->partial ? ws->partial->bytes.len : 0;

    if (size == 2 && frame->len < LENGTH_16)
        return WS_CODE_PROTOCOL;
    if (size == 8 && (frame->len <= UINT16_MAX || frame->len > INT64_MAX))
        return WS_CODE_PROTOCOL;
    if (!is_control(frame) && frame->len > ws->options->max_message - have)
        return WS_CODE_TOO_BIG;
    return 0;
}

/*
 * A head at the start of bytes: *used is its length, or 0 while it is not
 * whole.  What there is of one is checked, so its first fault is found early.
 */
static int parse_head(const struct ws *ws, struct span bytes,
                      struct frame *frame, size_t *used)
{
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    size_t key_size = ws->options->is_client ? 0 : sizeof(frame->key);

    *used = 0;
    *frame = (struct frame){.opcode = at[0] & 0xf, .fin = at[0] & 0x80};
    if (at[0] & 0x70 || !may_come(ws, frame))
        return WS_CODE_PROTOCOL;
    if (bytes.len < 2)
        return 0;
    frame->len = at[1] & 0x7f;
    if (!(at[1] & 0x80) != ws->options->is_client ||
        (is_control(frame) && frame->len > WS_CONTROL_MAX))
        return WS_CODE_PROTOCOL;

    size_t size = frame->len < LENGTH_16 ? 0 : frame->len == LENGTH_16 ? 2 : 8;
    if (bytes.len < 2 + size)
        return 0;
    if (size)
        frame->len = read_number(at + 2, size);
    int code = check_length(ws, frame, size);
    if (code || bytes.len < 2 + size + key_size)
        return code;
    memcpy(frame->key, at + 2 + size, key_size);
    *used = 2 + size + key_size;
    return 0;
}

/* A head that begins with what was kept of it; UV_EAGAIN: it is kept, too. */
static int read_kept_head(struct ws *ws, struct span *bytes,
                          struct frame *frame)
{
    struct ws_partial *partial = need_partial(ws);
    size_t kept = partial->head_len;
    size_t room = HEAD_MAX - kept;
    size_t more = bytes->len < room ? bytes->len : room;
    size_t used;

    memcpy(partial->head + kept, bytes->ptr, more);
    int code =
        parse_head(ws, (struct span){partial->head, kept + more}, frame, &used);
    if (code)
        return code;
    partial->head_len = used ? 0 : (uint8_t)(kept + more);
    *bytes = span_skip(*bytes, used ? used - kept : more);
    return used ? 0 : UV_EAGAIN;
}

static int read_head(struct ws *ws, struct span *bytes, struct frame *frame)
{
    size_t used;

    if (ws->partial && ws->partial->head_len)
        return read_kept_head(ws, bytes, frame);
    int code = parse_head(ws, *bytes, frame, &used);
    if (code)
        return code;
    if (used == 0)
        return read_kept_head(ws, bytes, frame);
    *bytes = span_skip(*bytes, used);
    return 0;
}

/* ---- Messages and control frames that are whole */

static bool code_is_valid(unsigned code)
{
    if (code >= 3000)
        return code <= 4999;
    return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 &&
           code != 1006;
}

static int deliver_close(struct ws *ws, struct span bytes)
{
    unsigned code = WS_CODE_NONE;

    if (bytes.len) {
        if (bytes.len < CODE_LEN)
            return WS_CODE_PROTOCOL;
        code =
            (unsigned)read_number((const unsigned char *)bytes.ptr, CODE_LEN);
        if (!code_is_valid(code))
            return WS_CODE_PROTOCOL;
        bytes = span_skip(bytes, CODE_LEN);
        if (!is_utf8(bytes))
            return WS_CODE_NOT_UTF8;
    }
    drop_partial(ws);
    ws->ended = true;
    ws->options->on_close(ws->arg, code, bytes);
    return UV_EOF;
}

static int deliver(struct ws *ws, unsigned opcode, struct span bytes)
{
    const struct ws_options *options = ws->options;
    bool goes_on;

    if (opcode == WS_CLOSE)
        return deliver_close(ws, bytes);
    ws->ended = true; /* unless the callback says otherwise */
    if (opcode == WS_PING)
        goes_on = options->on_ping(ws->arg, bytes);
    else if (opcode == WS_PONG)
        goes_on = options->on_pong(ws->arg, bytes);
    else
        goes_on = options->on_message(ws->arg, (enum ws_opcode)opcode, bytes);
    if (!goes_on)
        return UV_ECANCELED;
    ws->ended = false;
    return 0;
}

/* All of the payload is in bytes, and no message goes on with it. */
static int deliver_whole(struct ws *ws, const struct frame *frame,
                         struct span *bytes)
{
    struct span payload = {bytes->ptr, (size_t)frame->len};

    *bytes = span_skip(*bytes, payload.len);
    if (payload.len && !ws->options->is_client) {
        struct buf *scratch = ws->options->scratch;
        scratch->len = 0;
        char *to = buf_reserve(scratch, payload.len);
        apply_mask(to, payload.ptr, payload.len, frame->key, 0);
        payload.ptr = to;
    }
    if (frame->opcode == WS_TEXT && !is_utf8(payload))
        return WS_CODE_NOT_UTF8;
    drop_if_idle(ws); /* its head had been kept */
    return deliver(ws, frame->opcode, payload);
}

/* ---- Payloads that are not */

static void begin_payload(struct ws *ws, const struct frame *frame)
{
    struct ws_partial *partial = need_partial(ws);

    partial->frame = *frame;
    partial->done = 0;
    partial->in_payload = true;
    if (frame->opcode == WS_TEXT || frame->opcode == WS_BINARY)
        partial->opcode = frame->opcode;
}

static int end_control(struct ws *ws)
{
    struct ws_partial *partial = ws->partial;
    unsigned opcode = partial->frame.opcode;
    size_t len = (size_t)partial->frame.len;
    char copy[WS_CONTROL_MAX] = {0}; /* the message may go, and its bytes */

    partial->bytes.len -= len;
    if (len)
        memcpy(copy, partial->bytes.ptr + partial->bytes.len, len);
    drop_if_idle(ws);
    return deliver(ws, opcode, (struct span){copy, len});
}

static int end_message(struct ws *ws)
{
    struct ws_partial *partial = ws->partial;
    struct span bytes = buf_span(&partial->bytes);

    if (partial->utf8.left)
        return WS_CODE_NOT_UTF8;
    ws->partial = NULL; /* ours until the callback has returned */
    int status = deliver(ws, partial->opcode, bytes.len ? bytes : SPAN(""));
    free_partial(partial);
    return status;
}

static int end_frame(struct ws *ws)
{
    struct ws_partial *partial = ws->partial;

    partial->in_payload = false;
    if (is_control(&partial->frame))
        return end_control(ws);
    return partial->frame.fin ? end_message(ws) : 0;
}

/* As much of it as there is. */
static int read_payload(struct ws *ws, struct span *bytes)
{
    struct ws_partial *partial = ws->partial;
    struct frame *frame = &partial->frame;
    uint64_t left = frame->len - partial->done;
    size_t len = bytes->len < left ? bytes->len : (size_t)left;

    if (len) {
        char *to = buf_reserve(&partial->bytes, len);
        apply_mask(to, bytes->ptr, len, frame->key, partial->done);
        buf_commit(&partial->bytes, len);
        partial->done += len;
        *bytes = span_skip(*bytes, len);
        if (!is_control(frame) && partial->opcode == WS_TEXT &&
            !utf8_feed(&partial->utf8, (struct span){to, len}))
            return WS_CODE_NOT_UTF8;
    }
    return partial->done == frame->len ? end_frame(ws) : 0;
}

/* ---- All of them */

static int read_frame(struct ws *ws, struct span *bytes)
{
    struct frame frame;

    if (ws->partial && ws->partial->in_payload)
        return read_payload(ws, bytes);
    int status = read_head(ws, bytes, &frame);
    if (status)
        return status == UV_EAGAIN ? 0 : status;
    if (frame.fin && frame.opcode != CONTINUATION && frame.len <= bytes->len)
        return deliver_whole(ws, &frame, bytes);
    begin_payload(ws, &frame);
    return read_payload(ws, bytes);
}

int ws_feed(struct ws *ws, struct span bytes)
{
    int status = ws->ended ? UV_EOF : 0;

    while (status == 0 && bytes.len)
        status = read_frame(ws, &bytes);
    if (status > 0)
        ws_deinit(ws);
    return status;
}

/* ---- Writing */

size_t ws_put_header(char out[WS_HEADER_MAX], enum ws_opcode opcode,
                     uint64_t len)
{
    size_t size = len < LENGTH_16 ? 0 : len <= UINT16_MAX ? 2 : 8;

    assert(opcode < WS_CLOSE || len <= WS_CONTROL_MAX);
    out[0] = (char)(0x80 | opcode);
    out[1] = (char)(size == 0 ? len : size == 2 ? LENGTH_16 : LENGTH_64);
    for (size_t i = 0; i < size; i++)
        out[2 + i] = (char)(len >> 8 * (size - 1 - i));
    return 2 + size;
}

void ws_append(struct buf *buf, enum ws_opcode opcode, struct span bytes)
{
    char *to = buf_reserve(buf, WS_HEADER_MAX + bytes.len);

    buf_commit(buf, ws_put_header(to, opcode, bytes.len));
    buf_append(buf, bytes);
}

void ws_append_masked(struct buf *buf, enum ws_opcode opcode, struct span bytes,
                      uint32_t key)
{
    char *to = buf_reserve(buf, HEAD_MAX + bytes.len);
    unsigned char octets[4];
    size_t head = ws_put_header(to, opcode, bytes.len);

    to[1] = (char)(to[1] | 0x80);
    for (size_t i = 0; i < sizeof(octets); i++)
        octets[i] = (unsigned char)(key >> 8 * (3 - i));
    memcpy(to + head, octets, sizeof(octets));
    head += sizeof(octets);
    apply_mask(to + head, bytes.ptr, bytes.len, octets, 0);
    buf_commit(buf, head + bytes.len);
}

struct span ws_close_payload(char room[WS_CONTROL_MAX], unsigned code,
                             struct span reason)
{
    size_t len = reason.len;

    if (code == WS_CODE_NONE)
        return (struct span){room, 0};
    if (len > WS_CONTROL_MAX - CODE_LEN) {
        len = WS_CONTROL_MAX - CODE_LEN;
        while (len && ((unsigned char)reason.ptr[len] & 0xc0) == 0x80)
            len--;
    }
    room[0] = (char)(code >> 8);
    room[1] = (char)code;
    if (len)
        memcpy(room + CODE_LEN, reason.ptr, len);
    return (struct span){room, CODE_LEN + len};
}

void ws_append_close(struct buf *buf, unsigned code, struct span reason)
{
    char room[WS_CONTROL_MAX];

    ws_append(buf, WS_CLOSE, ws_close_payload(room, code, reason));
}

/* ---- The handshake's keys */

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c >= '0' && c <= '9') || c == '+' || c == '/';
}

bool ws_key_is_valid(struct span key)
{
    if (key.len != WS_KEY_LEN)
        return false;
    for (size_t i = 0; i < WS_KEY_LEN - 2; i++)
        if (!is_base64(key.ptr[i]))
            return false;
    return key.ptr[WS_KEY_LEN - 2] == '=' && key.ptr[WS_KEY_LEN - 1] == '=';
}

void ws_accept_key(struct span key, char out[WS_ACCEPT_LEN])
{
    static const char suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[WS_KEY_LEN + sizeof(suffix) - 1];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char base64[WS_ACCEPT_LEN + 1]; /* and a NUL */
    unsigned len = 0;

    assert(key.len == WS_KEY_LEN);
    memcpy(text, key.ptr, WS_KEY_LEN);
    memcpy(text + WS_KEY_LEN, suffix, sizeof(suffix) - 1);
    int done = EVP_Digest(text, sizeof(text), digest, &len, EVP_sha1(), NULL);
    assert(done == 1 && len == 20);
    EVP_EncodeBlock(base64, digest, (int)len);
    memcpy(out, base64, WS_ACCEPT_LEN);
}
