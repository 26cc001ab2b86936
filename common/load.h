/*
 * load.h - the load generator's library.
 *
 * A service's load.c says which requests there are and when an answer is right;
 * this keeps connections, the schedule, the clock and the report.  Open model:
 * at rate R unit n is due at start + n / R and its latency counts from then,
 * however late it was sent (no coordinated omission).  Rate 0 is a closed loop
 * and is labelled so.  Each unit due in the window is answered, an error by
 * kind, or unsent; none is left out.
 */
#pragma once

#include "common/buf.h"
#include "common/hist.h"

#define LOAD_MAX_CONNECTIONS 20000

struct load;

/* An answer, borrowed. */
struct load_answer {
    int status;
    struct span head, body; /* head: status line and headers */
};

struct load_profile {
    const char *name; /* --profile NAME; ended by a NULL name */
    const char *help;
    /* Append the request of unit n; the same bytes for the same (seed, n). */
    void (*request)(struct load *load, uint64_t n, struct buf *out);
    bool (*accept)(struct load *load, const struct load_answer *answer);
    /* Before the clock starts: what the units need.  0 or UV_E*; may be NULL */
    int (*prepare)(struct load *load);
    /* NULL: it speaks HTTP.  Else the length of the first whole answer of
       bytes, whose body it sets; 0 for none yet, or UV_EPROTO. */
    int64_t (*parse)(struct span bytes, struct load_answer *answer);
};

/* main() is this call; --help says what it takes. */
int load_run(const char *service, const struct load_profile *profiles, int argc,
             char **argv);

/*
 * A request with the twelve headers of a browser, the same for every peer;
 * extra holds whole header lines, body may be empty.
 */
void load_append(const struct load *load, struct buf *out, const char *method,
                 struct span path, struct span extra, struct span body);

/*
 * For prepare(): send count requests made by request(), pipelined over one
 * connection, and see each answer.  0, UV_E*, or UV_EPROTO for a cut answer.
 */
typedef void (*load_answer_cb)(void *arg, uint64_t n,
                               const struct load_answer *answer);
int load_exchange(struct load *load, uint64_t count,
                  void (*request)(struct load *load, uint64_t n,
                                  struct buf *out),
                  load_answer_cb cb, void *arg);

uint64_t load_seed(const struct load *load);
/* --units N: how many different things a profile is about (links, say). */
uint64_t load_units(const struct load *load);
/* The profile's own, zero before prepare(). */
void **load_data(struct load *load);
