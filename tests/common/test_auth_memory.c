/*
 * test_auth_memory.c - what is verified once, on fake tokens: "<sub>.<exp>",
 * whose mercure claim is {"sub":"<sub>"} where sub begins with an m.
 */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "common/auth.h"
#include "tests/test.h"

struct token_keys {
    int verified, destroyed;
};

int token_verify(const struct token_keys *keys, struct span token,
                 int64_t now_s, struct token_claims *claims)
{
    struct span sub;
    uint64_t exp = 0;

    ((struct token_keys *)(uintptr_t)keys)->verified++;
    span_cut(&token, '.', &sub);
    if (!span_to_u64(token, INT64_MAX, &exp) ||
        (exp != 0 && (int64_t)exp <= now_s))
        return UV_EACCES;
    *claims = (struct token_claims){.exp = (int64_t)exp};
    snprintf(claims->sub, sizeof(claims->sub), "%.*s", (int)sub.len, sub.ptr);
    if (sub.len && sub.ptr[0] == 'm') {
        claims->mercure = mem_alloc(MEM_AUTH, sizeof(claims->sub) + 16);
        sprintf(claims->mercure, "{\"sub\":\"%s\"}", claims->sub);
    }
    return 0;
}

void token_keys_destroy(struct token_keys *keys)
{
    if (keys)
        keys->destroyed++;
}

bool token_scope_allows(struct span scopes, struct span wanted,
                        struct span object)
{
    (void)object;
    return span_eq(scopes, wanted);
}

/* Not asked for here; else the real one would bring the others with it. */
char *token_mint(const struct token_keys *keys,
                 const struct token_claims *claims)
{
    (void)keys;
    (void)claims;
    return NULL;
}

static int identify(struct auth *auth, const char *cookie, int64_t now_s)
{
    struct auth_identity identity;

    return auth_identify(auth, (struct span){NULL, 0}, span_str(cookie), now_s,
                         &identity);
}

static void test_auth_verifies_a_good_token_once(void **state)
{
    struct token_keys keys = {0};
    struct auth *auth = auth_create(&keys, false);
    (void)state;

    for (int64_t at = 1; at < 9; at++) {
        assert_int_equal(identify(auth, "me.9", at), 0);
        assert_int_equal(identify(auth, "you.9", at), 0);
    }
    assert_int_equal(keys.verified, 2);
    assert_int_equal(identify(auth, "me.9", 9), UV_EACCES);
    auth_destroy(auth);
    assert_int_equal(keys.destroyed, 1);
}

static void test_auth_token_without_an_end_is_verified_once(void **state)
{
    struct token_keys keys = {0};
    struct auth *auth = auth_create(&keys, false);
    (void)state;

    for (int64_t at = 1; at < INT64_MAX / 2; at *= 2)
        assert_int_equal(identify(auth, "me.0", at), 0);
    assert_int_equal(keys.verified, 1);
    auth_destroy(auth);
}

/* The claim is kept with its token, and goes with it. */
static void test_auth_tells_mercure_claims_apart(void **state)
{
    struct token_keys keys = {0};
    struct auth *auth = auth_create(&keys, false);
    struct auth_identity identity;
    char token[32];
    char claim[32];
    (void)state;

    for (int i = 0; i < 3 * AUTH_MAX_CACHED; i++) { /* most lose their place */
        snprintf(token, sizeof(token), "m%d.%d", i % 5000, i % 2 ? 0 : 9);
        snprintf(claim, sizeof(claim), "{\"sub\":\"m%d\"}", i % 5000);
        assert_int_equal(auth_identify(auth, (struct span){NULL, 0},
                                       span_str(token), 1, &identity),
                         0);
        assert_true(span_eq(identity.mercure, span_str(claim)));
        assert_int_equal(identity.expires_at, i % 2 ? 0 : 9);
    }
    assert_int_equal(auth_identify(auth, (struct span){NULL, 0}, SPAN("you.9"),
                                   1, &identity),
                     0);
    assert_null(identity.mercure.ptr);
    auth_destroy(auth);
    assert_int_equal(mem_live(MEM_AUTH), 0);
}

static void test_auth_verifies_a_bad_token_each_time(void **state)
{
    struct token_keys keys = {0};
    struct auth *auth = auth_create(&keys, false);
    (void)state;

    for (int i = 1; i <= 3; i++) {
        assert_int_equal(identify(auth, "me.1", 2), UV_EACCES);
        assert_int_equal(keys.verified, i);
    }
    auth_destroy(auth);
}

/* Sizes that cannot be tokens are not worth a look. */
static void test_auth_verifies_no_token_of_a_wrong_size(void **state)
{
    static char long_token[TOKEN_MAX + 2];
    struct token_keys keys = {0};
    struct auth *auth = auth_create(&keys, false);
    (void)state;

    memset(long_token, 'x', TOKEN_MAX + 1);
    assert_int_equal(identify(auth, long_token, 1), UV_EACCES);
    assert_int_equal(identify(auth, "", 1), UV_EACCES);
    assert_int_equal(keys.verified, 0);
    long_token[TOKEN_MAX] = '\0';
    assert_int_equal(identify(auth, long_token, 1), UV_EACCES);
    assert_int_equal(keys.verified, 1);
    auth_destroy(auth);
}

static void test_auth_verifies_again_by_new_keys(void **state)
{
    struct token_keys before = {0};
    struct token_keys after = {0};
    struct auth *auth = auth_create(&before, false);
    (void)state;

    assert_int_equal(identify(auth, "me.9", 1), 0);
    auth_set_keys(auth, &after);
    assert_int_equal(before.destroyed, 1);
    assert_int_equal(identify(auth, "me.9", 1), 0);
    assert_int_equal(identify(auth, "me.9", 1), 0);
    assert_int_equal(before.verified, 1);
    assert_int_equal(after.verified, 1);
    auth_destroy(auth);
    assert_int_equal(after.destroyed, 1);
    assert_int_equal(mem_live(MEM_AUTH), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auth_verifies_a_good_token_once),
        cmocka_unit_test(test_auth_token_without_an_end_is_verified_once),
        cmocka_unit_test(test_auth_tells_mercure_claims_apart),
        cmocka_unit_test(test_auth_verifies_a_bad_token_each_time),
        cmocka_unit_test(test_auth_verifies_no_token_of_a_wrong_size),
        cmocka_unit_test(test_auth_verifies_again_by_new_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
