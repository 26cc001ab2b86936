/*
 * key_set.h - a file of secret keys, each with an id, one of them the current.
 *
 *   {"current": "k2", "keys": [{"kid": "k1", "alg": "…", "secret": base64url},
 *    {"kid": "k2", …}]}
 *
 * What was made with a key that is not the current one can be read as long as
 * that key is in the file: so keys rotate.
 */
#pragma once

#include <stddef.h>

#define KEY_SET_MAX 32 /* keys */
#define KEY_ID_MAX 64
#define KEY_SECRET_MIN 32
#define KEY_SECRET_MAX 256

struct key_set {
    size_t count, current;
    struct key_set_key {
        char kid[KEY_ID_MAX + 1];
        unsigned char secret[KEY_SECRET_MAX];
        size_t secret_len;
    } keys[KEY_SET_MAX];
};

/*
 * alg: of all its keys.  NULL with a line in reason when the file cannot be
 * read, is open to group or others, or is malformed.
 */
struct key_set *key_set_load(const char *path, const char *alg, char *reason,
                             size_t reason_size);
/* One key, with some id; secret has KEY_SECRET_MIN to KEY_SECRET_MAX bytes. */
struct key_set *key_set_of(const unsigned char *secret, size_t len);
void key_set_destroy(struct key_set *set);

/* NULL: there is none of that id. */
const struct key_set_key *key_set_find(const struct key_set *set,
                                       const char *kid);
