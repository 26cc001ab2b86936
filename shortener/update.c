/*
 * update.c - PATCH /v1/links/{code}: what is said changes, null clears.
 *
 *   update_link() -- change.lua --> on_updated() -- old index entries away -->
 *   on_removed() -- GET --> on_current() -- what it says is listed -->
 *   on_index()
 */
#include <inttypes.h>

#include "shortener/index.h"
#include "shortener/input.h"
#include "shortener/scripts.h"

#define MAX_ARGS 24

struct update {
    struct request *req;
    struct shortener *app;
    struct input input;
    struct span code, owner, json;
};

static void on_updated(void *arg, int status, const struct redisReply *reply);
static void on_removed(void *arg, int status);
static void on_current(void *arg, int status, const struct redisReply *reply);
static void on_index(void *arg, int status);

/* Fields and values; an empty value takes the field away. */
static size_t change_args(const struct update *update, struct span *argv)
{
    struct arena *arena = request_arena(update->req);
    const struct input *in = &update->input;
    struct {
        bool said;
        const char *field;
        struct span value;
    } changes[] = {
        {in->url.ptr != NULL, "u", in->url},
        {in->has_title, "t", in->title},
        {in->has_tags, "g", in->tags},
        {in->has_redirect, "r", arena_printf(arena, "%d", in->redirect)},
        {in->has_forward_query, "f", in->forward_query ? SPAN("1") : SPAN("")},
        {in->has_expiry, "e",
         in->expires_ms ? arena_printf(arena, "%" PRId64, in->expires_ms)
                        : SPAN("")},
        {true, "m",
         arena_printf(arena, "%" PRId64, now_unique_us(update->app->now))},
    };
    size_t n = 0;

    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        if (!changes[i].said)
            continue;
        argv[n++] = span_str(changes[i].field);
        argv[n++] = changes[i].value;
    }
    return n;
}

/* When Redis may forget the key: "" keeps, "0" is never. */
static struct span key_end(const struct update *update)
{
    const struct input *in = &update->input;

    if (!in->has_expiry)
        return SPAN("");
    if (in->expires_ms == 0)
        return SPAN("0");
    return arena_printf(request_arena(update->req), "%" PRId64,
                        in->expires_ms + LINK_TOMBSTONE_MS);
}

void update_link(struct request *req, void *arg)
{
    struct shortener *app = arg;
    struct arena *arena = request_arena(req);
    struct update *update = arena_zalloc(arena, sizeof(*update));

    *update = (struct update){
        .req = req, .app = app, .code = request_param(req, "code")};
    if (!link_check_scope(req, SPAN("links:write")) ||
        !input_read(req, app->own, now_ms(app->now), true, &update->input))
        return;

    struct span argv[MAX_ARGS] = {
        link_key(arena, "link", update->code, update->code),
        link_key(arena, "clk", update->code, update->code),
        link_owner_filter(req), key_end(update)};
    size_t argc = 4 + change_args(update, argv + 4);
    int err = redis_eval(app->redis, &script_change, 2,
                         &(struct redis_call){.key = update->code,
                                              .argv = argv,
                                              .argc = argc,
                                              .repeatable = true,
                                              .cb = on_updated,
                                              .arg = update});
    if (err < 0)
        request_fail(req, err);
}

static bool has_tag(const struct span *tags, size_t count, struct span tag)
{
    for (size_t i = 0; i < count; i++)
        if (span_eq(tags[i], tag))
            return true;
    return false;
}

static void remove_tags(struct index_job *job, const struct update *update,
                        const struct link *old, const struct link *link)
{
    struct arena *arena = request_arena(update->req);
    struct span before[LINK_TAGS_MAX];
    struct span after[LINK_TAGS_MAX];
    size_t was = input_split_tags(arena, old->tags, before, LINK_TAGS_MAX);
    size_t is = input_split_tags(arena, link->tags, after, LINK_TAGS_MAX);

    for (size_t i = 0; i < was; i++)
        if (!has_tag(after, is, before[i]))
            index_remove_tag(job, before[i], update->code);
}

static void on_updated(void *arg, int status, const struct redisReply *reply)
{
    struct update *update = arg;
    struct arena *arena = request_arena(update->req);
    struct link old;
    struct link link;

    if (status < 0) {
        request_fail(update->req, status);
        return;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        !link_read(reply->element[0], update->code, &old) ||
        !link_read(reply->element[1], update->code, &link)) {
        link_refuse(update->req, LINK_UNKNOWN);
        return;
    }
    app_crash_point(update->app->app, "update-made");
    cache_invalidate(update->app->cache, update->code);
    update->owner = arena_copy(arena, link.owner);
    update->json =
        link_json(update->req, &link, app_public_url(update->app->app));

    struct index_job *job = index_begin(update->app, update->req, update->owner,
                                        on_removed, update);
    if (update->input.has_tags)
        remove_tags(job, update, &old, &link);
    if (!span_eq(old.url, link.url) || link.expires_ms)
        index_remove_url(job, input_digest(arena, old.url), update->code);
    index_end(job);
}

/*
 * Another change may have come in between, and put back what was just taken
 * away: what is listed is what the link says after the last removal.
 */
static void on_removed(void *arg, int status)
{
    struct update *update = arg;
    struct span argv[] = {SPAN("GET"),
                          link_key(request_arena(update->req), "link",
                                   update->code, update->code)};

    if (status == 0)
        status = redis_send(update->app->redis,
                            &(struct redis_call){.key = update->code,
                                                 .argv = argv,
                                                 .argc = 2,
                                                 .repeatable = true,
                                                 .cb = on_current,
                                                 .arg = update});
    if (status < 0)
        request_fail(update->req, status);
}

static void on_current(void *arg, int status, const struct redisReply *reply)
{
    struct update *update = arg;
    struct arena *arena = request_arena(update->req);
    struct span tags[LINK_TAGS_MAX];
    struct link link;

    if (status < 0) {
        request_fail(update->req, status);
        return;
    }
    struct index_job *job =
        index_begin(update->app, update->req, update->owner, on_index, update);
    if (link_read(reply, update->code, &link) && !link.deleted_us) {
        size_t count = input_split_tags(arena, link.tags, tags, LINK_TAGS_MAX);
        for (size_t i = 0; i < count; i++)
            index_add_tag(job, tags[i], update->code, link.created_us);
        if (!link.alias && !link.expires_ms)
            index_add_url(job, input_digest(arena, link.url), update->code);
    }
    index_end(job);
}

static void on_index(void *arg, int status)
{
    struct update *update = arg;

    if (status < 0)
        request_fail(update->req, status);
    else
        request_reply_json(update->req, 200, update->json);
}
