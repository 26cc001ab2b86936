/*
 * token.c - see token.h.
 *
 * libjwt decodes without a key first, only to learn the kid; what counts is
 * the second, verifying decode.  It takes any HMAC the header names, so the
 * algorithm is looked at again.
 */
#include <jansson.h>
#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "common/key_set.h"
#include "common/token.h"

#define EXP_MAX 253402300800.0 /* the year 10000 */

struct token_keys {
    struct key_set *set;
};

static struct token_keys *wrap(struct key_set *set)
{
    struct token_keys *keys = NULL;

    if (set) {
        keys = mem_zalloc(MEM_AUTH, sizeof(*keys));
        keys->set = set;
    }
    return keys;
}

struct token_keys *token_keys_load(const char *path, char *reason,
                                   size_t reason_size)
{
    return wrap(key_set_load(path, "HS256", reason, reason_size));
}

struct token_keys *token_keys_of(const unsigned char *secret, size_t len)
{
    return wrap(key_set_of(secret, len));
}

void token_keys_destroy(struct token_keys *keys)
{
    if (!keys)
        return;
    key_set_destroy(keys->set);
    mem_free(keys);
}

/* The key that the token's header names; NULL when there is none. */
static const struct key_set_key *key_of(const struct token_keys *keys,
                                        const char *text)
{
    const struct key_set_key *key = NULL;
    jwt_t *unverified = NULL;

    if (jwt_decode(&unverified, text, NULL, 0) == 0) {
        const char *kid = jwt_get_header(unverified, "kid");
        key = kid ? key_set_find(keys->set, kid)
                  : &keys->set->keys[keys->set->current];
    }
    jwt_free(unverified);
    return key;
}

static bool take_text(jwt_t *jwt, const char *name, char *out, size_t size)
{
    const char *value = jwt_get_grant(jwt, name);

    return value && *value && (size_t)snprintf(out, size, "%s", value) < size;
}

/* It may be missing, but what is there must fit. */
static bool take_text_if_any(jwt_t *jwt, const char *name, char *out,
                             size_t size)
{
    return !jwt_get_grant(jwt, name) || take_text(jwt, name, out, size);
}

/* libjwt gives what jansson made, by whatever jansson makes its own. */
static void free_json(char *text)
{
    json_malloc_t make;
    json_free_t unmake;

    json_get_alloc_funcs(&make, &unmake);
    unmake(text);
}

/*
 * 0: it has no exp; -1: that has passed, or is no time.  A NumericDate may have
 * a fraction: of that we need not know.
 */
static int64_t expiry_of(jwt_t *jwt, int64_t now_s)
{
    char *text = jwt_get_grants_json(jwt, "exp");
    double seconds = text ? strtod(text, NULL) : 0;
    bool is_time = seconds > 0 && seconds < EXP_MAX;

    if (!text)
        return 0;
    free_json(text);
    return is_time && (int64_t)seconds > now_s ? (int64_t)seconds : -1;
}

/* Its nbf, if it has one, has come; what is no number never does. */
static bool has_begun(jwt_t *jwt, int64_t now_s)
{
    char *text = jwt_get_grants_json(jwt, "nbf");
    char *end = text;
    double seconds = text ? strtod(text, &end) : 0;
    bool begun =
        !text || (end != text && *end == '\0' && seconds <= (double)now_s);

    free_json(text);
    return begun;
}

/* The claim's text, free_json()d by the caller; NULL: there is no such object.
 */
static char *mercure_of(jwt_t *jwt)
{
    char *text = jwt_get_grants_json(jwt, "mercure");

    if (text && text[0] == '{')
        return text;
    free_json(text);
    return NULL;
}

static char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(mem_alloc(MEM_AUTH, size), text, size);
}

static bool read_texts(jwt_t *jwt, struct token_claims *read)
{
    return take_text_if_any(jwt, "sub", read->sub, sizeof(read->sub)) &&
           take_text_if_any(jwt, "scope", read->scope, sizeof(read->scope)) &&
           take_text_if_any(jwt, "jti", read->jti, sizeof(read->jti));
}

