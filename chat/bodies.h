/*
 * bodies.h - texts as Redis keeps them: sealed, if there are keys for it.
 *
 *   bodies_seal() --> 0xff KID ' ' nonce, what AES-256-GCM made of the text,
 * tag bodies_open() --> the text; or that it cannot be read
 *
 * Each room has keys of its own, derived (HMAC-SHA256) from those of the file;
 * nonces are random, so a room may have 2^32 texts under one key (NIST SP
 * 800-38D, 8.3).  A text is bound to its room, its author, its client_id and,
 * of an edit, its target: it cannot be read at another place.  0xff begins no
 * UTF-8: a text without it is one in the open.
 */
#pragma once

#include "chat/entry.h"
#include "common/buf.h"

#define BODIES_OPEN "-" /* the id of no key: such a text is in the open */
#define BODIES_DIGESTS_MAX (8 * 33)

struct bodies; /* of one worker; NULL: it has no keys */

/* NULL with a line in reason. */
struct bodies *bodies_load(const char *path, char *reason, size_t reason_size);
void bodies_destroy(struct bodies *bodies);

/* The id of the key that it seals with, or BODIES_OPEN. */
struct span bodies_kid(const struct bodies *bodies);

/* Where a text stands. */
struct body_place {
    struct span room, from, client_id;
    uint64_t target; /* of an edit; 0: a message */
};

/* Behind what is in out; the text itself where there are no keys. */
void bodies_seal(const struct bodies *bodies, const struct body_place *place,
                 struct span plain, struct buf *out);
/* As it was; until the next call.  ptr NULL: it cannot be read. */
struct span bodies_open(struct bodies *bodies, const struct body_place *place,
                        struct span kept);
/* Is it sealed, and not with the key that is used now, or in the open though
   there is one? */
bool bodies_is_old(const struct bodies *bodies, struct span kept);

/* Of an entry's text: what is kept becomes what is read. */
void bodies_read(struct bodies *bodies, struct span room,
                 const struct entry *entry, struct text *text);

/* A counter of those that could not be read. */
void bodies_count(struct bodies *bodies, uint64_t *unreadable);

/*
 * Digests of what was said, one by each key, separated by commas: two of the
 * same have one in common as long as they have a key in common.
 */
struct span bodies_digests(const struct bodies *bodies, struct span said,
                           char out[BODIES_DIGESTS_MAX]);
