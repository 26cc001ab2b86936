/*
 * hash.h - keyed hashing, and the partition of a name.
 *
 * SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012)
 * serves wherever a peer chooses the input: hash tables, the code permutation,
 * visitors' daily hashes.
 */
#pragma once

#include <stdint.h>

#include "common/span.h"

#define HASH_PARTITIONS 128 /* fixed for ever: part of every Redis key */

struct hash_key {
    uint64_t k0, k1;
};

uint64_t hash_sip(const struct hash_key *key, struct span bytes);

/*
 * SipHash-1-3, which the paper's authors suggest where a hash is never told:
 * for the buckets of tables.
 */
uint64_t hash_bucket(const struct hash_key *key, struct span bytes);

/* SplitMix64 (G. Steele, D. Lea, C. Flood: "Fast Splittable Pseudorandom Number
   Generators", 2014): numbers that nobody means ill with. */
static inline uint64_t hash_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

/* A key from the system's random source. */
struct hash_key hash_random_key(void);

/* FNV-1a (64 bits) of name, folded and modulo HASH_PARTITIONS. */
uint32_t hash_partition(struct span name);
