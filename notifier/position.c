/*
 * position.c - see position.h.
 *
 *   tag (16 bytes) | encrypted: flags, count of topics, topics, partitions
 *   topic:      length and name, or its hash (8); epoch (8), offset
 *   partitions: bit map (16), hash of all epochs (8), least offset, width of
 *               the offsets above it (1), marks (2 each), the offsets as bits
 *
 * Numbers without a size are varints, 7 bits a byte, the lowest first.  Setting
 * up a cipher costs more than using it, so a context with its key is copied.
 */
#include <assert.h>
#include <openssl/evp.h>
#include <string.h>

#include "common/mem.h"
#include "notifier/position.h"

#define VERSION "1" /* authenticated with it */
#define TAG 16
#define FLAG_NAMED 1u
#define FLAG_PARTITIONS 2u
#define MAP (HASH_PARTITIONS / 8)
#define WIDTH_MAX 56 /* bits between two partitions' offsets */
#define VARINT_MAX 10
#define TOPIC_FIXED (8 + 8 + VARINT_MAX + 2)
#define PARTITIONS_MAX (MAP + 8 + VARINT_MAX + 1 + HASH_PARTITIONS * (2 + 7))
#define PLAIN_MAX                                                 \
    (2 + POSITION_NAMES_MAX + POSITION_TOPICS_MAX * TOPIC_FIXED + \
     PARTITIONS_MAX)
#define SEALED_MAX (TAG + PLAIN_MAX)

struct position_key {
    EVP_CIPHER *cipher;
    EVP_CIPHER_CTX *sealing, *opening, *work;
    struct hash_key names, epochs;
};

/* ---- keys */

/* 64 bytes of their own for each purpose. */
static void derive(const unsigned char *secret, const char *purpose,
                   unsigned char out[64])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool done = md && EVP_DigestInit_ex(md, EVP_sha512(), NULL) == 1 &&
                EVP_DigestUpdate(md, purpose, strlen(purpose)) == 1 &&
                EVP_DigestUpdate(md, secret, POSITION_SECRET) == 1 &&
                EVP_DigestFinal_ex(md, out, NULL) == 1;

    assert(done);
    EVP_MD_CTX_free(md);
}

struct position_key *
position_key_create(const unsigned char secret[POSITION_SECRET])
{
    struct position_key *key = mem_zalloc(MEM_AUTH, sizeof(*key));
    unsigned char bytes[64];

    key->cipher = EVP_CIPHER_fetch(NULL, "AES-256-SIV", NULL);
    key->sealing = EVP_CIPHER_CTX_new();
    key->opening = EVP_CIPHER_CTX_new();
    key->work = EVP_CIPHER_CTX_new();
    derive(secret, "notifier positions: cipher", bytes);
    int sealing =
        EVP_EncryptInit_ex(key->sealing, key->cipher, NULL, bytes, NULL);
    int opening =
        EVP_DecryptInit_ex(key->opening, key->cipher, NULL, bytes, NULL);
    assert(sealing == 1 && opening == 1);
    derive(secret, "notifier positions: hashes", bytes);
    memcpy(&key->names, bytes, sizeof(key->names));
    memcpy(&key->epochs, bytes + sizeof(key->names), sizeof(key->epochs));
    explicit_bzero(bytes, sizeof(bytes));
    return key;
}

void position_key_destroy(struct position_key *key)
{
    if (!key)
        return;
    EVP_CIPHER_CTX_free(key->sealing);
    EVP_CIPHER_CTX_free(key->opening);
    EVP_CIPHER_CTX_free(key->work);
    EVP_CIPHER_free(key->cipher);
    explicit_bzero(key, sizeof(*key));
    mem_free(key);
}

/* ---- base64url without padding */

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static size_t encode(const unsigned char *in, size_t len, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i += 3) {
        unsigned bits = (unsigned)in[i] << 16 |
                        (i + 1 < len ? (unsigned)in[i + 1] << 8 : 0) |
                        (i + 2 < len ? in[i + 2] : 0);
        size_t count = len - i < 3 ? len - i + 1 : 4;
        for (size_t k = 0; k < count; k++)
            out[n++] = digits[bits >> (18 - 6 * k) & 63];
    }
    return n;
}

