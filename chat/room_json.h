/* room_json.h - a room as clients read it over HTTP, and why it is refused. */
#pragma once

#include "chat/record.h"
#include "common/json.h"
#include "common/request.h"

struct room_facts {
    struct span room, name, topic;
    uint64_t created; /* ms since 1970 */
    uint64_t keep_ms; /* that an entry is kept; 0: for ever */
    struct room_head head;
};
/* ROOM; me: what the caller is in it, NULL: nothing. */
void room_put(struct json_writer *w, const struct room_facts *facts,
              const struct member *me);
/* The same without its braces. */
void room_put_members(struct json_writer *w, const struct room_facts *facts,
                      const struct member *me);

/* The problem that a refusal of a script is. */
void refuse(struct request *req, struct span type);
