/* resume_internal.h - what resume.c and missed.c share. */
#pragma once

#include "notifier/notifier.h"
#include "notifier/subscriber.h"

enum phase { STANDING, PROBING, MISSED };

/* What a step of the driver came to. */
enum step { STEP_MORE, STEP_WAIT, STEP_DONE };

/* Of its patterns. */
struct missed {
    enum since_kind since;
    struct position_partitions position;   /* since's */
    struct log_id places[HASH_PARTITIONS]; /* how far it has come */
    struct log_id targets[HASH_PARTITIONS];
    bool lost[HASH_PARTITIONS]; /* a place is of references that are gone */
};

struct resume {
    struct subscriber *subscriber;
    enum phase phase;
    struct list *at; /* the follow whose turn it is */
    uint32_t partition;
    uint64_t hole;   /* the first reference that is gone, not told yet; or 0 */
    bool positioned; /* it is from a position, or some of it */
    bool expected;   /* the position is ahead of the feed, which has looked */
    bool quiet, recovered; /* of the patterns, as a follow's */
    struct missed *missed; /* NULL: it has none */
    struct topic_wait topic_wait;
    struct feed_wait feed_wait;
    struct chunk_wait chunk_wait;
    struct wheel_timer timer; /* until it is tried again */
    bool *gone;               /* set when it is cancelled; NULL: nobody looks */
};

static inline struct follow *resume_follow(const struct resume *resume)
{
    return LIST_ENTRY(resume->at, struct follow, node);
}

/* All follows have had their turn: it is that of the patterns, together. */
static inline bool resume_is_at_end(const struct resume *resume)
{
    return resume->at == &resume->subscriber->follows;
}

/* The next follow that is not live, from the first on if it is new. */
void resume_go_on(struct resume *resume);

/* All patterns end where the feed stands now. */
void resume_settle_patterns(struct resume *resume);

/* missed.c */

/* The first place of the ring whose message it has not had; false: none. */
bool missed_find_place(const struct follow *follow, uint64_t *place);
/* Has the partition whose turn it is more than was had of it? */
bool missed_has_more(const struct resume *resume);
/* Ask for the next chunk, of the follow or the partition whose turn it is. */
void missed_read_log(struct resume *resume);
void missed_read_references(struct resume *resume);

enum step missed_step(struct resume *resume);
void missed_take(struct resume *resume, const struct chunk *chunk);
