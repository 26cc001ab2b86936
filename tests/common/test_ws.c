/*
 * test_ws.c - frames in, messages out: every rule, however the bytes are cut.
 *
 * The tables hold a server's frames.  Each is read as a client reads them and,
 * masked, as a server does: whole, byte by byte and cut at every place.
 */
#include <stdlib.h>
#include <uv.h>

#include "tests/common/ws_kit.h"
#include "tests/test.h"

#define MAX_MESSAGE 100000
#define KEY 0x37fa213d

struct stream {
    struct span frames, log;
};

static void fail_stream(const struct ws_kit *kit, struct span frames,
                        struct span log, struct span wanted)
{
    char *hex = calloc(1, 2 * frames.len + 1);

    span_hex(hex, frames);
    print_error("a %s, pieces of %zu and %zu bytes of %.100s\n",
                kit->is_client ? "client" : "server", kit->first, kit->step,
                hex);
    free(hex);
    fail_msg("read %.*s, not %.*s", (int)log.len, log.ptr, (int)wanted.len,
             wanted.ptr);
}

/* Does it hold memory at the end? */
static bool read_one_way(const struct ws_kit *kit, struct span frames,
                         struct span wanted)
{
    struct buf log;

    buf_init(&log, MEM_APP);
    bool is_partial = ws_kit_read(kit, frames, &log);
    if (!span_eq(buf_span(&log), wanted))
        fail_stream(kit, frames, buf_span(&log), wanted);
    buf_deinit(&log);
    return is_partial;
}

/* Long streams are not cut at every place, but at many. */
static void read_all_ways(bool is_client, size_t max_message,
                          struct span frames, struct span wanted)
{
    struct ws_kit kit = {.is_client = is_client,
                         .max_message = max_message,
                         .first = SIZE_MAX,
                         .step = SIZE_MAX};
    size_t stride = frames.len < 600 ? 1 : 1 + frames.len / 40;

    bool is_partial = read_one_way(&kit, frames, wanted);
    for (size_t at = 1; at < frames.len; at += at < 40 ? 1 : stride) {
        kit.first = at;
        assert_int_equal(read_one_way(&kit, frames, wanted), is_partial);
    }
    kit.first = kit.step = 1;
    assert_int_equal(read_one_way(&kit, frames, wanted), is_partial);
}

static void expect_max(size_t max_message, struct span frames,
                       struct span wanted)
{
    struct buf masked;

    buf_init(&masked, MEM_APP);
    ws_kit_mask(&masked, frames, KEY);
    read_all_ways(true, max_message, frames, wanted);
    read_all_ways(false, max_message, buf_span(&masked), wanted);
    buf_deinit(&masked);
}

static void expect_streams(const struct stream *streams, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect_max(MAX_MESSAGE, streams[i].frames, streams[i].log);
}

static void test_ws_reads_messages_and_control_frames(void **state)
{
    static const struct stream streams[] = {
        {BYTES("\x81\x05hello"), BYTES("text 5 hello;")},
        {BYTES("\x81\0"), BYTES("text 0 ;")},
        {BYTES("\x82\x03\0\xff\x80"), BYTES("binary 3 \0\xff\x80;")},
        {BYTES("\x89\x02hi"), BYTES("ping 2 hi;")},
        {BYTES("\x89\0\x8a\0"), BYTES("ping 0 ;pong 0 ;")},
        {BYTES("\x8a\x03\xff\xfe\0"), BYTES("pong 3 \xff\xfe\0;")},
        {BYTES("\x81\x01"
               "a\x82\x01"
               "b\x81\x01"
               "c"),
         BYTES("text 1 a;binary 1 b;text 1 c;")},
    };
    (void)state;

    expect_streams(streams, COUNT(streams));
}

