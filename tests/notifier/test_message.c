/* test_message.c - updates and gaps, as event streams and WebSockets say them.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/sse.h"
#include "notifier/message.h"
#include "tests/test.h"

#define EPOCH UINT64_C(1767225600000000)

/* What a client's reader makes of an event. */
struct heard {
    int events;
    char type[64], data[256];
    size_t len;
};

static void on_event(void *arg, const struct sse_event *event)
{
    struct heard *heard = arg;

    heard->events++;
    snprintf(heard->type, sizeof(heard->type), "%.*s", (int)event->type.len,
             event->type.ptr);
    heard->len = event->data.len;
    assert_in_range(heard->len, 0, sizeof(heard->data) - 1);
    memcpy(heard->data, event->data.ptr, heard->len);
    heard->data[heard->len] = '\0';
}

static struct heard hear(struct message *message, uint64_t *retry)
{
    struct heard heard = {0};
    struct sse_reader reader;

    sse_reader_init(&reader, 4096, on_event, &heard);
    assert_int_equal(sse_read(&reader, message_event(message)), 0);
    *retry = reader.retry_ms;
    sse_reader_deinit(&reader);
    assert_int_equal(heard.events, 1);
    return heard;
}

/* A frame's object; the caller puts behind it what the connection does. */
static json_t *frame_of(struct message *message)
{
    struct span frame = message_frame(message);
    char *text = malloc(frame.len + 8);

    memcpy(text, frame.ptr, frame.len);
    memcpy(text + frame.len, "\"at\"}", 5);
    json_t *object = json_loadb(text, frame.len + 5,
                                JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    free(text);
    assert_non_null(object);
    assert_string_equal(json_string_value(json_object_get(object, "position")),
                        "at");
    return object;
}

static struct message *make(struct span type, struct span retry,
                            struct span data)
{
    struct record record = {.id = SPAN("urn:uuid:1"),
                            .type = type,
                            .retry = retry,
                            .topics = {SPAN("https://a/\"1\""), SPAN("b")},
                            .topic_count = 2,
                            .data = data};
    struct buf text;

    buf_init(&text, MEM_JOB);
    record_append(&text, &record);
    struct message *message = message_create((struct log_id){EPOCH, 7},
                                             1767225600123, buf_span(&text));
    buf_deinit(&text); /* it is copied */
    assert_non_null(message);
    return message;
}

static void assert_text(const json_t *object, const char *name,
                        struct span expected)
{
    const json_t *value = json_object_get(object, name);

    assert_true(json_is_string(value));
    assert_int_equal(json_string_length(value), expected.len);
    assert_memory_equal(json_string_value(value), expected.ptr, expected.len);
}

static int64_t number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void test_message_keeps_what_it_is_made_of(void **state)
{
    struct message *message = make(SPAN("t"), SPAN("9"), SPAN("d"));
    (void)state;

    assert_int_equal(message->base.refs, 1);
    assert_in_range(message->base.size, sizeof(*message), 4096);
    assert_true(log_id_eq(message->id, (struct log_id){EPOCH, 7}));
    assert_true(log_id_eq(message->reference, (struct log_id){0}));
    assert_int_equal(message->ts, 1767225600123);
    assert_int_equal(message->gap, MESSAGE_GAP_NONE);
    assert_true(span_eq(message->record.topics[1], SPAN("b")));
    assert_true(span_eq(message->record.data, SPAN("d")));
    message_unref(message);
    message_unref(NULL);
}

static void test_message_of_no_record_is_none(void **state)
{
    const struct span texts[] = {
        SPAN(""), SPAN("x"), SPAN("i\n\n\n\n\nd"), {NULL, 0}};
    (void)state;

    for (size_t i = 0; i < COUNT(texts); i++)
        assert_null(message_create((struct log_id){1, 1}, 0, texts[i]));
}

static void test_message_event_says_only_what_was_said(void **state)
{
    const struct {
        struct span type, retry, data, text;
    } cases[] = {
        {SPAN(""), SPAN(""), SPAN("d"), SPAN("data: d\n\n")},
        {SPAN("t"), SPAN(""), SPAN("d"), SPAN("event: t\ndata: d\n\n")},
        {SPAN(""), SPAN("90"), SPAN(""), SPAN("retry: 90\ndata: \n\n")},
        {SPAN("t"), SPAN("9"), SPAN(" a\n"),
         SPAN("event: t\nretry: 9\ndata:  a\ndata: \n\n")},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct message *message =
            make(cases[i].type, cases[i].retry, cases[i].data);
        struct span event = message_event(message);
        assert_true(span_eq(event, cases[i].text));
        assert_ptr_equal(message_event(message).ptr, event.ptr); /* made once */
        assert_int_equal(message_event(message).len, event.len);
        message_unref(message);
    }
}

/* CR, LF and CRLF are line ends, which come as LF; other bytes as they are. */
static void test_message_event_keeps_data_of_many_lines(void **state)
{
    const struct {
        struct span data, heard;
    } cases[] = {
        {SPAN(""), SPAN("")},
        {SPAN("a\nb"), SPAN("a\nb")},
        {SPAN("a\rb"), SPAN("a\nb")},
        {SPAN("a\r\nb"), SPAN("a\nb")},
        {SPAN("a\n\rb"), SPAN("a\n\nb")},
        {SPAN("\n"), SPAN("\n")},
        {SPAN("\r\n\r\n"), SPAN("\n\n")},
        {SPAN("a\r"), SPAN("a\n")},
        {SPAN("a\0b"), SPAN("a\0b")},
        {SPAN(": x"), SPAN(": x")},
        {SPAN("x\n\nid: 7\nevent: y\n\n"), SPAN("x\n\nid: 7\nevent: y\n\n")},
        {SPAN("\xef\xbb\xbf"), SPAN("\xef\xbb\xbf")},
    };
    uint64_t retry;
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct message *message = make(SPAN(""), SPAN(""), cases[i].data);
        struct heard heard = hear(message, &retry);
        assert_string_equal(heard.type, "message");
        assert_int_equal(heard.len, cases[i].heard.len);
        assert_memory_equal(heard.data, cases[i].heard.ptr, heard.len);
        message_unref(message);
    }
}