static int digit_of(char c)
{
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* False: it is no base64url, or one of several spellings of the same bytes. */
static bool decode(struct span text, unsigned char *out, size_t *len)
{
    unsigned bits = 0;
    unsigned count = 0;
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_of(text.ptr[i]);
        if (digit < 0)
            return false;
        bits = (bits << 6 | (unsigned)digit) & 0xffff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[n++] = (unsigned char)(bits >> count);
        }
    }
    *len = n;
    return count < 6 && (bits & ((1u << count) - 1)) == 0;
}

/* ---- writing */

static unsigned char *put_varint(unsigned char *at, uint64_t value)
{
    for (; value > 127; value >>= 7)
        *at++ = (unsigned char)(value | 128);
    *at++ = (unsigned char)value;
    return at;
}

static unsigned char *put_fixed(unsigned char *at, uint64_t value, int size)
{
    for (int i = 0; i < size; i++)
        *at++ = (unsigned char)(value >> 8 * i);
    return at;
}

static uint64_t hash_name(const struct position_key *key, struct span name)
{
    return hash_sip(&key->names, name);
}

static uint64_t hash_epochs(const struct position_key *key,
                            const uint64_t *epochs)
{
    return hash_sip(
        &key->epochs,
        (struct span){(const char *)epochs, HASH_PARTITIONS * sizeof(*epochs)});
}

static uint16_t mark_of(const struct position_key *key, uint64_t epoch)
{
    return (uint16_t)hash_sip(
        &key->epochs, (struct span){(const char *)&epoch, sizeof(epoch)});
}

static unsigned char *put_topic(const struct position_key *key,
                                unsigned char *at,
                                const struct position_topic *topic, bool named)
{
    if (named) {
        at = put_varint(at, topic->name.len);
        memcpy(at, topic->name.ptr, topic->name.len);
        at += topic->name.len;
    } else {
        at = put_fixed(at, hash_name(key, topic->name), 8);
    }
    return put_varint(put_fixed(at, topic->id.epoch, 8), topic->id.offset);
}

static int width_of(uint64_t value)
{
    return value ? 64 - __builtin_clzll(value) : 0;
}

/* Offsets above the least, width bits each, the lowest first. */
static unsigned char *put_bits(unsigned char *at, const struct log_id *ids,
                               uint64_t least, int width)
{
    uint64_t bits = 0;
    int count = 0;

    assert(width <= WIDTH_MAX);
    for (size_t i = 0; i < HASH_PARTITIONS; i++) {
        if (!ids[i].offset)
            continue;
        bits |= (ids[i].offset - least) << count;
        for (count += width; count >= 8; count -= 8, bits >>= 8)
            *at++ = (unsigned char)bits;
    }
    if (count)
        *at++ = (unsigned char)bits;
    return at;
}

static unsigned char *put_partitions(const struct position_key *key,
                                     unsigned char *at,
                                     const struct log_id *ids)
{
    uint64_t epochs[HASH_PARTITIONS] = {0};
    unsigned char *map = at;
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;

    memset(map, 0, MAP);
    for (size_t i = 0; i < HASH_PARTITIONS; i++) {
        if (!ids[i].offset)
            continue;
        epochs[i] = ids[i].epoch;
        map[i / 8] |= (unsigned char)(1u << i % 8);
        least = ids[i].offset < least ? ids[i].offset : least;
        most = ids[i].offset > most ? ids[i].offset : most;
    }
    at = put_fixed(at + MAP, hash_epochs(key, epochs), 8);
    if (!most)
        return at;
    at = put_varint(at, least);
    *at++ = (unsigned char)width_of(most - least);
    for (size_t i = 0; i < HASH_PARTITIONS; i++)
        if (ids[i].offset)
            at = put_fixed(at, mark_of(key, ids[i].epoch), 2);
    return put_bits(at, ids, least, width_of(most - least));
}

static bool is_too_long(const struct position *position, bool named)
{
    size_t names = 0;

    for (size_t i = 0; named && i < position->topic_count; i++)
        names += position->topics[i].name.len;
    return names > POSITION_NAMES_MAX;
}

