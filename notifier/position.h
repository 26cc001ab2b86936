/*
 * position.h - where a subscriber stands, as opaque text that only the service
 * can make and read: what an event stream has as its id.
 *
 * AES-256-SIV (RFC 5297) in base64url.  It is deterministic, so that equal
 * positions are equal texts that many subscribers share; and it hides what is
 * in it, so that nobody counts updates that are not for him.
 *
 * Exact topics stand at an entry of their logs each.  A subscription with
 * patterns stands at a reference of each partition; of their epochs there is a
 * hash over all, and 16 bits of each that tell which changed when that differs:
 * so one change is always noticed, and of several all but one in 65,536 of
 * those that their offsets do not betray.
 *
 * All partitions are under 1 KiB of text as long as their offsets are less than
 * 2^29 apart, and 1280 bytes at most.
 */
#pragma once

#include "common/arena.h"
#include "common/hash.h"
#include "notifier/log_id.h"

#define POSITION_TOPICS_MAX 100
#define POSITION_NAMES_MAX 2048 /* bytes of all names of a named one */
#define POSITION_OFFSET_MAX ((UINT64_C(1) << 42) - 1)
#define POSITION_MAX 6034 /* bytes of text, of the most of all these */
#define POSITION_SECRET 32

struct position_key;

struct position_key *
position_key_create(const unsigned char secret[POSITION_SECRET]);
void position_key_destroy(struct position_key *key);

struct position_topic {
    struct span name; /* ptr NULL in one that was opened and is not named */
    uint64_t hash;    /* of the name; set by position_open() */
    struct log_id id; /* all zero: there was no log */
};

/* Of a position that was opened; see position_resolve(). */
struct position_partitions {
    uint64_t whole;
    uint64_t offsets[HASH_PARTITIONS]; /* 0: there was nothing */
    uint16_t marks[HASH_PARTITIONS];   /* 0 likewise */
};

struct position {
    struct position_topic *topics; /* at most POSITION_TOPICS_MAX */
    size_t topic_count;
    bool has_partitions;
    const struct log_id *partitions;          /* of all of them, to be sealed */
    const struct position_partitions *opened; /* NULL: it has none */
};

/*
 * named: the topics' names are in it, else only hashes of them.  What it
 * returns is the length; 0: more names than POSITION_NAMES_MAX, or an offset
 * past POSITION_OFFSET_MAX.
 */
size_t position_seal(struct position_key *key, const struct position *position,
                     bool named, char out[POSITION_MAX]);

/* All that is in it is in arena.  False: it is none of ours. */
bool position_open(struct position_key *key, struct span text,
                   struct arena *arena, struct position *out);

/* Where a topic stood; false: it is not in the position. */
bool position_find(const struct position_key *key,
                   const struct position *position, struct span name,
                   struct log_id *id);

/*
 * Of all partitions: from which place on there may be news, now that they stand
 * at now.  lost: it stood at something that is gone, and places begins at the
 * first there is.  All are lost when epochs changed but nothing tells which, or
 * when more than half of those it stood at did: then Redis lost more than some.
 */
void position_resolve(const struct position_key *key,
                      const struct position_partitions *opened,
                      const struct log_id now[HASH_PARTITIONS],
                      struct log_id places[HASH_PARTITIONS],
                      bool lost[HASH_PARTITIONS]);
