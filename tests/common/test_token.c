/* test_token.c - key sets, tokens, scopes. */
#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "common/token.h"
#include "tests/test.h"

#define NOW 1000000
#define SECRET_1 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define SECRET_2 "IAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define KEY(kid, secret) \
    "{\"kid\":\"" kid "\",\"alg\":\"HS256\",\"secret\":\"" secret "\"}"
#define TWO_KEYS                                                  \
    "{\"current\":\"k1\",\"keys\":[" KEY("k1", SECRET_1) "," KEY( \
        "k2", SECRET_2) "]}"

static struct token_keys *load(const char *text, mode_t mode, char *reason)
{
    char path[] = "/tmp/lab-keys-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    fchmod(fd, mode);
    close(fd);
    struct token_keys *keys = token_keys_load(path, reason, 256);
    unlink(path);
    return keys;
}

static struct token_keys *two_keys(void)
{
    char reason[256];
    struct token_keys *keys = load(TWO_KEYS, 0600, reason);

    assert_non_null(keys);
    return keys;
}

static void test_token_keys_refuse_what_is_unsafe(void **state)
{
    static const struct {
        const char *text;
        mode_t mode;
        const char *reason;
    } cases[] = {
        {TWO_KEYS, 0640, "chmod 600"},
        {TWO_KEYS, 0604, "chmod 600"},
        {"", 0600, "1 to 65536"},
        {"{", 0600, "not JSON"},
        {"{}", 0600, "keys must be"},
        {"{\"current\":\"k1\",\"keys\":[]}", 0600, "keys must be"},
        {"{\"keys\":[" KEY("k1", SECRET_1) "]}", 0600, "current"},
        {"{\"current\":\"k2\",\"keys\":[" KEY("k1", SECRET_1) "]}", 0600,
         "current"},
        {"{\"current\":\"k1\",\"keys\":[" KEY("k1", "AAEC") "]}", 0600,
         "32 to 256"},
        {"{\"current\":\"k1\",\"keys\":[" KEY("k1", SECRET_1 "!") "]}", 0600,
         "base64url"},
        {"{\"current\":\"k1\",\"keys\":[" KEY("k1", SECRET_1) "," KEY(
             "k1", SECRET_2) "]}",
         0600, "same kid"},
        {"{\"current\":\"k1\",\"keys\":[{\"kid\":\"k1\",\"alg\":\"none\","
         "\"secret\":\"" SECRET_1 "\"}]}",
         0600, "HS256"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        char reason[256] = "";
        assert_null(load(cases[i].text, cases[i].mode, reason));
        assert_non_null(strstr(reason, cases[i].reason));
    }
    char reason[256] = "";
    assert_null(token_keys_load("/nonexistent", reason, sizeof(reason)));
    assert_null(token_keys_load("/tmp", reason, sizeof(reason)));
}

static char *mint(const struct token_keys *keys, const char *sub,
                  const char *scope, int64_t exp)
{
    struct token_claims claims = {.exp = exp};

    snprintf(claims.sub, sizeof(claims.sub), "%s", sub);
    snprintf(claims.scope, sizeof(claims.scope), "%s", scope);
    return token_mint(keys, &claims);
}

static void test_token_that_is_minted_is_good_until_it_ends(void **state)
{
    struct token_keys *keys = two_keys();
    char *token = mint(keys, "me", "links:read admin", NOW + 10);
    struct token_claims claims = {.exp = 5};
    (void)state;

    assert_int_equal(token_verify(keys, span_str(token), NOW, &claims), 0);
    assert_string_equal(claims.sub, "me");
    assert_string_equal(claims.scope, "links:read admin");
    assert_int_equal(claims.exp, NOW + 10);
    assert_int_equal(token_verify(keys, span_str(token), NOW + 10, &claims),
                     UV_EACCES);
    mem_free(token);
    token_keys_destroy(keys);
}

static void test_token_with_any_byte_changed_is_refused(void **state)
{
    struct token_keys *keys = two_keys();
    char *token = mint(keys, "me", "links:read", NOW + 10);
    size_t len = strlen(token);
    struct token_claims claims;
    (void)state;

    for (size_t i = 0; i < len; i++) {
        char kept = token[i];
        token[i] = kept == 'A' ? 'B' : 'A';
        /* The last character of a base64 text has bits that mean nothing. */
        if (i + 1 < len)
            assert_int_equal(token_verify(keys, span_str(token), NOW, &claims),
                             UV_EACCES);
        token[i] = kept;
    }
    assert_int_equal(
        token_verify(keys, (struct span){token, len - 1}, NOW, &claims),
        UV_EACCES);
    mem_free(token);
    token_keys_destroy(keys);
}

/* A token made by hand: any algorithm, kid and claims, and more (or NULL). */
static char *forge_with(const char *more, jwt_alg_t alg, const char *kid,
                        const char *sub, const char *scope, long exp)
{
    static const unsigned char secret[32] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
        16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
    jwt_t *jwt;

    assert_int_equal(jwt_new(&jwt), 0);
    assert_int_equal(jwt_set_alg(jwt, alg, alg == JWT_ALG_NONE ? NULL : secret,
                                 alg == JWT_ALG_NONE ? 0 : sizeof(secret)),
                     0);
    if (kid)
        jwt_add_header(jwt, "kid", kid);
    if (sub)
        jwt_add_grant(jwt, "sub", sub);
    if (scope)
        jwt_add_grant(jwt, "scope", scope);
    if (exp)
        jwt_add_grant_int(jwt, "exp", exp);
    if (more)
        assert_int_equal(jwt_add_grants_json(jwt, more), 0);
    char *text = jwt_encode_str(jwt);
    jwt_free(jwt);
    return text;
}

static char *forge(jwt_alg_t alg, const char *kid, const char *sub,
                   const char *scope, long exp)
{
    return forge_with(NULL, alg, kid, sub, scope, exp);
}

static void test_token_made_by_others_is_held_to_the_rules(void **state)
{
    static char long_sub[TOKEN_SUB_MAX + 2];
    memset(long_sub, 'x', sizeof(long_sub) - 1);
    const struct {
        jwt_alg_t alg;
        const char *kid, *sub, *scope;
        long exp;
        int err;
    } cases[] = {
        {JWT_ALG_HS256, "k1", "me", "a", NOW + 1, 0},
        {JWT_ALG_HS256, NULL, "me", "a", NOW + 1, 0}, /* the current key */
        {JWT_ALG_HS256, "k2", "me", "a", NOW + 1, UV_EACCES},
        {JWT_ALG_HS256, "k3", "me", "a", NOW + 1, UV_EACCES},
        {JWT_ALG_NONE, "k1", "me", "a", NOW + 1, UV_EACCES},
        {JWT_ALG_NONE, NULL, "me", "a", NOW + 1, UV_EACCES},
        {JWT_ALG_HS384, "k1", "me", "a", NOW + 1, UV_EACCES},
        {JWT_ALG_HS512, "k1", "me", "a", NOW + 1, UV_EACCES},
        {JWT_ALG_HS256, "k1", NULL, "a", NOW + 1, UV_EACCES},
        {JWT_ALG_HS256, "k1", "", "a", NOW + 1, UV_EACCES},
        {JWT_ALG_HS256, "k1", long_sub, "a", NOW + 1, UV_EACCES},
        {JWT_ALG_HS256, "k1", "me", NULL, NOW + 1, UV_EACCES},
        {JWT_ALG_HS256, "k1", "me", "a", 0, UV_EACCES},
        {JWT_ALG_HS256, "k1", "me", "a", NOW, UV_EACCES},
    };
    struct token_keys *keys = two_keys();
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct token_claims claims;
        char *text = forge(cases[i].alg, cases[i].kid, cases[i].sub,
                           cases[i].scope, cases[i].exp);
        assert_int_equal(token_verify(keys, span_str(text), NOW, &claims),
                         cases[i].err);
        free(text);
    }
    token_keys_destroy(keys);
}

