/*
 * position.c - see position.h.
 *
 *   tag (16 bytes) | encrypted: head, topics, partitions
 *   head:       count of topics * 8 + flags
 *   topic:      length and name, or its hash (8); epoch (8), offset
 *   partitions: bit map (16), hash of all epochs (8); if there are any: least
 *               offset, width of the offsets above it (1), marks (2 each), the
 *               offsets as bits, the lowest first
 *   dense ones: no map, but marks of all: 0 is a partition without an offset
 *
 * Numbers without a size are varints, 7 bits a byte, the lowest first.  Of each
 * position there is one text: what is longer than need be is none.  Setting up
 * a cipher costs more than using it, so a context with its key is copied.
 */
#include <assert.h>
#include <openssl/evp.h>
#include <string.h>

#include "common/base64.h"
#include "common/mem.h"
#include "notifier/position.h"

#define VERSION "2" /* authenticated with it */
#define TAG 16
#define FLAG_NAMED 1u
#define FLAG_PARTITIONS 2u
#define FLAG_DENSE 4u
#define FLAG_BITS 3
#define MAP (HASH_PARTITIONS / 8)
#define SPARSE_MAX (HASH_PARTITIONS - MAP / 2) /* more are shorter dense */
#define OFFSET_BITS 42
#define OFFSET_BYTES 6 /* of a varint of them */
#define TOPIC_FIXED (1 + 8 + OFFSET_BYTES)
#define LONG_NAMES (POSITION_NAMES_MAX / 128) /* of two bytes' length */
#define PARTITIONS_MAX \
    (8 + OFFSET_BYTES + 1 + HASH_PARTITIONS * 2 + MAP * OFFSET_BITS)
#define PLAIN_MAX                                                              \
    (2 + POSITION_NAMES_MAX + LONG_NAMES + POSITION_TOPICS_MAX * TOPIC_FIXED + \
     PARTITIONS_MAX)
#define SEALED_MAX (TAG + PLAIN_MAX)
#define TEXT_LENGTH(bytes) (((bytes)*4 + 2) / 3)

static_assert(POSITION_OFFSET_MAX >> OFFSET_BITS == 0, "they fit their bits");
static_assert(TEXT_LENGTH(SEALED_MAX) == POSITION_MAX, "all that is sealed");

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

