/* test_token.c - key sets, tokens, scopes. */
#include <jwt.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
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
/* Of 32 bytes and a bit. */
#define ODD_SECRET "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9"
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
        {"{\"current\":\"k1\",\"keys\":[" KEY("k1", SECRET_1 "=x") "]}", 0600,
         "base64url"},
        {"{\"current\":\"k1\",\"keys\":[" KEY("k1", SECRET_1 "===") "]}", 0600,
         "base64url"},
        {"{\"current\":\"k1\",\"keys\":[" KEY("k1", ODD_SECRET) "]}", 0600,
         "base64url"},
        {"{\"current\":\"k1\",\"keys\":[" KEY("k1", SECRET_1
                                              "=") "," KEY("k1", SECRET_2) "]}",
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

/* Other software's: who, what and until when may all be missing. */
static void test_token_for_a_mercure_hub_needs_only_its_claim(void **state)
{
    static const struct {
        const char *more, *sub, *scope;
        long exp;
        int err;
        const char *mercure, *kept_scope;
    } cases[] = {
        {"{\"mercure\":{}}", NULL, NULL, 0, 0, "{}", ""},
        {"{\"mercure\":{ \"publish\": [\"*\"] }}", NULL, NULL, 0, 0,
         "{\"publish\":[\"*\"]}", ""},
        {"{\"mercure\":{\"payload\":{\"name\":\"\\u00e9\"}}}", "me", NULL,
         NOW + 1, 0, "{\"payload\":{\"name\":\"\xc3\xa9\"}}", ""},
        {"{\"mercure\":{}}", "me", "a", NOW + 1, 0, "{}", "a"},
        /* Whoever nothing names or ends has no scope. */
        {"{\"mercure\":{}}", NULL, "a", NOW + 1, 0, "{}", ""},
        {"{\"mercure\":{}}", "me", "a", 0, 0, "{}", ""},
        {"{\"mercure\":{},\"scope\":[\"a\"]}", "me", NULL, NOW + 1, 0, "{}",
         ""},
        /* An end that is there counts. */
        {"{\"mercure\":{}}", NULL, NULL, NOW, UV_EACCES, NULL, NULL},
        {"{\"mercure\":{},\"exp\":\"x\"}", NULL, NULL, 0, UV_EACCES, NULL,
         NULL},
        {"{\"mercure\":{},\"exp\":null}", NULL, NULL, 0, UV_EACCES, NULL, NULL},
        {"{\"mercure\":{},\"exp\":-1}", NULL, NULL, 0, UV_EACCES, NULL, NULL},
        {"{\"mercure\":{},\"nbf\":1000001}", NULL, NULL, 0, UV_EACCES, NULL,
         NULL},
        {"{\"mercure\":{}}", "", NULL, 0, UV_EACCES, NULL, NULL},
        /* No object is no claim. */
        {"{\"mercure\":[\"*\"]}", NULL, NULL, 0, UV_EACCES, NULL, NULL},
        {"{\"mercure\":\"*\"}", NULL, NULL, 0, UV_EACCES, NULL, NULL},
        {"{\"mercure\":null}", NULL, NULL, 0, UV_EACCES, NULL, NULL},
        {"{\"mercure\":true}", "me", "a", NOW + 1, 0, NULL, "a"},
        {"{}", NULL, NULL, 0, UV_EACCES, NULL, NULL},
    };
    struct token_keys *keys = two_keys();
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct token_claims claims = {.exp = 5};
        char *text = forge_with(cases[i].more, JWT_ALG_HS256, NULL,
                                cases[i].sub, cases[i].scope, cases[i].exp);
        assert_int_equal(token_verify(keys, span_str(text), NOW, &claims),
                         cases[i].err);
        assert_int_equal(claims.exp, cases[i].err ? 5 : cases[i].exp);
        if (cases[i].mercure)
            assert_string_equal(claims.mercure, cases[i].mercure);
        else
            assert_null(claims.mercure);
        if (!cases[i].err)
            assert_string_equal(claims.scope, cases[i].kept_scope);
        mem_free(claims.mercure);
        free(text);
    }
    token_keys_destroy(keys);
}

static size_t encode(char *out, const void *bytes, size_t len)
{
    int size = EVP_EncodeBlock((unsigned char *)out, bytes, (int)len);

    out[strcspn(out, "=")] = '\0';
    for (int i = 0; i < size; i++)
        out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
    return strlen(out);
}

/* A token of these very bytes: libjwt writes claims in its own way. */
static void sign(const char *claims, char token[2 * TOKEN_MAX])
{
    static const char head[] = "{\"alg\":\"HS256\",\"kid\":\"k1\"}";
    unsigned char secret[32];
    unsigned char mac[32];
    size_t len = encode(token, head, sizeof(head) - 1);

    for (unsigned char i = 0; i < sizeof(secret); i++)
        secret[i] = i;
    token[len++] = '.';
    len += encode(token + len, claims, strlen(claims));
    HMAC(EVP_sha256(), secret, sizeof(secret), (unsigned char *)token, len, mac,
         NULL);
    token[len++] = '.';
    encode(token + len, mac, sizeof(mac));
}

/* A claim may be longer as JSON than it was: 0.1 has 17 digits there. */
static void test_token_mercure_claim_has_a_limit(void **state)
{
    static const struct {
        int numbers, err;
    } cases[] = {{190, 0}, {220, UV_EACCES}};
    struct token_keys *keys = two_keys();
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        char more[TOKEN_MAX] = "{\"mercure\":{\"payload\":[0.1";
        struct token_claims claims = {0};
        char text[2 * TOKEN_MAX];
        for (int n = 1; n < cases[i].numbers; n++)
            strcat(more, ",0.1");
        sign(strcat(more, "]}}"), text);
        assert_in_range(strlen(text), 1, TOKEN_MAX);
        assert_int_equal(token_verify(keys, span_str(text), NOW, &claims),
                         cases[i].err);
        mem_free(claims.mercure);
    }
    token_keys_destroy(keys);
}

static void test_token_that_is_minted_has_its_mercure_claim(void **state)
{
    struct token_keys *keys = two_keys();
    char claim[] = "{\"publish\":[\"a\"],\"subscribe\":[]}";
    char bad[] = "{\"publish\"";
    struct token_claims given = {.mercure = claim};
    struct token_claims claims;
    char *token = token_mint(keys, &given);
    (void)state;

    assert_non_null(token);
    assert_int_equal(token_verify(keys, span_str(token), NOW, &claims), 0);
    assert_string_equal(claims.mercure, claim);
    assert_string_equal(claims.sub, "");
    assert_string_equal(claims.scope, "");
    assert_int_equal(claims.exp, 0);
    mem_free(claims.mercure);
    mem_free(token);
    given.mercure = bad;
    assert_null(token_mint(keys, &given));
    token_keys_destroy(keys);
    assert_int_equal(mem_live(MEM_AUTH), 0);
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
        cmocka_unit_test(test_token_for_a_mercure_hub_needs_only_its_claim),
        cmocka_unit_test(test_token_mercure_claim_has_a_limit),
        cmocka_unit_test(test_token_that_is_minted_has_its_mercure_claim),
        cmocka_unit_test(test_token_scope_allows_what_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
