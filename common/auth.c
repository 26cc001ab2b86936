/*
 * auth.c - see auth.h.
 *
 * Verifying costs some 10 us, so a verified token is kept in a table with one
 * place per keyed hash: a newcomer takes the place of what was there.  Who does
 * not know a token has no hash like it, so that how long comparing the bytes
 * takes tells nobody anything.
 */
#include <string.h>
#include <uv.h>

#include "common/auth.h"
#include "common/clock.h"
#include "common/hash.h"

struct verified {
    uint64_t hash;
    int64_t exp;
    char *mercure; /* or NULL */
    uint16_t len, sub_len, scope_len, jti_len;
    char bytes[]; /* the token, sub, scope, jti: there are thousands of these */
};

struct auth {
    struct token_keys *keys;
    struct hash_key hash_key;
    struct verified **cached; /* AUTH_MAX_CACHED; made with the first token */
    bool open;
};

struct auth *auth_create(struct token_keys *keys, bool open)
{
    struct auth *auth = mem_zalloc(MEM_AUTH, sizeof(*auth));

    auth->keys = keys;
    auth->hash_key = hash_random_key();
    auth->open = open;
    return auth;
}

static void forget(struct verified *kept)
{
    if (!kept)
        return;
    mem_free(kept->mercure);
    mem_free(kept);
}

static void forget_all(struct auth *auth)
{
    for (size_t i = 0; auth->cached && i < AUTH_MAX_CACHED; i++)
        forget(auth->cached[i]);
    mem_free(auth->cached);
    auth->cached = NULL;
}

void auth_destroy(struct auth *auth)
{
    if (!auth)
        return;
    forget_all(auth);
    token_keys_destroy(auth->keys);
    mem_free(auth);
}

void auth_set_keys(struct auth *auth, struct token_keys *keys)
{
    forget_all(auth);
    token_keys_destroy(auth->keys);
    auth->keys = keys;
}

static struct verified **place_of(struct auth *auth, uint64_t hash)
{
    if (!auth->cached)
        auth->cached =
            mem_zalloc(MEM_AUTH, AUTH_MAX_CACHED * sizeof(struct verified *));
    return &auth->cached[hash % AUTH_MAX_CACHED];
}

static bool is_of(const struct verified *kept, uint64_t hash, struct span token)
{
    return kept && kept->hash == hash &&
           span_eq((struct span){kept->bytes, kept->len}, token);
}

/* Takes over what the claims own. */
static struct verified *keep(const struct token_claims *claims, uint64_t hash,
                             struct span token)
{
    struct span sub = span_str(claims->sub);
    struct span scope = span_str(claims->scope);
    struct span jti = span_str(claims->jti);
    struct verified *kept = mem_alloc(
        MEM_AUTH, sizeof(*kept) + token.len + sub.len + scope.len + jti.len);
    char *at = kept->bytes;

    *kept = (struct verified){.hash = hash,
                              .exp = claims->exp,
                              .mercure = claims->mercure,
                              .len = (uint16_t)token.len,
                              .sub_len = (uint16_t)sub.len,
                              .scope_len = (uint16_t)scope.len,
                              .jti_len = (uint16_t)jti.len};
    memcpy(at, token.ptr, token.len);
    memcpy(at + token.len, sub.ptr, sub.len);
    memcpy(at + token.len + sub.len, scope.ptr, scope.len);
    memcpy(at + token.len + sub.len + scope.len, jti.ptr, jti.len);
    return kept;
}

static struct auth_identity identity_of(const struct verified *kept)
{
    const char *sub = kept->bytes + kept->len;
    const char *scope = sub + kept->sub_len;
    const char *jti = scope + kept->scope_len;

    return (struct auth_identity){.sub = {sub, kept->sub_len},
                                  .scopes = {scope, kept->scope_len},
                                  .mercure = span_str(kept->mercure),
                                  .jti = {jti, kept->jti_len},
                                  .expires_at = kept->exp};
}

/* What a token that is good now says, or NULL. */
static const struct verified *verify(struct auth *auth, struct span token,
                                     int64_t now_s)
{
    struct token_claims claims;

    if (!auth->keys || token.len == 0 || token.len > TOKEN_MAX)
        return NULL;
    uint64_t hash = hash_bucket(&auth->hash_key, token);
    struct verified **place = place_of(auth, hash);
    if (is_of(*place, hash, token))
        return (*place)->exp != 0 && (*place)->exp <= now_s ? NULL : *place;
    if (token_verify(auth->keys, token, now_s, &claims) < 0)
        return NULL;
    forget(*place);
    *place = keep(&claims, hash, token);
    return *place;
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
    const struct verified *kept = verify(auth, token, now_s);
    if (!kept)
        return UV_EACCES;
    *identity = identity_of(kept);
    return 0;
}

bool auth_allows(const struct auth_identity *identity, struct span wanted,
                 struct span object)
{
    if (identity->all_but_admin)
        return !span_eq(wanted, SPAN("admin"));
    return token_scope_allows(identity->scopes, wanted, object);
}

char *auth_mint(const struct auth *auth, const struct token_claims *claims)
{
    return auth->keys ? token_mint(auth->keys, claims) : NULL;
}
