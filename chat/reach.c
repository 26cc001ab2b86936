/* reach.c - see reach.h. */
#include "chat/reach.h"

/* Scopes are parted by blanks: of all patterns only * alone covers this. */
#define ANY_ROOM SPAN(" ")

struct span reach_of(const struct auth_identity *identity)
{
    if (auth_allows(identity, REACH_SCOPE, ANY_ROOM))
        return (struct span){NULL, 0};
    return identity->scopes;
}

bool reach_covers(struct span reach, struct span room)
{
    return !reach.ptr || token_scope_allows(reach, REACH_SCOPE, room);
}
