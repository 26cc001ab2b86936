/* record.h - what Redis has of a room and of a member: record.lua. */
#pragma once

#include "common/span.h"

enum room_kind { ROOM_PUBLIC, ROOM_PRIVATE, ROOM_DIRECT };

/* Where a room stands. */
struct room_head {
    uint64_t seq, ts; /* of the last entry */
    uint64_t oldest;  /* that is kept */
    uint64_t count;   /* messages so far */
    uint64_t hole;    /* numbers up to it may be missing */
    uint64_t keep;    /* entries; 0: all */
    uint32_t members;
    enum room_kind kind;
    bool archived;
};
bool room_head_parse(struct span text, struct room_head *head);

struct member {
    char role; /* a letter of role_name() */
    uint64_t read, read_n, delivered, mentions, joined;
    int64_t muted, silenced; /* until, ms; 0: not, -1: for ever */
};
bool member_parse(struct span text, struct member *member);
