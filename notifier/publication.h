/*
 * publication.h - one update on its way into the logs of its topics.
 *
 *   publication_send() -- publish.lua for each topic --> all have answered -->
 * cb
 *
 * With an id of its publisher's, a repetition does nothing and is answered as
 * the first was; so what failed between two topics is done by sending it again.
 * Of a source, the place of the last entry is kept in each partition: no entry
 * up to there is published again, however late it comes.
 */
#pragma once

#include "common/arena.h"
#include "notifier/log_id.h"
#include "notifier/record.h"

#define PUBLICATION_ID_MAX 256 /* bytes of a publisher's id */
#define PUBLICATION_TYPE_MAX 256
#define PUBLICATION_NEW_ID 45 /* bytes of one of ours */
#define PUBLICATION_TOPIC_MAX 1024

struct notifier;

/* An entry of a source: published once, and behind those before it. */
struct publication_entry {
    struct span source, generation, id;
    struct span before; /* of the same partition, on its way; "": none */
};

struct publication {
    struct record record; /* borrowed until cb */
    bool has_id;          /* its publisher's: once */
    /* Of a source's entry, which has one topic; NULL: it is none. */
    const struct publication_entry *entry;
    void (*cb)(struct publication *publication, int status);
    void *arg;
    /* From here on publication.c's; ids, of each topic, and replayed are there
       when cb runs; no id of an entry that was there. */
    struct log_id ids[RECORD_TOPICS_MAX];
    bool replayed; /* all of it was there */
    struct notifier *app;
    size_t left, replays;
    int status;
};

/* "urn:uuid:…", random. */
struct span publication_new_id(char room[PUBLICATION_NEW_ID]);

/*
 * The caller's memory until cb, which runs once, later: 0, or what the first
 * script that failed came to.  UV_E*: nothing was sent, cb never runs.
 */
int publication_send(struct notifier *app, struct publication *publication);

/*
 * What is wrong with an update's topics, id or type; NULL: nothing.  Static.
 */
const char *publication_check(const struct record *record);
