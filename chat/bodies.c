/* bodies.c - see bodies.h. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat/bodies.h"
#include "common/key_set.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"

#define KEYS_MAX 8
#define ID_MAX 16
#define SECRET 32
#define NONCE 12
#define TAG 16
#define MARK '\xff'
#define DIGEST 16

struct bodies {
    struct key_set *set;
    EVP_CIPHER_CTX *cipher;
    uint64_t *unreadable;
    char plain[TEXT_MAX];
};

/* ---- the file */

static bool is_id(const char *kid)
{
    size_t len = strlen(kid);

    return len <= ID_MAX &&
           strspn(kid, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                       "0123456789_") == len;
}

static const char *fault_of(const struct key_set *set)
{
    if (set->count > KEYS_MAX)
        return "more than 8 keys";
    for (size_t i = 0; i < set->count; i++) {
        if (!is_id(set->keys[i].kid))
            return "a kid must be 1 to 16 letters, digits or _";
        if (set->keys[i].secret_len != SECRET)
            return "a secret must have 32 bytes";
    }
    return NULL;
}

struct bodies *bodies_load(const char *path, char *reason, size_t reason_size)
{
    struct key_set *set = key_set_load(path, "A256GCM", reason, reason_size);
    const char *fault = set ? fault_of(set) : NULL;

    if (fault) {
        snprintf(reason, reason_size, "%s: %s", path, fault);
        key_set_destroy(set);
        set = NULL;
    }
    if (!set)
        return NULL;
    struct bodies *bodies = mem_zalloc(MEM_AUTH, sizeof(*bodies));
    bodies->set = set;
    bodies->cipher = EVP_CIPHER_CTX_new();
    return bodies;
}

void bodies_destroy(struct bodies *bodies)
{
    if (!bodies)
        return;
    EVP_CIPHER_CTX_free(bodies->cipher);
    key_set_destroy(bodies->set);
    explicit_bzero(bodies, sizeof(*bodies));
    mem_free(bodies);
}

static const struct key_set_key *current(const struct bodies *bodies)
{
    return &bodies->set->keys[bodies->set->current];
}

struct span bodies_kid(const struct bodies *bodies)
{
    return bodies ? span_str(current(bodies)->kid) : SPAN(BODIES_OPEN);
}

/* ---- keys and digests: of a secret for a purpose */

static bool derive(const struct key_set_key *key, const char *purpose,
                   struct span of, unsigned char out[SECRET])
{
    unsigned len = SECRET;
    struct buf text;

    buf_init(&text, MEM_REQUEST);
    buf_append(&text, span_str(purpose));
    buf_append_char(&text, '\0');
    buf_append(&text, of);
    bool good =
        HMAC(EVP_sha256(), key->secret, SECRET, (const unsigned char *)text.ptr,
             text.len, out, &len) != NULL;
    buf_deinit(&text);
    return good && len == SECRET;
}

struct span bodies_digests(const struct bodies *bodies, struct span said,
                           char out[BODIES_DIGESTS_MAX])
{
    unsigned char digest[SECRET] = {0};
    char *at = out;

    for (size_t i = 0; i < bodies->set->count; i++) {
        derive(&bodies->set->keys[i], "digest", said, digest);
        if (at > out)
            *at++ = ',';
        for (size_t j = 0; j < DIGEST; j++, at += 2)
            snprintf(at, 3, "%02x", digest[j]);
    }
    return (struct span){out, (size_t)(at - out)};
}

/* ---- sealing */

static bool begin(EVP_CIPHER_CTX *cipher, bool seals,
                  const struct key_set_key *key, const struct body_place *place,
                  const unsigned char nonce[NONCE])
{
    unsigned char secret[SECRET];
    struct buf where;
    int len;

    buf_init(&where, MEM_REQUEST);
    buf_append(&where, place->room);
    buf_append_char(&where, '\0');
    buf_append(&where, place->from);
    buf_append_char(&where, '\0');
    buf_append(&where, place->client_id);
    buf_append_char(&where, '\0');
    buf_append_u64(&where, place->target);
    bool good =
        derive(key, "body", place->room, secret) &&
        EVP_CipherInit_ex(cipher, EVP_aes_256_gcm(), NULL, secret, nonce,
                          seals) == 1 &&
        EVP_CipherUpdate(cipher, NULL, &len, (const unsigned char *)where.ptr,
                         (int)where.len) == 1;
    explicit_bzero(secret, sizeof(secret));
    buf_deinit(&where);
    return good;
}

