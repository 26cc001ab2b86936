/*
 * test_ws_wslay.c - frames at random, right and wrong, read and written by us
 * and by libwslay: both must say the same.
 *
 * LAB_SEED gives other frames; a failure prints the seed and the bytes.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/common/ws_kit.h"
#include "tests/common/wslay_kit.h"
#include "tests/test.h"

#define STREAMS 4000
#define MAX_MESSAGE 70000

static uint64_t seed = 1;

static uint32_t draw(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 32) % below;
}

static bool one_in(uint32_t n)
{
    return draw(n) == 0;
}

/*
 * A stream that is made.  What it breaks must have one answer: a close frame is
 * wrong in one way only, and where the stream is cut is inside of a message.
 */
struct maker {
    struct buf out, text; /* text: what the open message goes on with */
    unsigned open;        /* opcode of the message that is not whole, or 0 */
    size_t tail;          /* bytes at the end that may be cut off */
    bool breaks;
};

static uint32_t draw_len(void)
{
    static const uint32_t edges[] = {125, 126, 127, 4095, 65535, 65536};

    if (one_in(4))
        return 0;
    return one_in(25) ? edges[draw(COUNT(edges))] : draw(one_in(8) ? 400 : 20);
}

static void append_text(struct buf *text, size_t len)
{
    static const struct span characters[] = {
        {"a", 1},
        {"\x7f", 1},
        {"\xc2\x80", 2},
        {"\xdf\xbf", 2},
        {"\xe0\xa0\x80", 3},
        {"\xed\x9f\xbf", 3},
        {"\xef\xbf\xbf", 3},
        {"\xf0\x90\x80\x80", 4},
        {"\xf4\x8f\xbf\xbf", 4},
    };

    while (len--)
        buf_append(text, characters[draw(COUNT(characters))]);
}

/* Wrong: its length in 8 bytes, needed or not, or a bit of its first byte. */
static void append_header(struct buf *out, unsigned first, size_t len,
                          bool is_wrong)
{
    char header[WS_HEADER_MAX];
    size_t size = ws_put_header(header, WS_BINARY, len);

    header[0] = (char)first;
    if (is_wrong && one_in(3)) {
        size = WS_HEADER_MAX;
        header[1] = 127;
        for (size_t i = 0; i < 8; i++)
            header[2 + i] = (char)((uint64_t)len >> 8 * (7 - i));
    } else if (is_wrong) {
        unsigned other = first ^ 1u << draw(8);
        if ((other & 15) != WS_CLOSE)
            header[0] = (char)other;
    }
    buf_append(out, (struct span){header, size});
}

static void append_frame(struct maker *maker, unsigned first,
                         struct span payload, bool breaks)
{
    bool is_wrong = breaks && one_in(6);

    append_header(&maker->out, first, payload.len, is_wrong);
    buf_append(&maker->out, payload);
    maker->tail = is_wrong || first & WS_CLOSE ? 0 : payload.len;
    if (breaks && payload.len && one_in(6)) {
        char *byte = maker->out.ptr + maker->out.len - 1;
        byte -= draw((uint32_t)payload.len);
        *byte = (char)(*byte ^ 1 << draw(8));
    }
}

static void append_close(struct maker *maker)
{
    static const unsigned codes[] = {1000, 1003, 1007, 1011, 3000, 4429, 4999};
    struct buf text = {.tag = MEM_APP};
    char room[WS_CONTROL_MAX];
    bool is_any = maker->breaks && one_in(3);
    unsigned code = is_any ? draw(6000) : codes[draw(COUNT(codes))];

    if (code >= 1012 && code <= 1014) /* see the differences */
        code = WS_CODE_NONE;
    append_text(&text, draw(60));
    append_frame(maker, 0x80 | WS_CLOSE,
                 ws_close_payload(room, code, buf_span(&text)),
                 maker->breaks && !is_any);
    buf_deinit(&text);
}

/* Some wrong ones are longer than they may be. */
static void append_ping(struct maker *maker)
{
    struct buf text = {.tag = MEM_APP};

    append_text(&text, draw(maker->breaks && one_in(10) ? 200 : 30));
    append_frame(maker, 0x80 | (WS_PING + draw(2)), buf_span(&text),
                 maker->breaks);
    buf_deinit(&text);
}

/* Of text a frame that is not the last may end inside a character. */
static void append_data(struct maker *maker)
{
    bool is_last = !one_in(3);
    unsigned opcode = maker->open ? 0 : WS_TEXT + draw(2);

    if (opcode)
        maker->open = opcode;
    append_text(&maker->text, draw_len());
    size_t len = maker->text.len;
    if (!is_last && len)
        len -= draw(len < 4 ? (uint32_t)len : 4);
    append_frame(maker, (is_last ? 0x80 : 0) | opcode,
                 (struct span){maker->text.ptr, len}, maker->breaks);
    buf_consume(&maker->text, len);
    if (is_last)
        maker->open = 0;
}

