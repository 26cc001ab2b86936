/* test_rights.c - what scopes and mercure claims allow. */
#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "notifier/rights.h"
#include "tests/test.h"

#define MAX_TOPICS 4

static struct auth_identity identity_of(const char *scopes, const char *claim)
{
    return (struct auth_identity){.sub = SPAN("me"),
                                  .scopes = span_str(scopes),
                                  .mercure = span_str(claim)};
}

/* claim NULL: none. */
static struct rights *rights_of(const char *scopes, const char *claim)
{
    struct auth_identity identity = identity_of(scopes, claim);
    struct rights *rights = NULL;
    const char *wrong = rights_create(&identity, &rights);

    if (wrong)
        fail_msg("%s: %s", claim, wrong);
    assert_non_null(rights);
    return rights;
}

/* "a b" is two topics. */
static size_t split(const char *text, struct span topics[MAX_TOPICS])
{
    struct span rest = span_str(text);
    size_t count = 0;

    while (span_cut(&rest, ' ', &topics[count]))
        count++;
    return count;
}

#define YES true, true
#define NO false, false
#define PUBLIC true, false

static void test_rights_are_what_the_token_says(void **state)
{
    static const struct {
        const char *scopes, *claim, *topics;
        bool publish, read_public, read_private;
    } cases[] = {
        /* Scopes. */
        {"", NULL, "a", false, NO},
        {"links:read limits:check", NULL, "a", false, NO},
        {"admin", NULL, "a", true, YES},
        {"notify:publish", NULL, "a b", true, NO},
        {"notify:subscribe", NULL, "a b", false, YES},
        {"notify:publisher notify:subscribed", NULL, "a", false, NO},
        {"notify:publish:a*", NULL, "a/1 a/2", true, NO},
        {"notify:publish:a*", NULL, "a/1 b/1", false, NO},
        {"notify:publish:a* notify:publish:b/1", NULL, "a/1 b/1", true, NO},
        {"notify:publish:a* notify:publish:b/1", NULL, "b/12", false, NO},
        {"notify:publish:*", NULL, "a b", true, NO},
        {"notify:publish:", NULL, "a", false, NO},
        {"notify:subscribe:a*", NULL, "a/1", false, YES},
        {"notify:subscribe:a*", NULL, "b/1 a/1", false, YES},
        {"notify:subscribe:a*", NULL, "b/1", false, NO},
        {"notify:subscribe:a*", NULL, "", false, NO},
        {"notify:publish:a* notify:subscribe:b*", NULL, "a", true, NO},
        {"notify:publish:a* notify:subscribe:b*", NULL, "b", false, YES},
        {"notify:publish:a* notify:publish", NULL, "b", true, NO},
        /* Claims. */
        {"", "{}", "a", false, PUBLIC},
        {"", "{\"publish\":null,\"subscribe\":null}", "a", false, PUBLIC},
        {"", "{\"publish\":[],\"subscribe\":[]}", "a", false, PUBLIC},
        {"", "{\"publish\":[\"*\"]}", "a b", true, PUBLIC},
        {"", "{\"subscribe\":[\"*\"]}", "a b", false, YES},
        {"", "{\"publish\":[\"a\",\"*\"]}", "b", true, PUBLIC},
        {"", "{\"publish\":[\"*\"],\"subscribe\":[\"b\"]}", "a", true, PUBLIC},
        {"", "{\"publish\":[\"*\"],\"subscribe\":[\"b\"]}", "b", true, YES},
        {"", "{\"publish\":[\"b\"],\"subscribe\":[\"*\"]}", "a", false, YES},
        {"", "{\"publish\":[\"b\"],\"subscribe\":[\"*\"]}", "b", true, YES},
        {"", "{\"publish\":[\"a\"]}", "a", true, PUBLIC},
        {"", "{\"publish\":[\"a\"]}", "a b", false, PUBLIC},
        {"", "{\"publish\":[\"a\",\"b\"]}", "a b", true, PUBLIC},
        {"", "{\"publish\":[\"/{id}\"]}", "/1 /2", true, PUBLIC},
        {"", "{\"publish\":[\"/{id}\"]}", "/1/2", false, PUBLIC},
        {"", "{\"publish\":[\"/{id}\"]}", "/{id}", true, PUBLIC},
        {"", "{\"publish\":[\"a*\"]}", "ab", false, PUBLIC},
        {"", "{\"subscribe\":[\"/{id}\"]}", "/1", false, YES},
        {"", "{\"subscribe\":[\"/{id}\"]}", "a /1", false, YES},
        {"", "{\"subscribe\":[\"/{id}\"]}", "a b", false, PUBLIC},
        {"", "{\"subscribe\":[\"/{id}\"]}", "", false, PUBLIC},
        {"", "{\"more\":[1],\"payload\":1}", "a", false, PUBLIC},
        /* Both. */
        {"notify:publish", "{}", "a", true, PUBLIC},
        {"notify:subscribe", "{}", "a", false, YES},
        {"notify:publish:a*", "{\"publish\":[\"b\"]}", "a b", true, PUBLIC},
        {"notify:publish:a*", "{\"publish\":[\"b\"]}", "a c", false, PUBLIC},
        {"notify:subscribe:a*", "{\"subscribe\":[\"b\"]}", "a", false, YES},
        {"notify:subscribe:a*", "{\"subscribe\":[\"b\"]}", "b", false, YES},
        {"notify:subscribe:a*", "{\"subscribe\":[\"b\"]}", "c", false, PUBLIC},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rights *rights = rights_of(cases[i].scopes, cases[i].claim);
        struct span topics[MAX_TOPICS];
        size_t count = split(cases[i].topics, topics);
        bool publish = rights_may_publish(rights, topics, count);
        bool read_public = rights_may_read(rights, topics, count, false);
        bool read_private = rights_may_read(rights, topics, count, true);
        if (publish != cases[i].publish ||
            read_public != cases[i].read_public ||
            read_private != cases[i].read_private)
            fail_msg("%s %s, %s: %d %d %d", cases[i].scopes,
                     cases[i].claim ? cases[i].claim : "-", cases[i].topics,
                     publish, read_public, read_private);
        rights_unref(rights);
    }
    assert_int_equal(mem_live(MEM_CACHE), 0);
}

