/*
 * test_ws_parts.c - callbacks that stop, memory, what is written, the keys of
 * the handshake, and UTF-8 beside our other reader of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "tests/common/ws_kit.h"
#include "tests/test.h"

#define MAX_MESSAGE 65536

/* A connection on the heap, which its callbacks may end. */
struct conn {
    struct ws ws;
    char seen[32]; /* what was delivered, a letter each */
    struct span wanted;
    size_t held; /* by it, inside the last callback */
    bool stops;
    enum { STAYS, IS_FREED, IS_FILLED } end;
};

static void end_conn(struct conn *conn)
{
    if (conn->end == STAYS)
        return;
    ws_deinit(&conn->ws);
    if (conn->end == IS_FILLED)
        memset(&conn->ws, 0xa5, sizeof(conn->ws));
    else
        free(conn);
}

static bool note(struct conn *conn, char letter, struct span bytes)
{
    bool stops = conn->stops;
    size_t len = strlen(conn->seen);

    assert_true(len + 1 < sizeof(conn->seen));
    conn->seen[len] = letter;
    conn->held = mem_live(MEM_CONN);
    struct span wanted = conn->wanted;
    end_conn(conn);
    if (wanted.ptr) /* lent for as long as the callback runs */
        assert_true(span_eq(bytes, wanted));
    return !stops;
}

static bool on_message(void *arg, enum ws_opcode opcode, struct span bytes)
{
    return note(arg, opcode == WS_TEXT ? 't' : 'b', bytes);
}

static bool on_ping(void *arg, struct span bytes)
{
    return note(arg, 'i', bytes);
}

static bool on_pong(void *arg, struct span bytes)
{
    return note(arg, 'o', bytes);
}

static void on_close(void *arg, unsigned code, struct span reason)
{
    (void)code;
    note(arg, 'c', reason);
}

static struct buf scratch = {.tag = MEM_APP};
static const struct ws_options client = {.on_message = on_message,
                                         .on_ping = on_ping,
                                         .on_pong = on_pong,
                                         .on_close = on_close,
                                         .max_message = MAX_MESSAGE,
                                         .is_client = true};
static const struct ws_options server = {.on_message = on_message,
                                         .on_ping = on_ping,
                                         .on_pong = on_pong,
                                         .on_close = on_close,
                                         .max_message = MAX_MESSAGE,
                                         .scratch = &scratch};

static struct conn *conn_create(const struct ws_options *options)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    ws_init(&conn->ws, options, conn);
    return conn;
}

static void conn_destroy(struct conn *conn)
{
    if (conn)
        ws_deinit(&conn->ws);
    free(conn);
    assert_int_equal(mem_live(MEM_CONN), 0);
}

/* In pieces of step bytes, until the first status that is not 0. */
static int feed(struct conn *conn, struct span bytes, size_t step)
{
    struct ws *ws = &conn->ws;
    int status = 0;

    while (status == 0 && bytes.len) {
        size_t len = bytes.len < step ? bytes.len : step;
        status = ws_feed(ws, (struct span){bytes.ptr, len});
        bytes = span_skip(bytes, len);
    }
    return status;
}

/* What is delivered first, and what follows it. */
static const struct {
    struct span frames;
    char letter;
    struct span bytes;
} deliveries[] = {
    {BYTES("\x81\x05hello\x81\x01x"), 't', BYTES("hello")},
    {BYTES("\x82\x05hello\x88\0"), 'b', BYTES("hello")},
    {BYTES("\x01\x03hel\x80\x02lo\x89\0"), 't', BYTES("hello")},
    {BYTES("\x89\x05hello\x89\0"), 'i', BYTES("hello")},
    {BYTES("\x8a\x05hello\x8a\0"), 'o', BYTES("hello")},
    {BYTES("\x01\x03hel\x89\x01p\x80\x02lo"), 'i', BYTES("p")},
    {BYTES("\x01\x03hel\x8a\x01p\x80\x02lo"), 'o', BYTES("p")},
    {BYTES("\x01\x03hel\x88\x03\x03\xe8x\x80\x02lo"), 'c', BYTES("x")},
    {BYTES("\x88\x03\x03\xe8x\x88\0"), 'c', BYTES("x")},
    {BYTES("\x81\0\x81\0"), 't', BYTES("")},
};