/* Frames of a server. */
static void make_stream(struct buf *out, bool breaks)
{
    struct maker maker = {
        .out = {.tag = MEM_APP}, .text = {.tag = MEM_APP}, .breaks = breaks};

    for (uint32_t i = 0, count = 1 + draw(8); i < count; i++) {
        if (one_in(20))
            append_close(&maker);
        else if (one_in(3))
            append_ping(&maker);
        else
            append_data(&maker);
    }
    if (maker.tail && one_in(4))
        maker.out.len -= draw((uint32_t)maker.tail);
    buf_deinit(&maker.text);
    *out = maker.out;
}

static void read_both(struct span bytes, bool is_client, struct buf *ours,
                      struct buf *theirs)
{
    struct ws_kit kit = {is_client, MAX_MESSAGE, SIZE_MAX, SIZE_MAX};

    buf_init(ours, MEM_APP);
    buf_init(theirs, MEM_APP);
    ws_kit_read(&kit, bytes, ours);
    wslay_kit_read(is_client, MAX_MESSAGE, bytes, theirs);
}

static void print_bytes(const char *name, struct span bytes)
{
    char *hex = calloc(1, 2 * bytes.len + 1);

    span_hex(hex, bytes);
    print_error("%s: %s\n", name, hex);
    free(hex);
}

static bool ends_with(struct span s, struct span end)
{
    return s.len >= end.len && span_eq(span_skip(s, s.len - end.len), end);
}

/* Both say the same.  Were the frames right, if perhaps too many? */
static bool compare(struct span bytes, bool is_client, uint64_t from)
{
    struct buf ours;
    struct buf theirs;

    read_both(bytes, is_client, &ours, &theirs);
    if (!span_eq(buf_span(&ours), buf_span(&theirs))) {
        print_bytes("stream", bytes);
        print_bytes("ours", buf_span(&ours));
        print_bytes("theirs", buf_span(&theirs));
        fail_msg("LAB_SEED=%" PRIu64 ", a %s", from,
                 is_client ? "client" : "server");
    }
    bool is_wrong = ends_with(buf_span(&ours), SPAN("fail 1002;")) ||
                    ends_with(buf_span(&ours), SPAN("fail 1007;"));
    buf_deinit(&ours);
    buf_deinit(&theirs);
    return !is_wrong;
}

static void test_ws_reads_what_wslay_reads(void **state)
{
    int right = 0;
    (void)state;

    if (!wslay_kit_is_there())
        skip();
    for (int i = 0; i < STREAMS; i++) {
        uint64_t from = seed;
        bool breaks = one_in(2);
        struct buf plain;
        struct buf masked = {.tag = MEM_APP};
        make_stream(&plain, breaks);
        ws_kit_mask(&masked, buf_span(&plain), draw(UINT32_MAX));
        bool is_right = compare(buf_span(&plain), true, from);
        assert_int_equal(compare(buf_span(&masked), false, from), is_right);
        assert_true(is_right || breaks);
        right += is_right;
        buf_deinit(&plain);
        buf_deinit(&masked);
    }
    assert_in_range(right, STREAMS / 2, STREAMS * 9 / 10);
}

/* A message or control frame as the log tells it. */
static unsigned draw_message(struct buf *text, struct buf *log)
{
    static const unsigned opcodes[] = {WS_TEXT, WS_BINARY, WS_PING, WS_PONG};
    unsigned opcode = opcodes[draw(COUNT(opcodes))];

    text->len = 0;
    append_text(text, opcode >= WS_CLOSE ? draw(30) : draw_len() / 4);
    ws_kit_log(log, opcode, buf_span(text));
    return opcode;
}

static void check_log(struct buf *ours, struct buf *wanted)
{
    if (!span_eq(buf_span(ours), buf_span(wanted))) {
        print_bytes("read", buf_span(ours));
        print_bytes("written", buf_span(wanted));
        fail();
    }
    ours->len = wanted->len = 0;
}