static bool seal(const struct bodies *bodies, const struct body_place *place,
                 struct span plain, unsigned char *at)
{
    unsigned char *nonce = at;
    unsigned char *sealed = nonce + NONCE;
    int len = 0;

    return RAND_bytes(nonce, NONCE) == 1 &&
           begin(bodies->cipher, true, current(bodies), place, nonce) &&
           EVP_CipherUpdate(bodies->cipher, sealed, &len,
                            (const unsigned char *)plain.ptr,
                            (int)plain.len) == 1 &&
           EVP_CipherFinal_ex(bodies->cipher, sealed + len, &len) == 1 &&
           EVP_CIPHER_CTX_ctrl(bodies->cipher, EVP_CTRL_AEAD_GET_TAG, TAG,
                               sealed + plain.len) == 1;
}

/* Without random bytes or memory there is no going on: a text in the open would
   break a promise. */
void bodies_seal(const struct bodies *bodies, const struct body_place *place,
                 struct span plain, struct buf *out)
{
    if (!bodies) {
        buf_append(out, plain);
        return;
    }
    buf_append_char(out, MARK);
    buf_append(out, bodies_kid(bodies));
    buf_append_char(out, ' ');
    size_t len = NONCE + plain.len + TAG;
    unsigned char *at = (unsigned char *)buf_reserve(out, len);
    if (!seal(bodies, place, plain, at)) {
        log_write(LOG_ERROR, "a text cannot be sealed",
                  LOG_TEXT("key", bodies_kid(bodies)));
        abort();
    }
    buf_commit(out, len);
}

static bool open_with(struct bodies *bodies, const struct key_set_key *key,
                      const struct body_place *place, struct span sealed)
{
    const unsigned char *nonce = (const unsigned char *)sealed.ptr;
    const unsigned char *text = nonce + NONCE;
    int text_len = (int)(sealed.len - NONCE - TAG);
    unsigned char tag[TAG];
    int len = 0;

    memcpy(tag, text + text_len, TAG);
    return begin(bodies->cipher, false, key, place, nonce) &&
           EVP_CipherUpdate(bodies->cipher, (unsigned char *)bodies->plain,
                            &len, text, text_len) == 1 &&
           EVP_CIPHER_CTX_ctrl(bodies->cipher, EVP_CTRL_AEAD_SET_TAG, TAG,
                               tag) == 1 &&
           EVP_CipherFinal_ex(bodies->cipher,
                              (unsigned char *)bodies->plain + len, &len) == 1;
}

static bool is_sealed(struct span kept)
{
    return kept.len > 0 && kept.ptr[0] == MARK;
}

static const struct key_set_key *key_of(const struct bodies *bodies,
                                        struct span kid)
{
    char name[ID_MAX + 1] = "";

    if (!bodies || kid.len > ID_MAX)
        return NULL;
    memcpy(name, kid.ptr, kid.len);
    return key_set_find(bodies->set, name);
}

struct span bodies_open(struct bodies *bodies, const struct body_place *place,
                        struct span kept)
{
    struct span sealed = span_skip(kept, 1);
    struct span kid;

    if (!is_sealed(kept))
        return kept;
    span_cut(&sealed, ' ', &kid);
    const struct key_set_key *key = key_of(bodies, kid);
    if (key && sealed.ptr && sealed.len >= NONCE + TAG &&
        sealed.len - NONCE - TAG <= TEXT_MAX &&
        open_with(bodies, key, place, sealed))
        return (struct span){bodies->plain, sealed.len - NONCE - TAG};
    if (bodies && bodies->unreadable)
        metrics_add(bodies->unreadable, 1);
    return (struct span){NULL, 0};
}

bool bodies_is_old(const struct bodies *bodies, struct span kept)
{
    struct span rest = span_skip(kept, 1);
    struct span kid;

    if (!is_sealed(kept))
        return bodies != NULL;
    return !span_cut(&rest, ' ', &kid) || !span_eq(kid, bodies_kid(bodies));
}

void bodies_read(struct bodies *bodies, struct span room,
                 const struct entry *entry, struct text *text)
{
    struct body_place place = {
        .room = room,
        .from = entry->from,
        .client_id = text->client_id,
        .target = entry->kind == ENTRY_EDIT ? entry->target : 0};

    if (!is_sealed(text->plain))
        return;
    text->plain = bodies_open(bodies, &place, text->plain);
    text->unreadable = !text->plain.ptr;
}

void bodies_count(struct bodies *bodies, uint64_t *unreadable)
{
    bodies->unreadable = unreadable;
}
