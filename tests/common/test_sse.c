/*
 * test_sse.c - event streams, by each rule of the HTML standard.
 *
 * Each stream is read whole, one byte per call and cut in two at every
 * position.  A piece lies on the heap in its exact size and is freed when it
 * has been read: what reaches past it, or keeps it, is the sanitizer's.
 */
#include <stdlib.h>
#include <uv.h>

#include "common/sse.h"
#include "tests/test.h"

#define MAX_EVENT 64
#define MARK "\xef\xbb\xbf"
#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN

struct sse_case {
    struct span in;
    struct span out; /* the events, each as <type|data|id> */
    struct span id;  /* of the reader at the end, as what follows */
    uint64_t retry_ms;
    int err;
};

static void on_event(void *arg, const struct sse_event *event)
{
    struct buf *events = arg;

    buf_append_char(events, '<');
    buf_append(events, event->type);
    buf_append_char(events, '|');
    buf_append(events, event->data);
    buf_append_char(events, '|');
    buf_append(events, event->id);
    buf_append_char(events, '>');
}

static int read_piece(struct sse_reader *reader, struct span piece)
{
    char *copy = malloc(piece.len ? piece.len : 1);

    assert_non_null(copy);
    memcpy(copy, piece.ptr, piece.len);
    int err = sse_read(reader, (struct span){copy, piece.len});
    free(copy);
    return err;
}

/* The first piece may be empty, the others are of up to step bytes. */
static int read_pieces(struct sse_reader *reader, struct span bytes,
                       size_t first, size_t step)
{
    int err = read_piece(reader, (struct span){bytes.ptr, first});

    bytes = span_skip(bytes, first);
    while (bytes.len && err == 0) {
        size_t len = bytes.len < step ? bytes.len : step;
        err = read_piece(reader, (struct span){bytes.ptr, len});
        bytes = span_skip(bytes, len);
    }
    return err;
}

static void check_pieces(const struct sse_case *it, size_t first, size_t step)
{
    size_t before = mem_live(MEM_CONN);
    struct sse_reader reader;
    struct buf events;

    buf_init(&events, MEM_APP);
    sse_reader_init(&reader, MAX_EVENT, on_event, &events);
    int err = read_pieces(&reader, it->in, first, step);
    if (err != it->err || !span_eq(buf_span(&events), it->out) ||
        !span_eq(buf_span(&reader.id), it->id) ||
        reader.retry_ms != it->retry_ms)
        fail_msg("of '%.*s' by %zu, %zu: %d '%.*s' id '%.*s' retry %d",
                 (int)it->in.len, it->in.ptr, first, step, err, (int)events.len,
                 events.len ? events.ptr : "", (int)reader.id.len,
                 reader.id.len ? reader.id.ptr : "", (int)reader.retry_ms);
    sse_reader_deinit(&reader);
    assert_int_equal(mem_live(MEM_CONN), before);
    buf_deinit(&events);
}

static void check(const struct sse_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = cases[i].in.len;
        check_pieces(&cases[i], len, 1);
        check_pieces(&cases[i], 0, 1);
        for (size_t at = 0; at < len; at++)
            check_pieces(&cases[i], at, len);
    }
}

static void test_sse_ends_lines_by_cr_lf_and_crlf(void **state)
{
    const struct sse_case cases[] = {
        {.in = SPAN("data: a\n\ndata: b\n\n"),
         .out = SPAN("<message|a|><message|b|>")},
        {.in = SPAN("data: a\r\rdata: b\r\r"),
         .out = SPAN("<message|a|><message|b|>")},
        {.in = SPAN("data: a\r\n\r\ndata: b\r\n\r\n"),
         .out = SPAN("<message|a|><message|b|>")},
        {.in = SPAN("data: a\ndata: b\n\n"), .out = SPAN("<message|a\nb|>")},
        {.in = SPAN("data: a\rdata: b\r\r"), .out = SPAN("<message|a\nb|>")},
        {.in = SPAN("data: a\r\ndata: b\r\n\r\n"),
         .out = SPAN("<message|a\nb|>")},
        {.in = SPAN("data: a\n\rdata: b\r\n\n"),
         .out = SPAN("<message|a|><message|b|>")},
        {.in = SPAN("data: a\r\n\rdata: b\r\r\n"),
         .out = SPAN("<message|a|><message|b|>")},
        {.in = SPAN("data: a\n\r\ndata: b\r\n\r"),
         .out = SPAN("<message|a|><message|b|>")},
        {.in = SPAN("\r\n\n\r\r\r\n\n")},
        {.in = SPAN("data: a\0\v\f\xc2\x85\xe2\x80\xa8z\n\n"),
         .out = SPAN("<message|a\0\v\f\xc2\x85\xe2\x80\xa8z|>")},
    };
    (void)state;

    check(cases, COUNT(cases));
}

