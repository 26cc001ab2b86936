/*
 * rooms.h - the rooms that this worker knows: where each one's log stands, who
 * of its members is connected here, and what came lately.
 *
 *   rooms_hear() -- of the number that comes next --> rooms_events, the ring
 *                -- of a later one --> events.lua --> the same
 *
 * So all that is in a room's log passes here once, in order: what a worker
 * knows of rooms and members follows from it, and watchers get it from the
 * ring.  A room is known while somebody uses it.
 */
#pragma once

#include "chat/bodies.h"
#include "chat/record.h"
#include "common/fanout.h"
#include "common/hash.h"
#include "common/metrics.h"
#include "common/redis.h"
#include "common/wheel.h"

struct rooms;
struct room;

/* An entry as watchers get it: a frame, made once. */
struct frame {
    struct fanout_message base;
    uint64_t seq, ts;
    uint64_t target; /* of an edit; 0 */
    enum entry_kind kind;
    bool of_roster;         /* a signal for who asked for the roster alone */
    uint8_t head_len;       /* of bytes: the frame's header */
    struct entry_said said; /* in bytes */
    size_t len;
    char bytes[];
};

static inline struct frame *frame_of(struct fanout_message *base)
{
    return LIST_ENTRY(base, struct frame, base);
}
/* One reference, the caller's. */
struct frame *frame_create(struct span room, const struct entry *entry,
                           const struct text *text);
/* Of what is told beside the log. */
struct frame *frame_create_signal(struct span json, bool of_roster);
/* Of a message or an edit: what is left of it when that is deleted. */
struct frame *frame_create_bare(const struct frame *frame);

struct rooms_events {
    /* The next entry of a room; its watchers get it when the turn ends. */
    void (*on_entry)(void *arg, struct room *room, const struct entry *entry);
    /*
     * What comes next is not there any more, or is another than was said: who
     * watches is to read the room anew, and what is known of its members
     * counts no more.
     */
    void (*on_lost)(void *arg, struct room *room);
    /* What was read of this room's log before may have what is deleted now. */
    void (*on_stale)(void *arg, struct span room);
    /* A room that is not known, or not yet, got a member. */
    void (*on_joined)(void *arg, struct span room, struct span user);
    /* A wake-up that is no entry: begins with @. */
    void (*on_word)(void *arg, struct span word);
};

struct rooms_options {
    struct stream_loop *loop;
    struct redis *redis;
    struct fanout *fanout;
    struct metrics *metrics;
    struct bodies *bodies; /* NULL: texts are in the open */
    const struct rooms_events *events;
    void *arg;
};

struct room {
    struct fanout_topic ring;    /* of frames; places are numbers */
    struct fanout_topic signals; /* of frames that have none */
    struct list seats;           /* see users.h */
    struct list bucket;
    struct list waiting; /* for it to be known */
    struct list large;   /* of those with news for many, or alone */
    struct wheel_timer retry;
    struct rooms *rooms;
    uint64_t seq, ts;            /* of the last entry that passed */
    uint64_t target;             /* heard of, and not passed */
    uint64_t read_from, read_ts; /* the last entry when a reading began */
    uint64_t oldest, hole, count;
    uint32_t members, partition;
    uint32_t watchers;
    unsigned uses;
    uint8_t kind;
    bool known, reading, archived;
    bool again; /* a new link came while it was read: what passed between was
                   not heard */
    uint8_t id_len;
    char id[];
};

static inline struct span room_id(const struct room *room)
{
    return (struct span){room->id, room->id_len};
}

struct rooms *rooms_create(const struct rooms_options *options);
/* Nobody uses a room any more. */
void rooms_destroy(struct rooms *rooms);

/* Made if it is not there, used until room_leave(). */
struct room *rooms_use(struct rooms *rooms, struct span id);
void room_use(struct room *room);
void room_leave(struct room *room);
/* NULL: not known here. */
struct room *rooms_find(struct rooms *rooms, struct span id);

/* Where it stands, as a script said: what it is to be known by, or to catch up
   with. */
void room_learn(struct room *room, const struct room_head *head);

/* To who watches it, with what else the turn has for them; who lags may miss
   some. */
void room_signal(struct room *room, struct span json, bool of_roster);
/* Somebody watches it, or does not any more. */
void room_add_watcher(struct room *room);
void room_drop_watcher(struct room *room);

/* It has an entry of that number, which may not have passed yet. */
void room_hear_of(struct room *room, uint64_t seq);

/* What a wake-up of a partition says. */
void rooms_hear(struct rooms *rooms, struct span payload);
/* The link is there again: each room is asked for where it stands. */
void rooms_ask_all(struct rooms *rooms);

/* May somebody who has had `have` go on from there, or has it missed what is
   gone? */
static inline bool room_can_resume(const struct room *room, uint64_t have)
{
    return have <= room->seq && have + 1 >= room->oldest && have >= room->hole;
}

/* In its owner's struct; cb runs once, later: 0, or why it cannot be. */
struct room_wait {
    struct list node;
    void (*cb)(struct room_wait *wait, int status);
};
/* Not of a room that is whole. */
void room_await(struct room *room, struct room_wait *wait);
/* Known, and nothing that was heard of is missing. */
static inline bool room_is_whole(const struct room *room)
{
    return room->known && !room->reading && !wheel_is_started(&room->retry) &&
           room->target <= room->seq;
}
