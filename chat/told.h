/* told.h - what clients hear beside the logs. */
#pragma once

#include "chat/chat.h"

/* The counts of a seat have changed. */
void told_counts(struct chat *chat, struct seat *seat);
/* A word of a partition's channel, without its @. */
void told_word(struct chat *chat, struct span word);
void told_stop(struct chat *chat);