static void test_rights_to_subscribe_are_to_read_something(void **state)
{
    static const struct {
        const char *scopes, *claim;
        bool may;
    } cases[] = {
        {"", NULL, false},
        {"notify:publish notify:send", NULL, false},
        {"notify:publish:a*", NULL, false},
        {"admin", NULL, true},
        {"notify:subscribe", NULL, true},
        {"notify:subscribe:a*", NULL, true},
        {"", "{}", true},
        {"", "{\"publish\":[\"a\"]}", true},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rights *rights = rights_of(cases[i].scopes, cases[i].claim);
        assert_int_equal(rights_may_subscribe(rights), cases[i].may);
        rights_unref(rights);
    }
}

static void test_rights_of_an_open_service_are_both(void **state)
{
    struct auth_identity identity = {.sub = SPAN("anonymous"),
                                     .all_but_admin = true};
    struct span topic = SPAN("a");
    struct rights *rights;
    (void)state;

    assert_null(rights_create(&identity, &rights));
    assert_true(rights_may_publish(rights, &topic, 1));
    assert_true(rights_may_subscribe(rights));
    assert_true(rights_may_read(rights, &topic, 1, true));
    rights_unref(rights);
}

/* No topic is a topic that is not there: it fits no pattern but "*". */
static void test_rights_hold_an_empty_topic_to_their_patterns(void **state)
{
    struct rights *narrow =
        rights_of("notify:publish:a notify:subscribe:a", NULL);
    struct rights *wide =
        rights_of("notify:publish:* notify:subscribe:*", NULL);
    struct span none = {NULL, 0};
    (void)state;

    assert_false(rights_may_publish(narrow, &none, 1));
    assert_false(rights_may_publish(narrow, &none, 0));
    assert_false(rights_may_read(narrow, &none, 1, false));
    assert_true(rights_may_publish(wide, &none, 1));
    assert_true(rights_may_read(wide, &none, 1, true));
    rights_unref(narrow);
    rights_unref(wide);
}