/* In place: the tag before what was plain. */
static void seal(struct position_key *key, unsigned char *sealed, size_t len)
{
    unsigned char out[SEALED_MAX];
    int n;
    bool done =
        EVP_CIPHER_CTX_copy(key->work, key->sealing) == 1 &&
        EVP_EncryptUpdate(key->work, NULL, &n, (const unsigned char *)VERSION,
                          sizeof(VERSION) - 1) == 1 &&
        EVP_EncryptUpdate(key->work, out, &n, sealed + TAG, (int)len) == 1 &&
        EVP_EncryptFinal_ex(key->work, out + n, &n) == 1 &&
        EVP_CIPHER_CTX_ctrl(key->work, EVP_CTRL_AEAD_GET_TAG, TAG, sealed) == 1;

    assert(done);
    memcpy(sealed + TAG, out, len);
}

size_t position_seal(struct position_key *key, const struct position *position,
                     bool named, char out[POSITION_MAX])
{
    unsigned char sealed[SEALED_MAX];
    unsigned char *at = sealed + TAG;

    assert(position->topic_count <= POSITION_TOPICS_MAX);
    if (is_too_long(position, named))
        return 0;
    *at++ = (unsigned char)((named ? FLAG_NAMED : 0) |
                            (position->has_partitions ? FLAG_PARTITIONS : 0));
    at = put_varint(at, position->topic_count);
    for (size_t i = 0; i < position->topic_count; i++)
        at = put_topic(key, at, &position->topics[i], named);
    if (position->has_partitions)
        at = put_partitions(key, at, position->partitions);
    size_t len = (size_t)(at - sealed);
    if ((len * 4 + 2) / 3 > POSITION_MAX)
        return 0;
    seal(key, sealed, len - TAG);
    return encode(sealed, len, out);
}

/* ---- reading */

struct reader {
    const unsigned char *at, *end;
    bool failed;
};

static uint64_t read_fixed(struct reader *reader, int size)
{
    uint64_t value = 0;

    if (reader->failed || reader->end - reader->at < size) {
        reader->failed = true;
        return 0;
    }
    for (int i = 0; i < size; i++)
        value |= (uint64_t)*reader->at++ << 8 * i;
    return value;
}

static uint64_t read_varint(struct reader *reader)
{
    uint64_t value = 0;

    for (int shift = 0; shift < 64; shift += 7) {
        uint64_t byte = read_fixed(reader, 1);
        value |= (byte & 127) << shift;
        if (byte < 128)
            return value;
    }
    reader->failed = true;
    return 0;
}

static struct span read_bytes(struct reader *reader, uint64_t len)
{
    struct span bytes = {(const char *)reader->at, (size_t)len};

    if (reader->failed || len > (uint64_t)(reader->end - reader->at)) {
        reader->failed = true;
        return SPAN("");
    }
    reader->at += len;
    return bytes;
}

static void read_topic(const struct position_key *key, struct reader *reader,
                       bool named, struct position_topic *topic)
{
    *topic = (struct position_topic){0};
    if (named) {
        topic->name = read_bytes(reader, read_varint(reader));
        topic->hash = hash_name(key, topic->name);
    } else {
        topic->hash = read_fixed(reader, 8);
    }
    topic->id.epoch = read_fixed(reader, 8);
    topic->id.offset = read_varint(reader);
}

static uint64_t read_bits(struct reader *reader, uint64_t *bits, int *count,
                          int width)
{
    for (; *count < width && !reader->failed; *count += 8)
        *bits |= read_fixed(reader, 1) << *count;
    uint64_t value = *bits & ((UINT64_C(1) << width) - 1);
    *bits >>= width;
    *count -= width;
    return value;
}

static void read_partitions(struct reader *reader,
                            struct position_partitions *partitions)
{
    struct span map = read_bytes(reader, MAP);
    uint64_t bits = 0;
    int count = 0;

