/*
 * indexes.h - the indexes that there are, as a worker knows them.
 *
 * Which there are stands in Redis (names.lua), the mapping of each in its
 * shard; what of their documents is in segments is on the disk.  All of it is
 * kept here until word comes that it is another, or the link that word comes by
 * is lost.
 */
#pragma once

#include "search/names.h"
#include "search/service.h"
#include "search/view.h"

#define INDEXES_MAX 1000
#define INDEX_UUID_LEN 22

struct index {
    struct list node;
    struct indexes *indexes;
    struct arena arena;
    char *name, *dir;
    char uuid[INDEX_UUID_LEN + 1];
    struct span about;              /* what names.lua keeps of it */
    struct span keys[3];            /* index_name_keys() */
    struct schema schema;           /* empty until it is mapped */
    struct view *view;              /* if it is mapped; NULL: broken so far */
    uint64_t mapping_version, hold; /* hold: who uses it */
    uint64_t needed;                /* the generation that Redis counts on */
    struct list waiters;
    bool mapped, asked, gone; /* asked: for its mapping, and no word came */
    bool broken;              /* its files cannot be read, or are too old */
};

enum { INDEX_SHARD, INDEX_LOG, INDEX_RECENT, INDEX_KEYS };

/* Of the shard that has this uuid, in the arena. */
void index_name_keys(struct arena *arena, struct span uuid,
                     struct span keys[INDEX_KEYS]);

struct indexes *indexes_open(struct service *service);
void indexes_close(struct indexes *indexes);
void indexes_on_epoch(struct indexes *indexes, bool live);
/* What is looked up from now on is asked of Redis: who changes an index, or
   describes it, is not to go by what word has not come of. */
void indexes_doubt(struct indexes *indexes);

/*
 * status: 0, and the index, mapped and with a view, which index_drop() lets go
 * of; UV_ENOENT: there is none; UV_EIO: it is broken; or what Redis said.  May
 * run inside the call.
 */
typedef void (*index_cb)(void *arg, int status, struct index *index);
void index_get(struct indexes *indexes, struct span name, index_cb cb,
               void *arg);
struct index *index_hold(struct index *index);
void index_drop(struct index *index);

/* All that match, by their names; broken ones, too; each is to be dropped; the
   list is borrowed.  status: 0, or what Redis said. */
typedef void (*indexes_cb)(void *arg, int status, struct index **list,
                           size_t count);
void indexes_list(struct indexes *indexes, struct span expression,
                  indexes_cb cb, void *arg);
/* Of those the first that is broken, or NULL. */
const struct index *indexes_broken(struct index *const *list, size_t count);
/* May the caller, with each of them?  0 or UV_EACCES.  A scope that covers an
   expression as text may not cover what it stands for. */
int indexes_allow(const struct request *req, const char *scope,
                  struct index *const *list, size_t count);

/* status: 0, UV_EEXIST, UV_ENOSPC: there are INDEXES_MAX, or what Redis said.
 */
struct index_plan {
    struct span name;
    struct span about;           /* JSON */
    const struct schema *schema; /* of meta fields and the mapping; borrowed */
};
void index_create(struct indexes *indexes, const struct index_plan *plan,
                  void (*cb)(void *arg, int status), void *arg);
/* status: 0, UV_ENOENT, or what Redis said.  Holds the index until then. */
void index_delete(struct index *index, void (*cb)(void *arg, int status),
                  void *arg);

/* For index_change.c. */
/* As index_get(), but of a broken one, too, which may have no view. */
void index_get_any(struct indexes *indexes, struct span name, index_cb cb,
                   void *arg);
struct service *indexes_service(const struct indexes *indexes);
void indexes_changed(struct indexes *indexes);
/* Once it is known which indexes there are. */
void indexes_know(struct indexes *indexes, void (*cb)(void *arg, int status),
                  void *arg);
/* Of those that match, in the arena, as is the list of them. */
size_t indexes_names(const struct indexes *indexes, struct arena *arena,
                     struct span expression, struct span **names);

/* A schema with what the service needs. */
void index_schema_init(struct schema *schema);
/* In the arena, as the shard keeps it; false: it is none. */
struct span index_put_mapping(struct arena *arena, const struct schema *schema);
bool index_read_mapping(struct schema *schema, struct span json);
/* It is another one, by a reply that has it and its version. */
bool index_take_mapping(struct index *index, struct span version,
                        struct span json);
/* Somebody changed it. */
void index_tell_mapping(struct index *index);

/* Open what is published now: false: it is broken. */
bool index_refresh_view(struct index *index);
/* Once all before the position is in the view.  status: 0, UV_ETIMEDOUT, while
   the request still has time for an answer, or UV_ENOENT: the index is gone.
   May run inside the call. */
void index_wait(struct index *index, uint64_t position,
                const struct request *req, void (*cb)(void *arg, int status),
                void *arg);
/* The indexer is not to wait for its interval. */
void index_hurry(struct index *index);
