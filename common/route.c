/*
 * route.c - see route.h.
 *
 * The table is sorted so that the first pattern that fits is the one that wins.
 * A service has a few tens of routes: those of as many segments as the path are
 * tried in turn.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/route.h"

#define MAX_SEGMENTS 8

/* "links:batch", "{id}", "{code}+": a parameter and what stands behind it. */
struct segment {
    struct span name;    /* of the parameter; ptr NULL: a literal */
    struct span literal; /* all of it, or what follows the parameter */
};

struct compiled {
    const struct route *route;
    struct segment segments[MAX_SEGMENTS];
    size_t count, index;
    size_t pattern; /* the same for the same one */
};

struct router {
    size_t count, compiled_count;
    const struct route *routes[ROUTE_MAX];
    struct compiled compiled[ROUTE_MAX]; /* by number of segments, then rank */
    size_t from[MAX_SEGMENTS + 2];       /* the first with so many */
    const struct route *any;             /* "*", or NULL */
    size_t any_index;
};

static struct segment compile_segment(struct span text)
{
    if (text.len == 0 || text.ptr[0] != '{')
        return (struct segment){.literal = text};
    size_t end = span_find(text, '}');
    assert(end < text.len);
    return (struct segment){.name = {text.ptr + 1, end - 1},
                            .literal = span_skip(text, end + 1)};
}

static void compile(struct compiled *compiled, const struct route *route,
                    size_t index)
{
    struct span rest = span_str(route->pattern + 1);
    struct span text;

    assert(route->pattern[0] == '/');
    assert(!route->scope || !(route->flags & ROUTE_MERCURE));
    *compiled = (struct compiled){.route = route, .index = index};
    while (span_cut(&rest, '/', &text)) {
        assert(compiled->count < MAX_SEGMENTS);
        compiled->segments[compiled->count++] = compile_segment(text);
    }
}

/* Literals before parameters, longer suffixes before shorter ones. */
static int compare_segments(const struct segment *a, const struct segment *b)
{
    bool a_param = a->name.ptr != NULL, b_param = b->name.ptr != NULL;

    if (a_param != b_param)
        return a_param ? 1 : -1;
    if (!a_param)
        return 0;
    return (a->literal.len < b->literal.len) -
           (a->literal.len > b->literal.len);
}

static int compare(const void *left, const void *right)
{
    const struct compiled *a = left;
    const struct compiled *b = right;

    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        int order = compare_segments(&a->segments[i], &b->segments[i]);
        if (order)
            return order;
    }
    return (a->index > b->index) - (a->index < b->index);
}

static void add_all(struct router *router, const struct route *routes)
{
    for (; routes && routes->pattern; routes++) {
        assert(router->count < ROUTE_MAX);
        if (strcmp(routes->pattern, "*") == 0) {
            router->any = routes;
            router->any_index = router->count;
        } else {
            compile(&router->compiled[router->compiled_count++], routes,
                    router->count);
        }
        router->routes[router->count++] = routes;
    }
}

static size_t pattern_of(const struct router *router, size_t at)
{
    size_t i = 0;

    while (strcmp(router->compiled[i].route->pattern,
                  router->compiled[at].route->pattern) != 0)
        i++;
    return i;
}

struct router *router_create(const struct route *first,
                             const struct route *second)
{
    struct router *router = mem_zalloc(MEM_APP, sizeof(*router));

    add_all(router, first);
    add_all(router, second);
    qsort(router->compiled, router->compiled_count, sizeof(router->compiled[0]),
          compare);
    for (size_t i = 0; i < router->compiled_count; i++) {
        router->from[router->compiled[i].count + 1] = i + 1;
        router->compiled[i].pattern = pattern_of(router, i);
    }
    for (size_t n = 1; n < MAX_SEGMENTS + 2; n++)
        if (router->from[n] < router->from[n - 1])
            router->from[n] = router->from[n - 1];
    return router;
}

void router_destroy(struct router *router)
{
    mem_free(router);
}

size_t router_count(const struct router *router)
{
    return router->count;
}

const struct route *router_at(const struct router *router, size_t index)
{
    return router->routes[index];
}

struct path {
    struct span segments[MAX_SEGMENTS];
    size_t count;
};

static bool split(struct span path, struct path *out)
{
    struct span rest = span_skip(path, 1);

    out->count = 0;
    if (path.len == 0 || path.ptr[0] != '/')
        return false;
    for (struct span segment; span_cut(&rest, '/', &segment);) {
        if (out->count == MAX_SEGMENTS)
            return false;
        out->segments[out->count++] = segment;
    }
    return true;
}

static bool has_escaped_slash(struct span s)
{
    for (size_t i = 0; i + 2 < s.len; i++)
        if (s.ptr[i] == '%' && s.ptr[i + 1] == '2' &&
            (s.ptr[i + 2] == 'F' || s.ptr[i + 2] == 'f'))
            return true;
    return false;
}

static bool fit_segment(const struct segment *segment, struct span text,
                        unsigned flags, struct route_match *match)
{
    if (!segment->name.ptr)
        return span_eq(segment->literal, text);
    size_t suffix = segment->literal.len;
    if (text.len <= suffix ||
        !span_eq(span_skip(text, text.len - suffix), segment->literal))
        return false;
    struct span value = {text.ptr, text.len - suffix};
    if (has_escaped_slash(value) && !(flags & (ROUTE_MERCURE | ROUTE_SLASH)))
        return false;
    match->params[match->param_count].name = segment->name;
    match->params[match->param_count++].value = value;
    return true;
}

static bool fit(const struct compiled *compiled, const struct path *path,
                struct route_match *match)
{
    match->param_count = 0;
    for (size_t i = 0; i < path->count; i++)
        if (!fit_segment(&compiled->segments[i], path->segments[i],
                         compiled->route->flags, match))
            return false;
    return true;
}

static bool serves(enum request_method route, enum request_method asked)
{
    return route == asked || (route == REQUEST_GET && asked == REQUEST_HEAD);
}

/*
 * The first pattern that fits decides: another one that fits as well but is
 * less exact does not lend its methods.
 */
void router_match(const struct router *router, enum request_method method,
                  struct span path, struct route_match *match)
{
    const struct compiled *first = NULL;
    struct route_match tried;
    struct path split_path;
    bool done = false;

    match->route = method == REQUEST_OPTIONS ? NULL : router->any;
    match->index = router->any_index;
    match->allowed = 0;
    match->param_count = 0;
    if (!split(path, &split_path))
        return;
    for (size_t i = router->from[split_path.count];
         i < router->from[split_path.count + 1]; i++) {
        const struct compiled *compiled = &router->compiled[i];
        if (first && first->pattern != compiled->pattern)
            continue;
        if (!fit(compiled, &split_path, &tried))
            continue;
        first = compiled;
        match->allowed |= 1u << compiled->route->method;
        if (done || !serves(compiled->route->method, method))
            continue;
        tried.route = compiled->route;
        tried.index = compiled->index;
        tried.allowed = match->allowed;
        *match = tried;
        done = true;
    }
    if (match->allowed & 1u << REQUEST_GET)
        match->allowed |= 1u << REQUEST_HEAD;
}
