/* told.h - what clients hear beside the logs. */
#pragma once

#include "chat/chat.h"

/* The counts of a seat have changed. */
void told_counts(struct chat *chat, struct seat *seat);
/* So have those of all of a large room: they are told together, later. */
void told_large(struct chat *chat, struct room *room);
/* A word of a partition's channel, with its @. */
void told_word(struct chat *chat, struct span word);
void told_stop(struct chat *chat);
