/*
 * node.h - a query as it runs over one segment, a window of documents after the
 * other: each node adds which of them it matches, and what they score by it.
 *
 * Nothing is passed over because it cannot be among the best: that is what
 * union.h, intersection.h and phrase.h are for, where a query is no more than
 * one of them.
 */
#pragma once

#include "search/index/values.h"
#include "search/query/phrase.h"
#include "search/query/window.h"

enum node_kind {
    NODE_NONE,
    NODE_ALL,    /* each scores boost */
    NODE_SET,    /* the same of those in bits */
    NODE_VALUES, /* the same of those with a value in a range */
    NODE_TERM,
    NODE_PHRASE,
    NODE_BOOL,
    NODE_CONSTANT, /* one child; each scores boost */
    NODE_DIS_MAX,  /* the best child counts, the others times tie */
};

enum { NODE_MUST, NODE_FILTER, NODE_SHOULD, NODE_MUST_NOT, NODE_LISTS };

struct node {
    enum node_kind kind;
    struct node *next;              /* in its list */
    const struct node_about *about; /* compile_internal.h; or NULL */
    float boost, tie;
    const uint64_t *bits; /* SET: of all documents of the segment */
    const struct values *values;
    int64_t least, most;   /* VALUES: of numbers or ordinals */
    struct clause *clause; /* TERM */
    struct phrase *phrase; /* PHRASE: its terms' first clause scores */
    const struct clause *lead;
    struct phrase_hits *hits;
    size_t hit;                         /* that comes next */
    struct node *lists[NODE_LISTS];     /* BOOL; others have one in SHOULD */
    size_t counts[NODE_LISTS], minimum; /* minimum: of SHOULD */
    bool is_counted; /* BOOL: a document needs more than one of SHOULD, or,
                        with others, any */
};

/* What those with children need while they run: all of a depth the same. */
struct node_room {
    struct node_room *below; /* their children's; NULL: none yet */
    struct window own, other;
    double best[WINDOW_DOCS];      /* DIS_MAX: of each document */
    uint16_t matched[WINDOW_DOCS]; /* BOOL: how many of SHOULD */
};

/* To what is in the window; windows come in order, some may be left out.  room:
   NULL at first, made when it is needed. */
void node_add(struct node *node, struct node_room **room, struct window *window,
              bool scored);
void node_room_destroy(struct node_room *room);