/* RFC 6455, 5.7, word for word. */
static void test_ws_reads_the_examples_of_the_rfc(void **state)
{
    (void)state;

    read_all_ways(true, MAX_MESSAGE, SPAN("\x81\x05\x48\x65\x6c\x6c\x6f"),
                  SPAN("text 5 Hello;"));
    read_all_ways(false, MAX_MESSAGE,
                  SPAN("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
                  SPAN("text 5 Hello;"));
    read_all_ways(true, MAX_MESSAGE,
                  SPAN("\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f"),
                  SPAN("text 5 Hello;"));
    read_all_ways(false, MAX_MESSAGE,
                  SPAN("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
                  SPAN("pong 5 Hello;"));
}

static void test_ws_puts_fragments_together(void **state)
{
    static const struct stream streams[] = {
        {BYTES("\x01\x03hel\x80\x02lo"), BYTES("text 5 hello;")},
        {BYTES("\x02\x01\xff\0\x01\xfe\x80\x01\xfd"),
         BYTES("binary 3 \xff\xfe\xfd;")},
        {BYTES("\x01\0\0\0\x80\0"), BYTES("text 0 ;")},
        {BYTES("\x01\0\0\x01x\x80\0"), BYTES("text 1 x;")},
        {BYTES("\x01\x01"
               "a\x80\x01"
               "b\x02\x01"
               "c\x80\x01"
               "d"),
         BYTES("text 2 ab;binary 2 cd;")},
        {BYTES("\x01\x01x"), BYTES("")},
        {BYTES("\x01\x01x\0\x01y"), BYTES("")},
    };
    (void)state;

    expect_streams(streams, COUNT(streams));
}

static void test_ws_delivers_control_frames_between_fragments(void **state)
{
    static const struct stream streams[] = {
        {BYTES("\x01\x03hel\x89\x02hi\x80\x02lo"),
         BYTES("ping 2 hi;text 5 hello;")},
        {BYTES("\x01\x01"
               "a\x8a\0\x89\x01p\0\x01"
               "b\x8a\x01q\x80\x01"
               "c"),
         BYTES("pong 0 ;ping 1 p;pong 1 q;text 3 abc;")},
        {BYTES("\x01\x01\xc3\x89\x01\xff\x80\x01\xa4"),
         BYTES("ping 1 \xff;text 2 \xc3\xa4;")},
        {BYTES("\x01\x01"
               "a\x88\x02\x03\xe8\x80\x01"
               "b"),
         BYTES("close 1000 0 ;")},
    };
    (void)state;

    expect_streams(streams, COUNT(streams));
}

static void test_ws_refuses_frames_that_may_not_come(void **state)
{
    static const struct stream streams[] = {
        {BYTES("\x80\x01x"), BYTES("fail 1002;")}, /* nothing goes on */
        {BYTES("\0\x01x"), BYTES("fail 1002;")},
        {BYTES("\x81\x01x\x80\0"), BYTES("text 1 x;fail 1002;")},
        {BYTES("\x01\x01x\x80\0\x80\0"), BYTES("text 1 x;fail 1002;")},
        {BYTES("\x01\x01x\x81\x01y"), BYTES("fail 1002;")}, /* one is open */
        {BYTES("\x01\x01x\x01\x01y"), BYTES("fail 1002;")},
        {BYTES("\x02\x01x\x82\x01y"), BYTES("fail 1002;")},
        {BYTES("\x01\x01x\x89\0\x82\x01y"), BYTES("ping 0 ;fail 1002;")},
        {BYTES("\x09\0"), BYTES("fail 1002;")}, /* control frames are whole */
        {BYTES("\x0a\0"), BYTES("fail 1002;")},
        {BYTES("\x08\x02\x03\xe8"), BYTES("fail 1002;")},
        {BYTES("\x01\x01x\x09\0\x80\0"), BYTES("fail 1002;")},
        {BYTES("\x89\x7e\0\x7e"), BYTES("fail 1002;")}, /* and short */
        {BYTES("\x8a\x7e\0\x01"), BYTES("fail 1002;")},
        {BYTES("\x88\x7f\0\0\0\0\0\0\0\x02"), BYTES("fail 1002;")},
    };
    (void)state;

    expect_streams(streams, COUNT(streams));
}

/* All 256 first bytes, before a message and inside one. */
static void test_ws_refuses_reserved_bits_and_opcodes(void **state)
{
    char frame[] = {0, 0};
    (void)state;

    for (unsigned first = 0; first < 256; first++) {
        unsigned opcode = first & 15;
        bool is_known = opcode <= 2 || (opcode >= 8 && opcode <= 10);
        frame[0] = (char)first;
        if ((first & 0x70) == 0 && is_known)
            continue;
        char inside[] = {1, 0, (char)first, 0};
        expect_max(MAX_MESSAGE, (struct span){frame, 2}, SPAN("fail 1002;"));
        expect_max(MAX_MESSAGE, (struct span){inside, 4}, SPAN("fail 1002;"));
    }
}

static void test_ws_wants_masks_from_clients_alone(void **state)
{
    static const struct span plain[] = {
        BYTES("\x81\x01x"), BYTES("\x81\0"), BYTES("\x89\0"),
        BYTES("\x88\0"),    BYTES("\x02\0"), BYTES("\x82\x7e\x01\0"),
    };
    (void)state;

    for (size_t i = 0; i < COUNT(plain); i++) {
        struct buf masked;
        buf_init(&masked, MEM_APP);
        ws_kit_mask(&masked, plain[i], KEY);
        read_all_ways(false, MAX_MESSAGE, plain[i], SPAN("fail 1002;"));
        read_all_ways(true, MAX_MESSAGE, buf_span(&masked), SPAN("fail 1002;"));
        buf_deinit(&masked);
    }
}

/* Every place of a mask, at every alignment, over the words and the rest. */
static void test_ws_takes_masks_off_bytes_at_any_place(void **state)
{
    char bytes[40];
    (void)state;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 37);
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        struct span payload = {bytes + sizeof(bytes) - len, len};
        struct buf frame = {.tag = MEM_APP};
        struct buf log = {.tag = MEM_APP};
        ws_append_masked(&frame, WS_BINARY, payload, 0x01020304);
        for (size_t i = 0; i < len; i++)
            assert_int_equal((unsigned char)frame.ptr[6 + i],
                             (unsigned char)payload.ptr[i] ^
                                 (unsigned char)(1 + i % 4));
        ws_kit_log(&log, WS_BINARY, payload);
        read_all_ways(false, MAX_MESSAGE, buf_span(&frame), buf_span(&log));
        for (size_t step = 2; step < 12; step++)
            read_one_way(&(struct ws_kit){false, MAX_MESSAGE, step, step},
                         buf_span(&frame), buf_span(&log));
        buf_deinit(&frame);
        buf_deinit(&log);
    }
}

