/* test_bodies.c - what is sealed is read as it was, at its place, or not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chat/bodies.h"
#include "common/mem.h"
#include "tests/test.h"

#define K1                                              \
    "{\"kid\":\"k1\",\"alg\":\"A256GCM\",\"secret\":\"" \
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}"
#define K2                                              \
    "{\"kid\":\"k2\",\"alg\":\"A256GCM\",\"secret\":\"" \
    "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8\"}"
#define FILE_OF(current, keys) \
    "{\"current\":\"" current "\",\"keys\":[" keys "]}"

static const struct body_place here = {
    .room = {"r1", 2}, .from = {"ann", 3}, .client_id = {"c1", 2}};

static struct bodies *load(const char *text, char reason[256])
{
    char path[] = "/tmp/test_bodies.XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    struct bodies *bodies = bodies_load(path, reason, 256);
    unlink(path);
    return bodies;
}

static struct bodies *with_keys(const char *text)
{
    char reason[256] = "";
    struct bodies *bodies = load(text, reason);

    assert_string_equal(reason, "");
    assert_non_null(bodies);
    return bodies;
}

static struct buf sealed(const struct bodies *bodies, const char *text)
{
    struct buf out;

    buf_init(&out, MEM_REQUEST);
    bodies_seal(bodies, &here, span_str(text), &out);
    return out;
}

static void assert_opens(struct bodies *bodies, struct span kept,
                         const char *text)
{
    struct span plain = bodies_open(bodies, &here, kept);

    assert_int_equal(plain.len, strlen(text));
    assert_memory_equal(plain.ptr, text, plain.len);
}

static void test_text_is_sealed_and_opened(void **state)
{
    struct bodies *bodies = with_keys(FILE_OF("k1", K1));
    static const char *const texts[] = {"", "x", "hello, w\xc3\xb6rld"};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct buf one = sealed(bodies, texts[i]);
        struct buf other = sealed(bodies, texts[i]);
        assert_int_equal(one.len, 1 + 3 + 12 + strlen(texts[i]) + 16);
        assert_memory_equal(one.ptr, "\xffk1 ", 4);
        assert_memory_not_equal(one.ptr, other.ptr, one.len); /* a nonce each */
        assert_opens(bodies, buf_span(&one), texts[i]);
        assert_opens(bodies, buf_span(&other), texts[i]);
        buf_deinit(&one);
        buf_deinit(&other);
    }
    bodies_destroy(bodies);
}

static void test_longest_text_is_sealed_and_opened(void **state)
{
    struct bodies *bodies = with_keys(FILE_OF("k1", K1));
    char text[TEXT_MAX + 1];

    (void)state;
    memset(text, 'a', TEXT_MAX);
    text[TEXT_MAX] = '\0';
    struct buf one = sealed(bodies, text);
    assert_opens(bodies, buf_span(&one), text);
    buf_append_char(&one, 'x'); /* longer than any of ours */
    assert_null(bodies_open(bodies, &here, buf_span(&one)).ptr);
    buf_deinit(&one);
    bodies_destroy(bodies);
}

