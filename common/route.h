/*
 * route.h - from a method and a path to a handler.
 *
 * A pattern is segments of text, each a literal, {name}, or {name} followed by
 * a literal ("{code}+", "{id}:cancel"); the last may be a literal with a verb
 * ("links:batch").  A literal segment wins over a longer suffix, that over a
 * bare {name}.  A path with an empty {name}, or with a %2F in it, does not
 * match.  GET routes answer HEAD too.  The pattern "*" is for all that no other
 * one fits, whatever the method but OPTIONS.
 */
#pragma once

#include "common/request.h"

#define ROUTE_MAX 128 /* routes of a service */
#define ROUTE_MAX_PARAMS 4

typedef void (*route_handler)(struct request *req, void *arg);

enum route_flags {
    ROUTE_PAGE = 1,       /* problems may be pages */
    ROUTE_LOCAL = 2,      /* from loopback, or with scope admin */
    ROUTE_ALWAYS = 4,     /* never shed: health */
    ROUTE_WRITE = 8,      /* limited for each caller */
    ROUTE_ANY_QUERY = 16, /* nobody reads it: it may be malformed */
    /* A Mercure hub's: any good token will do, and its handler asks what that
       allows; the cookie is mercureAuthorization; it has no scope here.  A
       {name} may be an IRI, with %2F. */
    ROUTE_MERCURE = 32,
    ROUTE_SLASH = 64, /* a {name} may have a %2F in it */
};

struct route {
    enum request_method method;
    const char *pattern; /* static */
    const char *scope;   /* NULL: public */
    route_handler handler;
    unsigned flags;
};

struct router;

/* Both tables static, ended by a NULL pattern; second may be NULL. */
struct router *router_create(const struct route *first,
                             const struct route *second);
void router_destroy(struct router *router);

struct route_match {
    const struct route *route; /* NULL: not found, or not this method */
    size_t index;              /* of the route, for its counters */
    unsigned allowed; /* bits 1 << method the path knows, but for "*"; 0: 404 */
    struct {
        struct span name, value; /* still percent-encoded */
    } params[ROUTE_MAX_PARAMS];
    size_t param_count;
};

void router_match(const struct router *router, enum request_method method,
                  struct span path, struct route_match *match);
size_t router_count(const struct router *router);
const struct route *router_at(const struct router *router, size_t index);
