/* test_auth.c - who a request comes from, and what it remembers of that. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "common/auth.h"
#include "tests/test.h"

#define NOW 1000000
#define KEY_1                       \
    "{\"kid\":\"k1\",\"secret\":\"" \
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\",\"alg\":\"HS256\"}"
#define KEY_2                       \
    "{\"kid\":\"k2\",\"secret\":\"" \
    "IAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\",\"alg\":\"HS256\"}"
#define OLD "{\"current\":\"k1\",\"keys\":[" KEY_1 "]}"
#define BOTH "{\"current\":\"k2\",\"keys\":[" KEY_1 "," KEY_2 "]}"
#define NEW "{\"current\":\"k2\",\"keys\":[" KEY_2 "]}"

static const struct span none = {NULL, 0};

static struct token_keys *load(const char *text)
{
    char path[] = "/tmp/lab-keys-XXXXXX";
    char reason[256];
    int fd = mkstemp(path); /* mode 0600 */

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    struct token_keys *keys = token_keys_load(path, reason, sizeof(reason));
    unlink(path);
    assert_non_null(keys);
    return keys;
}

/* "Bearer …" for sub until NOW + ttl, into header. */
static struct span bearer(const char *keys_text, const char *sub, int64_t ttl,
                          char header[TOKEN_MAX])
{
    struct token_keys *keys = load(keys_text);
    struct token_claims claims = {.exp = NOW + ttl, .scope = "links:read"};

    snprintf(claims.sub, sizeof(claims.sub), "%s", sub);
    char *token = token_mint(keys, &claims);
    snprintf(header, TOKEN_MAX, "Bearer %s", token);
    mem_free(token);
    token_keys_destroy(keys);
    return span_str(header);
}

static struct span token_of(struct span header)
{
    return span_skip(header, sizeof("Bearer ") - 1);
}

/* Whose it is, "" for nobody's. */
static const char *who(struct auth *auth, struct span authorization,
                       struct span cookie, int64_t now_s)
{
    static char sub[TOKEN_SUB_MAX + 1];
    struct auth_identity identity;

    sub[0] = '\0';
    int err = auth_identify(auth, authorization, cookie, now_s, &identity);
    assert_true(err == 0 || err == UV_EACCES);
    if (err == 0)
        snprintf(sub, sizeof(sub), "%.*s", (int)identity.sub.len,
                 identity.sub.ptr);
    return sub;
}

static void test_auth_knows_a_token_again_but_not_past_its_end(void **state)
{
    struct auth *auth = auth_create(load(OLD), false);
    char header[TOKEN_MAX];
    struct span token = bearer(OLD, "me", 10, header);
    size_t once;
    (void)state;

    assert_string_equal(who(auth, token, none, NOW), "me");
    once = mem_live(MEM_AUTH);
    for (int64_t at = NOW; at < NOW + 10; at++)
        assert_string_equal(who(auth, token, none, at), "me");
    assert_int_equal(mem_live(MEM_AUTH), once); /* remembered in one place */
    assert_string_equal(who(auth, token, none, NOW + 10), "");
    assert_string_equal(who(auth, token, none, NOW + 11), "");
    auth_destroy(auth);
}

/* A digest is of the whole token: one byte more or less is another. */
static void test_auth_remembers_no_token_that_only_looks_alike(void **state)
{
    struct auth *auth = auth_create(load(OLD), false);
    char header[TOKEN_MAX];
    struct span token = bearer(OLD, "me", 10, header);
    (void)state;

    assert_string_equal(who(auth, token, none, NOW), "me");
    for (size_t len = sizeof("Bearer ") - 1; len < token.len; len++)
        assert_string_equal(who(auth, (struct span){token.ptr, len}, none, NOW),
                            "");
    header[token.len - 5] ^= 1; /* in the signature */
    assert_string_equal(who(auth, token, none, NOW), "");
    header[token.len - 5] ^= 1;
    assert_string_equal(who(auth, token, none, NOW), "me");
    auth_destroy(auth);
}

/* More tokens than there are places: all good, and no more memory than that. */
static void test_auth_remembers_in_bounds(void **state)
{
    struct auth *auth = auth_create(load(OLD), false);
    struct token_keys *keys = load(OLD);
    size_t before = mem_live(MEM_AUTH);
    (void)state;

    for (int i = 0; i < AUTH_MAX_CACHED + 500; i++) {
        struct token_claims claims = {.exp = NOW + 10, .scope = "a"};
        snprintf(claims.sub, sizeof(claims.sub), "user-%d", i);
        char *token = token_mint(keys, &claims);
        assert_string_equal(who(auth, none, span_str(token), NOW), claims.sub);
        assert_string_equal(who(auth, none, span_str(token), NOW), claims.sub);
        mem_free(token);
    }
    assert_in_range(mem_live(MEM_AUTH) - before, 1,
                    AUTH_MAX_CACHED * (sizeof(struct token_claims) + 64));
    auth_destroy(auth);
    token_keys_destroy(keys);
    assert_int_equal(mem_live(MEM_AUTH), 0);
}

