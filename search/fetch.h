/* fetch.h - documents as they are now: from the log, else from segments. */
#pragma once

#include "search/answer.h"
#include "search/indexes.h"

#define FETCH_MAX 10000             /* at once */
#define FETCH_BYTES_MAX (128 << 20) /* of the log, and as many of segments */

struct fetched {
    bool found;
    int64_t version, seq;
    struct span source; /* in the arena */
};

struct fetch {
    struct service *service;
    struct index *index; /* the caller holds it */
    struct arena *arena;
    const struct span *ids;
    size_t count;
    void (*cb)(void *arg);
    void *arg;
    struct fetched *results; /* in the arena */
    size_t bytes;            /* of what was found in segments */
    int status; /* 0, or why there are no results; UV_E2BIG: past BYTES_MAX */
};

void fetch_run(struct fetch *fetch);
