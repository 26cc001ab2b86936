/*
 * catalog.h - the limits that this worker knows.
 *
 * Read from Redis once and kept while the tracking link lives, which tells of
 * every change; unknown names are kept likewise.  With Redis away what was
 * known last still counts: it says what to do then.  Limits of --limits FILE
 * are this process's own.
 */
#pragma once

#include "common/limit.h"

struct catalog;

/* limiter hears of limits that have changed. */
struct catalog *catalog_create(struct redis *redis, struct limiter *limiter,
                               struct metrics *metrics);
void catalog_destroy(struct catalog *catalog);

/* Read a file's limits; false with a line in reason. catalog NULL: only check
 */
bool catalog_read_file(struct catalog *catalog, const char *path, char *reason,
                       size_t reason_size);

/* See pubsub.h; a name that changed, ptr NULL: any. */
void catalog_set_live(struct catalog *catalog, bool live);
void catalog_invalidate(struct catalog *catalog, struct span name);

enum catalog_verdict {
    CATALOG_KNOWN,   /* *spec is it, borrowed until the loop turns */
    CATALOG_UNKNOWN, /* there is none of that name */
    CATALOG_ASK,     /* see catalog_load() */
};
enum catalog_verdict catalog_find(struct catalog *catalog, struct span name,
                                  struct limit_spec **spec);
/* Of one of the file's, borrowed like a spec; ptr NULL: none. */
struct span catalog_description(struct catalog *catalog, struct span name);
/* Each of the file's, in no order. */
void catalog_each_of_file(struct catalog *catalog,
                          void (*cb)(void *arg, struct limit_spec *spec),
                          void *arg);
/* Is it one of the file's, which nobody may change? */
bool catalog_is_of_file(const struct catalog *catalog, struct span name);

/* Is there such a limit, as far as is known?  Also true while it is read. */
bool catalog_has(const struct catalog *catalog, struct span name);
/* False: whoever comes next drives out others. */
bool catalog_has_room(const struct catalog *catalog);

/*
 * Ask Redis for a name; those who ask for it at once share the question.  cb
 * runs once, later, with 0 (look again by catalog_find()) or, when Redis cannot
 * be asked and nothing is known from before, UV_E*.  A negative result means
 * that it never runs.
 */
typedef void (*catalog_cb)(void *arg, int status);
int catalog_load(struct catalog *catalog, struct span name, catalog_cb cb,
                 void *arg);
/* Redis has a newer one than this. */
void catalog_outdated(struct catalog *catalog, struct span name);