static void test_ws_reads_lengths_of_all_sizes(void **state)
{
    static const struct {
        size_t len;
        struct span header;
    } cases[] = {
        {0, BYTES("\x82\0")},
        {1, BYTES("\x82\x01")},
        {125, BYTES("\x82\x7d")},
        {126, BYTES("\x82\x7e\0\x7e")},
        {127, BYTES("\x82\x7e\0\x7f")},
        {65535, BYTES("\x82\x7e\xff\xff")},
        {65536, BYTES("\x82\x7f\0\0\0\0\0\x01\0\0")},
    };
    char *payload = calloc(1, 65536);
    (void)state;

    memset(payload, 'p', 65536);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct span bytes = {payload, cases[i].len};
        struct buf frame = {.tag = MEM_APP};
        struct buf log = {.tag = MEM_APP};
        ws_append(&frame, WS_BINARY, bytes);
        assert_true(span_has_prefix(buf_span(&frame), cases[i].header));
        assert_int_equal(frame.len, cases[i].header.len + bytes.len);
        ws_kit_log(&log, WS_BINARY, bytes);
        expect_max(MAX_MESSAGE, buf_span(&frame), buf_span(&log));
        buf_deinit(&frame);
        buf_deinit(&log);
    }
    free(payload);
}

static void test_ws_refuses_lengths_in_more_bytes_than_needed(void **state)
{
    static const struct stream streams[] = {
        {BYTES("\x82\x7e\0\0"), BYTES("fail 1002;")},
        {BYTES("\x82\x7e\0\x7d"), BYTES("fail 1002;")},
        {BYTES("\x82\x7f\0\0\0\0\0\0\0\x01"), BYTES("fail 1002;")},
        {BYTES("\x82\x7f\0\0\0\0\0\0\xff\xff"), BYTES("fail 1002;")},
        {BYTES("\x82\x7f\x80\0\0\0\0\x01\0\0"), BYTES("fail 1002;")},
        {BYTES("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"),
         BYTES("fail 1002;")},
        {BYTES("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"),
         BYTES("fail 1009;")},
    };
    (void)state;

    expect_streams(streams, COUNT(streams));
}