static void test_ws_delivers_nothing_once_a_callback_stops(void **state)
{
    (void)state;

    for (size_t i = 0; i < COUNT(deliveries); i++) {
        for (size_t step = 1; step < 12; step++) {
            struct conn *conn = conn_create(&client);
            char seen[] = {deliveries[i].letter, '\0'};
            conn->stops = true;
            conn->wanted = deliveries[i].bytes;
            assert_int_equal(feed(conn, deliveries[i].frames, step),
                             seen[0] == 'c' ? UV_EOF : UV_ECANCELED);
            assert_int_equal(ws_feed(&conn->ws, SPAN("\x81\0")), UV_EOF);
            assert_string_equal(conn->seen, seen);
            conn_destroy(conn);
        }
    }
}

/* Freed, the sanitizer sees it read; filled, the test sees it written. */
static void end_inside(bool is_client, unsigned end, struct span frames,
                       size_t step, size_t i)
{
    struct conn *conn = conn_create(is_client ? &client : &server);
    char filled[sizeof(conn->ws)];

    memset(filled, 0xa5, sizeof(filled));
    conn->stops = true;
    conn->end = end;
    conn->wanted = deliveries[i].bytes;
    assert_int_equal(feed(conn, frames, step),
                     deliveries[i].letter == 'c' ? UV_EOF : UV_ECANCELED);
    assert_int_equal(mem_live(MEM_CONN), 0);
    if (end == IS_FILLED) {
        assert_memory_equal(&conn->ws, filled, sizeof(filled));
        free(conn);
    }
}

static void test_ws_may_be_freed_by_a_callback(void **state)
{
    (void)state;

    for (size_t i = 0; i < COUNT(deliveries); i++) {
        struct buf masked = {.tag = MEM_APP};
        ws_kit_mask(&masked, deliveries[i].frames, 0xa1b2c3d4);
        for (size_t step = 1; step < 12; step++) {
            for (unsigned end = IS_FREED; end <= IS_FILLED; end++) {
                end_inside(true, end, deliveries[i].frames, step, i);
                end_inside(false, end, buf_span(&masked), step, i);
            }
        }
        buf_deinit(&masked);
    }
    buf_deinit(&scratch);
}

static void test_ws_holds_no_memory_between_messages(void **state)
{
    struct conn *conn = conn_create(&server);
    struct buf frames = {.tag = MEM_APP};
    char text[200];
    (void)state;

    memset(text, 'x', sizeof(text));
    for (uint32_t i = 0; i < 16; i++)
        ws_append_masked(&frames, WS_TEXT, (struct span){text, 10 * i}, i);
    assert_int_equal(ws_feed(&conn->ws, buf_span(&frames)), 0);
    assert_string_equal(conn->seen, "tttttttttttttttt");
    assert_int_equal(conn->held, 0); /* nor inside the callback */
    assert_false(ws_is_partial(&conn->ws));
    assert_in_range(scratch.cap, 150, 512); /* that of one, used again */

    memset(conn->seen, 0, sizeof(conn->seen));
    for (size_t i = 0; i < frames.len; i++)
        assert_int_equal(ws_feed(&conn->ws, (struct span){frames.ptr + i, 1}),
                         0);
    assert_string_equal(conn->seen, "tttttttttttttttt");
    assert_false(ws_is_partial(&conn->ws));
    assert_int_equal(mem_live(MEM_CONN), 0);
    buf_deinit(&frames);
    buf_deinit(&scratch);
    conn_destroy(conn);
}

/* 64 KiB are announced each time; nothing of them, or a byte, has come. */
static void test_ws_holds_what_came_not_what_was_announced(void **state)
{
    static const struct span starts[] = {
        BYTES("\x82"),
        BYTES("\x82\xff\0\0\0\0\0\x01\0\0"),
        BYTES("\x82\xff\0\0\0\0\0\x01\0\0keyk"),
        BYTES("\x82\xff\0\0\0\0\0\x01\0\0keykx"),
        BYTES("\x02\x81keykx\0\xfe\xff\xff"
              "keykx"),
        BYTES("\x02\x80keyk"),
    };
    (void)state;

    for (size_t i = 0; i < COUNT(starts); i++) {
        struct conn *conn = conn_create(&server);
        assert_int_equal(ws_feed(&conn->ws, starts[i]), 0);
        assert_true(ws_is_partial(&conn->ws));
        assert_in_range(mem_live(MEM_CONN), 1, 400);
        conn_destroy(conn);
    }
    buf_deinit(&scratch);
}