static void test_sse_skips_one_mark_and_only_at_the_start(void **state)
{
    const struct sse_case cases[] = {
        {.in = SPAN(MARK "data: a\n\n"), .out = SPAN("<message|a|>")},
        {.in = SPAN(MARK "\r\ndata: a\n\n"), .out = SPAN("<message|a|>")},
        {.in = SPAN(MARK ":\rdata: a\n\n"), .out = SPAN("<message|a|>")},
        {.in = SPAN(MARK MARK "data: a\n\n")},
        {.in = SPAN("\n" MARK "data: a\n\n")},
        {.in = SPAN(":\n" MARK "data: a\n\n")},
        {.in = SPAN("data: a\n" MARK "\n\n"), .out = SPAN("<message|a|>")},
        {.in = SPAN("data: " MARK "\n\n"), .out = SPAN("<message|" MARK "|>")},
        {.in = SPAN("\xef\xbb"
                    "data: a\n\n")},
        {.in = SPAN(MARK)},
    };
    (void)state;

    check(cases, COUNT(cases));
}

static void test_sse_joins_data_by_lf(void **state)
{
    const struct sse_case cases[] = {
        {.in = SPAN("data: a\ndata: b\ndata: c\n\n"),
         .out = SPAN("<message|a\nb\nc|>")},
        {.in = SPAN("data: a\n: b\nevent: x\ndata: c\n\n"),
         .out = SPAN("<x|a\nc|>")},
        {.in = SPAN("data\n\n"), .out = SPAN("<message||>")},
        {.in = SPAN("data:\n\ndata: \n\n"),
         .out = SPAN("<message||><message||>")},
        {.in = SPAN("data\ndata\n\n"), .out = SPAN("<message|\n|>")},
        {.in = SPAN("data: a\ndata\n\n"), .out = SPAN("<message|a\n|>")},
        {.in = SPAN("data\ndata: a\n\n"), .out = SPAN("<message|\na|>")},
    };
    (void)state;

    check(cases, COUNT(cases));
}

static void test_sse_drops_one_space_behind_the_first_colon(void **state)
{
    const struct sse_case cases[] = {
        {.in = SPAN("data:a\n\n"), .out = SPAN("<message|a|>")},
        {.in = SPAN("data: a\n\n"), .out = SPAN("<message|a|>")},
        {.in = SPAN("data:  a \n\n"), .out = SPAN("<message| a |>")},
        {.in = SPAN("data:\ta\n\n"), .out = SPAN("<message|\ta|>")},
        {.in = SPAN("data:a: b\n\n"), .out = SPAN("<message|a: b|>")},
        {.in = SPAN("data:::\n\n"), .out = SPAN("<message|::|>")},
        {.in = SPAN("event:  e\nid:  1\ndata: a\n\n"),
         .out = SPAN("< e|a| 1>"),
         .id = SPAN(" 1")},
    };
    (void)state;

    check(cases, COUNT(cases));
}

static void test_sse_passes_over_comments_and_unknown_fields(void **state)
{
    const struct sse_case cases[] = {
        {.in = SPAN(":\n:data: a\n: data: b\n\n")},
        {.in = SPAN("data: a\n:data: b\n\n"), .out = SPAN("<message|a|>")},
        {.in = SPAN("data: a\n:\ndata: b\n\n"), .out = SPAN("<message|a\nb|>")},
        {.in = SPAN("Data: a\ndat: b\ndatas: c\n data: d\ndata : e\n\n")},
        {.in = SPAN("Event: x\nID: 1\nRetry: 5\ndata\n\n"),
         .out = SPAN("<message||>")},
        {.in = SPAN("x\ny:\nz: z\n\0data: a\n \ndata: b\n\n"),
         .out = SPAN("<message|b|>")},
        {.in = SPAN(":\n\n:\n\ndata: a\n\n:\n\n"),
         .out = SPAN("<message|a|>")}, /* pings */
    };
    (void)state;

    check(cases, COUNT(cases));
}

