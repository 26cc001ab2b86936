/*
 * presence_internal.h - what presence.c and presence_person.c share: views of
 * rooms, and the persons in them.
 */
#pragma once

#include "chat/chat.h"
#include "common/roster.h"

#define PRESENCE_BUCKETS 4096

extern const char presence_online[], presence_away[], presence_offline[];

struct presence {
    struct chat *chat;
    struct roster *roster;
    struct hash_key hash_key;
    struct list buckets[PRESENCE_BUCKETS]; /* of persons */
    struct list views;
    struct list due;     /* views */
    struct list changed; /* persons */
    struct wheel_timer turn;
    uint32_t mark; /* of what is being told */
};

struct person {
    struct list bucket, links, connected;
    struct list changed; /* of those to be told of, or alone */
    struct presence *presence;
    bool reading, again; /* again: something passed meanwhile */
    const char *told;    /* state, static; NULL: nothing yet */
    int64_t seen_ms;     /* when it was here last; 0: not known */
    uint8_t name_len;
    char name[];
};

struct view;

/* A person in a view. */
struct link {
    struct list of_view, of_person;
    struct view *view;
    struct person *person;
};

/* on_turn() comes. */
void presence_await_turn(struct presence *presence);

/* NULL: nobody looks at that one. */
struct person *person_find(struct presence *presence, struct span name);
/* What is in Redis of it is read. */
struct person *person_add(struct presence *presence, struct span name);
/* Unless it is in a view, or is being read: then it stays until that is over.
 */
void person_drop(struct person *person);
struct span person_name(const struct person *person);
const char *person_state(const struct person *person);

/* As roster.h's events. */
void persons_on_change(void *arg, const struct roster_change *change);
void persons_on_swept(void *arg, const struct roster_change *change);
void persons_read_again(struct presence *presence);