static int read_claims(jwt_t *jwt, int64_t now_s, struct token_claims *claims)
{
    struct token_claims read = {.exp = expiry_of(jwt, now_s)};

    if (jwt_get_alg(jwt) != JWT_ALG_HS256 || read.exp < 0 ||
        !has_begun(jwt, now_s) || !read_texts(jwt, &read))
        return UV_EACCES;
    bool whole = read.exp && read.sub[0] && read.scope[0];
    char *mercure = mercure_of(jwt);
    bool good = mercure ? strlen(mercure) <= TOKEN_MERCURE_MAX : whole;
    if (good) {
        if (!whole)
            read.scope[0] = '\0';
        read.mercure = mercure ? copy_text(mercure) : NULL;
        *claims = read;
    }
    free_json(mercure);
    return good ? 0 : UV_EACCES;
}

int token_verify(const struct token_keys *keys, struct span token,
                 int64_t now_s, struct token_claims *claims)
{
    char text[TOKEN_MAX + 1];
    jwt_t *jwt = NULL;
    int err = UV_EACCES;

    if (token.len == 0 || token.len > TOKEN_MAX ||
        memchr(token.ptr, '\0', token.len))
        return UV_EACCES;
    memcpy(text, token.ptr, token.len);
    text[token.len] = '\0';
    const struct key_set_key *key = key_of(keys, text);
    if (key && jwt_decode(&jwt, text, key->secret, (int)key->secret_len) == 0)
        err = read_claims(jwt, now_s, claims);
    jwt_free(jwt);
    return err;
}

static bool put_text(jwt_t *jwt, const char *name, const char *value)
{
    return !*value || jwt_add_grant(jwt, name, value) == 0;
}

static bool put_mercure(jwt_t *jwt, const char *mercure)
{
    size_t size = strlen(mercure) + sizeof("{\"mercure\":}");
    char *text = mem_alloc(MEM_AUTH, size);

    snprintf(text, size, "{\"mercure\":%s}", mercure);
    bool put = jwt_add_grants_json(jwt, text) == 0;
    mem_free(text);
    return put;
}

static bool put_claims(jwt_t *jwt, const struct token_claims *claims)
{
    return put_text(jwt, "sub", claims->sub) &&
           put_text(jwt, "scope", claims->scope) &&
           put_text(jwt, "jti", claims->jti) &&
           (!claims->exp ||
            jwt_add_grant_int(jwt, "exp", (long)claims->exp) == 0) &&
           (!claims->mercure || put_mercure(jwt, claims->mercure));
}

char *token_mint(const struct token_keys *keys,
                 const struct token_claims *claims)
{
    const struct key_set_key *key = &keys->set->keys[keys->set->current];
    jwt_t *jwt = NULL;
    char *encoded = NULL;
    char *out = NULL;

    if (jwt_new(&jwt) == 0 &&
        jwt_set_alg(jwt, JWT_ALG_HS256, key->secret, (int)key->secret_len) ==
            0 &&
        jwt_add_header(jwt, "kid", key->kid) == 0 && put_claims(jwt, claims))
        encoded = jwt_encode_str(jwt);
    if (encoded)
        out = copy_text(encoded);
    free(encoded);
    jwt_free(jwt);
    return out;
}

static bool fits(struct span pattern, struct span object)
{
    if (!object.ptr)
        return true;
    if (pattern.len && pattern.ptr[pattern.len - 1] == '*')
        return span_has_prefix(object,
                               (struct span){pattern.ptr, pattern.len - 1});
    return span_eq(pattern, object);
}

bool token_scope_allows(struct span scopes, struct span wanted,
                        struct span object)
{
    struct span rest = scopes;
    struct span scope;

    while (span_cut(&rest, ' ', &scope)) {
        if (span_eq(scope, SPAN("admin")) || span_eq(scope, wanted))
            return true;
        if (span_has_prefix(scope, wanted) && scope.len > wanted.len &&
            scope.ptr[wanted.len] == ':' &&
            fits(span_skip(scope, wanted.len + 1), object))
            return true;
    }
    return false;
}
