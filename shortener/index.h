/*
 * index.h - what an owner's partition keeps about links: all of them, those of
 * a tag, the code of a URL.
 *
 * A job sends any number of commands for one owner and ends once.  It lives in
 * the request's arena.
 */
#pragma once

#include "shortener/shortener.h"

struct index_job;
typedef void (*index_cb)(void *arg, int status);

struct index_job *index_begin(struct shortener *app, struct request *req,
                              struct span owner, index_cb cb, void *arg);

/* List code by its creation time (microseconds), also under its tags. */
void index_add(struct index_job *job, struct span code, int64_t created_us);
void index_add_tag(struct index_job *job, struct span tag, struct span code,
                   int64_t created_us);
void index_remove(struct index_job *job, struct span code);
void index_remove_tag(struct index_job *job, struct span tag, struct span code);

/* The URL's code, unless it has one; and no longer this one. */
void index_add_url(struct index_job *job, struct span digest, struct span code);
void index_remove_url(struct index_job *job, struct span digest,
                      struct span code);

/*
 * Nothing more comes: cb runs once, with 0 or the error of any command; at once
 * when none was sent.
 */
void index_end(struct index_job *job);

/* Is the link one of owner's list, or of that of a tag (ptr NULL: of all)? */
bool index_belongs(const struct link *link, struct span owner, struct span tag);

/*
 * Take an entry that a list had to leave out off its index, unless the link has
 * come to belong there meanwhile.  Nothing waits for it: the next look would do
 * it again.
 */
void index_mend(struct shortener *app, struct span owner, struct span tag,
                struct span code);
