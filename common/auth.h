/*
 * auth.h - who a request comes from.
 *
 * A verified token is remembered until it ends, in a bounded cache; without a
 * token an open service's caller is anonymous.
 */
#pragma once

#include "common/token.h"

#define AUTH_MAX_CACHED 4096

struct auth;

struct auth_identity {
    /* Borrowed until the next auth_ call. */
    struct span sub;     /* "" of a Mercure token that has none */
    struct span scopes;  /* an open service's anonymous: every one but admin */
    struct span mercure; /* the claim, a JSON object; ptr NULL when absent */
    struct span jti;     /* "" when absent */
    int64_t expires_at;  /* seconds since 1970; 0: never, or no token */
    bool all_but_admin;
};

/* keys NULL: no token is good; takes keys over. */
struct auth *auth_create(struct token_keys *keys, bool open);
void auth_destroy(struct auth *auth);
/* Change keys; forgets what was verified. */
void auth_set_keys(struct auth *auth, struct token_keys *keys);

/* See token_mint(); NULL: there are no keys either. */
char *auth_mint(const struct auth *auth, const struct token_claims *claims);

/*
 * authorization and cookie are header values (ptr NULL when absent); the
 * cookie counts when there is no authorization.  0, or UV_EACCES: a token is
 * missing where it must be, or is bad.
 */
int auth_identify(struct auth *auth, struct span authorization,
                  struct span cookie, int64_t now_s,
                  struct auth_identity *identity);
bool auth_allows(const struct auth_identity *identity, struct span wanted,
                 struct span object);