/* Never 0, which is no epoch's. */
static uint16_t mark_of(const struct position_key *key, uint64_t epoch)
{
    uint16_t mark = (uint16_t)hash_sip(
        &key->epochs, (struct span){(const char *)&epoch, sizeof(epoch)});

    return mark ? mark : 1;
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

static unsigned char *put_map(unsigned char *at, const struct log_id *ids)
{
    memset(at, 0, MAP);
    for (size_t i = 0; i < HASH_PARTITIONS; i++)
        if (ids[i].offset)
            at[i / 8] |= (unsigned char)(1u << i % 8);
    return at + MAP;
}

static unsigned char *put_partitions(const struct position_key *key,
                                     unsigned char *at,
                                     const struct log_id *ids, bool dense)
{
    uint64_t epochs[HASH_PARTITIONS] = {0};
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;

    for (size_t i = 0; i < HASH_PARTITIONS; i++) {
        if (!ids[i].offset)
            continue;
        epochs[i] = ids[i].epoch;
        least = ids[i].offset < least ? ids[i].offset : least;
        most = ids[i].offset > most ? ids[i].offset : most;
    }
    if (!dense)
        at = put_map(at, ids);
    at = put_fixed(at, hash_epochs(key, epochs), 8);
    if (!most)
        return at;
    at = put_varint(at, least);
    *at++ = (unsigned char)width_of(most - least);
    for (size_t i = 0; i < HASH_PARTITIONS; i++)
        if (dense || ids[i].offset)
            at = put_fixed(at, ids[i].offset ? mark_of(key, ids[i].epoch) : 0,
                           2);
    return put_bits(at, ids, least, width_of(most - least));
}

/* Within all limits; what comes from Redis may be past them. */
static bool fits(const struct position *position, bool named)
{
    uint64_t offsets = 0; /* their bits */
    size_t names = 0;

    assert(position->topic_count <= POSITION_TOPICS_MAX);
    for (size_t i = 0; i < position->topic_count; i++) {
        names += position->topics[i].name.len;
        offsets |= position->topics[i].id.offset;
    }
    for (size_t i = 0; position->has_partitions && i < HASH_PARTITIONS; i++)
        offsets |= position->partitions[i].offset;
    return (!named || names <= POSITION_NAMES_MAX) &&
           offsets <= POSITION_OFFSET_MAX;
}

static unsigned flags_of(const struct position *position, bool named)
{
    unsigned flags = named ? FLAG_NAMED : 0;
    size_t count = 0;

    if (!position->has_partitions)
        return flags;
    for (size_t i = 0; i < HASH_PARTITIONS; i++)
        count += position->partitions[i].offset != 0;
    return flags | FLAG_PARTITIONS | (count > SPARSE_MAX ? FLAG_DENSE : 0);
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

    if (!fits(position, named))
        return 0;
    unsigned flags = flags_of(position, named);
    at = put_varint(at, position->topic_count << FLAG_BITS | flags);
    for (size_t i = 0; i < position->topic_count; i++)
        at = put_topic(key, at, &position->topics[i], named);
    if (position->has_partitions)
        at = put_partitions(key, at, position->partitions, flags & FLAG_DENSE);
    size_t len = (size_t)(at - sealed);
    seal(key, sealed, len - TAG);
    return base64_encode((struct span){(char *)sealed, len}, out);
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

/* At most POSITION_OFFSET_MAX, without zeros above it. */
static uint64_t read_varint(struct reader *reader)
{
    uint64_t value = 0;

    for (int shift = 0; shift < OFFSET_BITS; shift += 7) {
        uint64_t byte = read_fixed(reader, 1);
        value |= (byte & 127) << shift;
        if (byte < 128) {
            reader->failed |= byte == 0 && shift > 0;
            return value;
        }
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

/* How many there are; a mark of 0 is none. */
static size_t read_marks(struct reader *reader, const char *map,
                         uint16_t marks[HASH_PARTITIONS])
{
    size_t count = 0;

    for (size_t i = 0; i < HASH_PARTITIONS; i++) {
        if (map && !(map[i / 8] >> i % 8 & 1))
            continue;
        marks[i] = (uint16_t)read_fixed(reader, 2);
        reader->failed |= map && marks[i] == 0;
        count += marks[i] != 0;
    }
    return count;
}

/* Where there are marks: least and width bits more. */
static void read_offsets(struct reader *reader, uint64_t least, int width,
                         struct position_partitions *partitions)
{
    uint64_t bits = 0;
    uint64_t seen = 0; /* of all: nothing is below the least */
    uint64_t lowest = UINT64_MAX;
    int count = 0;

    for (size_t i = 0; i < HASH_PARTITIONS; i++) {
        if (!partitions->marks[i])
            continue;
        for (; count < width && !reader->failed; count += 8)
            bits |= read_fixed(reader, 1) << count;
        uint64_t value = bits & ((UINT64_C(1) << width) - 1);
        bits >>= width;
        count -= width;
        seen = value > seen ? value : seen;
        lowest = value < lowest ? value : lowest;
        partitions->offsets[i] = least + value;
    }
    reader->failed |= bits != 0 || lowest != 0 || width_of(seen) != width ||
                      least + seen > POSITION_OFFSET_MAX;
}

static void read_partitions(struct reader *reader, bool dense,
                            struct position_partitions *partitions)
{
    static const char none[MAP];
    const char *map = dense ? NULL : read_bytes(reader, MAP).ptr;

    partitions->whole = read_fixed(reader, 8);
    if (reader->failed || (map && memcmp(map, none, MAP) == 0))
        return;
    uint64_t least = read_varint(reader);
    int width = (int)read_fixed(reader, 1);
    size_t count = read_marks(reader, map, partitions->marks);
    reader->failed |=
        least == 0 || width > OFFSET_BITS || dense != (count > SPARSE_MAX);
    if (!reader->failed)
        read_offsets(reader, least, width, partitions);
}

static bool read_all(const struct position_key *key, struct reader *reader,
                     struct arena *arena, struct position *out)
{
    uint64_t head = read_varint(reader);
    struct position read = {.topic_count = (size_t)(head >> FLAG_BITS),
                            .has_partitions = head & FLAG_PARTITIONS};

    if (reader->failed || read.topic_count > POSITION_TOPICS_MAX ||
        ((head & FLAG_DENSE) && !read.has_partitions))
        return false;
    read.topics = arena_alloc(arena, read.topic_count * sizeof(*read.topics));
    for (size_t i = 0; i < read.topic_count; i++)
        read_topic(key, reader, head & FLAG_NAMED, &read.topics[i]);
    if (read.has_partitions) {
        struct position_partitions *partitions =
            arena_zalloc(arena, sizeof(*partitions));
        read_partitions(reader, head & FLAG_DENSE, partitions);
        read.opened = partitions;
    }
    if (reader->failed || reader->at != reader->end)
        return false;
    *out = read;
    return true;
}

/* The plain bytes, in arena; ptr NULL: nobody here sealed it. */
static struct span unseal(struct position_key *key, struct arena *arena,
                          unsigned char *sealed, size_t len)
{
    unsigned char *out = arena_alloc(arena, len - TAG);
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
    unsigned char sealed[BASE64_BYTES(POSITION_MAX)];
    size_t len;

    if (text.len > POSITION_MAX || !base64_decode(text, sealed, &len) ||
        len <= TAG)
        return false;
    struct span plain = unseal(key, arena, sealed, len);
    const unsigned char *at = (const unsigned char *)plain.ptr;
    return at &&
           read_all(key, &(struct reader){.at = at, .end = at + plain.len},
                    arena, out);
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

/* In lost: whose epoch is another one. */
static void find_changed(const struct position_key *key,
                         const struct position_partitions *opened,
                         const struct log_id *now, bool *lost)
{
    uint64_t epochs[HASH_PARTITIONS] = {0};
    size_t standing = 0;
    size_t changed = 0;

    memset(lost, 0, HASH_PARTITIONS * sizeof(*lost));
    for (size_t i = 0; i < HASH_PARTITIONS; i++)
        if (opened->offsets[i])
            epochs[i] = now[i].epoch;
    if (hash_epochs(key, epochs) == opened->whole)
        return;
    for (size_t i = 0; i < HASH_PARTITIONS; i++) {
        if (!opened->offsets[i])
            continue;
        lost[i] = mark_of(key, now[i].epoch) != opened->marks[i];
        changed += lost[i];
        standing++;
    }
    for (size_t i = 0; i < HASH_PARTITIONS; i++)
        if (opened->offsets[i] && (changed == 0 || changed > standing / 2))
            lost[i] = true;
}

void position_resolve(const struct position_key *key,
                      const struct position_partitions *opened,
                      const struct log_id now[HASH_PARTITIONS],
                      struct log_id places[HASH_PARTITIONS],
                      bool lost[HASH_PARTITIONS])
{
    find_changed(key, opened, now, lost);
    for (size_t i = 0; i < HASH_PARTITIONS; i++) {
        lost[i] |= opened->offsets[i] > now[i].offset;
        places[i] =
            (struct log_id){now[i].epoch, lost[i] ? 0 : opened->offsets[i]};
    }
}