static void test_sse_gives_a_type_to_one_event(void **state)
{
    const struct sse_case cases[] = {
        {.in = SPAN("event: x\ndata: a\n\ndata: b\n\n"),
         .out = SPAN("<x|a|><message|b|>")},
        {.in = SPAN("data: a\nevent: x\n\n"), .out = SPAN("<x|a|>")},
        {.in = SPAN("event: long\nevent: x\ndata: a\n\n"),
         .out = SPAN("<x|a|>")},
        {.in = SPAN("event: x\nevent\ndata: a\n\n"),
         .out = SPAN("<message|a|>")},
        {.in = SPAN("event: x\nevent: \ndata: a\n\n"),
         .out = SPAN("<message|a|>")},
        {.in = SPAN("event: x\n\ndata: a\n\n"), .out = SPAN("<message|a|>")},
    };
    (void)state;

    check(cases, COUNT(cases));
}

static void test_sse_keeps_the_last_id(void **state)
{
    const struct sse_case cases[] = {
        {.in = SPAN("id: 1\ndata: a\n\ndata: b\n\n"),
         .out = SPAN("<message|a|1><message|b|1>"),
         .id = SPAN("1")},
        {.in = SPAN("id: long\ndata: a\n\nid: 2\ndata: b\n\n"),
         .out = SPAN("<message|a|long><message|b|2>"),
         .id = SPAN("2")},
        {.in = SPAN("id: 1\n\n"), .id = SPAN("1")},
        {.in = SPAN("id: 1\n\ndata: a\n\n"),
         .out = SPAN("<message|a|1>"),
         .id = SPAN("1")},
        {.in = SPAN("id: 1\ndata: a\n\nid\ndata: b\n\n"),
         .out = SPAN("<message|a|1><message|b|>")},
        {.in = SPAN("id: 1\n\nid: \n\n")},
        {.in = SPAN("id: 1\nid: \0\nid: 2\0\nid:\0002\ndata: a\n\n"),
         .out = SPAN("<message|a|1>"),
         .id = SPAN("1")},
        {.in = SPAN("data: a\nid: 1\nid: 2\n\n"),
         .out = SPAN("<message|a|2>"),
         .id = SPAN("2")},
    };
    (void)state;

    check(cases, COUNT(cases));
}

static void test_sse_takes_a_retry_of_digits_only(void **state)
{
    const struct sse_case cases[] = {
        {.in = SPAN("retry: 1000\n"), .retry_ms = 1000},
        {.in = SPAN("retry:1\rretry:2\r"), .retry_ms = 2},
        {.in = SPAN("retry: 5\nretry: 0\n")},
        {.in = SPAN("retry: 0000000000000000000000007\n"), .retry_ms = 7},
        {.in = SPAN("retry: 4294967295\n"), .retry_ms = UINT32_MAX},
        {.in = SPAN("retry: 5\nretry: 4294967296\n"), .retry_ms = 5},
        {.in = SPAN("retry: 5\nretry\nretry:\nretry: \n"), .retry_ms = 5},
        {.in = SPAN("retry: 5\nretry:  6\nretry: 7 \n"), .retry_ms = 5},
        {.in = SPAN("retry: 5\nretry: -6\nretry: +7\n"), .retry_ms = 5},
        {.in = SPAN("retry: 5\nretry: 6.0\nretry: 0x7\n"), .retry_ms = 5},
        {.in = SPAN("retry: 5\nretry: 6\0\nretry: 7s\n"), .retry_ms = 5},
        {.in = SPAN("retry: 5\ndata: a\n\n"),
         .out = SPAN("<message|a|>"),
         .retry_ms = 5},
    };
    (void)state;

    check(cases, COUNT(cases));
}

static void test_sse_drops_what_is_unfinished_at_the_end(void **state)
{
    const struct sse_case cases[] = {
        {.in = SPAN("")},
        {.in = SPAN("data: a")},
        {.in = SPAN("data: a\n")},
        {.in = SPAN("data: a\r\n")},
        {.in = SPAN("data: a\n\ndata: b\ndata: c\n"),
         .out = SPAN("<message|a|>")},
        {.in = SPAN("data: a\n\ndata: b\n:"), .out = SPAN("<message|a|>")},
        {.in = SPAN("id: 1\ndata: a\n\nid: 2\ndata: b\n"),
         .out = SPAN("<message|a|1>"),
         .id = SPAN("1")},
        {.in = SPAN("id: 1\n")},
        {.in = SPAN("retry: 1000")},
    };
    (void)state;

    check(cases, COUNT(cases));
}

