/*
 * auth.c - see auth.h.
 *
 * Verifying costs some 10 us, so a verified token is kept by its SHA-256 in a
 * table with one place per hash: a newcomer takes the place of what was there.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <uv.h>

#include "common/auth.h"
#include "common/clock.h"

#define DIGEST_LEN 32

struct cached {
    unsigned char digest[DIGEST_LEN];
    struct token_claims *claims; /* NULL: free */
};

struct auth {
    struct token_keys *keys;
    EVP_MD *sha256;
    EVP_MD_CTX *ctx;
    struct cached *cached; /* AUTH_MAX_CACHED; made with the first token */
    bool open;
};

struct auth *auth_create(struct token_keys *keys, bool open)
{
    struct auth *auth = mem_zalloc(MEM_AUTH, sizeof(*auth));

    auth->keys = keys;
    auth->open = open;
    return auth;
}

static void forget_all(struct auth *auth)
{
    for (size_t i = 0; auth->cached && i < AUTH_MAX_CACHED; i++)
        mem_free(auth->cached[i].claims);
    mem_free(auth->cached);
    auth->cached = NULL;
}

void auth_destroy(struct auth *auth)
{
    if (!auth)
        return;
    forget_all(auth);
    token_keys_destroy(auth->keys);
    EVP_MD_CTX_free(auth->ctx);
    EVP_MD_free(auth->sha256);
    mem_free(auth);
}

void auth_set_keys(struct auth *auth, struct token_keys *keys)
{
    forget_all(auth);
    token_keys_destroy(auth->keys);
    auth->keys = keys;
}

static bool digest_of(struct auth *auth, struct span token,
                      unsigned char digest[DIGEST_LEN])
{
    if (!auth->ctx) {
        auth->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
        auth->ctx = EVP_MD_CTX_new();
    }
    return EVP_DigestInit_ex2(auth->ctx, auth->sha256, NULL) == 1 &&
           EVP_DigestUpdate(auth->ctx, token.ptr, token.len) == 1 &&
           EVP_DigestFinal_ex(auth->ctx, digest, NULL) == 1;
}

static struct cached *place_of(struct auth *auth,
                               const unsigned char digest[DIGEST_LEN])
{
    uint32_t hash;

    if (!auth->cached)
        auth->cached =
            mem_zalloc(MEM_AUTH, AUTH_MAX_CACHED * sizeof(auth->cached[0]));
    memcpy(&hash, digest, sizeof(hash));
    return &auth->cached[hash % AUTH_MAX_CACHED];
}

/* The claims of a token that is good now, or NULL. */
static const struct token_claims *verify(struct auth *auth, struct span token,
                                         int64_t now_s)
{
    unsigned char digest[DIGEST_LEN];
    struct token_claims claims;

    if (!auth->keys || token.len == 0 || token.len > TOKEN_MAX ||
        !digest_of(auth, token, digest))
        return NULL;
    struct cached *place = place_of(auth, digest);
    if (place->claims && CRYPTO_memcmp(place->digest, digest, DIGEST_LEN) == 0)
        return place->claims->exp > now_s ? place->claims : NULL;
    if (token_verify(auth->keys, token, now_s, &claims) < 0)
        return NULL;
    if (!place->claims)
        place->claims = mem_alloc(MEM_AUTH, sizeof(claims));
    *place->claims = claims;
    memcpy(place->digest, digest, DIGEST_LEN);
    return place->claims;
}

static struct span bearer_of(struct span authorization)
{
    static const size_t len = sizeof("Bearer ") - 1;

    if (authorization.len <= len ||
        !span_eq_nocase((struct span){authorization.ptr, len}, SPAN("Bearer ")))
        return SPAN("");
    return span_trim(span_skip(authorization, len));
}

int auth_identify(struct auth *auth, struct span authorization,
                  struct span cookie, int64_t now_s,
                  struct auth_identity *identity)
{
    struct span token = authorization.ptr ? bearer_of(authorization) : cookie;

    if (!token.ptr) {
        if (!auth->open)
            return UV_EACCES;
        *identity = (struct auth_identity){.sub = SPAN("anonymous"),
                                           .scopes = SPAN(""),
                                           .all_but_admin = true};
        return 0;
    }
    const struct token_claims *claims = verify(auth, token, now_s);
    if (!claims)
        return UV_EACCES;
    *identity = (struct auth_identity){.sub = span_str(claims->sub),
                                       .scopes = span_str(claims->scope)};
    return 0;
}

bool auth_allows(const struct auth_identity *identity, struct span wanted,
                 struct span object)
{
    if (identity->all_but_admin)
        return !span_eq(wanted, SPAN("admin"));
    return token_scope_allows(identity->scopes, wanted, object);
}
