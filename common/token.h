/*
 * token.h - bearer tokens: JWTs signed with HS256 by a key of a key set.
 *
 * The codec alone (libjwt); auth.h caches what was verified.  Refused: any
 * other algorithm, an unknown kid, a bad signature, a passed exp, an nbf that
 * has not come, and no sub, exp or scope where there is no `mercure` either.
 *
 * A token with a `mercure` claim may be one that other software made for a
 * Mercure hub: it need not say who, what or until when.  Its scope counts only
 * if it has all three, so that such a token is good for nothing but a hub.
 */
#pragma once

#include "common/mem.h"
#include "common/span.h"

#define TOKEN_MAX 4096    /* bytes of a token */
#define TOKEN_SUB_MAX 128 /* bytes of its subject */
#define TOKEN_SCOPE_MAX 1024
#define TOKEN_MERCURE_MAX 4096 /* bytes of that claim, as compact JSON */

struct token_keys;

struct token_claims {
    char sub[TOKEN_SUB_MAX + 1];
    char scope[TOKEN_SCOPE_MAX + 1]; /* space-separated */
    char jti[65];                    /* "" when absent */
    int64_t exp;                     /* seconds since 1970; 0: never */
    char *mercure; /* a JSON object, or NULL; the claims' owner frees it */
};

/*
 * Read a key set file.  NULL with *reason (static text or within the buffer)
 * when it cannot be read, is open to group or others, or is malformed.
 */
struct token_keys *token_keys_load(const char *path, char *reason,
                                   size_t reason_size);
/* One key, which is those bytes (32 to 256). */
struct token_keys *token_keys_of(const unsigned char *secret, size_t len);
void token_keys_destroy(struct token_keys *keys);

/*
 * 0 or UV_EACCES; claims untouched then.  The caller frees claims->mercure by
 * mem_free().
 */
int token_verify(const struct token_keys *keys, struct span token,
                 int64_t now_s, struct token_claims *claims);

/*
 * Sign with the current key; the caller frees by mem_free().  What is empty in
 * claims is left out.  NULL: claims->mercure is no JSON.
 */
char *token_mint(const struct token_keys *keys,
                 const struct token_claims *claims);

/*
 * Does scope list hold wanted ("links:write"), bare or narrowed by a pattern
 * (exact, or ending in *) that object matches?  object.ptr NULL: no object,
 * any narrowing will do (the route checks again when it knows the object).
 * "admin" is held only when listed.
 */
bool token_scope_allows(struct span scopes, struct span wanted,
                        struct span object);
