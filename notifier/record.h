/*
 * record.h - an update as it stands in its topic's log and in a wake-up.
 *
 *   <message id>\n<type>\n<retry, ms>\n<"p" if private>\n<topic>\n…\n\n<data>
 *
 * A line for each topic, an empty line behind the last; the first is the one
 * whose log this is.  Nothing before the data holds a line end.
 */
#pragma once

#include "common/buf.h"
#include "common/span.h"

#define RECORD_TOPICS_MAX 16

struct record {
    struct span id, type, data;
    struct span retry; /* digits; "" when unsaid */
    bool is_private;
    struct span topics[RECORD_TOPICS_MAX];
    size_t topic_count;
};

void record_append(struct buf *out, const struct record *record);

/* Borrows from text.  False: it is no record. */
bool record_parse(struct span text, struct record *record);
