/* test_resp.c - Redis's protocol, whole and one byte a call. */
#include <string.h>
#include <uv.h>

#include "common/resp.h"
#include "tests/test.h"

static void test_resp_append_counts_bytes_not_letters(void **state)
{
    struct span argv[] = {SPAN("SET"), SPAN("k\r\n"), SPAN(""), {"a\0b", 3}};
    struct buf out;
    (void)state;

    buf_init(&out, MEM_REDIS);
    resp_append(&out, argv, COUNT(argv));
    assert_true(span_eq(buf_span(&out),
                        SPAN("*4\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$0\r\n\r\n"
                             "$3\r\na\0b\r\n")));
    buf_deinit(&out);
}

/* The types of the replies in text, read in pieces of step bytes. */
static int read_types(const char *text, size_t step, char *types)
{
    struct resp_reader *reader = resp_reader_create();
    struct span rest = span_str(text);
    int err = 0;

    *types = '\0';
    while (rest.len && err == 0) {
        size_t len = rest.len < step ? rest.len : step;
        struct redisReply *reply = NULL;
        err = resp_reader_feed(reader, (struct span){rest.ptr, len});
        while (err == 0 && (err = resp_reader_next(reader, &reply)) == 0 &&
               reply) {
            char type[2] = {(char)('0' + reply->type), '\0'};
            strcat(types, type);
        }
        rest = span_skip(rest, len);
    }
    resp_reader_destroy(reader);
    return err;
}

static void test_resp_reader_gives_replies_in_order(void **state)
{
    static const char text[] = "+OK\r\n:7\r\n$3\r\nabc\r\n$-1\r\n*2\r\n:1\r\n"
                               "*1\r\n$0\r\n\r\n-ERR no\r\n*-1\r\n";
    static const size_t steps[] = {sizeof(text), 1, 2, 7};
    char types[16];
    (void)state;

    for (size_t i = 0; i < COUNT(steps); i++) {
        assert_int_equal(read_types(text, steps[i], types), 0);
        assert_string_equal(types, "5314264"); /* of hiredis's enumeration */
    }
}

static void test_resp_reader_refuses_what_is_none(void **state)
{
    static const char *const bad[] = {"HTTP/1.1 200 OK\r\n", "?\r\n",
                                      "*99999999\r\n"};
    char types[16];
    (void)state;

    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(read_types(bad[i], 64, types), UV_EPROTO);
        assert_int_equal(read_types(bad[i], 1, types), UV_EPROTO);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resp_append_counts_bytes_not_letters),
        cmocka_unit_test(test_resp_reader_gives_replies_in_order),
        cmocka_unit_test(test_resp_reader_refuses_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