/* The head is enough: of the payload nothing has come. */
static void test_ws_refuses_too_much_before_it_comes(void **state)
{
    static const struct stream streams[] = {
        {BYTES("\x82\x05"), BYTES("fail 1009;")},
        {BYTES("\x82\x7e\xff\xff"), BYTES("fail 1009;")},
        {BYTES("\x82\x7f\0\0\0\0\xff\xff\xff\xff"), BYTES("fail 1009;")},
        {BYTES("\x02\x05"), BYTES("fail 1009;")},
        {BYTES("\x01\x03xxx\x80\x02"), BYTES("fail 1009;")},
        {BYTES("\x01\x04xxxx\0\x01"), BYTES("fail 1009;")},
        {BYTES("\x02\x01x\0\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"),
         BYTES("fail 1009;")},
        {BYTES("\x81\x04xxxx\x81\x04yyyy"), BYTES("text 4 xxxx;text 4 yyyy;")},
        {BYTES("\x01\x03xxx\x89\x05hello\x80\x01x"),
         BYTES("ping 5 hello;text 4 xxxx;")}, /* messages only */
        {BYTES("\x01\x04xxxx\0\0\x80\0"), BYTES("text 4 xxxx;")},
        {BYTES("\x01\x04xxxx\x80\0\x02\x04yyyy\x80\x01"),
         BYTES("text 4 xxxx;fail 1009;")},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(streams); i++)
        expect_max(4, streams[i].frames, streams[i].log);
}

static void test_ws_closes_with_every_code_that_may_be_sent(void **state)
{
    (void)state;

    for (unsigned code = 0; code < 65536; code += code < 5002 ? 1 : 977) {
        bool is_valid = (code >= 1000 && code <= 1003) ||
                        (code >= 1007 && code <= 1014) ||
                        (code >= 3000 && code <= 4999);
        char frame[] = {'\x88', 2, (char)(code >> 8), (char)code};
        struct buf log = {.tag = MEM_APP};
        if (is_valid)
            ws_kit_log_close(&log, code, SPAN(""));
        else
            ws_kit_log_fail(&log, 1002);
        expect_max(MAX_MESSAGE, (struct span){frame, sizeof(frame)},
                   buf_span(&log));
        buf_deinit(&log);
    }
}