static void test_ws_writes_what_wslay_reads(void **state)
{
    struct buf text = {.tag = MEM_APP};
    struct buf out = {.tag = MEM_APP};
    struct buf wanted = {.tag = MEM_APP};
    struct buf log = {.tag = MEM_APP};
    (void)state;

    if (!wslay_kit_is_there())
        skip();
    for (int i = 0; i < STREAMS; i++) {
        bool is_client = one_in(2); /* the reader */
        out.len = 0;
        for (int k = 0; k < 4; k++) {
            unsigned opcode = draw_message(&text, &wanted);
            if (is_client)
                ws_append(&out, (enum ws_opcode)opcode, buf_span(&text));
            else
                ws_append_masked(&out, (enum ws_opcode)opcode, buf_span(&text),
                                 draw(UINT32_MAX));
        }
        if (is_client) {
            ws_append_close(&out, 1001, SPAN("bye"));
            ws_kit_log_close(&wanted, 1001, SPAN("bye"));
        }
        wslay_kit_read(is_client, MAX_MESSAGE, buf_span(&out), &log);
        check_log(&log, &wanted);
    }
    buf_deinit(&text);
    buf_deinit(&out);
    buf_deinit(&wanted);
    buf_deinit(&log);
}

/* Messages in several frames, too. */
static void write_by_wslay(struct buf *out, bool masks, unsigned opcode,
                           struct span bytes)
{
    while (opcode < WS_CLOSE && one_in(2)) {
        size_t len = draw((uint32_t)bytes.len + 1);
        wslay_kit_write(out, masks, false, opcode,
                        (struct span){bytes.ptr, len}, draw(UINT32_MAX));
        bytes = span_skip(bytes, len);
        opcode = 0;
    }
    wslay_kit_write(out, masks, true, opcode, bytes, draw(UINT32_MAX));
}

static void test_ws_reads_what_wslay_writes(void **state)
{
    struct buf text = {.tag = MEM_APP};
    struct buf out = {.tag = MEM_APP};
    struct buf wanted = {.tag = MEM_APP};
    struct buf log = {.tag = MEM_APP};
    (void)state;

    if (!wslay_kit_is_there())
        skip();
    buf_reserve(&text, 1); /* wslay does not take NULL */
    for (int i = 0; i < STREAMS; i++) {
        struct ws_kit kit = {.is_client = one_in(2),
                             .max_message = MAX_MESSAGE,
                             .first = 1 + draw(40),
                             .step = 1 + draw(5000)};
        out.len = 0;
        for (int k = 0; k < 4; k++) {
            unsigned opcode = draw_message(&text, &wanted);
            write_by_wslay(&out, !kit.is_client, opcode, buf_span(&text));
        }
        assert_false(ws_kit_read(&kit, buf_span(&out), &log));
        check_log(&log, &wanted);
    }
    buf_deinit(&text);
    buf_deinit(&out);
    buf_deinit(&wanted);
    buf_deinit(&log);
}

/* Where the two do not agree, and why we stay with ours. */
static void test_ws_differs_from_wslay_where_it_is_meant_to(void **state)
{
    static const struct {
        struct span frames, ours, theirs;
    } cases[] = {
        /* RFC 6455, 5.5.1: a payload of a close frame begins with 2 bytes. */
        {BYTES("\x88\x01\x03"), BYTES("fail 1002;"),
         BYTES("close 1005 1 \x03;")},
        /* Registered since: service restart, try again later, bad gateway. */
        {BYTES("\x88\x02\x03\xf4"), BYTES("close 1012 0 ;"),
         BYTES("fail 1002;")},
        {BYTES("\x88\x02\x03\xf5"), BYTES("close 1013 0 ;"),
         BYTES("fail 1002;")},
        {BYTES("\x88\x02\x03\xf6"), BYTES("close 1014 0 ;"),
         BYTES("fail 1002;")},
        /* Of two faults the first is told. */
        {BYTES("\x88\x03\x03\xe7\xff"), BYTES("fail 1002;"),
         BYTES("fail 1007;")},
        /* A reason is looked at when it is whole, */
        {BYTES("\x88\x05\x03\xe8\xff"), BYTES(""), BYTES("fail 1007;")},
        /* a head as soon as there is any of it. */
        {BYTES("\x83"), BYTES("fail 1002;"), BYTES("")},
    };
    struct buf ours;
    struct buf theirs;
    (void)state;

    if (!wslay_kit_is_there())
        skip();
    for (size_t i = 0; i < COUNT(cases); i++) {
        read_both(cases[i].frames, true, &ours, &theirs);
        assert_true(span_eq(buf_span(&ours), cases[i].ours));
        assert_true(span_eq(buf_span(&theirs), cases[i].theirs));
        buf_deinit(&ours);
        buf_deinit(&theirs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ws_reads_what_wslay_reads),
        cmocka_unit_test(test_ws_writes_what_wslay_reads),
        cmocka_unit_test(test_ws_reads_what_wslay_writes),
        cmocka_unit_test(test_ws_differs_from_wslay_where_it_is_meant_to),
    };
    const char *given = getenv("LAB_SEED");

    if (given)
        seed = strtoull(given, NULL, 10);
    if (seed == 0)
        seed = 1; /* of 0 only zeros come */
    if (!wslay_kit_is_there())
        print_message("skipped: libwslay is not installed\n");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
