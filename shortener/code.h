/*
 * code.h - short codes: what is one, and which id has which.
 *
 * An id is a number below CODE_SPACE.  A keyed permutation gives each its own
 * code of CODE_LEN base62 digits, so that codes do not follow each other and
 * no two ids share one: a balanced Feistel network (Luby, Rackoff: "How to
 * construct pseudorandom permutations", 1988) on 42 bits with SipHash as the
 * round function, walked until it falls below CODE_SPACE (Black, Rogaway:
 * "Ciphers with arbitrary finite domains", 2002).
 */
#pragma once

#include "common/hash.h"

#define CODE_LEN 7
#define CODE_SPACE UINT64_C(3521614606208) /* 62^7 */
#define CODE_ALIAS_MIN 3
#define CODE_ALIAS_MAX 64
#define CODE_ROUNDS 8

/* The key of the permutation, from 16 bytes. */
struct hash_key code_key(const unsigned char bytes[16]);

/* id < CODE_SPACE; writes CODE_LEN digits and a NUL. */
void code_from_id(const struct hash_key *key, uint64_t id,
                  char out[CODE_LEN + 1]);

/* CODE_ALIAS_MIN to CODE_ALIAS_MAX of [A-Za-z0-9_-]: may be looked up. */
bool code_is_valid(struct span code);

/* Is it the first segment of a route of ours, and so never a code? */
bool code_is_reserved(struct span code);