static void test_sse_bounds_a_line(void **state)
{
    const struct sse_case cases[] = {
        {.in = SPAN(":" FIFTY TEN "123\ndata: a\n\n"),
         .out = SPAN("<message|a|>")},
        {.in = SPAN(":" FIFTY TEN "123\r\ndata: a\n\n"),
         .out = SPAN("<message|a|>")},
        {.in = SPAN(":" FIFTY TEN "123")},
        {.in = SPAN(":" FIFTY TEN "1234"), .err = UV_EMSGSIZE},
        {.in = SPAN(":" FIFTY TEN "1234\n"), .err = UV_EMSGSIZE},
        {.in = SPAN("data: a\n\nx" FIFTY TEN "1234\ndata: b\n\n"),
         .out = SPAN("<message|a|>"),
         .err = UV_EMSGSIZE},
        {.in = SPAN("event:" FIFTY "12345678\ndata: a\n\n"),
         .out = SPAN("<" FIFTY "12345678|a|>")},
        {.in = SPAN("event:" FIFTY "123456789\ndata: a\n\n"),
         .err = UV_EMSGSIZE},
        {.in = SPAN("id:" FIFTY TEN "1\n\n"), .id = SPAN(FIFTY TEN "1")},
        {.in = SPAN("id:" FIFTY TEN "12\n\n"), .err = UV_EMSGSIZE},
        {.in = SPAN("data:" FIFTY "123456789\n\n"),
         .out = SPAN("<message|" FIFTY "123456789|>")},
        {.in = SPAN("data:" FIFTY TEN "\n\n"), .err = UV_EMSGSIZE},
    };
    (void)state;

    check(cases, COUNT(cases));
}

/* As it is given: without the LF behind its last line. */
static void test_sse_bounds_the_data_of_an_event(void **state)
{
    const struct sse_case cases[] = {
        {.in = SPAN("data:" FIFTY "\ndata:" TEN "123\n\n"),
         .out = SPAN("<message|" FIFTY "\n" TEN "123|>")},
        {.in = SPAN("data:" FIFTY "\ndata:" TEN "1234\n\n"),
         .err = UV_EMSGSIZE},
        {.in = SPAN("data:" FIFTY "1234567\ndata:12345\ndata\n\n"),
         .out = SPAN("<message|" FIFTY "1234567\n12345\n|>")},
        {.in = SPAN("data:" FIFTY "1234567\ndata:12345\ndata\ndata\n\n"),
         .err = UV_EMSGSIZE},
        {.in = SPAN("data:" FIFTY "\n\ndata:" FIFTY "\n\n"),
         .out = SPAN("<message|" FIFTY "|><message|" FIFTY "|>")},
        {.in = SPAN("data: a\n\ndata:" FIFTY "\ndata:" FIFTY "\n\n"),
         .out = SPAN("<message|a|>"),
         .err = UV_EMSGSIZE},
    };
    (void)state;

    check(cases, COUNT(cases));
}

static void test_sse_writes_each_line_of_data_as_a_field(void **state)
{
    const struct {
        struct span data, written;
    } cases[] = {
        {{NULL, 0}, SPAN("data: \n")},
        {SPAN("a"), SPAN("data: a\n")},
        {SPAN(" a"), SPAN("data:  a\n")},
        {SPAN("a\nb"), SPAN("data: a\ndata: b\n")},
        {SPAN("a\rb"), SPAN("data: a\ndata: b\n")},
        {SPAN("a\r\nb"), SPAN("data: a\ndata: b\n")},
        {SPAN("a\n\rb"), SPAN("data: a\ndata: \ndata: b\n")},
        {SPAN("a\r\r\nb"), SPAN("data: a\ndata: \ndata: b\n")},
        {SPAN("a\n"), SPAN("data: a\ndata: \n")},
        {SPAN("\r\n"), SPAN("data: \ndata: \n")},
        {SPAN("\r"), SPAN("data: \ndata: \n")},
    };
    struct buf out;
    (void)state;

    buf_init(&out, MEM_APP);
    for (size_t i = 0; i < COUNT(cases); i++) {
        out.len = 0;
        sse_append_data(&out, cases[i].data);
        if (!span_eq(buf_span(&out), cases[i].written))
            fail_msg("%zu: %.*s", i, (int)out.len, out.ptr);
    }
    buf_deinit(&out);
}