static void test_ws_frees_all_when_it_fails(void **state)
{
    struct conn *conn = conn_create(&client);
    (void)state;

    assert_int_equal(ws_feed(&conn->ws, SPAN("\x01\x03hel")), 0);
    assert_true(mem_live(MEM_CONN) > 0);
    assert_int_equal(ws_feed(&conn->ws, SPAN("\x80\x01\xff")),
                     WS_CODE_NOT_UTF8);
    assert_int_equal(mem_live(MEM_CONN), 0);
    assert_false(ws_is_partial(&conn->ws));
    assert_int_equal(ws_feed(&conn->ws, SPAN("\x81\0")), UV_EOF);
    assert_string_equal(conn->seen, "");
    conn_destroy(conn);
}

static void test_ws_feeds_on_nothing(void **state)
{
    struct conn *conn = conn_create(&client);
    (void)state;

    assert_int_equal(ws_feed(&conn->ws, (struct span){NULL, 0}), 0);
    assert_int_equal(ws_feed(&conn->ws, SPAN("\x81")), 0);
    assert_int_equal(ws_feed(&conn->ws, (struct span){NULL, 0}), 0);
    assert_int_equal(ws_feed(&conn->ws, SPAN("\0")), 0);
    assert_string_equal(conn->seen, "t");
    conn_destroy(conn);
}

/* Each of the first three bytes, and of a fourth those that tell. */
static void test_ws_knows_utf8_as_span_does(void **state)
{
    static const unsigned char marks[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f,
                                          0xa0, 0xbf, 0xc0, 0xed, 0xf4, 0xff};
    struct conn *conn = conn_create(&client);
    char frame[6] = "\x81\x04";
    (void)state;

    for (unsigned i = 0; i < 65536 * COUNT(marks); i++) {
        unsigned mark = i >> 16;
        memcpy(frame + 2,
               (char[]){(char)(i >> 8), (char)i, (char)marks[mark],
                        (char)marks[i % COUNT(marks)]},
               4);
        struct span rest = {frame + 2, 4};
        size_t len = 1;
        while (rest.len && (len = span_utf8_length(rest)))
            rest = span_skip(rest, len);
        ws_init(&conn->ws, &client, conn);
        memset(conn->seen, 0, sizeof(conn->seen));
        int status = ws_feed(&conn->ws, (struct span){frame, 6});
        if (status != (len ? 0 : WS_CODE_NOT_UTF8))
            fail_msg("%08x: %d", i, status);
    }
    conn_destroy(conn);
}

static void test_ws_appends_frames_that_the_other_side_reads(void **state)
{
    struct buf plain = {.tag = MEM_APP};
    struct buf masked = {.tag = MEM_APP};
    (void)state;

    ws_append(&plain, WS_TEXT, SPAN("hello"));
    ws_append(&plain, WS_BINARY, (struct span){NULL, 0});
    ws_append(&plain, WS_PING, SPAN("p"));
    ws_append_close(&plain, 1000, SPAN("bye"));
    assert_true(span_eq(buf_span(&plain), SPAN("\x81\x05hello\x82\0\x89\x01p"
                                               "\x88\x05\x03\xe8"
                                               "bye")));
    ws_append_masked(&masked, WS_TEXT, SPAN("Hello"), 0x37fa213d);
    ws_append_masked(&masked, WS_PONG, (struct span){NULL, 0}, 0x01020304);
    assert_true(span_eq(buf_span(&masked),
                        SPAN("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
                             "\x8a\x80\x01\x02\x03\x04")));
    buf_deinit(&plain);
    buf_deinit(&masked);
}

static void test_ws_puts_headers_for_lengths_of_all_sizes(void **state)
{
    static const struct {
        uint64_t len;
        struct span header;
    } cases[] = {
        {0, BYTES("\x81\0")},
        {125, BYTES("\x81\x7d")},
        {126, BYTES("\x81\x7e\0\x7e")},
        {65535, BYTES("\x81\x7e\xff\xff")},
        {65536, BYTES("\x81\x7f\0\0\0\0\0\x01\0\0")},
        {0x0123456789abcdef, BYTES("\x81\x7f\x01\x23\x45\x67\x89\xab\xcd\xef")},
    };
    char out[WS_HEADER_MAX];
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t len = ws_put_header(out, WS_TEXT, cases[i].len);
        assert_true(span_eq((struct span){out, len}, cases[i].header));
    }
}