static void test_message_event_is_heard_as_it_was(void **state)
{
    struct message *message = make(SPAN("\xc3\xa4 b"), SPAN("3000"), SPAN("x"));
    uint64_t retry;
    struct heard heard = hear(message, &retry);
    (void)state;

    assert_string_equal(heard.type, "\xc3\xa4 b");
    assert_string_equal(heard.data, "x");
    assert_int_equal(retry, 3000);
    message_unref(message);
}

static void test_message_frame_says_all(void **state)
{
    struct message *message = make(SPAN("t"), SPAN("9"), SPAN("d"));
    json_t *frame = frame_of(message);
    (void)state;

    assert_text(frame, "type", SPAN("message"));
    assert_text(frame, "topic", SPAN("https://a/\"1\""));
    assert_text(frame, "message_id", SPAN("urn:uuid:1"));
    assert_text(frame, "epoch", SPAN("1767225600000000"));
    assert_int_equal(number(frame, "offset"), 7);
    assert_int_equal(number(frame, "ts"), 1767225600123);
    assert_text(frame, "event", SPAN("t"));
    assert_text(frame, "data", SPAN("d"));
    assert_int_equal(json_object_size(frame), 9);
    json_decref(frame);
    struct span first = message_frame(message);
    assert_ptr_equal(message_frame(message).ptr, first.ptr); /* made once */
    assert_int_equal(message_frame(message).len, first.len);
    message_unref(message);
    message = make(SPAN(""), SPAN(""), SPAN(""));
    frame = frame_of(message);
    assert_text(frame, "event", SPAN("message"));
    json_decref(frame);
    message_unref(message);
}

/* Every character that JSON escapes, and what stands past ASCII. */
static void test_message_frame_keeps_any_data(void **state)
{
    char bytes[128 + 8];
    (void)state;

    for (int i = 0; i < 128; i++)
        bytes[i] = (char)i;
    memcpy(bytes + 128, "\xc3\xa4\xf0\x9f\x98\x80\xc2\x80", 8);
    struct span data = {bytes, sizeof(bytes)};
    struct message *message = make(SPAN(""), SPAN(""), data);
    struct span text = message_frame(message);
    for (size_t i = 0; i < text.len; i++)
        assert_in_range((unsigned char)text.ptr[i], ' ', 255);
    json_t *frame = frame_of(message);
    assert_text(frame, "data", data);
    json_decref(frame);
    message_unref(message);
}

static void test_message_gap_says_what_is_gone(void **state)
{
    static const struct {
        enum message_gap gap;
        const char *reason;
    } cases[] = {{MESSAGE_GAP_TRIMMED, "trimmed"},
                 {MESSAGE_GAP_EPOCH, "epoch"}};
    char text[256];
    uint64_t retry;
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct message *gap = message_create_gap(
            SPAN("a\"b"), 3, (struct log_id){EPOCH, 9}, cases[i].gap);
        assert_true(span_eq(message_reason(gap), span_str(cases[i].reason)));
        struct heard heard = hear(gap, &retry);
        assert_string_equal(heard.type, "notifier.gap");
        snprintf(text, sizeof(text),
                 "{\"topic\":\"a\\\"b\",\"from\":3,\"to\":9,\"reason\":\"%s\"}",
                 cases[i].reason);
        assert_string_equal(heard.data, text);
        json_t *frame = frame_of(gap);
        assert_text(frame, "type", SPAN("gap"));
        assert_text(frame, "topic", SPAN("a\"b"));
        assert_int_equal(number(frame, "from"), 3);
        assert_int_equal(number(frame, "to"), 9);
        assert_text(frame, "reason", span_str(cases[i].reason));
        assert_int_equal(json_object_size(frame), 6);
        json_decref(frame);
        message_unref(gap);
    }
}

static void test_message_is_freed_with_its_last_reference(void **state)
{
    size_t before = mem_live(MEM_CACHE);
    struct message *message = make(SPAN("t"), SPAN(""), SPAN("d"));
    (void)state;

    message_event(message);
    message_frame(message);
    buf_append(&message->all_line, SPAN("x"));
    buf_append(&message->named, SPAN("x"));
    fanout_message_ref(&message->base);
    message_unref(message);
    assert_true(mem_live(MEM_CACHE) > before);
    assert_true(span_eq(message->record.data, SPAN("d")));
    message_unref(message);
    assert_int_equal(mem_live(MEM_CACHE), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message_keeps_what_it_is_made_of),
        cmocka_unit_test(test_message_of_no_record_is_none),
        cmocka_unit_test(test_message_event_says_only_what_was_said),
        cmocka_unit_test(test_message_event_keeps_data_of_many_lines),
        cmocka_unit_test(test_message_event_is_heard_as_it_was),
        cmocka_unit_test(test_message_frame_says_all),
        cmocka_unit_test(test_message_frame_keeps_any_data),
        cmocka_unit_test(test_message_gap_says_what_is_gone),
        cmocka_unit_test(test_message_is_freed_with_its_last_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