static void test_token_is_not_good_before_it_begins(void **state)
{
    static const struct {
        const char *claims;
        int err;
    } cases[] = {
        {"{\"nbf\":999999}", 0},          {"{\"nbf\":1000000}", 0},
        {"{\"nbf\":1000000.0}", 0},       {"{\"nbf\":-1}", 0},
        {"{\"nbf\":1000001}", UV_EACCES}, {"{\"nbf\":1000000.5}", UV_EACCES},
        {"{\"nbf\":1e300}", UV_EACCES},   {"{\"nbf\":\"1\"}", UV_EACCES},
        {"{\"nbf\":null}", UV_EACCES},    {"{\"nbf\":[1]}", UV_EACCES},
    };
    struct token_keys *keys = two_keys();
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct token_claims claims;
        char *text = forge_with(cases[i].claims, JWT_ALG_HS256, "k1", "me", "a",
                                NOW + 1);
        assert_int_equal(token_verify(keys, span_str(text), NOW, &claims),
                         cases[i].err);
        free(text);
    }
    token_keys_destroy(keys);
}

static void test_token_scope_allows_what_it_says(void **state)
{
    static const struct {
        const char *scopes, *wanted, *object; /* object NULL: none */
        bool allowed;
    } cases[] = {
        {"links:write", "links:write", NULL, true},
        {"links:write", "links:write", "abc", true},
        {"links:write", "links:read", NULL, false},
        {"links", "links:write", NULL, false},
        {"links:writer", "links:write", NULL, false},
        {"links:write:ab*", "links:write", NULL, true},
        {"links:write:ab*", "links:write", "abc", true},
        {"links:write:ab*", "links:write", "ab", true},
        {"links:write:ab*", "links:write", "acb", false},
        {"links:write:abc", "links:write", "abc", true},
        {"links:write:abc", "links:write", "abcd", false},
        {"links:write:*", "links:write", "x", true},
        {"links:write:", "links:write", "x", false},
        {"links:read links:write", "links:write", NULL, true},
        {"admin", "links:write", "x", true},
        {"links:write", "admin", NULL, false},
        {"administrator", "links:write", NULL, false},
        {"", "links:write", NULL, false},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(token_scope_allows(span_str(cases[i].scopes),
                                            span_str(cases[i].wanted),
                                            span_str(cases[i].object)),
                         cases[i].allowed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_keys_refuse_what_is_unsafe),
        cmocka_unit_test(test_token_that_is_minted_is_good_until_it_ends),
        cmocka_unit_test(test_token_with_any_byte_changed_is_refused),
        cmocka_unit_test(test_token_made_by_others_is_held_to_the_rules),
        cmocka_unit_test(test_token_is_not_good_before_it_begins),
        cmocka_unit_test(test_token_scope_allows_what_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