    partitions->whole = read_fixed(reader, 8);
    if (reader->failed || reader->at == reader->end)
        return;
    uint64_t least = read_varint(reader);
    int width = (int)read_fixed(reader, 1);
    if (reader->failed || width > WIDTH_MAX)
        reader->failed = true;
    for (size_t i = 0; i < HASH_PARTITIONS && !reader->failed; i++)
        if (map.ptr[i / 8] >> i % 8 & 1)
            partitions->marks[i] = (uint16_t)read_fixed(reader, 2);
    for (size_t i = 0; i < HASH_PARTITIONS && !reader->failed; i++)
        if (map.ptr[i / 8] >> i % 8 & 1)
            partitions->offsets[i] =
                least + read_bits(reader, &bits, &count, width);
}

/* The plain bytes, in arena; ptr NULL: nobody here sealed it. */
static struct span unseal(struct position_key *key, struct arena *arena,
                          unsigned char *sealed, size_t len)
{
    unsigned char *out = arena_alloc(arena, len);
    int n = 0;
    bool done =
        EVP_CIPHER_CTX_copy(key->work, key->opening) == 1 &&
        EVP_CIPHER_CTX_ctrl(key->work, EVP_CTRL_AEAD_SET_TAG, TAG, sealed) ==
            1 &&
        EVP_DecryptUpdate(key->work, NULL, &n, (const unsigned char *)VERSION,
                          sizeof(VERSION) - 1) == 1 &&
        EVP_DecryptUpdate(key->work, out, &n, sealed + TAG, (int)len - TAG) ==
            1 &&
        EVP_DecryptFinal_ex(key->work, out + len - TAG, &n) == 1;

    return done ? (struct span){(const char *)out, len - TAG}
                : (struct span){NULL, 0};
}

bool position_open(struct position_key *key, struct span text,
                   struct arena *arena, struct position *out)
{
    unsigned char sealed[POSITION_MAX];
    size_t len;

    if (text.len > POSITION_MAX || !decode(text, sealed, &len) || len < TAG + 2)
        return false;
    struct span plain = unseal(key, arena, sealed, len);
    if (!plain.ptr)
        return false;
    struct reader reader = {.at = (const unsigned char *)plain.ptr,
                            .end =
                                (const unsigned char *)plain.ptr + plain.len};
    uint64_t flags = read_fixed(&reader, 1);
    struct position read = {.topic_count = read_varint(&reader),
                            .has_partitions = flags & FLAG_PARTITIONS};
    if (read.topic_count > POSITION_TOPICS_MAX)
        return false;
    read.topics =
        arena_alloc(arena, POSITION_TOPICS_MAX * sizeof(*read.topics));
    for (size_t i = 0; i < read.topic_count; i++)
        read_topic(key, &reader, flags & FLAG_NAMED, &read.topics[i]);
    struct position_partitions *partitions =
        arena_zalloc(arena, sizeof(*partitions));
    if (read.has_partitions)
        read_partitions(&reader, partitions);
    read.opened = partitions;
    if (!reader.failed)
        *out = read;
    return !reader.failed;
}

bool position_find(const struct position_key *key,
                   const struct position *position, struct span name,
                   struct log_id *id)
{
    uint64_t hash = hash_name(key, name);

    for (size_t i = 0; i < position->topic_count; i++)
        if (position->topics[i].hash == hash) {
            *id = position->topics[i].id;
            return true;
        }
    return false;
}

void position_resolve(const struct position_key *key,
                      const struct position_partitions *opened,
                      const struct log_id now[HASH_PARTITIONS],
                      struct log_id places[HASH_PARTITIONS],
                      bool lost[HASH_PARTITIONS])
{
    uint64_t epochs[HASH_PARTITIONS] = {0};

    for (size_t i = 0; i < HASH_PARTITIONS; i++)
        if (opened->offsets[i])
            epochs[i] = now[i].epoch;
    bool same = hash_epochs(key, epochs) == opened->whole;
    for (size_t i = 0; i < HASH_PARTITIONS; i++) {
        uint64_t offset = opened->offsets[i];
        bool is_there = same || mark_of(key, now[i].epoch) == opened->marks[i];
        lost[i] = offset && (!is_there || offset > now[i].offset);
        places[i] = (struct log_id){now[i].epoch, lost[i] ? 0 : offset};
    }
}
