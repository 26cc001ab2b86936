/* test_base64.c - bytes as text, and back; one text for the same bytes. */
#include "common/base64.h"
#include "tests/test.h"

static uint64_t seed = 20260108;

static unsigned char any_byte(void)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned char)(seed >> 56);
}

static void test_base64_is_as_the_standard_says(void **state)
{
    /* RFC 4648, 10, without padding; the last need the two other letters. */
    const struct {
        struct span bytes, text;
    } pairs[] = {
        {SPAN(""), SPAN("")},
        {SPAN("f"), SPAN("Zg")},
        {SPAN("fo"), SPAN("Zm8")},
        {SPAN("foo"), SPAN("Zm9v")},
        {SPAN("foob"), SPAN("Zm9vYg")},
        {SPAN("fooba"), SPAN("Zm9vYmE")},
        {SPAN("foobar"), SPAN("Zm9vYmFy")},
        {SPAN("\xff\xff\xff"), SPAN("____")},
        {SPAN("\xfb\xef\xbe"), SPAN("----")},
        {SPAN("\0\0\0\0"), SPAN("AAAAAA")},
    };
    char text[16];
    unsigned char bytes[16];
    size_t len;
    (void)state;

    for (size_t i = 0; i < COUNT(pairs); i++) {
        assert_int_equal(base64_encode(pairs[i].bytes, text),
                         pairs[i].text.len);
        assert_int_equal(BASE64_TEXT(pairs[i].bytes.len), pairs[i].text.len);
        assert_memory_equal(text, pairs[i].text.ptr, pairs[i].text.len);
        assert_true(base64_decode(pairs[i].text, bytes, &len));
        assert_int_equal(len, pairs[i].bytes.len);
        assert_memory_equal(bytes, pairs[i].bytes.ptr, len);
    }
}

static void test_base64_comes_back_as_it_was(void **state)
{
    unsigned char bytes[300];
    unsigned char back[BASE64_BYTES(BASE64_TEXT(300))];
    char text[BASE64_TEXT(300)];
    size_t len;
    (void)state;

    for (size_t size = 0; size <= sizeof(bytes); size++) {
        for (size_t i = 0; i < size; i++)
            bytes[i] = any_byte();
        size_t n = base64_encode((struct span){(char *)bytes, size}, text);
        assert_int_equal(n, BASE64_TEXT(size));
        assert_in_range(size, 0, BASE64_BYTES(n));
        assert_true(base64_decode((struct span){text, n}, back, &len));
        assert_int_equal(len, size);
        assert_memory_equal(back, bytes, size);
    }
}

static void test_base64_of_other_spellings_is_refused(void **state)
{
    const struct span texts[] = {
        SPAN("A"),        SPAN("AAAAA"), SPAN("Zh"),   SPAN("Zm9"),
        SPAN("Zg=="),     SPAN("Zg="),   SPAN("="),    SPAN("Zm 8"),
        SPAN("Zm8\n"),    SPAN("+/+/"),  SPAN("Zm\0"), SPAN("Zm8."),
        SPAN("\xc3\xa4"),
    };
    unsigned char bytes[16];
    size_t len = 77;
    (void)state;

    for (size_t i = 0; i < COUNT(texts); i++)
        assert_false(base64_decode(texts[i], bytes, &len));
    assert_int_equal(len, 77);
}

/* Of all last characters just those decode that are written. */
static void test_base64_has_one_text_for_the_same_bytes(void **state)
{
    unsigned char bytes[4];
    size_t len;
    int good = 0;
    (void)state;

    for (int c = 0; c < 256; c++) {
        char two[2] = {'Q', (char)c};
        char three[3] = {'Q', 'Q', (char)c};
        char text[4];
        if (base64_decode((struct span){two, 2}, bytes, &len)) {
            assert_int_equal(
                base64_encode((struct span){(char *)bytes, len}, text), 2);
            assert_memory_equal(text, two, 2);
            good++;
        }
        if (base64_decode((struct span){three, 3}, bytes, &len)) {
            assert_int_equal(
                base64_encode((struct span){(char *)bytes, len}, text), 3);
            assert_memory_equal(text, three, 3);
            good++;
        }
    }
    assert_int_equal(good, 4 + 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64_is_as_the_standard_says),
        cmocka_unit_test(test_base64_comes_back_as_it_was),
        cmocka_unit_test(test_base64_of_other_spellings_is_refused),
        cmocka_unit_test(test_base64_has_one_text_for_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
