/*
 * admission.h - who may come in: how many streams and sockets a caller has at
 * this worker, and how fast new ones are accepted over all workers: of all
 * callers, of one user, of one address.
 *
 *   admission_ask() -- known here --> cb, later or at once by what it returns
 */
#pragma once

#include "common/limit.h"
#include "common/request.h"

struct admission;
struct app;

#define ADMISSION_RATES 3

/* 0: no limit. */
struct admission_options {
    struct app *app;
    int64_t per_caller;
    int64_t rate; /* a second, as what follows: of all callers */
    int64_t user_rate, address_rate;
};

struct admission *admission_create(const struct admission_options *options);
void admission_destroy(struct admission *admission);

/* Who has a stream or socket: known once, however many those are. */
struct caller;

/* Has one reference, the caller's: of a subject, whose sockets it does not
 * count. */
struct caller *caller_of_subject(struct admission *admission,
                                 struct span subject);
void caller_unref(struct caller *caller); /* NULL: nothing to do */
struct span caller_subject(const struct caller *caller);

/*
 * Take a place for the caller of req, to be given back by admission_leave();
 * NULL: it has as many as it may.
 */
struct caller *admission_enter(struct admission *admission,
                               struct request *req);
/* NULL: nothing to do. */
void admission_leave(struct caller *caller);
/* As request_caller(), while it has a place. */
struct span caller_name(const struct caller *caller);

/* One that comes in: in its request's arena. */
struct admission_ask {
    struct request *req;
    /* How long it is to wait, ms; 0: it may. */
    void (*cb)(struct admission_ask *ask, uint64_t wait_ms);
    void *arg;
    struct limit_ask asks[ADMISSION_RATES]; /* admission.c's, as what follows */
    struct limit_call call;
};
/* cb runs once, inside or later.  Whatever Redis says, it is asked. */
void admission_ask(struct admission *admission, struct admission_ask *ask);
