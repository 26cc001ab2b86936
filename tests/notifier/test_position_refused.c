/* test_position_refused.c - texts that are no position of this service. */
#include "tests/notifier/position_kit.h"

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void assert_refused_when_changed(struct fixture *f)
{
    for (size_t i = 0; i < f->len; i++) {
        char was = f->text[i];
        for (int bit = 0; bit < 8; bit++) {
            f->text[i] = (char)(was ^ (1 << bit));
            assert_false(opens(f, f->key, f->text, f->len));
        }
        f->text[i] = was;
        assert_false(opens(f, f->key, f->text, i));
    }
    assert_true(opens(f, f->key, f->text, f->len));
}

static void test_position_that_was_changed_is_refused(void **state)
{
    struct fixture *f = *state;

    use_one_topic();
    seal(f, &one_topic, false);
    assert_refused_when_changed(f);
    seal(f, &one_topic, true);
    assert_refused_when_changed(f);
    use_partitions(5, 900);
    seal(f, &all_partitions, false);
    assert_refused_when_changed(f);
}

static void test_position_with_more_behind_it_is_refused(void **state)
{
    struct fixture *f = *state;
    char longer[POSITION_MAX];

    use_one_topic();
    seal(f, &one_topic, true);
    memcpy(longer, f->text, f->len);
    for (int c = 0; c < 256; c++) {
        longer[f->len] = (char)c;
        assert_false(opens(f, f->key, longer, f->len + 1));
    }
    memset(longer + f->len, 'A', 8);
    for (size_t more = 1; more <= 8; more++)
        assert_false(opens(f, f->key, longer, f->len + more));
}

/* Bits of the last digit that are no byte's. */
static void test_position_has_one_spelling(void **state)
{
    struct fixture *f = *state;

    use_one_topic();
    for (size_t len = 1; len <= 3; len++) {
        topics[0].name = (struct span){"abc", len};
        seal(f, &one_topic, true);
        char *last = &f->text[f->len - 1];
        char was = *last;
        for (const char *c = digits; *c; c++) {
            *last = *c;
            assert_int_equal(opens(f, f->key, f->text, f->len), *c == was);
        }
    }
}

static void test_position_that_is_none_is_refused(void **state)
{
    static char garbage[2 * POSITION_MAX];
    const struct span texts[] = {
        SPAN(""),
        SPAN("A"),
        SPAN("earliest"),
        SPAN("\0\0\0\0"),
        SPAN("AAAAAAAAAAAAAAAAAAAAAA"),
        SPAN("AAAAAAAAAAAAAAAAAAAAAAAA"),
        SPAN("AAAAAAAAAAAAAAAAAAAAAAAAAA=="),
        SPAN("urn:uuid:6e2b1c34-0000-4000-8000-1f1f1f1f1f1f"),
    };
    struct fixture *f = *state;

    f->opened.topic_count = 77;
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_false(opens(f, f->key, texts[i].ptr, texts[i].len));
    assert_false(
        position_open(f->key, (struct span){NULL, 0}, &f->arena, &f->opened));
    random_seed(64);
    for (size_t i = 0; i < sizeof(garbage); i++)
        garbage[i] = digits[random_below(64)];
    for (size_t len = 0; len <= sizeof(garbage); len += 1 + len / 50)
        assert_false(opens(f, f->key, garbage, len));
    assert_false(opens(f, f->key, garbage, POSITION_MAX));
    assert_false(opens(f, f->key, garbage, POSITION_MAX + 1));
    assert_int_equal(f->opened.topic_count, 77);
}

static void test_position_of_another_service_is_refused(void **state)
{
    unsigned char other[POSITION_SECRET];
    struct fixture *f = *state;

    use_one_topic();
    seal(f, &one_topic, false);
    for (size_t i = 0; i < POSITION_SECRET; i++) {
        memcpy(other, secret, sizeof(other));
        other[i] ^= 1;
        struct position_key *key = position_key_create(other);
        assert_false(opens(f, key, f->text, f->len));
        position_key_destroy(key);
    }
}

static void test_position_of_another_version_is_refused(void **state)
{
    static const char *const versions[] = {"", "1", "3", "22", "two"};
    static unsigned char plain[MODEL_PLAIN_MAX];
    static char text[MODEL_TEXT_MAX];
    struct fixture *f = *state;

    use_one_topic();
    seal_and_open(f, &one_topic, true);
    size_t len = model_encode(&f->opened, true, plain);
    size_t n = model_seal(secret, plain, len, text);
    assert_true(opens(f, f->key, text, n));
    for (size_t i = 0; i < COUNT(versions); i++) {
        n = model_seal_version(secret, span_str(versions[i]), plain, len, text);
        assert_false(opens(f, f->key, text, n));
    }
}

