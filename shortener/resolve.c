/*
 * resolve.c - GET /{code}: send the client to the link's target.
 *
 *   resolve() -- known --> serve()
 *             -- GET sh:link:{pNNN}:code --> on_link() -- each waiter -->
 * serve()
 *
 * Requests for one unknown code share one read.  When Redis cannot be asked,
 * they fail with 503.
 */
#include "common/buf.h"
#include "common/mem.h"
#include "common/query.h"
#include "shortener/agent.h"
#include "shortener/shortener.h"

#define HEAD_REST 128 /* of a ready head besides its target */
#define MAX_AGE_MS 90000

/* A request that waits for a read; in its arena. */
struct waiter {
    struct list node; /* in the filling entry, or alone */
    struct request *req;
    struct shortener *app;
    struct cache_entry *filling; /* NULL: a read of its own */
};

static void on_link(void *arg, int status, const struct redisReply *reply);

static void count(struct shortener *app, struct request *req, struct span code,
                  struct click_cell **slot, int64_t now)
{
    struct agent agent = {.user_agent = request_header(req, "user-agent"),
                          .sec_purpose = request_header(req, "sec-purpose"),
                          .purpose = request_header(req, "purpose"),
                          .x_moz = request_header(req, "x-moz"),
                          .x_purpose = request_header(req, "x-purpose")};
    uint64_t hash;
    uint64_t visitor = 0;
    bool bot = agents_look(app->agents, &agent, &hash) ||
               request_method(req) == REQUEST_HEAD;

    if (!bot)
        visitor = clicks_visitor(app->clicks, request_address(req), hash, now);
    clicks_count(app->clicks, code, slot, visitor, bot, now);
}

/* What the answer's Location would be, found in its ready head. */
static struct span target_of(struct span head)
{
    struct span line = span_skip(head, span_find(head, '\n') + 1);
    struct span value = span_skip(line, sizeof("Location: ") - 1);

    return (struct span){value.ptr, span_find(value, '\r')};
}

/* The request's query goes behind the target's own, before its fragment. */
static struct span with_query(struct arena *arena, struct span url,
                              struct span query)
{
    size_t hash = span_find(url, '#');
    struct span target = {url.ptr, hash};
    struct span fragment = span_skip(url, hash);
    const char *joint = span_find(target, '?') == target.len ? "?" : "&";
    struct span more = query_escape(arena, query);

    return arena_printf(arena, "%.*s%s%.*s%.*s", (int)target.len, target.ptr,
                        joint, (int)more.len, more.ptr, (int)fragment.len,
                        fragment.ptr);
}

static struct span status_line(int status)
{
    switch (status) {
    case 301:
        return SPAN("HTTP/1.1 301 Moved Permanently\r\nLocation: ");
    case 307:
        return SPAN("HTTP/1.1 307 Temporary Redirect\r\nLocation: ");
    case 308:
        return SPAN("HTTP/1.1 308 Permanent Redirect\r\nLocation: ");
    default:
        return SPAN("HTTP/1.1 302 Found\r\nLocation: ");
    }
}

/*
 * What browsers may do with it: a permanent redirect is kept for a while, but
 * never past the link's end.
 */
static struct span cache_control(int status, int64_t left_ms)
{
    bool permanent = status == 301 || status == 308;

    if (!permanent || left_ms < MAX_AGE_MS)
        return SPAN("\r\nCache-Control: private, no-store\r\n"
                    "Content-Length: 0\r\n");
    return SPAN("\r\nCache-Control: private, max-age=90\r\n"
                "Content-Length: 0\r\n");
}