static void test_any_flipped_bit_is_refused(void **state)
{
    struct bodies *bodies = with_keys(FILE_OF("k1", K1));
    struct buf one = sealed(bodies, "secret");
    uint64_t unreadable = 0;

    (void)state;
    bodies_count(bodies, &unreadable);
    for (size_t bit = 8; bit < 8 * one.len; bit++) {
        one.ptr[bit / 8] ^= (char)(1 << bit % 8);
        assert_null(bodies_open(bodies, &here, buf_span(&one)).ptr);
        one.ptr[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_int_equal(unreadable, 8 * (one.len - 1));
    for (size_t len = 1; len < one.len; len++)
        assert_null(
            bodies_open(bodies, &here, (struct span){one.ptr, len}).ptr);
    assert_opens(bodies, buf_span(&one), "secret");
    buf_deinit(&one);
    bodies_destroy(bodies);
}

static void test_text_is_not_read_at_another_place(void **state)
{
    struct bodies *bodies = with_keys(FILE_OF("k1", K1));
    struct buf one = sealed(bodies, "secret");
    struct body_place there[] = {here, here, here, here};

    (void)state;
    there[0].room = SPAN("r2");
    there[1].from = SPAN("bob");
    there[2].client_id = SPAN("c2");
    there[3].target = 1;
    for (size_t i = 0; i < COUNT(there); i++)
        assert_null(bodies_open(bodies, &there[i], buf_span(&one)).ptr);
    buf_deinit(&one);
    bodies_destroy(bodies);
}

static void test_keys_rotate(void **state)
{
    struct bodies *first = with_keys(FILE_OF("k1", K1));
    struct bodies *both = with_keys(FILE_OF("k2", K1 "," K2));
    struct bodies *second = with_keys(FILE_OF("k2", K2));
    struct buf old = sealed(first, "a");
    struct buf new = sealed(both, "b");

    (void)state;
    assert_opens(both, buf_span(&old), "a");
    assert_opens(both, buf_span(&new), "b");
    assert_opens(second, buf_span(&new), "b");
    assert_null(bodies_open(second, &here, buf_span(&old)).ptr);
    assert_null(bodies_open(first, &here, buf_span(&new)).ptr);
    buf_deinit(&old);
    buf_deinit(&new);
    bodies_destroy(first);
    bodies_destroy(both);
    bodies_destroy(second);
}

static void test_without_keys_texts_are_in_the_open(void **state)
{
    struct bodies *bodies = with_keys(FILE_OF("k1", K1));
    struct buf shut = sealed(bodies, "a");
    struct buf plain = sealed(NULL, "b");

    (void)state;
    assert_int_equal(plain.len, 1);
    assert_opens(NULL, buf_span(&plain), "b");
    assert_opens(bodies, buf_span(&plain), "b");
    assert_null(bodies_open(NULL, &here, buf_span(&shut)).ptr);
    assert_true(span_eq(bodies_kid(NULL), SPAN("-")));
    assert_true(span_eq(bodies_kid(bodies), SPAN("k1")));
    buf_deinit(&shut);
    buf_deinit(&plain);
    bodies_destroy(bodies);
}

static void test_entry_says_when_its_text_cannot_be_read(void **state)
{
    struct bodies *bodies = with_keys(FILE_OF("k1", K1));
    struct buf one = sealed(bodies, "secret");
    struct entry entry = {.kind = ENTRY_MESSAGE, .from = SPAN("ann")};
    struct text text = {.client_id = SPAN("c1"), .plain = buf_span(&one)};

    (void)state;
    bodies_read(bodies, SPAN("r1"), &entry, &text);
    assert_true(span_eq(text.plain, SPAN("secret")));
    assert_false(text.unreadable);
    text.plain = buf_span(&one);
    entry.from = SPAN("bob");
    bodies_read(bodies, SPAN("r1"), &entry, &text);
    assert_null(text.plain.ptr);
    assert_true(text.unreadable);
    text = (struct text){.client_id = SPAN("c1")}; /* there is none */
    bodies_read(bodies, SPAN("r1"), &entry, &text);
    assert_false(text.unreadable);
    buf_deinit(&one);
    bodies_destroy(bodies);
}

static void test_digests_have_one_in_common_by_a_common_key(void **state)
{
    struct bodies *first = with_keys(FILE_OF("k1", K1));
    struct bodies *both = with_keys(FILE_OF("k2", K1 "," K2));
    char one[BODIES_DIGESTS_MAX];
    char two[BODIES_DIGESTS_MAX];
    char other[BODIES_DIGESTS_MAX];

    (void)state;
    struct span a = bodies_digests(first, SPAN("said"), one);
    struct span b = bodies_digests(both, SPAN("said"), two);
    struct span c = bodies_digests(first, SPAN("Said"), other);
    assert_int_equal(a.len, 32);
    assert_int_equal(b.len, 65);
    assert_memory_equal(a.ptr, b.ptr, 32);
    assert_memory_not_equal(a.ptr, c.ptr, 32);
    bodies_destroy(first);
    bodies_destroy(both);
}

static void test_files_that_are_none_are_refused(void **state)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"{", ""},
        {FILE_OF("k3", K1), "current must name"},
        {FILE_OF("k1", "{\"kid\":\"k1\",\"alg\":\"HS256\",\"secret\":\""
                       "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}"),
         "alg must be A256GCM"},
        {FILE_OF("k1", "{\"kid\":\"k1\",\"alg\":\"A256GCM\",\"secret\":\""
                       "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gIQ\"}"),
         "a secret must have 32 bytes"},
        {FILE_OF("k 1", "{\"kid\":\"k 1\",\"alg\":\"A256GCM\",\"secret\":\""
                        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}"),
         "a kid must be"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char reason[256] = "";
        assert_null(load(cases[i].text, reason));
        assert_non_null(strstr(reason, cases[i].reason));
        assert_true(strlen(reason) > 0);
    }
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(mem_live(MEM_AUTH), 0);
    assert_int_equal(mem_live(MEM_REQUEST), 0);
    return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_text_is_sealed_and_opened),
        TEST(test_longest_text_is_sealed_and_opened),
        TEST(test_any_flipped_bit_is_refused),
        TEST(test_text_is_not_read_at_another_place),
        TEST(test_keys_rotate),
        TEST(test_without_keys_texts_are_in_the_open),
        TEST(test_entry_says_when_its_text_cannot_be_read),
        TEST(test_digests_have_one_in_common_by_a_common_key),
        TEST(test_files_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
