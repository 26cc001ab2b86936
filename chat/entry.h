/*
 * entry.h - an entry of a room's log, from its words to what clients read.
 *
 * write.lua says how heads and texts are spelled.
 */
#pragma once

#include "chat/names.h"
#include "common/json.h"

enum entry_kind {
    ENTRY_MESSAGE = 'm',
    ENTRY_EDIT = 'e',
    ENTRY_DELETE = 'd',
    ENTRY_REACT = 'r',
    ENTRY_MEMBER = 'j',
    ENTRY_ROOM = 'o',
};

struct entry {
    enum entry_kind kind;
    uint64_t seq, ts;
    uint64_t count; /* of the messages of the room so far */
    struct span from;
    uint64_t reply_to, root;        /* of a message; 0: none */
    struct span mentions;           /* of one: "a,b" */
    uint64_t target;                /* of an edit, a delete, a react */
    bool on;                        /* of a react */
    struct span emoji;              /* of one */
    struct span user, change, role; /* of a member */
};

/* "seq-ts" of a stream, and a head.  False: it is neither; borrows both. */
bool entry_parse_id(struct span id, struct entry *entry);
bool entry_parse(struct span head, struct entry *entry);
/* Is the name among those that it mentions? */
bool entry_mentions(const struct entry *entry, struct span name);

/* "CLIENT_ID TEXT", of an entry that has one; bodies.h reads what is sealed. */
struct text {
    struct span client_id, plain;
    bool unreadable; /* it is there, but plain.ptr is NULL */
};
/* "": there is none; both have ptr NULL then. */
bool text_parse(struct span said, struct text *text);

/* What was said, in what entry_put_event() put: from here up to there. */
struct entry_said {
    size_t from, to;
};

/*
 * The event that clients get.  text: plain is what was said, or, of a room's
 * change, the members of it as JSON; ptr NULL where there is none any more.
 */
struct entry_said entry_put_event(struct json_writer *w, struct span room,
                                  const struct entry *entry,
                                  const struct text *text);

/* What stands there instead when it was deleted. */
struct span entry_bare(enum entry_kind kind);

/*
 * MESSAGE as it is now, but for its reactions: the object stays open.  edited:
 * by which edit, 0: none; text: empty if it was deleted.
 */
void entry_put_message(struct json_writer *w, const struct entry *entry,
                       uint64_t edited, const struct text *text);
