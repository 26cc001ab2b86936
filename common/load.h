/*
 * load.h - the load generator's library.
 *
 * A service's load.c says what a unit of work is (which bytes to send, when an
 * answer is right); this keeps connections, the schedule, the clock and the
 * report.  Open model: at rate R unit n is due at start + n / R, and its
 * latency counts from then, sent late or not.  Rate 0 is a closed loop and is
 * labelled so.
 */
#pragma once

#include "common/buf.h"
#include "common/hist.h"
#include "common/span.h"

struct load;

struct load_profile {
    const char *name; /* --profile NAME */
    const char *help;
    /*
     * Append the request of unit n; 12 browser headers are appended by
     * load_append_head().  Deterministic in (seed, n).
     */
    void (*request)(void *arg, uint64_t n, struct buf *out);
    /* Is this the right answer?  head holds status line and headers. */
    bool (*accept)(void *arg, uint64_t n, int status, struct span head,
                   struct span body);
};

/* Append a request head with the 12 headers that every peer gets. */
void load_append_head(struct buf *out, const char *method, struct span path,
                      struct span host, struct span extra_headers);

struct load_service {
    const char *name;
    const struct load_profile *profiles; /* ended by a NULL name */
    /* Prepare data through the service itself, before the clock starts. */
    int (*prepare)(void *arg, struct load *load);
    void *arg;
};

/* main() is this call; --help says what it takes. */
int load_run(const struct load_service *service, int argc, char **argv);

/* For prepare(): one blocking exchange with the target; status or UV_E*. */
int load_exchange(struct load *load, struct span request, struct buf *body);
struct span load_host(const struct load *load);
uint64_t load_seed(const struct load *load);
