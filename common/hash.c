/* hash.c - see hash.h. */
#include <endian.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/hash.h"

#define FNV_OFFSET UINT64_C(14695981039346656037)
#define FNV_PRIME UINT64_C(1099511628211)

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct state *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static inline uint64_t read_whole(const char *from)
{
    uint64_t word;

    memcpy(&word, from, sizeof(word));
    return le64toh(word);
}

/* Fewer than eight bytes, least significant first. */
static uint64_t read_part(const char *from, size_t count)
{
    uint64_t word = 0;

    for (size_t i = 0; i < count; i++)
        word |= (uint64_t)(unsigned char)from[i] << (8 * i);
    return word;
}

static inline void sip_rounds(struct state *s, int rounds)
{
    for (int i = 0; i < rounds; i++)
        sip_round(s);
}

static inline void absorb(struct state *s, uint64_t word, int rounds)
{
    s->v3 ^= word;
    sip_rounds(s, rounds);
    s->v0 ^= word;
}

static inline uint64_t sip(const struct hash_key *key, struct span bytes,
                           int rounds, int last)
{
    struct state s = {
        key->k0 ^ UINT64_C(0x736f6d6570736575),
        key->k1 ^ UINT64_C(0x646f72616e646f6d),
        key->k0 ^ UINT64_C(0x6c7967656e657261),
        key->k1 ^ UINT64_C(0x7465646279746573),
    };
    size_t whole = bytes.len & ~(size_t)7;

    for (size_t i = 0; i < whole; i += 8)
        absorb(&s, read_whole(bytes.ptr + i), rounds);
    absorb(&s,
           (uint64_t)bytes.len << 56 |
               (bytes.len > whole
                    ? read_part(bytes.ptr + whole, bytes.len - whole)
                    : 0),
           rounds);
    s.v2 ^= 0xff;
    sip_rounds(&s, last);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t hash_sip(const struct hash_key *key, struct span bytes)
{
    return sip(key, bytes, 2, 4);
}

uint64_t hash_bucket(const struct hash_key *key, struct span bytes)
{
    return sip(key, bytes, 1, 3);
}

struct hash_key hash_random_key(void)
{
    struct hash_key key;

    if (getrandom(&key, sizeof(key), 0) != (ssize_t)sizeof(key))
        abort();
    return key;
}

uint32_t hash_partition(struct span name)
{
    uint64_t hash = FNV_OFFSET;

    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)name.ptr[i]) * FNV_PRIME;
    return (uint32_t)(hash ^ hash >> 32) % HASH_PARTITIONS;
}