/* A reason of so many bytes x and then characters of 2, 3 or 4 bytes. */
static void test_ws_cuts_reasons_between_characters(void **state)
{
    static const struct {
        size_t ascii;
        struct span character;
        size_t kept;
    } cases[] = {
        {123, BYTES("\xc3\xa4"), 123},
        {122, BYTES("\xc3\xa4"), 122},
        {121, BYTES("\xc3\xa4"), 123},
        {120, BYTES("\xe2\x82\xac"), 123},
        {121, BYTES("\xe2\x82\xac"), 121},
        {122, BYTES("\xe2\x82\xac"), 122},
        {120, BYTES("\xf0\x9f\x90\x88"), 120},
        {119, BYTES("\xf0\x9f\x90\x88"), 123},
        {119, BYTES("x"), 123},
        {120, BYTES("x"), 123},
        {200, BYTES("x"), 123},
    };
    char reason[256];
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        char room[WS_CONTROL_MAX];
        size_t len = cases[i].ascii;
        memset(reason, 'x', len);
        for (int k = 0; k < 4; k++, len += cases[i].character.len)
            memcpy(reason + len, cases[i].character.ptr,
                   cases[i].character.len);
        struct span payload =
            ws_close_payload(room, 1011, (struct span){reason, len});
        assert_int_equal(payload.len, 2 + cases[i].kept);
        assert_memory_equal(payload.ptr, "\x03\xf3", 2);
        assert_memory_equal(payload.ptr + 2, reason, cases[i].kept);
    }
}

static void test_ws_closes_without_a_code(void **state)
{
    struct buf frame = {.tag = MEM_APP};
    (void)state;

    ws_append_close(&frame, WS_CODE_NONE, SPAN("not sent"));
    assert_true(span_eq(buf_span(&frame), SPAN("\x88\0")));
    buf_deinit(&frame);
}

static void test_ws_accepts_keys_as_the_rfc_does(void **state)
{
    char accept[WS_ACCEPT_LEN];
    (void)state;

    ws_accept_key(SPAN("dGhlIHNhbXBsZSBub25jZQ=="), accept);
    assert_memory_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", WS_ACCEPT_LEN);
}

static void test_ws_takes_keys_of_16_bytes_alone(void **state)
{
    static const struct {
        const char *key;
        bool is_valid;
    } cases[] = {
        {"dGhlIHNhbXBsZSBub25jZQ==", true},
        {"AAAAAAAAAAAAAAAAAAAAAA==", true},
        {"////+++azAZ0099ABCDEFA==", true},
        {"dGhlIHNhbXBsZSBub25jZR==", true},
        {"", false},
        {"dGhlIHNhbXBsZSBub25jZQ=", false},
        {"dGhlIHNhbXBsZSBub25jZQ", false},
        {"dGhlIHNhbXBsZSBub25jZQ===", false},
        {"dGhlIHNhbXBsZSBub25jZWE=", false},
        {"dGhlIHNhbXBsZSBub25jZWFi", false},
        {"dGhlIHNhbXBsZSBub25jZ===", false},
        {"dGhlIHNhbXBsZS-ub25jZQ==", false},
        {"dGhlIHNhbXBsZS ub25jZQ==", false},
        {"=GhlIHNhbXBsZSBub25jZQ==", false},
        {"dGhlIHNhbXBsZSBub25j=Q==", false},
        {"dGhlIHNhbXBsZSBub25jZQ=x", false},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        if (ws_key_is_valid(span_str(cases[i].key)) != cases[i].is_valid)
            fail_msg("%s", cases[i].key);
    assert_false(ws_key_is_valid((struct span){NULL, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ws_delivers_nothing_once_a_callback_stops),
        cmocka_unit_test(test_ws_may_be_freed_by_a_callback),
        cmocka_unit_test(test_ws_holds_no_memory_between_messages),
        cmocka_unit_test(test_ws_holds_what_came_not_what_was_announced),
        cmocka_unit_test(test_ws_frees_all_when_it_fails),
        cmocka_unit_test(test_ws_feeds_on_nothing),
        cmocka_unit_test(test_ws_knows_utf8_as_span_does),
        cmocka_unit_test(test_ws_appends_frames_that_the_other_side_reads),
        cmocka_unit_test(test_ws_puts_headers_for_lengths_of_all_sizes),
        cmocka_unit_test(test_ws_cuts_reasons_between_characters),
        cmocka_unit_test(test_ws_closes_without_a_code),
        cmocka_unit_test(test_ws_accepts_keys_as_the_rfc_does),
        cmocka_unit_test(test_ws_takes_keys_of_16_bytes_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