static void test_sse_reads_back_what_was_written(void **state)
{
    const struct {
        struct span data, events;
    } cases[] = {
        {SPAN(""), SPAN("<e||7>")},
        {SPAN("a"), SPAN("<e|a|7>")},
        {SPAN("a\rb\nc\r\nd"), SPAN("<e|a\nb\nc\nd|7>")},
        {SPAN("\r\r\n\n\r"), SPAN("<e|\n\n\n\n|7>")},
        {SPAN("a\n\n"), SPAN("<e|a\n\n|7>")},
        {SPAN("\0a\n\0"), SPAN("<e|\0a\n\0|7>")},
        {SPAN(" a\n  b\n "), SPAN("<e| a\n  b\n |7>")},
        {SPAN(":a\n::b\n:"), SPAN("<e|:a\n::b\n:|7>")},
        {SPAN(MARK "a\r" MARK), SPAN("<e|" MARK "a\n" MARK "|7>")},
        {SPAN("id: 9\n\ndata: x\n\n"), SPAN("<e|id: 9\n\ndata: x\n\n|7>")},
        {SPAN("\xff\xfe\xc0\x80"), SPAN("<e|\xff\xfe\xc0\x80|7>")},
    };
    struct buf out;
    (void)state;

    buf_init(&out, MEM_APP);
    for (size_t i = 0; i < COUNT(cases); i++) {
        out.len = 0;
        buf_append(&out, SSE_PING);
        sse_append_field(&out, SPAN("id"), SPAN("7"));
        sse_append_field(&out, SPAN("event"), SPAN("e"));
        sse_append_data(&out, cases[i].data);
        buf_append(&out, SSE_END);
        buf_append(&out, SSE_PING);
        struct sse_case it = {
            .in = buf_span(&out), .out = cases[i].events, .id = SPAN("7")};
        check(&it, 1);
    }
    buf_deinit(&out);
}

static void test_sse_holds_nothing_after_deinit(void **state)
{
    const struct span streams[] = {
        SPAN(""),
        SPAN("data"),
        SPAN("id: 1\nevent: x\ndata: a\n\nid: 2\nevent: y\ndata: b\ndata"),
        SPAN("id: 1\nevent: x\ndata: a\n:" FIFTY FIFTY),
    };
    size_t before = mem_live(MEM_CONN);
    struct buf events;
    (void)state;

    buf_init(&events, MEM_APP);
    for (size_t i = 0; i < COUNT(streams); i++) {
        struct sse_reader reader;
        sse_reader_init(&reader, MAX_EVENT, on_event, &events);
        assert_int_equal(mem_live(MEM_CONN), before);
        sse_read(&reader, streams[i]);
        assert_int_equal(mem_live(MEM_CONN) > before, streams[i].len > 0);
        sse_reader_deinit(&reader);
        assert_int_equal(mem_live(MEM_CONN), before);
    }
    buf_deinit(&events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sse_ends_lines_by_cr_lf_and_crlf),
        cmocka_unit_test(test_sse_skips_one_mark_and_only_at_the_start),
        cmocka_unit_test(test_sse_joins_data_by_lf),
        cmocka_unit_test(test_sse_drops_one_space_behind_the_first_colon),
        cmocka_unit_test(test_sse_passes_over_comments_and_unknown_fields),
        cmocka_unit_test(test_sse_gives_a_type_to_one_event),
        cmocka_unit_test(test_sse_keeps_the_last_id),
        cmocka_unit_test(test_sse_takes_a_retry_of_digits_only),
        cmocka_unit_test(test_sse_drops_what_is_unfinished_at_the_end),
        cmocka_unit_test(test_sse_bounds_a_line),
        cmocka_unit_test(test_sse_bounds_the_data_of_an_event),
        cmocka_unit_test(test_sse_writes_each_line_of_data_as_a_field),
        cmocka_unit_test(test_sse_reads_back_what_was_written),
        cmocka_unit_test(test_sse_holds_nothing_after_deinit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
