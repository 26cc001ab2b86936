/* logs.h - what rooms' logs held at some numbers, for clients that resume. */
#pragma once

#include "chat/rooms.h"
#include "common/chunks.h"

struct chat;

/* Entries are frames; places have epoch 0 and a room's number as offset. */
struct chunks *logs_create(struct chat *chat);
/* What was read of the room's log is not to be told any more. */
void logs_expire(struct chunks *chunks, struct span room);
