/*
 * load_bare.h - what fan-out costs at least: a server that is a loop of
 * write() over sockets.  It keeps nothing and resumes nothing.
 *
 * A service's load test says what requests look like; this accepts, reads and
 * writes.  Writes block, which readers who read all never let last.
 */
#pragma once

#include "common/load_internal.h"

struct load_bare_service {
    /* The length of the first whole request of bytes, which is done; 0: there
       is none yet. */
    size_t (*take)(void *arg, int fd, struct span bytes);
    /* It is closed. */
    void (*forget)(void *arg, int fd);
    void *arg;
};

/* Does not end; UV_E* if it cannot begin. */
int load_bare_serve(uint16_t port, const struct load_bare_service *service);
/* For take(); a socket that does not take it is heard of later. */
void load_bare_put(int fd, struct span bytes);