static void test_ws_reads_nothing_after_a_close_frame(void **state)
{
    static const struct stream streams[] = {
        {BYTES("\x88\0"), BYTES("close 1005 0 ;")},
        {BYTES("\x88\0\x81\x01x"), BYTES("close 1005 0 ;")},
        {BYTES("\x88\x05\x03\xe8"
               "bye\xff\xff\xff"),
         BYTES("close 1000 3 bye;")},
        {BYTES("\x88\x04\x03\xe9\xc3\xa4\x89\0"),
         BYTES("close 1001 2 \xc3\xa4;")},
        {BYTES("\x88\x01\x03"), BYTES("fail 1002;")},
        {BYTES("\x88\x03\x03\xe8\xff"), BYTES("fail 1007;")},
        {BYTES("\x88\x03\x03\xe8\xc3"), BYTES("fail 1007;")},
        {BYTES("\x88\x05\x03\xe8\xed\xa0\x80"), BYTES("fail 1007;")},
    };
    (void)state;

    expect_streams(streams, COUNT(streams));
}

static void test_ws_takes_text_that_is_utf8(void **state)
{
    static const struct stream streams[] = {
        {BYTES("\x81\x02\xc2\x80"), BYTES("text 2 \xc2\x80;")},
        {BYTES("\x81\x02\xdf\xbf"), BYTES("text 2 \xdf\xbf;")},
        {BYTES("\x81\x03\xe0\xa0\x80"), BYTES("text 3 \xe0\xa0\x80;")},
        {BYTES("\x81\x03\xed\x9f\xbf"), BYTES("text 3 \xed\x9f\xbf;")},
        {BYTES("\x81\x03\xee\x80\x80"), BYTES("text 3 \xee\x80\x80;")},
        {BYTES("\x81\x03\xef\xbf\xbf"), BYTES("text 3 \xef\xbf\xbf;")},
        {BYTES("\x81\x04\xf0\x90\x80\x80"), BYTES("text 4 \xf0\x90\x80\x80;")},
        {BYTES("\x81\x04\xf4\x8f\xbf\xbf"), BYTES("text 4 \xf4\x8f\xbf\xbf;")},
        {BYTES("\x81\x0b\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"),
         BYTES("text 11 \xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5;")},
        {BYTES("\x81\x0c"
               "abcdefgh\xf0\x9f\x90\x88"),
         BYTES("text 12 abcdefgh\xf0\x9f\x90\x88;")},
        {BYTES("\x01\x01\xf0\0\x01\x9f\0\0\0\x01\x90\x80\x01\x88"),
         BYTES("text 4 \xf0\x9f\x90\x88;")},
        {BYTES("\x81\x01\0"), BYTES("text 1 \0;")},
    };
    (void)state;

    expect_streams(streams, COUNT(streams));
}

static void test_ws_refuses_text_that_is_not_utf8(void **state)
{
    static const struct stream streams[] = {
        {BYTES("\x81\x01\x80"), BYTES("fail 1007;")}, /* nothing goes on */
        {BYTES("\x81\x01\xff"), BYTES("fail 1007;")},
        {BYTES("\x81\x02\xc0\x80"), BYTES("fail 1007;")}, /* overlong */
        {BYTES("\x81\x02\xc1\xbf"), BYTES("fail 1007;")},
        {BYTES("\x81\x03\xe0\x9f\xbf"), BYTES("fail 1007;")},
        {BYTES("\x81\x04\xf0\x8f\xbf\xbf"), BYTES("fail 1007;")},
        {BYTES("\x81\x03\xed\xa0\x80"), BYTES("fail 1007;")}, /* surrogates */
        {BYTES("\x81\x03\xed\xbf\xbf"), BYTES("fail 1007;")},
        {BYTES("\x81\x04\xf4\x90\x80\x80"), BYTES("fail 1007;")}, /* too far */
        {BYTES("\x81\x04\xf5\x80\x80\x80"), BYTES("fail 1007;")},
        {BYTES("\x81\x01\xc3"), BYTES("fail 1007;")}, /* cut */
        {BYTES("\x81\x03\xf0\x9f\x90"), BYTES("fail 1007;")},
        {BYTES("\x81\x02\xc3x"), BYTES("fail 1007;")},
        {BYTES("\x81\x09"
               "abcdefgh\xff"),
         BYTES("fail 1007;")},
        {BYTES("\x81\x09\xff"
               "abcdefgh"),
         BYTES("fail 1007;")},
        {BYTES("\x01\x01\xc3\x80\0"), BYTES("fail 1007;")}, /* over fragments */
        {BYTES("\x01\x01\xc3\x80\x01x"), BYTES("fail 1007;")},
        {BYTES("\x01\x01\xc3\x89\x01\xa4\x80\x01x"),
         BYTES("ping 1 \xa4;fail 1007;")},
        {BYTES("\x01\x01x\x80\x01\xa4"), BYTES("fail 1007;")},
        {BYTES("\x01\x02x\xed\0\x01\xa0"), BYTES("fail 1007;")},
        {BYTES("\x81\x01x\x81\x01\xff"), BYTES("text 1 x;fail 1007;")},
        {BYTES("\x01\x01\xc3\x02"), BYTES("fail 1002;")},
    };
    (void)state;

    expect_streams(streams, COUNT(streams));
}