/* What nobody seals, under the right key: each would be a second text of the
 * same position, or of none. */
static void test_position_is_refused_unless_it_is_the_shortest(void **state)
{
#define EPOCH "\1\2\3\4\5\6\7\0"
#define MAP1 "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define MAP2 "\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define MAP0 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    const struct {
        struct span plain;
        bool good;
    } cases[] = {
        {SPAN("\0"), true},                          /* nothing */
        {SPAN("\0\0"), false},                       /* more behind it */
        {SPAN("\x80\0"), false},                     /* zero in two bytes */
        {SPAN("\x80\x80\x80\x80\x80\x80\1"), false}, /* past 42 bits */
        {SPAN("\4"), false}, /* dense, but no partitions */
        {SPAN("\x9"
              "\1a" EPOCH "\1"),
         true},
        {SPAN("\x9"
              "\1a" EPOCH "\x81\0"),
         false},
        {SPAN("\x9"
              "\x81\0a" EPOCH "\1"),
         false},
        {SPAN("\x9"
              "\2a" EPOCH "\1"),
         false},
        {SPAN("\x9"
              "\1a" EPOCH),
         false},
        {SPAN("\x9"
              "\1a" EPOCH "\1\0"),
         false},
        {SPAN("\x8" EPOCH EPOCH "\1"), true},
        {SPAN("\x8" EPOCH "\1"), false},
        {SPAN("\x8" EPOCH "1234567"), false},
        {SPAN("\x9"
              "\xff\xff\xff\xff\xff\x7f"
              "a"),
         false},
        {SPAN("\x10" EPOCH EPOCH "\1"), false}, /* two, says it */
        {SPAN("\2" MAP0 EPOCH), true},
        {SPAN("\2" MAP0 EPOCH "\1\0"), false},
        {SPAN("\2" MAP1 EPOCH), false},
        {SPAN("\2" MAP1 EPOCH "\1\0\7\0"), true},
        {SPAN("\2" MAP1 EPOCH "\1\0\7"), false},
        {SPAN("\2" MAP1 EPOCH "\1\0\0\0"), false},   /* a mark of none */
        {SPAN("\2" MAP1 EPOCH "\0\0\7\0"), false},   /* an offset of none */
        {SPAN("\2" MAP1 EPOCH "\1\1\7\0\0"), false}, /* needs no bits */
        {SPAN("\2" MAP2 EPOCH "\1\0\7\0\0\0"), false},
        {SPAN("\2" MAP2 EPOCH "\1\1\7\0\7\0\2"), true},
        {SPAN("\2" MAP2 EPOCH "\1\1\7\0\7\0\6"), false}, /* bits behind */
        {SPAN("\2" MAP2 EPOCH "\1\1\7\0\7\0\3"), false}, /* none the least */
        {SPAN("\2" MAP2 EPOCH "\1\2\7\0\7\0\4"), false}, /* one bit is enough */
        {SPAN("\2" MAP2 EPOCH "\1\x2b\7\0\7\0\0\0\0\0\0\0\0\0\0\0\0"), false},
        {SPAN("\2" MAP2 EPOCH "\1\xff\7\0\7\0\0"), false},
        {SPAN("\2" MAP2 EPOCH "\xff\xff\xff\xff\xff\x7f\1\7\0\7\0\2"), false},
        {SPAN("\6" EPOCH), false},
        {SPAN("\6" EPOCH "\1\0\7\0"), false},
    };
    static char text[MODEL_TEXT_MAX];
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t n = model_seal(secret, (const unsigned char *)cases[i].plain.ptr,
                              cases[i].plain.len, text);
        if (opens(f, f->key, text, n) != cases[i].good)
            fail_msg("case %zu", i);
    }
}

static void test_position_of_too_many_topics_is_refused(void **state)
{
    static struct position_topic many[POSITION_TOPICS_MAX + 1];
    static unsigned char plain[MODEL_PLAIN_MAX];
    static char text[MODEL_TEXT_MAX];
    struct position position = {.topics = many};
    struct fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        position.topic_count = POSITION_TOPICS_MAX + i;
        size_t len = model_encode(&position, false, plain);
        size_t n = model_seal(secret, plain, len, text);
        assert_int_equal(opens(f, f->key, text, n), i == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_position_that_was_changed_is_refused),
        CASE(test_position_with_more_behind_it_is_refused),
        CASE(test_position_has_one_spelling),
        CASE(test_position_that_is_none_is_refused),
        CASE(test_position_of_another_service_is_refused),
        CASE(test_position_of_another_version_is_refused),
        CASE(test_position_is_refused_unless_it_is_the_shortest),
        CASE(test_position_of_too_many_topics_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