static void test_auth_keys_rotate(void **state)
{
    static const struct {
        const char *keys;
        bool old_is_good, new_is_good;
    } steps[] = {
        {OLD, true, false}, {BOTH, true, true},
        {NEW, false, true}, {NULL, false, false}, /* no token is good */
        {OLD, true, false},
    };
    struct auth *auth = auth_create(NULL, false);
    char old_header[TOKEN_MAX];
    char new_header[TOKEN_MAX];
    struct span old = bearer(OLD, "old", 10, old_header);
    struct span new = bearer(NEW, "new", 10, new_header);
    (void)state;

    for (size_t i = 0; i < COUNT(steps); i++) {
        auth_set_keys(auth, steps[i].keys ? load(steps[i].keys) : NULL);
        for (int n = 0; n < 2; n++) { /* the second time from memory */
            assert_string_equal(who(auth, old, none, NOW),
                                steps[i].old_is_good ? "old" : "");
            assert_string_equal(who(auth, new, none, NOW),
                                steps[i].new_is_good ? "new" : "");
        }
    }
    auth_destroy(auth);
}

static void
test_auth_cookie_counts_where_there_is_no_authorization(void **state)
{
    struct auth *auth = auth_create(load(OLD), false);
    char header[TOKEN_MAX];
    char cookie[TOKEN_MAX];
    struct span mine = bearer(OLD, "header", 10, header);
    struct span jar = token_of(bearer(OLD, "cookie", 10, cookie));
    (void)state;

    assert_string_equal(who(auth, mine, jar, NOW), "header");
    assert_string_equal(who(auth, none, jar, NOW), "cookie");
    assert_string_equal(who(auth, SPAN("Bearer x"), jar, NOW), "");
    assert_string_equal(who(auth, SPAN(""), jar, NOW), "");
    assert_string_equal(who(auth, none, SPAN(""), NOW), "");
    auth_destroy(auth);
}

static void test_auth_takes_bearer_in_any_case_and_nothing_else(void **state)
{
    static const struct {
        const char *scheme;
        bool good;
    } cases[] = {
        {"Bearer ", true}, {"bearer ", true},   {"BEARER   ", true},
        {"Bearer", false}, {"Bearer:", false},  {"Basic ", false},
        {"", false},       {" Bearer ", false},
    };
    struct auth *auth = auth_create(load(OLD), false);
    char header[TOKEN_MAX];
    char text[TOKEN_MAX + 16];
    struct span token = token_of(bearer(OLD, "me", 10, header));
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        snprintf(text, sizeof(text), "%s%s", cases[i].scheme, token.ptr);
        assert_string_equal(who(auth, span_str(text), none, NOW),
                            cases[i].good ? "me" : "");
    }
    auth_destroy(auth);
}

static void test_auth_open_takes_nobody_but_no_bad_token(void **state)
{
    struct auth *open = auth_create(load(OLD), true);
    struct auth *closed = auth_create(load(OLD), false);
    struct auth_identity identity;
    char header[TOKEN_MAX];
    struct span token = bearer(OLD, "me", 10, header);
    (void)state;

    assert_string_equal(who(open, none, none, NOW), "anonymous");
    assert_string_equal(who(open, token, none, NOW), "me");
    assert_string_equal(who(open, token, none, NOW + 10), "");
    assert_string_equal(who(open, SPAN("Bearer x"), none, NOW), "");
    assert_string_equal(who(open, SPAN("Basic eA=="), none, NOW), "");
    assert_string_equal(who(open, none, SPAN("x"), NOW), "");
    assert_string_equal(who(closed, none, none, NOW), "");
    auth_identify(open, none, none, NOW, &identity);
    assert_true(auth_allows(&identity, SPAN("links:write"), none));
    assert_false(auth_allows(&identity, SPAN("admin"), none));
    auth_identify(open, token, none, NOW, &identity); /* is held to its own */
    assert_true(auth_allows(&identity, SPAN("links:read"), none));
    assert_false(auth_allows(&identity, SPAN("links:write"), none));
    assert_false(auth_allows(&identity, SPAN("admin"), none));
    auth_destroy(open);
    auth_destroy(closed);
    auth_destroy(NULL);
}

static void test_auth_leaves_the_identity_when_it_refuses(void **state)
{
    struct auth *auth = auth_create(load(OLD), false);
    struct auth_identity identity = {.sub = SPAN("before")};
    (void)state;

    assert_int_equal(
        auth_identify(auth, SPAN("Bearer x"), none, NOW, &identity), UV_EACCES);
    assert_true(span_eq(identity.sub, SPAN("before")));
    auth_destroy(auth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auth_knows_a_token_again_but_not_past_its_end),
        cmocka_unit_test(test_auth_remembers_no_token_that_only_looks_alike),
        cmocka_unit_test(test_auth_remembers_in_bounds),
        cmocka_unit_test(test_auth_keys_rotate),
        cmocka_unit_test(
            test_auth_cookie_counts_where_there_is_no_authorization),
        cmocka_unit_test(test_auth_takes_bearer_in_any_case_and_nothing_else),
        cmocka_unit_test(test_auth_open_takes_nobody_but_no_bad_token),
        cmocka_unit_test(test_auth_leaves_the_identity_when_it_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
