/* test_buf.c - bytes that grow. */
#include "common/buf.h"
#include "tests/test.h"

static int setup(void **state)
{
    static struct buf buf;

    buf_init(&buf, MEM_JOB);
    *state = &buf;
    return 0;
}

static int teardown(void **state)
{
    buf_deinit(*state);
    return mem_live(MEM_JOB) == 0 ? 0 : -1;
}

#define HOLDS(buf, text) assert_true(span_eq(buf_span(buf), SPAN(text)))

static void test_buf_keeps_all_it_is_given(void **state)
{
    struct buf *buf = *state;

    for (int i = 0; i < 10000; i++) {
        buf_append(buf, SPAN("ab"));
        buf_append_char(buf, 'c');
    }
    assert_int_equal(buf->len, 30000);
    for (size_t i = 0; i < buf->len; i++)
        assert_int_equal(buf->ptr[i], "abc"[i % 3]);
    assert_int_equal(mem_live(MEM_JOB), buf->cap);
}

static void test_buf_takes_nothing_from_an_empty_span(void **state)
{
    struct buf *buf = *state;

    buf_append(buf, (struct span){NULL, 0});
    assert_int_equal(buf->len, 0);
    assert_null(buf->ptr);
}

static void test_buf_writes_numbers_whole(void **state)
{
    struct buf *buf = *state;

    buf_append_u64(buf, 0);
    buf_append_char(buf, ' ');
    buf_append_u64(buf, UINT64_MAX);
    buf_append_char(buf, ' ');
    buf_append_i64(buf, -1);
    buf_append_char(buf, ' ');
    buf_append_i64(buf, INT64_MIN);
    buf_append_char(buf, ' ');
    buf_append_i64(buf, INT64_MAX);
    HOLDS(buf, "0 18446744073709551615 -1 -9223372036854775808 "
               "9223372036854775807");
}

/* The text may end where the room does, with none for printf's NUL. */
static void test_buf_printf_fits_whatever_room_there_is(void **state)
{
    static const char x[300];
    struct buf *buf = *state;

    for (size_t used = 240; used <= 256; used++) {
        buf_deinit(buf);
        buf_append(buf, (struct span){x, used});
        buf_printf(buf, "%s-%d", "0123456", 42);
        assert_int_equal(buf->len, used + 10);
        assert_memory_equal(buf->ptr + used, "0123456-42", 10);
    }
    buf_deinit(buf);
    buf_printf(buf, "%d", 7); /* with no memory yet */
    HOLDS(buf, "7");
}

static void test_buf_reserved_bytes_count_once_committed(void **state)
{
    struct buf *buf = *state;

    buf_append(buf, SPAN("a"));
    char *end = buf_reserve(buf, 5000);
    assert_ptr_equal(end, buf->ptr + 1);
    memset(end, 'b', 5000);
    HOLDS(buf, "a");
    buf_commit(buf, 2);
    HOLDS(buf, "abb");
}

static void test_buf_consumes_from_the_front(void **state)
{
    struct buf *buf = *state;

    buf_append(buf, SPAN("abcdef"));
    buf_consume(buf, 0);
    HOLDS(buf, "abcdef");
    buf_consume(buf, 2);
    HOLDS(buf, "cdef");
    buf_append(buf, SPAN("g"));
    HOLDS(buf, "cdefg");
    buf_consume(buf, 5);
    HOLDS(buf, "");
}

static void test_buf_is_ready_again_after_its_end(void **state)
{
    struct buf *buf = *state;

    buf_append(buf, SPAN("abc"));
    buf_deinit(buf);
    assert_int_equal(mem_live(MEM_JOB), 0);
    assert_int_equal(buf->len + buf->cap, 0);
    buf_append(buf, SPAN("d"));
    HOLDS(buf, "d");
    assert_int_equal(mem_live(MEM_JOB), buf->cap); /* of the same subsystem */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_buf_keeps_all_it_is_given),
        TEST(test_buf_takes_nothing_from_an_empty_span),
        TEST(test_buf_writes_numbers_whole),
        TEST(test_buf_printf_fits_whatever_room_there_is),
        TEST(test_buf_reserved_bytes_count_once_committed),
        TEST(test_buf_consumes_from_the_front),
        TEST(test_buf_is_ready_again_after_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