/* Of a frame of 100 bytes, cut in two, only these have come. */
static void test_ws_refuses_text_at_its_first_wrong_byte(void **state)
{
    static const struct {
        struct span text;
        bool is_right; /* all but the last byte always are */
    } cases[] = {
        {BYTES("abc\x80"), false},     {BYTES("abc\xc3"), true},
        {BYTES("abc\xc3\xc3"), false}, {BYTES("abc\xe0\x9f"), false},
        {BYTES("\xed\xa0"), false},    {BYTES("\xed\x9f"), true},
        {BYTES("\xf0\x8f"), false},    {BYTES("\xf4\x90"), false},
        {BYTES("\xf4\x8f"), true},     {BYTES("\xf4\x8f\xbf"), true},
        {BYTES("\xf5"), false},        {BYTES("\xf4\x8f\xbf\xc0"), false},
        {BYTES("\xc1"), false},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t cut = 0; cut < cases[i].text.len; cut++) {
            struct buf frames = {.tag = MEM_APP};
            char heads[] = {1, (char)cut, '\x80', 100};
            buf_append(&frames, (struct span){heads, 2});
            buf_append(&frames, (struct span){cases[i].text.ptr, cut});
            buf_append(&frames, (struct span){heads + 2, 2});
            buf_append(&frames, span_skip(cases[i].text, cut));
            expect_max(MAX_MESSAGE, buf_span(&frames),
                       cases[i].is_right ? SPAN("") : SPAN("fail 1007;"));
            frames.len--;
            expect_max(MAX_MESSAGE, buf_span(&frames), SPAN(""));
            buf_deinit(&frames);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ws_reads_messages_and_control_frames),
        cmocka_unit_test(test_ws_reads_the_examples_of_the_rfc),
        cmocka_unit_test(test_ws_puts_fragments_together),
        cmocka_unit_test(test_ws_delivers_control_frames_between_fragments),
        cmocka_unit_test(test_ws_refuses_frames_that_may_not_come),
        cmocka_unit_test(test_ws_refuses_reserved_bits_and_opcodes),
        cmocka_unit_test(test_ws_wants_masks_from_clients_alone),
        cmocka_unit_test(test_ws_takes_masks_off_bytes_at_any_place),
        cmocka_unit_test(test_ws_reads_lengths_of_all_sizes),
        cmocka_unit_test(test_ws_refuses_lengths_in_more_bytes_than_needed),
        cmocka_unit_test(test_ws_refuses_too_much_before_it_comes),
        cmocka_unit_test(test_ws_closes_with_every_code_that_may_be_sent),
        cmocka_unit_test(test_ws_reads_nothing_after_a_close_frame),
        cmocka_unit_test(test_ws_takes_text_that_is_utf8),
        cmocka_unit_test(test_ws_refuses_text_that_is_not_utf8),
        cmocka_unit_test(test_ws_refuses_text_at_its_first_wrong_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