static void test_rights_refuse_a_claim_that_says_nothing_clear(void **state)
{
    static const struct {
        const char *claim, *wrong;
    } cases[] = {
        {"{\"publish\":\"*\"}", "must be arrays"},
        {"{\"subscribe\":{}}", "must be arrays"},
        {"{\"publish\":true}", "must be arrays"},
        {"{\"publish\":[\"a\",1]}", "must be strings"},
        {"{\"publish\":[[\"*\"]]}", "must be strings"},
        {"{\"subscribe\":[\"*\",null]}", "must be strings"},
        {"{\"publish\":[\"\"]}", "not empty"},
        {"{\"subscribe\":[\"*\",\"\"]}", "not empty"},
        {"{\"subscribe\":[\"a\\nb\"]}", "control character"},
        {"{\"publish\":[\"*\"],\"subscribe\":[\"a\",{\"match\":\"*\"}]}",
         "must be strings"},
        {"{\"payload\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
         "[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
         "]]]]]]]]]]]}",
         "nests too deep"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct auth_identity identity = identity_of("admin", cases[i].claim);
        struct rights *rights = NULL;
        const char *wrong = rights_create(&identity, &rights);
        if (!wrong || !strstr(wrong, cases[i].wrong))
            fail_msg("%s: %s", cases[i].claim, wrong ? wrong : "taken");
        assert_null(rights);
    }
    assert_int_equal(mem_live(MEM_CACHE), 0);
}

/* {"publish":[…],"subscribe":[…]} of so many of the same. */
static const char *claim_of(size_t publish, size_t subscribe, const char *text)
{
    static char claim[65536];
    size_t len = (size_t)sprintf(claim, "{\"publish\":[");

    for (size_t i = 0; i < publish + subscribe; i++)
        len += (size_t)sprintf(claim + len, "%s\"%s\"",
                               i == publish ? "],\"subscribe\":["
                               : i > 0      ? ","
                                            : "",
                               text);
    sprintf(claim + len, "]}");
    return claim;
}

static void test_rights_have_limits(void **state)
{
    static char long_text[SELECTOR_MAX + 2];
    memset(long_text, 'x', sizeof(long_text) - 1);
    static const char wide[] = "{a:60}"; /* of some 60 states */
    const struct {
        const char *claim, *wrong;
        size_t publish, subscribe;
    } cases[] = {
        {"a", NULL, RIGHTS_MAX_SELECTORS, 0},
        {"a", NULL, 1, RIGHTS_MAX_SELECTORS - 1},
        {"a", "128 topic selectors", RIGHTS_MAX_SELECTORS + 1, 0},
        {"a", "128 topic selectors", 1, RIGHTS_MAX_SELECTORS},
        {"*", NULL, RIGHTS_MAX_SELECTORS + 1, 1},
        {long_text, "1024 bytes", 1, 0},
        {wide, NULL, 1, 1},
        {wide, "1024 states", 60, 60},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct auth_identity identity = identity_of(
            "", claim_of(cases[i].publish, cases[i].subscribe, cases[i].claim));
        struct rights *rights = NULL;
        const char *wrong = rights_create(&identity, &rights);
        if (!cases[i].wrong)
            assert_null(wrong);
        else if (!wrong || !strstr(wrong, cases[i].wrong))
            fail_msg("%zu: %s", i, wrong ? wrong : "taken");
        rights_unref(rights);
    }
    assert_int_equal(mem_live(MEM_CACHE), 0);
}

/* As many as there may be of a template, and those behind "*" are not kept. */
static void test_rights_count_the_states_of_what_they_keep(void **state)
{
    static const char wide[] = "{a:30}";
    struct selector *selector;
    (void)state;

    assert_int_equal(selector_create(SPAN("{a:30}"), &selector), SELECTOR_OK);
    size_t most = RIGHTS_MAX_STATES / selector_states(selector);
    selector_unref(selector);
    assert_in_range(most, 2, RIGHTS_MAX_SELECTORS - 1);
    for (size_t more = 0; more < 2; more++) {
        struct auth_identity identity =
            identity_of("", claim_of(1, most - 1 + more, wide));
        struct rights *rights = NULL;
        assert_int_equal(rights_create(&identity, &rights) != NULL, more);
        rights_unref(rights);
    }
    char claim[65536];
    snprintf(claim, sizeof(claim), "{\"publish\":[\"*\",%s",
             claim_of(most, most, wide) + strlen("{\"publish\":["));
    rights_unref(rights_of("", claim));
    assert_int_equal(mem_live(MEM_CACHE), 0);
}

static void test_rights_of_no_topics_take_no_memory(void **state)
{
    static const struct {
        const char *scopes, *claim;
    } cases[] = {
        {"", NULL},
        {"admin", NULL},
        {"notify:publish notify:subscribe", NULL},
        {"notify:subscribe", NULL},
        {"", "{}"},
        {"", "{\"publish\":[],\"subscribe\":[]}"},
        {"", "{\"publish\":[\"*\",\"a\"],\"subscribe\":[\"/{b}\",\"*\"]}"},
        {"", "{\"payload\":null}"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rights *rights = rights_of(cases[i].scopes, cases[i].claim);
        assert_int_equal(mem_live(MEM_CACHE), 0);
        assert_ptr_equal(rights_ref(rights), rights);
        rights_unref(rights);
        rights_unref(rights);
        assert_null(rights_payload(rights).ptr);
    }
}

/* They outlive the token that they were made of, until the last lets go. */
static void test_rights_live_until_the_last_lets_go(void **state)
{
    char claim[] = "{\"publish\":[\"/{a}\"],\"payload\":\"me\"}";
    char scopes[] = "notify:subscribe:b";
    struct rights *rights = rights_of(scopes, claim);
    struct span topics[] = {SPAN("/1"), SPAN("b")};
    (void)state;

    memset(claim, 'x', sizeof(claim) - 1);
    memset(scopes, 'x', sizeof(scopes) - 1);
    assert_ptr_equal(rights_ref(rights), rights);
    rights_unref(rights);
    assert_true(rights_may_publish(rights, topics, 1));
    assert_true(rights_may_read(rights, topics, 2, true));
    assert_true(span_eq(rights_payload(rights), SPAN("\"me\"")));
    rights_unref(rights);
    rights_unref(NULL);
    assert_int_equal(mem_live(MEM_CACHE), 0);
}

static void test_rights_payload_is_any_json(void **state)
{
    static const struct {
        const char *claim, *payload; /* NULL: none */
    } cases[] = {
        {"{\"payload\":{\"user\":[1,2.5,true,null,\"\\u00e9\"]}}",
         "{\"user\":[1,2.5,true,null,\"\xc3\xa9\"]}"},
        {"{\"payload\": 0}", "0"},
        {"{\"payload\":\"\"}", "\"\""},
        {"{\"payload\":{}}", "{}"},
        {"{\"payload\":false}", "false"},
        {"{\"payload\":null}", NULL},
        {"{\"subscribe\":[\"a\"]}", NULL},
        {"{}", NULL},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rights *rights = rights_of("notify:subscribe:a", cases[i].claim);
        struct span payload = rights_payload(rights);
        assert_true(span_eq(payload, span_str(cases[i].payload)));
        assert_int_equal(payload.ptr != NULL, cases[i].payload != NULL);
        rights_unref(rights);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rights_are_what_the_token_says),
        cmocka_unit_test(test_rights_to_subscribe_are_to_read_something),
        cmocka_unit_test(test_rights_of_an_open_service_are_both),
        cmocka_unit_test(test_rights_hold_an_empty_topic_to_their_patterns),
        cmocka_unit_test(test_rights_refuse_a_claim_that_says_nothing_clear),
        cmocka_unit_test(test_rights_have_limits),
        cmocka_unit_test(test_rights_count_the_states_of_what_they_keep),
        cmocka_unit_test(test_rights_of_no_topics_take_no_memory),
        cmocka_unit_test(test_rights_live_until_the_last_lets_go),
        cmocka_unit_test(test_rights_payload_is_any_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
