/* position_model.c - see position_model.h. */
#include <openssl/evp.h>
#include <stdlib.h>

#include "tests/notifier/position_model.h"

#define TAG 16
#define SPARSE_MAX 120 /* with more partitions a map is longer than marks */

/* ---- bytes */

static void check(bool good)
{
    if (!good)
        abort();
}

static size_t put(unsigned char *out, size_t n, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[n++] = (unsigned char)(value >> 8 * i);
    return n;
}

static size_t put_number(unsigned char *out, size_t n, uint64_t value)
{
    do {
        out[n++] = (unsigned char)((value & 127) | (value > 127 ? 128 : 0));
        value >>= 7;
    } while (value);
    return n;
}

struct summary {
    size_t count;
    uint64_t least, most;
    unsigned width;
};

static struct summary summarize(const struct position_partitions *partitions)
{
    struct summary s = {.least = UINT64_MAX};

    for (size_t i = 0; i < HASH_PARTITIONS; i++) {
        uint64_t offset = partitions->offsets[i];
        if (!offset)
            continue;
        s.count++;
        s.least = offset < s.least ? offset : s.least;
        s.most = offset > s.most ? offset : s.most;
    }
    while (s.count && (s.most - s.least) >> s.width)
        s.width++;
    return s;
}

/* Bit by bit. */
static size_t put_offsets(unsigned char *out, size_t n,
                          const struct position_partitions *partitions,
                          const struct summary *s)
{
    size_t bits = 0;

    memset(out + n, 0, (s->count * s->width + 7) / 8);
    for (size_t i = 0; i < HASH_PARTITIONS; i++)
        for (unsigned bit = 0; partitions->offsets[i] && bit < s->width;
             bit++, bits++)
            if ((partitions->offsets[i] - s->least) >> bit & 1)
                out[n + bits / 8] |= (unsigned char)(1u << bits % 8);
    return n + (bits + 7) / 8;
}

static size_t put_partitions(unsigned char *out, size_t n,
                             const struct position_partitions *partitions)
{
    struct summary s = summarize(partitions);
    bool dense = s.count > SPARSE_MAX;

    for (size_t i = 0; i < HASH_PARTITIONS && !dense; i += 8) {
        out[n] = 0;
        for (size_t bit = 0; bit < 8; bit++)
            if (partitions->offsets[i + bit])
                out[n] |= (unsigned char)(1u << bit);
        n++;
    }
    n = put(out, n, partitions->whole, 8);
    if (s.count == 0)
        return n;
    n = put_number(out, n, s.least);
    n = put(out, n, s.width, 1);
    for (size_t i = 0; i < HASH_PARTITIONS; i++)
        if (dense || partitions->offsets[i])
            n = put(out, n, partitions->marks[i], 2);
    return put_offsets(out, n, partitions, &s);
}

size_t model_encode(const struct position *opened, bool named,
                    unsigned char out[MODEL_PLAIN_MAX])
{
    unsigned flags = (named ? 1 : 0) | (opened->has_partitions ? 2 : 0);

    if (opened->has_partitions && summarize(opened->opened).count > SPARSE_MAX)
        flags |= 4;
    size_t n = put_number(out, 0, opened->topic_count << 3 | flags);
    for (size_t i = 0; i < opened->topic_count; i++) {
        const struct position_topic *topic = &opened->topics[i];
        if (named) {
            n = put_number(out, n, topic->name.len);
            for (size_t k = 0; k < topic->name.len; k++)
                out[n++] = (unsigned char)topic->name.ptr[k];
        } else {
            n = put(out, n, topic->hash, 8);
        }
        n = put(out, n, topic->id.epoch, 8);
        n = put_number(out, n, topic->id.offset);
    }
    return opened->has_partitions ? put_partitions(out, n, opened->opened) : n;
}

/* ---- sealing */

static size_t put_base64url(const unsigned char *in, size_t len, char *out)
{
    static unsigned char padded[MODEL_TEXT_MAX];
    int n = EVP_EncodeBlock(padded, in, (int)len);

    check(n >= 0 && n < MODEL_TEXT_MAX);
    while (n > 0 && padded[n - 1] == '=')
        n--;
    for (int i = 0; i < n; i++)
        out[i] = (char)(padded[i] == '+'   ? '-'
                        : padded[i] == '/' ? '_'
                                           : padded[i]);
    return (size_t)n;
}

static void derive(const unsigned char *secret, unsigned char out[64])
{
    static const char purpose[] = "notifier positions: cipher";
    unsigned char in[sizeof(purpose) - 1 + POSITION_SECRET];
    unsigned n;

    memcpy(in, purpose, sizeof(purpose) - 1);
    memcpy(in + sizeof(purpose) - 1, secret, POSITION_SECRET);
    check(EVP_Digest(in, sizeof(in), out, &n, EVP_sha512(), NULL) == 1);
}

size_t model_seal_version(const unsigned char secret[POSITION_SECRET],
                          struct span version, const unsigned char *plain,
                          size_t len, char out[MODEL_TEXT_MAX])
{
    unsigned char sealed[TAG + MODEL_PLAIN_MAX];
    unsigned char key[64];
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-SIV", NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;

    check(len <= MODEL_PLAIN_MAX);
    derive(secret, key);
    check(EVP_EncryptInit_ex2(ctx, cipher, key, NULL, NULL) == 1);
    check(EVP_EncryptUpdate(ctx, NULL, &n, (const unsigned char *)version.ptr,
                            (int)version.len) == 1);
    check(EVP_EncryptUpdate(ctx, sealed + TAG, &n, plain, (int)len) == 1);
    check(EVP_EncryptFinal_ex(ctx, sealed + TAG + n, &n) == 1);
    check(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, sealed) == 1);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
    return put_base64url(sealed, TAG + len, out);
}

size_t model_seal(const unsigned char secret[POSITION_SECRET],
                  const unsigned char *plain, size_t len,
                  char out[MODEL_TEXT_MAX])
{
    return model_seal_version(secret, SPAN("2"), plain, len, out);
}