/* out has room for url and HEAD_REST more. */
static struct span ready_head(char *out, int status, struct span url,
                              int64_t left_ms)
{
    struct span parts[] = {status_line(status), url,
                           cache_control(status, left_ms)};
    size_t len = 0;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        memcpy(out + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    return (struct span){out, len};
}

/* Answer from what is known; slot counts the click. */
static void serve(struct shortener *app, struct request *req, struct span code,
                  const struct cache_fill *known, struct click_cell **slot)
{
    int64_t now = now_ms(app->now);
    struct span query = request_query_string(req);
    struct span head = known->head;

    if (known->state != LINK_LIVE) {
        link_refuse(req, known->state);
        return;
    }
    if (known->expires_ms && known->expires_ms <= now) {
        link_refuse(req, LINK_EXPIRED);
        return;
    }
    if (!request_is_gone(req)) /* what nobody sees is no click */
        count(app, req, code, slot, now);
    int64_t left_ms = known->expires_ms ? known->expires_ms - now : INT64_MAX;
    bool forwards = known->forward_query && query.len;
    if (forwards || left_ms < MAX_AGE_MS) {
        struct arena *arena = request_arena(req);
        struct span url = target_of(head);
        if (forwards)
            url = with_query(arena, url, query);
        head = ready_head(arena_alloc(arena, url.len + HEAD_REST),
                          known->status, url, left_ms);
    }
    request_reply_ready(req, known->status, head);
}

static void serve_entry(struct shortener *app, struct request *req,
                        struct cache_entry *entry)
{
    struct cache_fill known = {.state = (enum link_state)entry->state,
                               .expires_ms = entry->expires_ms,
                               .status = entry->status,
                               .forward_query = entry->forward_query,
                               .head = cache_head(entry)};

    serve(app, req, cache_code(entry), &known, &entry->cell);
}

static int ask(struct waiter *waiter, struct span code)
{
    struct span key = link_key(request_arena(waiter->req), "link", code, code);
    struct span argv[] = {SPAN("GET"), key};

    return redis_send(waiter->app->redis,
                      &(struct redis_call){.key = code,
                                           .argv = argv,
                                           .argc = 2,
                                           .repeatable = true,
                                           .cb = on_link,
                                           .arg = waiter});
}

static void ask_and_wait(struct shortener *app, struct request *req,
                         struct span code, bool fill)
{
    struct waiter *waiter = arena_alloc(request_arena(req), sizeof(*waiter));

    *waiter = (struct waiter){.req = req, .app = app};
    list_init(&waiter->node);
    int err = ask(waiter, code);
    if (err < 0) {
        request_fail(req, err);
        return;
    }
    metrics_add(app->misses, 1);
    if (fill) {
        waiter->filling = cache_begin_fill(app->cache, code);
        list_append(&waiter->filling->waiters, &waiter->node);
    }
}

static void wait_for(struct shortener *app, struct request *req,
                     struct cache_entry *filling)
{
    struct waiter *waiter = arena_alloc(request_arena(req), sizeof(*waiter));

    *waiter = (struct waiter){.req = req, .app = app};
    list_append(&filling->waiters, &waiter->node);
}

void resolve(struct request *req, void *arg)
{
    struct shortener *app = arg;
    struct span code = request_param(req, "code");
    struct cache_entry *entry;

    if (!code_is_valid(code)) {
        link_refuse(req, LINK_UNKNOWN);
        return;
    }
    switch (cache_find(app->cache, code, &entry)) {
    case CACHE_STALE:
        metrics_add(app->stale, 1);
        serve_entry(app, req, entry);
        break;
    case CACHE_HIT:
        metrics_add(app->hits, 1);
        serve_entry(app, req, entry);
        break;
    case CACHE_FILLING:
        if (app->config->single_flight)
            wait_for(app, req, entry);
        else
            ask_and_wait(app, req, code, false);
        break;
    case CACHE_MISS:
        ask_and_wait(app, req, code, true);
        break;
    }
}

/* room: for the head of the longest target. */
static struct cache_fill read_fill(char *room, const struct redisReply *reply)
{
    struct link link;

    if (!link_read(reply, (struct span){0}, &link) ||
        link.url.len > LINK_URL_MAX)
        return (struct cache_fill){.state = LINK_UNKNOWN};
    if (link.deleted_us)
        return (struct cache_fill){.state = LINK_DELETED};
    return (struct cache_fill){
        .state = LINK_LIVE,
        .expires_ms = link.expires_ms,
        .status = (uint16_t)link.redirect,
        .forward_query = link.forward_query,
        .head = ready_head(room, link.redirect, link.url, INT64_MAX)};
}

/* entry: where the answer is kept from now on, or NULL. */
static void answer(struct waiter *waiter, int status,
                   const struct cache_fill *fill, struct cache_entry *entry)
{
    if (status < 0)
        request_fail(waiter->req, status);
    else
        serve(waiter->app, waiter->req, request_param(waiter->req, "code"),
              fill, entry ? &entry->cell : NULL);
}

static void on_link(void *arg, int status, const struct redisReply *reply)
{
    struct waiter *first = arg;
    struct cache_fill fill = {0};
    struct cache_entry *entry = NULL;
    struct cache *cache = first->app->cache;
    struct list waiters;
    char room[LINK_URL_MAX + HEAD_REST];

    if (status == 0)
        fill = read_fill(room, reply);
    if (!first->filling) {
        answer(first, status, &fill, NULL);
        return;
    }
    list_init(&waiters);
    list_move(&first->filling->waiters, &waiters);
    entry = cache_end_fill(cache, first->filling, status == 0 ? &fill : NULL);
    for (struct list *node; (node = list_pop(&waiters));)
        answer(LIST_ENTRY(node, struct waiter, node), status, &fill, entry);
}
