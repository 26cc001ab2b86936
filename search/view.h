/*
 * view.h - an index as it was published, open for as long as somebody reads it.
 *
 * All calls are the loop's; what a searcher is used for may be any thread's,
 * one at a time.
 */
#pragma once

#include <sys/stat.h>

#include "common/list.h"
#include "search/index/opened.h"
#include "search/query/searcher.h"

#define VIEW_WHY 320

struct view {
    struct opened opened;
    struct schema schema; /* may have fields that no segment has yet */
    uint64_t position;    /* of the log: all before it is here */
    uint64_t docs;        /* live ones */
    struct stat manifest; /* the file, as it was before it was read */
    unsigned refs;
    struct list idle; /* searchers */
    unsigned idle_count;
};

/* A searcher of one view for one thread. */
struct view_searcher {
    struct list node;
    struct view *view;
    struct reader **readers;
    struct searcher searcher;
};

/* older: what is the same is shared with it; or NULL.  NULL: why. */
struct view *view_open(const char *dir, const struct view *older,
                       const struct schema *schema, char why[VIEW_WHY]);
/* No other manifest is there by now: asked of the disk. */
bool view_is_current(const struct view *view);
void view_unref(struct view *view);

/* Keeps the view. */
struct view_searcher *view_take(struct view *view);
void view_give(struct view_searcher *searcher);

/* Where a document is; false: nowhere. */
struct view_place {
    struct reader *reader;
    uint32_t doc;
    int64_t version, seq;
};
bool view_find(struct view *view, struct span id, struct view_place *place);
